r"""Keys: one text for all spellings of an answer, without comparing two answers.

Equal keys mean equal answers. Different keys may be equal too: 2 and 1+1+x-x are compared in `stages.core.equality`.
"""

import re
from fractions import Fraction
from functools import _lru_cache_wrapper, lru_cache
from typing import TypeVar

from stages.core.answers import forms, quantities
from stages.core.answers.brackets import SET
from stages.core.answers.forms import CASES, CYCLES, EITHER, FAMILY, LIST, MATRIX, ROW, SCALAR, spelled
from stages.core.answers.notation import squeeze
from stages.core.answers.words import folded, is_words

CACHED = 100_000
"""Answers and pairs of which the last decisions are remembered: a problem's samples give few different answers."""
CACHED_CHARS = 500
KEY_CHARS = 60
"""A number with more digits keeps its own spelling as its key: 2^{1000} reads better than its value."""
INTEGER = re.compile(r"-?[1-9][0-9]{0,17}|0")
Result = TypeVar("Result")


def canonical(answer: str) -> str:
    """The key that all spellings of one answer share; "" when there is no usable answer.

    Equal keys mean equal answers. Lists and sets are sorted, numbers are exact and reduced, x=5 is 5.
    """
    return call_cached(_canonical, answer)


@lru_cache(maxsize=CACHED)
def _canonical(answer: str) -> str:
    if INTEGER.fullmatch(answer):
        return answer
    form = forms.read(answer)
    if not form.parts:
        return ""
    if form.brackets == SCALAR:
        # x is the name of what has none; with two such letters 5 could not meet both a=5 and b=5 and keep them apart
        short = form.names[0] in ("", "x") and quantities.quantity(form.parts[0]).value is not None
        return _key(form.parts[0], "" if short else form.names[0])
    if form.brackets == CYCLES:
        return spelled(form)
    keys = [_key(part, name) for part, name in zip(form.parts, form.names, strict=True)]
    if form.brackets in (LIST, SET):
        names = set(form.names) - {""}
        # p=1,q=2;p=3,q=4 pairs its parts by order: sorting would mix the pairs
        mixed = 1 < len(names) < len(form.names)
        return "{" + ", ".join(keys if mixed else sorted(keys)) + "}"
    if form.brackets in (EITHER, CASES):
        return spelled(form._replace(parts=tuple(sorted(keys)), names=("",) * len(keys)))
    if form.brackets in (MATRIX, ROW, FAMILY):
        return spelled(form._replace(parts=tuple(keys), names=("",) * len(keys)))
    return f"{form.brackets[0]}{', '.join(keys)}{form.brackets[1]}"


def number(answer: str) -> Fraction | None:
    """The exact value of an answer that is plain arithmetic without a name or unit, else None."""
    form = forms.read(answer)
    if form.brackets != SCALAR or not form.parts or form.names[0]:
        return None
    quantity = quantities.quantity(form.parts[0])
    return None if quantity.unit else quantity.value


def agree(a: str, b: str) -> bool:
    """Whether two answers have the same key, or are the same exact number.

    One of two numbers may leave out its name or its unit, and a percentage is read as a share or as it stands.
    """
    if canonical(a) == canonical(b):
        return canonical(a) != ""
    left, right = _measured(a), _measured(b)
    if left is None or right is None:
        return False
    (name, one), (other_name, other) = left, right
    if name != other_name and name and other_name:
        return False
    if {one.unit, other.unit} == {"%", ""}:
        return _as_share(one) == _as_share(other) or one.value == other.value
    return one.value == other.value and (one.unit == other.unit or "" in (one.unit, other.unit))


def is_numeric(answer: str) -> bool:
    """Whether an answer is an exact number, or several, whatever their names and units."""
    form = forms.read(answer)
    return bool(form.parts) and all(quantities.quantity(part).value is not None for part in form.parts)


def _measured(answer: str) -> tuple[str, quantities.Quantity] | None:
    """Name and quantity of an answer that is one exact number."""
    form = forms.read(answer)
    return (
        (form.names[0], quantities.quantity(form.parts[0])) if form.brackets == SCALAR and is_numeric(answer) else None
    )


def _as_share(number: quantities.Quantity) -> Fraction | None:
    return number.value / 100 if number.value is not None and number.unit == "%" else number.value


def call_cached(function: "_lru_cache_wrapper[Result]", *arguments: str | bool) -> Result:
    """Call a cached function, but bypass its cache for arguments so long that caching them would cost memory."""
    if any(isinstance(each, str) and len(each) > CACHED_CHARS for each in arguments):
        result: Result = function.__wrapped__(*arguments)
        return result
    return function(*arguments)


def _key(part: str, name: str) -> str:
    """The key of one part: its name if it has one, its value in lowest terms or else its text, and its unit."""
    inner = forms.read(part)
    if len(part) > forms.MAX_CHARS:
        key = part
    elif inner.brackets != SCALAR:
        key = canonical(part)
    else:
        quantity = quantities.quantity(part)
        text = squeeze(quantity.text)
        key = folded(text) if is_words(text) else text
        if quantity.value is not None and len(str(quantity.value)) <= KEY_CHARS:
            key = str(quantity.value)
        key += f" {quantity.unit}" if quantity.unit else ""
    return f"{name}={key}" if name else key
