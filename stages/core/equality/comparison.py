r"""Comparison: two forms against each other, by exact values and structure, down to pairs of formulas.

A `Leaf` decides whether two formulas are equal: the cheap tiers pass one that may not know, the symbolic tier passes
math-verify. The gates are here: a pair is no set, words are no product of letters, and 101 in base 2 is not 101.
"""

import re
from collections.abc import Callable

from stages.core.answers import forms, words
from stages.core.answers.brackets import SET, ratio
from stages.core.answers.forms import LIST, MATRIX, SCALAR, TUPLE, Form, spelled
from stages.core.answers.notation import squeeze
from stages.core.answers.numerals import is_rounding_of
from stages.core.answers.quantities import Quantity, is_time, quantity, same_time, without_unit
from stages.core.equality.matching import all_of, paired

Leaf = Callable[[str, str], bool | None]

MAX_UNORDERED = 60
"""Longer lists are equal by their keys or undecided: matching takes the square of the length."""

_RELATION = re.compile(r"=|[<>]|\\(?:le|ge|ne|in)(?![a-zA-Z])")
_BOUND = re.compile(r"_\{[^{}]*\}")
_SUBSET = re.compile(r"[<>]|\\(?:le|ge|ne|cup|setminus|mathbb)(?![a-zA-Z])")
_BASED = re.compile(r"\d\w*_\{?\s*\w+\s*\}?")
_PRIME = re.compile(r"[A-Za-z](?:\s*'+|\^\{?\\prime)")
_CHOICE = re.compile(r"\(?([A-J])(?:\)|[.:](?=\s|$|[^\x00-\x7f])|$)|([A-J])\s+(?=[A-Z][a-z]+)")
_LETTER = re.compile(r"[A-J]")
_LETTERS = re.compile(r"[A-J]{2,6}")
_MONOMIAL = re.compile(r"[-+\d./]*\s?[a-hj-zA-HJ-Z]{1,2}(?:\^\{?\d+\}?)?")


def compare(a: Form, b: Form, lenient: bool, leaf: Leaf) -> bool | None:
    """Whether two answers agree; None when only `leaf` could decide. `lenient` reads `a` as the gold."""
    if not a.parts or not b.parts:
        return False
    if lenient:
        letters = _choice(a), _choice(b)
        if letters[0] and letters[1]:
            return _choices(letters[0], letters[1], leaf)
        a, b = _without_wrapping(a, b)
        if a.brackets == MATRIX:
            b = _as_matrix(b, a)
        elif b.brackets == MATRIX:
            a = _as_matrix(a, b)
    if a.brackets == SCALAR == b.brackets:
        return _scalars(a, b, lenient, leaf)
    if SCALAR in (a.brackets, b.brackets):
        scalar, sequence = (a, b) if a.brackets == SCALAR else (b, a)
        if sequence.brackets == MATRIX and r"\begin" in scalar.parts[0]:
            return leaf(spelled(a), spelled(b))  # a product or a sum of matrices
        is_interval = len(sequence.parts) == 2 and sequence.brackets not in (LIST, SET)
        return leaf(spelled(a), spelled(b)) if is_interval and is_subset(spelled(scalar)) else False
    return _sequences(a, b, lenient, leaf)


def _without_wrapping(a: Form, b: Form) -> tuple[Form, Form]:
    r"""Gold and prediction without what a judge ignores around it: 30.4 or 152/5 is one, \{5\} is 5, m+n=5 is 5."""
    a, b = unwrapped(a), unwrapped(b)
    if (a.brackets == SCALAR) != (b.brackets == SCALAR):
        a, b = (
            unwrapped(Form(SCALAR, (without_unit(form.parts[0]),), form.names)) if form.brackets == SCALAR else form
            for form in (a, b)
        )
    if LIST in (a.brackets, b.brackets) and SCALAR in (a.brackets, b.brackets):
        a, b = _single_value(a), _single_value(b)
    if {a.brackets, b.brackets} == {SCALAR, SET}:
        a, b = (form._replace(brackets=SCALAR) if len(form.parts) == 1 else form for form in (a, b))
    if a.brackets == SCALAR == b.brackets and not _is_relation(spelled(a)):
        result = forms.result(b)
        b = Form(SCALAR, (result,), ("",)) if result else b
    return a, b


def _single_value(form: Form) -> Form:
    """A list that gives one value in several spellings, "30.4 or 152/5", as that value; 2, 2 are two."""
    values = {quantity(part).value for part in form.parts}
    is_one = form.brackets == LIST and len(values) == 1 and None not in values and not any(form.names)
    return Form(SCALAR, form.parts[:1], ("",)) if is_one and len(set(form.parts)) == len(form.parts) else form


def unwrapped(form: Form) -> Form:
    r"""`form` without the wrapping that a judge ignores: D=(0,1) is (0,1), \{(1,2)\} is (1,2)."""
    if len(form.parts) != 1 or form.brackets not in (SCALAR, SET):
        return form
    inner = forms.read(forms.point(form.parts[0]))
    return inner if inner.brackets != SCALAR else form


def _as_matrix(form: Form, matrix: Form) -> Form:
    """`form` as a matrix of the other side's size, where it is a vector of as many parts, or rows in brackets."""
    columns = matrix.num_columns
    rows = len(matrix.parts) // columns
    if form.brackets not in (TUPLE, LIST, "[]"):
        return form
    if 1 in (rows, columns) and len(form.parts) == len(matrix.parts):
        return Form(MATRIX, form.parts, form.names, columns)
    inner = [forms.read(part) for part in form.parts]
    if len(inner) == rows and all(row.brackets in (TUPLE, "[]") and len(row.parts) == columns for row in inner):
        parts = tuple(part for row in inner for part in row.parts)
        return Form(MATRIX, parts, ("",) * len(parts), columns)
    return form


def _choice(form: Form) -> tuple[str, str] | None:
    """The letter of a multiple-choice answer, and what it stands for: B, (B), B. or (B) 12."""
    if form.brackets == LIST and all(_LETTER.fullmatch(part) for part in form.parts):
        return "".join(sorted(form.parts)), ""
    text = spelled(form)
    if form.brackets != SCALAR or _LETTERS.fullmatch(text):
        return (text, "") if form.brackets == SCALAR and list(text) == sorted(set(text)) else None
    match = _CHOICE.match(text)
    return (match[1] or match[2], text[match.end() :].strip()) if match else None


def _choices(gold: tuple[str, str], other: tuple[str, str], leaf: Leaf) -> bool | None:
    """Two choices by their letters and, where both give it, by what these stand for."""
    if gold[0] != other[0]:
        return False
    if not gold[1] or not other[1] or squeeze(gold[1]) == squeeze(other[1]):
        return True
    return compare(forms.read(gold[1]), forms.read(other[1]), True, leaf)


def _scalars(a: Form, b: Form, lenient: bool, leaf: Leaf) -> bool | None:
    if max(len(a.parts[0]), len(b.parts[0])) > forms.MAX_CHARS:
        return leaf(a.parts[0], b.parts[0])
    left, right = quantity(a.parts[0]), quantity(b.parts[0])
    if left.value is not None and right.value is not None:
        free = lenient or len(a.names[0]) <= 1 >= len(b.names[0]) or a.names == b.names
        return free and _quantities(left, right, lenient)
    texts = squeeze(left.text), squeeze(right.text)
    if all(a.names + b.names) and ("'" in a.names[0]) != ("'" in b.names[0]):
        return False
    if texts[0] == texts[1] and left.unit == right.unit and (lenient or a.names == b.names):
        return True
    if _names_swap(a, b, texts):
        return leaf(spelled(a), spelled(b))
    single = all(len(text) == 1 for text in texts)
    if sorted(_PRIME.findall(texts[0])) != sorted(_PRIME.findall(texts[1])):
        return False  # math-verify takes a derivative for its function
    if single or any(map(_BASED.search, texts)) or _is_multiple(left, right) or _is_multiple(right, left):
        # math-verify drops subscripts and takes the letter of 10m for a unit
        return False
    are_words = [words.is_words(text) for text in texts]
    if any(are_words):
        return all(are_words) and words.key(texts[0], lenient) == words.key(texts[1], lenient)
    if ":" in texts[0] + texts[1] and not any(map(_is_relation, texts)):
        return _ratios(a.parts[0], b.parts[0], lenient, leaf)
    units = {left.unit, right.unit}
    if len(units) > 1 and not (lenient and "" in units and "%" not in units):
        return False
    if lenient and not any(map(_is_relation, texts)):
        return leaf(*texts)
    related = [_is_relation(spelled(form)) for form in (a, b)]
    subsets = [is_subset(spelled(form)) for form in (a, b)]
    return leaf(spelled(a), spelled(b)) if related[0] == related[1] or all(subsets) else False


def _ratios(a: str, b: str, lenient: bool, leaf: Leaf) -> bool | None:
    """Ratios and times by their terms; only a judge reduces a ratio, or reads one of two terms as a fraction."""
    at_once = same_time(a, b, lenient)
    if at_once is not None:
        return at_once
    left, right = ratio(a), ratio(b)
    if left and right:
        if len(left) != len(right):
            return False
        equal = all_of(compare(forms.read(x), forms.read(y), lenient, leaf) for x, y in zip(left, right, strict=True))
        if equal or not lenient or (is_time(a) and is_time(b)) or "0" in map(squeeze, left + right):
            return equal
        products = [(f"({left[0]})*({y})", f"({right[0]})*({x})") for x, y in zip(left[1:], right[1:], strict=True)]
        return all_of(compare(forms.read(x), forms.read(y), False, leaf) for x, y in products)
    terms, other = (left, b) if left else (right, a)
    if not lenient or len(terms) != 2:
        return False if terms else None
    return compare(forms.read(rf"\frac{{{terms[0]}}}{{{terms[1]}}}"), forms.read(other), False, leaf)


def _names_swap(a: Form, b: Form, texts: tuple[str, str]) -> bool:
    """Whether each side is solved for a letter that the other side contains, as in x=2y and y=x/2."""
    names = a.names[0], b.names[0]
    return names[0] != names[1] and all(
        len(name) == 1
        and name.isalpha()
        and re.search(rf"(?<![\\a-zA-Z]){name}|(?<![\\a-zA-Z])[a-zA-Z]{name}(?![a-zA-Z])", text)
        for name, text in zip(names, reversed(texts), strict=True)
    )


def _is_relation(text: str) -> bool:
    """Whether a text relates two sides; the equals sign in the bounds of a sum does not."""
    return bool(_RELATION.search(_BOUND.sub("", text)))


def is_subset(text: str) -> bool:
    """Whether a text is a subset of a line or a space rather than a value: an inequality, or sets joined or cut."""
    return bool(_SUBSET.search(text))


def _is_multiple(one: Quantity, other: Quantity) -> bool:
    """Whether one side is a multiple of a letter and the other a number."""
    return other.value is not None and bool(_MONOMIAL.fullmatch(squeeze(one.text)))


def _quantities(gold: Quantity, other: Quantity, lenient: bool) -> bool:
    """Compare two exact values with their units; `lenient` lets either side leave its unit out."""
    assert gold.value is not None and other.value is not None  # the caller's condition, for the type checker
    values = [(gold.value, other.value)]
    if lenient and {gold.unit, other.unit} == {"%", ""}:
        hundred = 100 if gold.unit == "%" else 1
        values = [(gold.value / hundred, other.value / (100 if other.unit == "%" else 1))]
        if gold.unit == "%":
            values.append((gold.value, other.value))
    elif gold.unit != other.unit and not (lenient and "" in (gold.unit, other.unit)):
        return False
    if any(left == right for left, right in values):
        return True
    if not lenient or gold.unit != other.unit:
        return False
    return is_rounding_of(gold.text, gold.value, other.value) or is_rounding_of(other.text, other.value, gold.value)


def _sequences(a: Form, b: Form, lenient: bool, leaf: Leaf) -> bool | None:
    kinds = {a.brackets, b.brackets}
    loose = lenient and kinds == {LIST, TUPLE}
    if not (len(kinds) == 1 or kinds == {LIST, SET} or loose):
        return False
    if len(a.parts) != len(b.parts) or a.num_columns != b.num_columns:
        return False
    pairs = _by_name(a, b)
    if pairs is None:
        if not lenient and _names(a) != _names(b):
            return False
        named = max(len(_names(a)), len(_names(b))) > 1
        if kinds <= {LIST, SET} and not named:
            return _unordered(list(a.parts), list(b.parts), lenient, leaf)
        pairs = list(zip(a.parts, b.parts, strict=True))
    return all_of(compare(forms.read(x), forms.read(y), lenient, leaf) for x, y in pairs)


def _names(form: Form) -> set[str]:
    return set(form.names) - {""}


def _by_name(a: Form, b: Form) -> list[tuple[str, str]] | None:
    """Pairs of parts with equal names, when both sides name each of their parts once; no pairs match no names."""
    if not (len(_names(a)) == len(a.names) > 1 and _names(a) == _names(b) and len(_names(b)) == len(b.names)):
        return None
    other = dict(zip(b.names, b.parts, strict=True))
    return [(part, other[name]) for name, part in zip(a.names, a.parts, strict=True)]


def _unordered(left: list[str], right: list[str], lenient: bool, leaf: Leaf) -> bool | None:
    """Compare as multisets: each part has a partner that is equal, or could be; neither order nor side matters."""
    if len(left) > MAX_UNORDERED:
        return None
    for part in list(left):
        if part in right:
            left.remove(part)
            right.remove(part)
    verdicts = [[compare(forms.read(x), forms.read(y), lenient, leaf) for y in right] for x in left]
    return paired(verdicts)
