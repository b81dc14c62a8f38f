r"""Comparison: two forms against each other, by exact values and structure, down to pairs of formulas.

A `Leaf` decides whether two formulas are equal: the cheap tiers pass one that may not know, the symbolic tier passes
math-verify. The gates are here: a pair is no set, words are no product of letters, and 101 in base 2 is not 101.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from stages.core.answers import forms, words
from stages.core.answers.brackets import SET, ratio
from stages.core.answers.forms import CASES, CYCLES, EITHER, FAMILY, LIST, MATRIX, ROW, SCALAR, TUPLE, Form, spelled
from stages.core.answers.notation import squeeze
from stages.core.answers.numerals import is_rounded, is_rounding_of
from stages.core.answers.quantities import Quantity, quantity
from stages.core.equality import families
from stages.core.equality.leniency import choice, is_relation, is_subset, may_be_one, unwrap
from stages.core.equality.matching import all_of, paired
from stages.core.equality.measures import in_one_unit, is_time, same_time

Leaf = Callable[[str, str], bool | None]

MAX_UNORDERED = 60
"""Longer lists are equal by their keys or undecided: matching takes the square of the length."""

_PRIME = re.compile(r"[A-Za-z](?:\s*'+|\^\{?\\prime)")
_MONOMIAL = re.compile(r"[-+\d./]*\s?[a-hj-zA-HJ-Z]{1,2}(?:\^\{?\d+\}?)?")
_BASED = re.compile(r"\d\w*_\{?\s*\w+\s*\}?")
_ARC = {"'", "''"}


@dataclass
class Rules:
    """How a comparison goes: `lenient` reads the first form as the gold, `rounded` lets a decimal gold be rounded.

    `by_number` and `by_rounding` tell afterwards whether exact values or a rounding of the gold had a say.
    """

    lenient: bool
    leaf: Leaf
    rounded: bool = False
    by_number: bool = field(default=False, init=False)
    by_rounding: bool = field(default=False, init=False)


def compare(a: Form, b: Form, rules: Rules) -> bool | None:
    """Whether two answers agree; None when only the leaf could decide."""
    if not a.parts or not b.parts:
        return False
    if rules.lenient:
        letters = choice(a), choice(b)
        if letters[0] and letters[1]:
            return _choices(letters[0], letters[1], rules)
        for place, letter in enumerate(letters):
            if letter and letter[1] and _is_marked(a, b, place):
                a, b = (forms.read(letter[1]), b) if place == 0 else (a, forms.read(letter[1]))
        a, b = unwrap(a, b)
        if not a.parts or not b.parts:
            return False
    if a.brackets == SCALAR == b.brackets:
        return _scalars(a, b, rules)
    if SCALAR in (a.brackets, b.brackets):
        scalar, sequence = (a, b) if a.brackets == SCALAR else (b, a)
        if sequence.brackets == MATRIX and r"\begin" in scalar.parts[0]:
            return rules.leaf(spelled(a), spelled(b))  # a product or a sum of matrices
        is_interval = len(sequence.parts) == 2 and sequence.brackets not in (
            LIST,
            EITHER,
            ROW,
            CYCLES,
            CASES,
            FAMILY,
            MATRIX,
        )
        is_set = sequence.brackets == SET
        return rules.leaf(spelled(a), spelled(b)) if (is_interval or is_set) and is_subset(spelled(scalar)) else False
    return _sequences(a, b, rules)


def _is_marked(a: Form, b: Form, place: int) -> bool:
    """Whether a side shows its value behind a letter in brackets, "(B) 12", while the other is a value alone."""
    side, other = (a, b) if place == 0 else (b, a)
    return spelled(side).lstrip().startswith("(") and choice(other) is None


def _choices(gold: tuple[str, str], other: tuple[str, str], rules: Rules) -> bool | None:
    """Two choices by their letters and, where both give it, by what these stand for."""
    if gold[0] != other[0]:
        return False
    if not gold[1] or not other[1] or squeeze(gold[1]) == squeeze(other[1]):
        return True
    return compare(forms.read(gold[1]), forms.read(other[1]), rules)


def _scalars(a: Form, b: Form, rules: Rules) -> bool | None:
    if max(len(a.parts[0]), len(b.parts[0])) > forms.MAX_CHARS:
        return rules.leaf(a.parts[0], b.parts[0])
    left, right = quantity(a.parts[0]), quantity(b.parts[0])
    texts = squeeze(left.text), squeeze(right.text)
    swap = _names_swap(a, b, texts)
    if rules.lenient and not swap and not may_be_one(a.names[0], b.names[0]):
        return False
    if left.value is not None and right.value is not None:
        free = rules.lenient or a.names == b.names or {*a.names, *b.names} == {"", "x"}
        rules.by_number = True
        return free and _quantities(left, right, rules)
    if all(a.names + b.names) and ("'" in a.names[0]) != ("'" in b.names[0]) and not rules.lenient:
        return False
    if texts[0] == texts[1] and left.unit == right.unit and (rules.lenient or a.names == b.names):
        return True
    if swap:
        return rules.leaf(spelled(a), spelled(b))
    if sorted(_PRIME.findall(texts[0])) != sorted(_PRIME.findall(texts[1])):
        return False  # math-verify takes a derivative for its function
    single = all(len(text) == 1 for text in texts)
    based = [_BASED.search(text) for text in texts]
    if single or any(based) or _is_multiple(left, right) or _is_multiple(right, left):
        # math-verify drops subscripts and takes the letter of 10m for a unit
        return False
    are_words = [words.is_words(text) for text in texts]
    if any(are_words):
        return _words(texts, are_words, rules)
    if ":" in texts[0] + texts[1] and not any(map(is_relation, texts)):
        return _ratios(a.parts[0], b.parts[0], rules)
    units = {left.unit, right.unit}
    if (
        rules.lenient
        and units == {"degree", ""}
        and any(r"\pi" in each.text for each in (left, right) if not each.unit)
    ):
        degrees, radians = (left, right) if left.unit else (right, left)
        return rules.leaf(rf"\frac{{({degrees.text})\pi}}{{180}}", radians.text)
    if len(units) > 1 and not (rules.lenient and "" in units and not units & {"%", *_ARC}):
        return False
    if rules.lenient and not any(map(is_relation, texts)):
        return rules.leaf(*texts)
    related = [is_relation(spelled(form)) for form in (a, b)]
    subsets = [is_subset(spelled(form)) for form in (a, b)]
    return rules.leaf(spelled(a), spelled(b)) if related[0] == related[1] or all(subsets) else False


def _words(texts: tuple[str, str], are_words: list[bool], rules: Rules) -> bool:
    """Words by their letters; a judge takes the letters of several choices in any order: DCA is ACD."""
    if rules.lenient and _is_choices(texts[0]) and sorted(texts[0]) == sorted(texts[1]):
        return True
    return all(are_words) and words.key(texts[0], rules.lenient) == words.key(texts[1], rules.lenient)


def _is_choices(text: str) -> bool:
    return bool(re.fullmatch(r"[A-J]{3,6}", text)) and list(text) == sorted(set(text))


def _ratios(a: str, b: str, rules: Rules) -> bool | None:
    """Ratios and times by their terms; only a judge reduces a ratio, or reads one of two terms as a fraction."""
    at_once = same_time(a, b, rules.lenient)
    if at_once is not None:
        return at_once
    left, right = ratio(a), ratio(b)
    if left and right:
        if len(left) != len(right):
            return False
        equal = all_of(compare(forms.read(x), forms.read(y), rules) for x, y in zip(left, right, strict=True))
        if equal or not rules.lenient or (is_time(a) and is_time(b)) or "0" in map(squeeze, left + right):
            return equal
        products = [(f"({left[0]})*({y})", f"({right[0]})*({x})") for x, y in zip(left[1:], right[1:], strict=True)]
        return all_of(_strictly(forms.read(x), forms.read(y), rules) for x, y in products)
    terms, other = (left, b) if left else (right, a)
    if not rules.lenient or len(terms) != 2:
        return False if terms else None
    return _strictly(forms.read(rf"\frac{{{terms[0]}}}{{{terms[1]}}}"), forms.read(other), rules)


def _strictly(a: Form, b: Form, rules: Rules) -> bool | None:
    strict = Rules(False, rules.leaf)
    equal = compare(a, b, strict)
    rules.by_number |= strict.by_number
    return equal


def _names_swap(a: Form, b: Form, texts: tuple[str, str]) -> bool:
    """Whether each side is solved for a letter that the other side contains, as in x=2y and y=x/2."""
    names = a.names[0], b.names[0]
    return names[0] != names[1] and all(
        len(name) == 1
        and name.isalpha()
        and re.search(rf"(?<![\\a-zA-Z]){name}|(?<![\\a-zA-Z])[a-zA-Z]{name}(?![a-zA-Z])", text)
        for name, text in zip(names, reversed(texts), strict=True)
    )


def _is_multiple(one: Quantity, other: Quantity) -> bool:
    """Whether one side is a multiple of a letter and the other a number."""
    return other.value is not None and bool(_MONOMIAL.fullmatch(squeeze(one.text)))


def _quantities(gold: Quantity, other: Quantity, rules: Rules) -> bool:
    """Compare two exact values with their units; `lenient` lets either side leave its unit out."""
    assert gold.value is not None and other.value is not None  # the caller's condition, for the type checker
    lenient = rules.lenient
    values = [(gold.value, other.value)]
    if lenient and {gold.unit, other.unit} == {"%", ""}:
        hundred = 100 if gold.unit == "%" else 1
        values = [(gold.value / hundred, other.value / (100 if other.unit == "%" else 1))]
        if gold.unit == "%":
            values.append((gold.value, other.value))
    elif gold.unit != other.unit and (converted := in_one_unit(gold, other)):
        return converted[0] == converted[1]
    elif gold.unit != other.unit and (
        not (lenient and "" in (gold.unit, other.unit)) or {gold.unit, other.unit} & _ARC
    ):
        return False  # 30 is neither 30 minutes of arc nor 30 feet
    if any(left == right for left, right in values):
        return True
    if not lenient or gold.unit != other.unit:
        return False
    if is_rounding_of(gold.text, gold.value, other.value) or is_rounding_of(other.text, other.value, gold.value):
        return True
    return _is_rounded(gold, other, rules)


def _is_rounded(gold: Quantity, other: Quantity, rules: Rules) -> bool:
    """Whether a decimal gold is the value of an exact fraction, rounded at its last place."""
    assert gold.value is not None and other.value is not None
    found = rules.rounded and "." not in other.text and is_rounded(gold.text, gold.value, other.value)
    rules.by_rounding |= found
    return found


def _sequences(a: Form, b: Form, rules: Rules) -> bool | None:
    kinds = {a.brackets, b.brackets}
    loose = rules.lenient and (kinds == {LIST, TUPLE} or (ROW in kinds and kinds <= {ROW, LIST, TUPLE, "[]"}))
    if not (len(kinds) == 1 or kinds == {LIST, SET} or loose):
        return False
    if kinds == {SET} and len({sum(part.startswith(r"\{") for part in form.parts) for form in (a, b)}) > 1:
        return False  # the set of a set is not that set
    if kinds == {CYCLES}:
        return a.parts == b.parts
    if kinds == {FAMILY}:
        return _families(a, b, rules)
    if len(a.parts) != len(b.parts) or a.num_columns != b.num_columns:
        return False
    pairs = _by_name(a, b)
    if pairs is None:
        if not rules.lenient and _names(a) != _names(b):
            return False
        if rules.lenient and not all(may_be_one(*each) for each in _shared_names(a, b)):
            return False
        named = max(len(_names(a)), len(_names(b))) > 1
        if (kinds <= {LIST, SET} and not named) or kinds <= {EITHER, CASES}:
            return _unordered(list(_told(a)), list(_told(b)), rules)
        pairs = list(zip(a.parts, b.parts, strict=True))
    return all_of(compare(forms.read(x), forms.read(y), rules) for x, y in pairs)


def _told(form: Form) -> list[str]:
    """The parts of a form, with their names where these differ."""
    if form.brackets != EITHER:
        return list(form.parts)
    return [f"{name}={part}" if name else part for name, part in zip(form.names, form.parts, strict=True)]


def _families(a: Form, b: Form, rules: Rules) -> bool | None:
    """Families by their members for k and the numbers that k may be; 2k+1 and 2k-1 are one."""
    if squeeze(a.parts[1]) != squeeze(b.parts[1]):
        return False
    equal = compare(forms.read(a.parts[0]), forms.read(b.parts[0]), rules)
    return equal or (True if families.are_shifted(a.parts[0], b.parts[0], a.parts[1]) else equal)


def _shared_names(a: Form, b: Form) -> list[tuple[str, str]]:
    """The names of two sequences that each have one name for all their parts."""
    one, two = _names(a), _names(b)
    return [(one.pop(), two.pop())] if len(one) == 1 == len(two) else []


def _names(form: Form) -> set[str]:
    return set(form.names) - {""}


def _by_name(a: Form, b: Form) -> list[tuple[str, str]] | None:
    """Pairs of parts with equal names, when both sides name each of their parts once; no pairs match no names."""
    if not (len(_names(a)) == len(a.names) > 1 and _names(a) == _names(b) and len(_names(b)) == len(b.names)):
        return None
    other = dict(zip(b.names, b.parts, strict=True))
    return [(part, other[name]) for name, part in zip(a.names, a.parts, strict=True)]


def _unordered(left: list[str], right: list[str], rules: Rules) -> bool | None:
    """Compare as multisets: each part has a partner that is equal, or could be; neither order nor side matters."""
    if len(left) > MAX_UNORDERED:
        return None
    for part in list(left):
        if part in right:
            left.remove(part)
            right.remove(part)
    verdicts = [[compare(forms.read(x), forms.read(y), rules) for y in right] for x in left]
    return paired(verdicts)
