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

from stages.core.answers import forms, structures
from stages.core.answers.brackets import bare
from stages.core.answers.conclusions import payload
from stages.core.answers.extraction import extract
from stages.core.answers.forms import LIST, Form
from stages.core.answers.keys import CACHED, INTEGER, call_cached, canonical, is_numeric
from stages.core.answers.notation import tidy
from stages.core.equality import expressions, identities, intervals, phrases
from stages.core.equality.comparison import Rules, compare
from stages.core.equality.leniency import is_subset
from stages.core.equality.symbolic import formulas_equal

VERSIONED = ("math-verify", "latex2sympy2_extended", "sympy")
"""The distributions whose versions can change a verdict."""

Pair = tuple[str, str]
"""Two answers, or a gold and an answer."""

_SUBSET = re.compile(
    r"[<>\u2200-\u22ff\u2a7d\u2a7e\u2102\u2115\u211a\u211d\u2124]|\\(?:[lg]e|[lg]t|n|not|cup|setminus|math|R|Z|in|mid|bigcup)"
)
"""A sign of a subset of the line, as it is typed."""
_THOUSANDS = re.compile(r"([1-9]\d{0,2}),([1-9]\d{2})")


class Tier(StrEnum):
    """What decided: the spelling, exact values, a rounded gold, values to many digits, algebra, a language model."""

    TEXT = "text"
    NUMBER = "number"
    ROUNDED = "rounded"
    EVALUATED = "evaluated"
    SYMBOLIC = "symbolic"
    LLM = "llm"


class Decision(NamedTuple):
    """`equal` is None when the tiers that ran could not decide; `tier` is then None too."""

    equal: bool | None
    tier: Tier | None


def accepts_cheaply(gold: str, prediction: str, rounded: bool = True) -> Decision:
    """All tiers of `accepts` but the symbolic one, which must decide on the payloads where `equal` is None.

    Either side may be a whole response. With `rounded` a decimal gold of three significant digits or more accepts an
    exact fraction that rounds to it: 6.46 accepts 84/13.
    """
    return accepts_extracted(payload(gold), payload(prediction), rounded)


def accepts_extracted(gold: str, answer: str, rounded: bool = True) -> Decision:
    """`accepts_cheaply` of an extracted answer, in which every word and line counts.

    A gold that is a whole solution is read by its box or its statement; of any other every word counts too.
    """
    return call_cached(_cheaply, _gold_answer(gold), answer, True, rounded)


def same_cheaply(a: str, b: str) -> Decision:
    """All tiers of `same` but the symbolic one, for two extracted answers; that one decides where `equal` is None."""
    return call_cached(_cheaply, a, b, False, False)


def accepts_symbolically(gold: str, prediction: str) -> bool:
    """The symbolic tier of `accepts`, for two extracted answers.

    Raises ValueError when a formula is refused or unreadable, or off the main thread; TimeoutError when math-verify's
    own limit ran out.
    """
    rules = Rules(True, formulas_equal)
    return _decided(compare(forms.read(_gold_answer(gold)), forms.read(prediction), rules))


def same_symbolically(a: str, b: str) -> bool:
    """The symbolic tier of `same`: both directions must hold. Raises as `accepts_symbolically`."""
    left, right = forms.read(a), forms.read(b)
    exactly = partial(formulas_equal, rounding=False)
    return all(_decided(compare(x, y, Rules(False, exactly))) for x, y in ((left, right), (right, left)))


def _gold_answer(gold: str) -> str:
    """The answer of a gold: of a whole solution its box or its statement, of anything else all of it."""
    return extract(gold).answer or gold


def _decided(equal: bool | None) -> bool:
    if equal is None:
        raise ValueError("lists too long to match")
    return equal


@lru_cache(maxsize=CACHED)
def _cheaply(a: str, b: str, lenient: bool, rounded: bool) -> Decision:
    if INTEGER.fullmatch(a) and INTEGER.fullmatch(b):
        return Decision(a == b, Tier.NUMBER)
    keys = canonical(a), canonical(b)
    if "" in keys:
        return Decision(False, Tier.TEXT)
    if keys[0] == keys[1]:
        return Decision(True, Tier.NUMBER if is_numeric(a) and is_numeric(b) else Tier.TEXT)
    try:
        return _compared(a, b, lenient, rounded)
    except RecursionError:
        return Decision(None, None)


def _compared(a: str, b: str, lenient: bool, rounded: bool) -> Decision:
    """The decision on two answers of different keys, with the highest of the tiers that had a say."""
    region = _as_subsets(a, b, lenient)
    if region is not None:
        return Decision(region, Tier.EVALUATED)
    if _joins(a) != _joins(b) and is_subset(a) and is_subset(b):
        return Decision(False, Tier.TEXT)  # x<1 or x>2 is no x<1 and x>2
    left, right = forms.read(a), forms.read(b)
    if lenient and left.brackets != right.brackets:
        left, right = _as_pair(a, left, right), _as_pair(b, right, left)
    evaluated = False

    def by_value(one: str, other: str) -> bool | None:
        nonlocal evaluated
        equal = _by_value(one, other, lenient)
        evaluated |= equal is not None
        return equal

    rules = Rules(lenient, by_value, rounded)
    equal = compare(left, right, rules)
    if equal is None:
        return Decision(None, None)
    if equal and rules.by_rounding:
        return Decision(True, Tier.ROUNDED)
    return Decision(equal, Tier.EVALUATED if evaluated else Tier.NUMBER if rules.by_number else Tier.TEXT)


def _as_pair(text: str, form: Form, other: Form) -> Form:
    """81,256 as two numbers where the other side is a list."""
    pair = _THOUSANDS.fullmatch(text.strip())
    return forms.read(f"{pair[1]}, {pair[2]}") if pair and other.brackets == LIST else form


def _joins(text: str) -> set[str]:
    """Which of "and" and "or" a text has, if it has only one of them."""
    connectives = {word.lower() for word in re.findall(r"\b(?:and|or|AND|OR)\b", text)}
    return connectives if len(connectives) == 1 else set()


def _as_subsets(a: str, b: str, lenient: bool) -> bool | None:
    """Whether two subsets of the line, such as x<1 or x>2, are equal; None where one of them is none."""
    if max(len(a), len(b)) > forms.MAX_CHARS or not (_SUBSET.search(a) or _SUBSET.search(b)):
        return None
    left, right = (bare(tidy(side)) for side in (a, b))
    if not is_subset(left) and not is_subset(right):
        return None
    left, right = (structures.condition(side) or side for side in (left, right))
    if lenient:
        left, right = (phrases.in_symbols(phrases.unqualified(side)) for side in (left, right))
    return intervals.equal(left, right, lenient) if is_subset(left) or is_subset(right) else None


def _by_value(one: str, other: str, lenient: bool) -> bool | None:
    """Whether two expressions, equations or unions of intervals are equal in value; None for anything else."""
    are_subsets = is_subset(one), is_subset(other)
    if any(are_subsets):
        equal = intervals.equal(one, other, lenient)
        if equal is None and not all(are_subsets) and expressions.read(other if are_subsets[0] else one):
            return False  # a value is no subset of the line
        return equal
    if "=" in one and "=" in other:
        return identities.same_equation(one, other)
    return identities.equal(one, other, rounded=lenient)
