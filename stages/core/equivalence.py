r"""Equivalence: whether two answers are the same, in tiers from cheap and exact to symbolic.

Two relations, on purpose. `accepts` judges: gold first, and a prediction may leave out the gold's unit, its name or its
percent sign, or round an endless decimal. `same` votes: symmetric, reflexive and stricter, for joining two different
answers makes a wrong label, while splitting one only costs coverage. Neither has a tolerance between exact numbers.

The text and number tiers run anywhere, in well under a millisecond. The symbolic tier must run in a process that may be
killed: see `stages.edge.workers`.
"""

import re
from enum import StrEnum
from fractions import Fraction
from functools import _lru_cache_wrapper, lru_cache, partial
from typing import NamedTuple, TypeVar

from stages.core import expressions, forms, identities, quantities, regions
from stages.core.answers import extract, payload
from stages.core.brackets import SET, bare
from stages.core.comparison import MATRIX, compare, is_region, spelled
from stages.core.forms import LIST, SCALAR, Form
from stages.core.notation import squeeze, tidy
from stages.core.symbolic import formulas_equal
from stages.core.words import folded, is_words

VERSIONED = ("math-verify", "latex2sympy2_extended", "sympy")
"""The distributions whose versions can change a verdict."""

CACHED = 100_000
"""Answers and pairs of which the last decisions are remembered: a problem's samples say few different things."""
CACHED_CHARS = 500
Found = TypeVar("Found")
_INTEGER = re.compile(r"-?[1-9][0-9]{0,17}|0")
_PAIR = re.compile(r"([1-9]\d{0,2}),(\d{3})")
KEY_CHARS = 60
"""A number with more digits keeps its own spelling as its key: 2^{1000} reads better than its value."""


class Tier(StrEnum):
    """What decided: the spelling, the exact value, values to many digits, algebra, or a language model."""

    TEXT = "text"
    NUMBER = "number"
    EVALUATED = "evaluated"
    SYMBOLIC = "symbolic"
    LLM = "llm"


class Decision(NamedTuple):
    """`equal` is None when the tiers asked could not tell; `tier` is then None too."""

    equal: bool | None
    tier: Tier | None


def canonical(answer: str) -> str:
    """The key under which spellings of one answer meet; "" when there is no usable answer.

    Equal keys mean equal answers. Lists and sets are sorted, numbers are exact and reduced, x=5 with one letter is 5.
    """
    return _remembered(_canonical, answer)


@lru_cache(maxsize=CACHED)
def _canonical(answer: str) -> str:
    if _INTEGER.fullmatch(answer):
        return answer
    form = forms.read(answer)
    if not form.parts:
        return ""
    if form.brackets == SCALAR:
        short = len(form.names[0]) <= 1 and quantities.quantity(form.parts[0]).value is not None
        return _key(form.parts[0], "" if short else form.names[0])
    keys = [_key(part, name) for part, name in zip(form.parts, form.names, strict=True)]
    if form.brackets in (LIST, SET):
        names = set(form.names) - {""}
        # p=1,q=2;p=3,q=4 pairs its parts by order: sorting would mix the pairs
        mixed = 1 < len(names) < len(form.names)
        return "{" + ", ".join(keys if mixed else sorted(keys)) + "}"
    if form.brackets.startswith(MATRIX):
        return spelled(form._replace(parts=tuple(keys)))
    return f"{form.brackets[0]}{', '.join(keys)}{form.brackets[1]}"


def number(answer: str) -> Fraction | None:
    """The exact value of an answer that is plain arithmetic without a name or unit, else None."""
    form = forms.read(answer)
    if form.brackets != SCALAR or not form.parts or form.names[0]:
        return None
    found = quantities.quantity(form.parts[0])
    return None if found.unit else found.value


def accepts_cheaply(gold: str, prediction: str) -> Decision:
    """All tiers of `accepts` but the symbolic one, which must tell of the payloads where `equal` is None.

    Either side may be a whole response.
    """
    return accepts_extracted(payload(gold), payload(prediction))


def accepts_extracted(gold: str, answer: str) -> Decision:
    """`accepts_cheaply` of an extracted answer, of which every word and line counts; so it does of the gold.

    But a gold that is a whole solution is read by its box or its statement.
    """
    return _remembered(_cheaply, _said(gold), answer, True)


def same_cheaply(a: str, b: str) -> Decision:
    """All tiers of `same` but the symbolic one, for two extracted answers; that one must tell where `equal` is None."""
    return _remembered(_cheaply, a, b, False)


def accepts_symbolically(gold: str, prediction: str) -> bool:
    """The symbolic tier of `accepts`, for two extracted answers.

    Raises ValueError when a formula is refused or unreadable, or off the main thread; TimeoutError when math-verify's
    own limit ran out.
    """
    return _told(compare(forms.read(_said(gold)), forms.read(prediction), True, formulas_equal))


def same_symbolically(a: str, b: str) -> bool:
    """The symbolic tier of `same`: both directions must hold. Raises as `accepts_symbolically`."""
    left, right = forms.read(a), forms.read(b)
    exactly = partial(formulas_equal, rounding=False)
    return all(_told(compare(x, y, False, exactly)) for x, y in ((left, right), (right, left)))


def _said(gold: str) -> str:
    """What a gold says: a whole solution by its box or its statement, anything else as it stands."""
    return extract(gold).answer or gold


def _told(equal: bool | None) -> bool:
    if equal is None:
        raise ValueError("lists too long to match")
    return equal


def _remembered(function: "_lru_cache_wrapper[Found]", *arguments: str | bool) -> Found:
    """Call a cached function, past its cache where an argument is so long that keeping it would cost memory."""
    is_long = any(isinstance(each, str) and len(each) > CACHED_CHARS for each in arguments)
    if is_long:
        found: Found = function.__wrapped__(*arguments)
        return found
    return function(*arguments)


@lru_cache(maxsize=CACHED)
def _cheaply(a: str, b: str, lenient: bool) -> Decision:
    if _INTEGER.fullmatch(a) and _INTEGER.fullmatch(b):
        return Decision(a == b, Tier.NUMBER)
    if (_joins(a) or _joins(b)) and (found := _by_points(a, b)) is not None:
        return Decision(found, Tier.EVALUATED)
    if _joins(a) != _joins(b) and is_region(a) and is_region(b):
        return Decision(False, Tier.TEXT)  # x<1 or x>2 is no x<1 and x>2
    keys = canonical(a), canonical(b)
    if "" in keys:
        return Decision(False, Tier.TEXT)
    left, right = forms.read(a), forms.read(b)
    if lenient and left.brackets != right.brackets:
        left, right = _apart(a, left, right), _apart(b, right, left)
    tier = Tier.NUMBER if _is_numeric(left) and _is_numeric(right) else Tier.TEXT
    if keys[0] == keys[1]:
        return Decision(True, tier)
    evaluated = False

    def by_value(one: str, other: str) -> bool | None:
        nonlocal evaluated
        found = _by_value(one, other, lenient)
        evaluated |= found is not None
        return found

    try:
        equal = compare(left, right, lenient, by_value)
    except RecursionError:
        return Decision(None, None)
    return Decision(equal, None if equal is None else Tier.EVALUATED if evaluated else tier)


def _apart(text: str, form: Form, other: Form) -> Form:
    """81,256 as the two numbers that the other side says they are."""
    pair = _PAIR.fullmatch(text.strip())
    return forms.read(f"{pair[1]}, {pair[2]}") if pair and other.brackets == LIST else form


def _joins(text: str) -> set[str]:
    """Which of "and" and "or" a text has, if it has only one of them."""
    found = {word.lower() for word in re.findall(r"\b(?:and|or|AND|OR)\b", text)}
    return found if len(found) == 1 else set()


def _by_points(a: str, b: str) -> bool | None:
    """Two parts of the line, x<1 or x>2, by the points that they hold; None where one of them is none."""
    if max(len(a), len(b)) > forms.MAX_CHARS:
        return None
    texts = bare(tidy(a)), bare(tidy(b))
    return regions.equal(*texts) if any(map(is_region, texts)) else None


def _by_value(one: str, other: str, lenient: bool) -> bool | None:
    """Two formulas by what they are worth: expressions, equations, unions of intervals; None for anything else."""
    are_regions = is_region(one), is_region(other)
    if any(are_regions):
        # an inequality of its own is left to algebra, which knows more of them
        found = None if regions.is_inequality(one) or regions.is_inequality(other) else regions.equal(one, other)
        if found is None and not all(are_regions) and expressions.read(other if are_regions[0] else one):
            return False  # a value is no part of the line
        return found
    if "=" in one and "=" in other:
        return identities.same_equation(one, other)
    return identities.equal(one, other, rounded=lenient)


def _is_numeric(form: Form) -> bool:
    return all(quantities.quantity(part).value is not None for part in form.parts)


def _key(part: str, name: str) -> str:
    """The key of one part: its name if it has one, its value in lowest terms or else its text, and its unit."""
    inner = forms.read(part)
    if len(part) > forms.MAX_CHARS:
        key = part
    elif inner.brackets != SCALAR:
        key = canonical(part)
    else:
        found = quantities.quantity(part)
        text = squeeze(found.text)
        key = folded(text) if is_words(text) else text
        if found.value is not None and len(str(found.value)) <= KEY_CHARS:
            key = str(found.value)
        key += f" {found.unit}" if found.unit else ""
    return f"{name}={key}" if name else key
