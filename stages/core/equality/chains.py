r"""Chains of equations: the value that they end with, where their first side describes it, as in m+n=100+13=113."""

import re

from stages.core.answers import forms
from stages.core.answers.forms import SCALAR, Form
from stages.core.answers.notation import squeeze
from stages.core.answers.numerals import evaluate
from stages.core.answers.quantities import quantity
from stages.core.equality import expressions

_DESCRIBED = re.compile(
    r"[a-wA-Z](?:\+[a-wA-Z])+|[fghpqEFGHPQRSTV]'*(?:_\{\w+\})?\([^()=]*\)|m?\\angle ?[A-Z]{1,3}"
    r"|\\(?:sin|cos|tan)(?: ?[A-Z]|\(?\\[a-z]+\)?|\([A-Z]\))"
)


def is_described(form: Form) -> bool:
    """Whether an equation gives the value of a function or of an angle, P(A)=1/2, rather than relates letters."""
    sides = forms.equated(form.parts[0]) if form.brackets == SCALAR else []
    return len(sides) > 1 and "+" not in sides[0] and _DESCRIBED.fullmatch(squeeze(sides[0])) is not None


def result(form: Form) -> str:
    """The last side of a chain of equations whose first side describes a value: 113 of m+n=100+13=113; else "".

    A description is a sum of letters, an applied function, a measured angle or a constant.
    """
    sides = forms.equated(form.parts[0]) if form.brackets == SCALAR and not form.names[0] else []
    if len(sides) < 2 or not all(sides):
        return ""
    last = quantity(sides[-1])
    value = last.value is not None or ((read := expressions.read(last.text)) is not None and not read.variables)
    if not value:
        return ""
    if len(sides) > 2 and all(forms.is_name(squeeze(side)) for side in sides[:-1]):
        return sides[-1]  # y=k=506.25
    if any(evaluate(side) is None for side in sides[1:-1]):
        return ""
    constant = expressions.read(sides[0])
    described = _DESCRIBED.fullmatch(squeeze(sides[0])) or (constant is not None and not constant.variables)
    return sides[-1] if described else ""
