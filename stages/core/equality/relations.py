r"""Equivalence: whether two answers are the same, in tiers from cheap and exact to symbolic.

Two relations, on purpose. `accepts` judges: gold first, and a prediction may leave out the gold's unit, its name or its
percent sign, or round an endless decimal. `same` votes: symmetric, reflexive and stricter, for joining two different
answers makes a wrong label, while splitting one only costs coverage. Neither has a tolerance between exact numbers.

The text and number tiers run anywhere, in well under a millisecond. The symbolic tier must run in a process that may be
killed: see `stages.edge.workers.algebra`.
"""

import re
from enum import StrEnum
from functools import lru_cache, partial
from typing import NamedTuple

from stages.core.answers import expressions, forms, quantities
from stages.core.answers.brackets import bare
from stages.core.answers.extraction import extract, payload
from stages.core.answers.forms import LIST, Form
from stages.core.answers.keys import CACHED, INTEGER, call_cached, canonical
from stages.core.answers.notation import tidy
from stages.core.equality import identities, intervals
from stages.core.equality.comparison import compare, is_subset
from stages.core.equality.symbolic import formulas_equal

VERSIONED = ("math-verify", "latex2sympy2_extended", "sympy")
"""The distributions whose versions can change a verdict."""

Pair = tuple[str, str]
"""Two answers, or a gold and an answer."""

_THOUSANDS = re.compile(r"([1-9]\d{0,2}),(\d{3})")


class Tier(StrEnum):
    """What decided: the spelling, the exact value, values to many digits, algebra, or a language model."""

    TEXT = "text"
    NUMBER = "number"
    EVALUATED = "evaluated"
    SYMBOLIC = "symbolic"
    LLM = "llm"


class Decision(NamedTuple):
    """`equal` is None when the tiers that ran could not decide; `tier` is then None too."""

    equal: bool | None
    tier: Tier | None


def accepts_cheaply(gold: str, prediction: str) -> Decision:
    """All tiers of `accepts` but the symbolic one, which must decide on the payloads where `equal` is None.

    Either side may be a whole response.
    """
    return accepts_extracted(payload(gold), payload(prediction))


def accepts_extracted(gold: str, answer: str) -> Decision:
    """`accepts_cheaply` of an extracted answer, in which every word and line counts.

    A gold that is a whole solution is read by its box or its statement; of any other every word counts too.
    """
    return call_cached(_cheaply, _gold_answer(gold), answer, True)


def same_cheaply(a: str, b: str) -> Decision:
    """All tiers of `same` but the symbolic one, for two extracted answers; that one decides where `equal` is None."""
    return call_cached(_cheaply, a, b, False)


def accepts_symbolically(gold: str, prediction: str) -> bool:
    """The symbolic tier of `accepts`, for two extracted answers.

    Raises ValueError when a formula is refused or unreadable, or off the main thread; TimeoutError when math-verify's
    own limit ran out.
    """
    return _decided(compare(forms.read(_gold_answer(gold)), forms.read(prediction), True, formulas_equal))


def same_symbolically(a: str, b: str) -> bool:
    """The symbolic tier of `same`: both directions must hold. Raises as `accepts_symbolically`."""
    left, right = forms.read(a), forms.read(b)
    exactly = partial(formulas_equal, rounding=False)
    return all(_decided(compare(x, y, False, exactly)) for x, y in ((left, right), (right, left)))


def _gold_answer(gold: str) -> str:
    """The answer of a gold: of a whole solution its box or its statement, of anything else all of it."""
    return extract(gold).answer or gold


def _decided(equal: bool | None) -> bool:
    if equal is None:
        raise ValueError("lists too long to match")
    return equal


@lru_cache(maxsize=CACHED)
def _cheaply(a: str, b: str, lenient: bool) -> Decision:
    if INTEGER.fullmatch(a) and INTEGER.fullmatch(b):
        return Decision(a == b, Tier.NUMBER)
    if (_joins(a) or _joins(b)) and (equal := _as_subsets(a, b)) is not None:
        return Decision(equal, Tier.EVALUATED)
    if _joins(a) != _joins(b) and is_subset(a) and is_subset(b):
        return Decision(False, Tier.TEXT)  # x<1 or x>2 is no x<1 and x>2
    keys = canonical(a), canonical(b)
    if "" in keys:
        return Decision(False, Tier.TEXT)
    left, right = forms.read(a), forms.read(b)
    if lenient and left.brackets != right.brackets:
        left, right = _as_pair(a, left, right), _as_pair(b, right, left)
    tier = Tier.NUMBER if _is_numeric(left) and _is_numeric(right) else Tier.TEXT
    if keys[0] == keys[1]:
        return Decision(True, tier)
    evaluated = False

    def by_value(one: str, other: str) -> bool | None:
        nonlocal evaluated
        equal = _by_value(one, other, lenient)
        evaluated |= equal is not None
        return equal

    try:
        equal = compare(left, right, lenient, by_value)
    except RecursionError:
        return Decision(None, None)
    return Decision(equal, None if equal is None else Tier.EVALUATED if evaluated else tier)


def _as_pair(text: str, form: Form, other: Form) -> Form:
    """81,256 as two numbers where the other side is a list."""
    pair = _THOUSANDS.fullmatch(text.strip())
    return forms.read(f"{pair[1]}, {pair[2]}") if pair and other.brackets == LIST else form


def _joins(text: str) -> set[str]:
    """Which of "and" and "or" a text has, if it has only one of them."""
    connectives = {word.lower() for word in re.findall(r"\b(?:and|or|AND|OR)\b", text)}
    return connectives if len(connectives) == 1 else set()


def _as_subsets(a: str, b: str) -> bool | None:
    """Whether two subsets of the line, such as x<1 or x>2, are equal; None where one of them is none."""
    if max(len(a), len(b)) > forms.MAX_CHARS:
        return None
    texts = bare(tidy(a)), bare(tidy(b))
    return intervals.equal(*texts) if any(map(is_subset, texts)) else None


def _by_value(one: str, other: str, lenient: bool) -> bool | None:
    """Whether two expressions, equations or unions of intervals are equal in value; None for anything else."""
    are_subsets = is_subset(one), is_subset(other)
    if any(are_subsets):
        # an inequality of its own is left to algebra, which knows more of them
        equal = None if intervals.is_inequality(one) or intervals.is_inequality(other) else intervals.equal(one, other)
        if equal is None and not all(are_subsets) and expressions.read(other if are_subsets[0] else one):
            return False  # a value is no subset of the line
        return equal
    if "=" in one and "=" in other:
        return identities.same_equation(one, other)
    return identities.equal(one, other, rounded=lenient)


def _is_numeric(form: Form) -> bool:
    return all(quantities.quantity(part).value is not None for part in form.parts)
