r"""Families with an integer parameter: whether two members for k run over the same numbers, as 2k+1 and 2k-1 do."""

import re
from typing import Any

from stages.core.answers import forms
from stages.core.equality import expressions
from stages.core.equality.evaluation import evaluate
from stages.core.equality.operations import NoValueError, context

_CONTEXT = context(60)
_SMALL = _CONTEXT.mpf(10) ** -45


def are_shifted(a: str, b: str, domain: str) -> bool:
    """Whether both are linear in k, over all integers, with steps of one size and starts that whole steps part."""
    if not re.fullmatch(r"\\mathbb\{Z\}", domain.strip()):
        return False
    left, right = _line(a), _line(b)
    if left is None or right is None:
        return False
    (start, step), (other_start, other_step) = left, right
    if step == 0 or abs(abs(step) - abs(other_step)) > _SMALL * abs(step):
        return False
    steps = (other_start - start) / step
    return bool(abs(steps - _CONTEXT.nint(steps)) <= _SMALL * max(1, abs(steps)))


def _line(text: str) -> tuple[Any, Any] | None:
    """Start and step of a member that is linear in k and has no other letter."""
    form = forms.read(text)
    expression = expressions.read(form.parts[0]) if form.brackets == forms.SCALAR and form.parts else None
    if expression is None or expression.variables != {"k"} or expression.is_vague:
        return None
    try:
        values = [evaluate(expression.tree, {"k": _CONTEXT.mpf(value)}, _CONTEXT) for value in (0, 1, 2, 7)]
    except NoValueError:
        return None
    start, step = values[0], values[1] - values[0]
    size = max(map(abs, values))
    is_linear = all(
        abs(value - start - step * k) <= _SMALL * size for value, k in zip(values, (0, 1, 2, 7), strict=True)
    )
    return (start, step) if is_linear and _CONTEXT.im(start) == 0 == _CONTEXT.im(step) else None
