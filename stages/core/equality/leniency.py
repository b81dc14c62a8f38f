r"""Leniency: what a judge looks through around the answer that a gold asks for.

Wrapping (\{5\} for 5), the letter of a choice, words for a number or for no solution, a sentence around a value, the
name of a quantity. A vote looks through none of these.
"""

import re

from stages.core.answers import forms, structures
from stages.core.answers.brackets import SET
from stages.core.answers.forms import EITHER, FAMILY, LIST, MATRIX, SCALAR, TUPLE, Form, spelled
from stages.core.answers.quantities import quantity, without_unit
from stages.core.equality import chains, phrases
from stages.core.equality.expressions import read as read_expression

MAX_TERMS = 1_000
"""Of a list that is written with dots."""

_RELATION = re.compile(r"=|[<>]|\\(?:le|ge|ne|in)(?![a-zA-Z])")
_BOUND = re.compile(r"_\{[^{}]*\}")
_SUBSET = re.compile(r"[<>]|\\(?:le|ge|ne|cup|setminus|mathbb)(?![a-zA-Z])")
_CHOICE = re.compile(
    r"(?:(?:[Oo]ption|[Cc]hoice|[Aa]nswer)\s*)?(?:\(\s*([A-J])\s*\)|([A-J])(?:\)|[.:](?=\s|$|[^\x00-\x7f])|$)"
    r"|([A-J])\s+(?=[A-Z][a-z]+))"
)
_LETTER = re.compile(r"\(?([A-J])\)?")
_LETTERS = re.compile(r"[A-J]{2,6}")
_REMARK = re.compile(
    r"(?P<what>.*[\w)}\]!%])\s*,?\s*\(\s*(?:\\approx|about|approximately|approx\b|or\b|i\.\s?e\.|that is|in\s"
    r"|rounded|exactly|nearest)[^()]*\)",
    re.DOTALL,
)
_SENTENCE = re.compile(
    r"(?:the|there|it|its|this|that|so|thus|hence|therefore|our|we|he|she|they|his|her"
    r"|their)\b[^=<>]{0,80}?\b(?:is|are|equals|was|were|be|get|have|has)"
    r"\s+(?:exactly\s+|equal\s+to\s+)?(?P<rest>(?!not\b|less\b|more\b|at\b|between\b|from\b|no\b).+)",
    re.IGNORECASE | re.DOTALL,
)
_DERIVATIVE = re.compile(r"\\frac\{d([a-zA-Z])\}\{d[a-zA-Z]\}")
_APPLIED = re.compile(r"([A-Za-z])(?:\(([a-z](?:,[a-z])*)\)|_\{?([a-z])\}?)")


def unwrap(a: Form, b: Form) -> tuple[Form, Form]:
    r"""Gold and prediction without what a judge ignores around it: 30.4 or 152/5 is one, \{5\} is 5, m+n=5 is 5."""
    a, b = unwrapped(_in_symbols(a)), unwrapped(_in_symbols(b))
    a, b = _same_letters(a, b)
    if (a.brackets == SCALAR) != (b.brackets == SCALAR):
        a, b = (
            unwrapped(Form(SCALAR, (without_unit(form.parts[0]),), form.names)) if form.brackets == SCALAR else form
            for form in (a, b)
        )
    if LIST in (a.brackets, b.brackets) and SCALAR in (a.brackets, b.brackets):
        a, b = _single_value(a), _single_value(b)
    if {a.brackets, b.brackets} == {SCALAR, SET}:
        a, b = (_member(form) for form in (a, b))
    if {a.brackets, b.brackets} == {LIST} or SET in (a.brackets, b.brackets):
        a, b = _continued(a, len(b.parts)), _continued(b, len(a.parts))
    if a.brackets == SCALAR == b.brackets:
        if not is_relation(spelled(a)):
            b = _valued(b)
        elif not is_relation(spelled(b)):
            a = _valued(a) if chains.is_described(a) else a
    if TUPLE in (a.brackets, b.brackets):
        a, b = _as_vector(a, len(b.parts)), _as_vector(b, len(a.parts))
    if a.brackets == MATRIX:
        b = _as_matrix(b, a)
    elif b.brackets == MATRIX:
        a = _as_matrix(a, b)
    return a, b


def unwrapped(form: Form) -> Form:
    r"""`form` without the wrapping that a judge ignores: D=(0,1) is (0,1), \{(1,2)\} is (1,2)."""
    if len(form.parts) != 1 or form.brackets not in (SCALAR, SET):
        return form
    inner = forms.read(forms.point(form.parts[0]))
    return inner if inner.brackets != SCALAR and (form.brackets, inner.brackets) != (SET, SET) else form


def _in_symbols(form: Form) -> Form:
    """A form that is in words as one in symbols: all real numbers, five; and one without a remark or a qualifier."""
    if form.brackets != SCALAR and not (form.brackets in (LIST, TUPLE, EITHER) and r"\in" in spelled(form)):
        return form
    text = spelled(form)
    if len(text) > forms.MAX_CHARS:
        return form
    plain = phrases.unqualified(text)
    if remark := _REMARK.fullmatch(plain):
        plain = remark["what"]
    if (sentence := _SENTENCE.fullmatch(plain)) and _is_answer(sentence["rest"]):
        plain = sentence["rest"]
    plain = phrases.in_symbols(plain)
    return forms.read(plain) if plain != text else form


def _is_answer(text: str) -> bool:
    """Whether a text is a value or one word rather than more of a sentence."""
    found = quantity(text)
    return found.value is not None or read_expression(found.text) is not None or text.strip().isalpha()


def _valued(form: Form) -> Form:
    """The value that a chain of equations ends with."""
    value = chains.result(form)
    return Form(SCALAR, (value,), ("",)) if value else form


def _member(form: Form) -> Form:
    r"""\{5\} as 5; \{\emptyset\} is not \emptyset."""
    if form.brackets != SET or len(form.parts) != 1 or form.parts[0].startswith((r"\emptyset", r"\{")):
        return form
    inside = read_expression(form.parts[0])
    if inside is not None and inside.variables and not form.names[0]:
        return form  # the fractional part of x, perhaps
    return form._replace(brackets=SCALAR)


def _single_value(form: Form) -> Form:
    """A list that gives one value in several spellings, "30.4 or 152/5", as that value; 2, 2 are two."""
    values = {quantity(part).value for part in form.parts}
    is_one = form.brackets == LIST and len(values) == 1 and None not in values and not any(form.names)
    return Form(SCALAR, form.parts[:1], ("",)) if is_one and len(set(form.parts)) == len(form.parts) else form


def _continued(form: Form, length: int) -> Form:
    """1, 2, ..., 10 with its terms, where the other side has so many of them."""
    if form.brackets not in (LIST, SET) or form.parts.count(r"\ldots") != 1 or not 3 < length <= MAX_TERMS:
        return form
    place = form.parts.index(r"\ldots")
    values = [quantity(part).value for part in form.parts if part != r"\ldots"]
    known = [value for value in values if value is not None]
    if place < 2 or place == len(form.parts) - 1 or len(known) < len(values):
        return form
    step = known[1] - known[0]
    terms = tuple(str(known[0] + step * index) for index in range(length))
    is_progression = step and terms[:place] == tuple(map(str, known[:place]))
    ends = terms[length - (len(known) - place) :] == tuple(map(str, known[place:]))
    return Form(form.brackets, terms, ("",) * length) if is_progression and ends else form


def _as_matrix(form: Form, matrix: Form) -> Form:
    """`form` as a matrix of the other side's size, where it is a vector of as many parts, or rows in brackets."""
    columns = matrix.num_columns
    rows = len(matrix.parts) // columns
    if 1 in (rows, columns):
        form = _as_vector(form, len(matrix.parts))
    if form.brackets not in (TUPLE, LIST, "[]"):
        return form
    if 1 in (rows, columns) and len(form.parts) == len(matrix.parts):
        return Form(MATRIX, form.parts, form.names, columns)
    inner = [forms.read(part) for part in form.parts]
    if len(inner) == rows and all(row.brackets in (TUPLE, "[]") and len(row.parts) == columns for row in inner):
        parts = [part for row in inner for part in row.parts]
        return Form(MATRIX, tuple(parts), ("",) * len(parts), columns)
    return form


def _as_vector(form: Form, length: int) -> Form:
    """i + 2j as (1, 2)."""
    parts = phrases.along_axes(form.parts[0], length) if form.brackets == SCALAR else None
    return Form(TUPLE, tuple(parts), ("",) * length) if parts else form


def _same_letters(a: Form, b: Form) -> tuple[Form, Form]:
    """Two answers with their arbitrary constants and their functions' variables under one letter."""
    if {a.brackets, b.brackets} <= {SCALAR, LIST}:
        left, right = (phrases.constant(spelled(form)) for form in (a, b))
        if left or right:
            return _same_constants(a, b, left, right)
    if SCALAR == a.brackets == b.brackets:
        one, other = (_APPLIED.fullmatch(form.names[0]) for form in (a, b))
        if one and other and one[1] == other[1]:
            new, old = one[2] or one[3], other[2] or other[3]
            if new != old and bool(one[2]) == bool(other[2]) and len(new) == len(old) == 1:
                b = Form(SCALAR, (structures.renamed(b.parts[0], old, new),), a.names)
    if FAMILY in (a.brackets, b.brackets) and a.brackets != b.brackets and b.brackets == FAMILY:
        return a, (forms.read(b.parts[0]) if forms.read(b.parts[0]) == a else b)
    return a, b


def _same_constants(a: Form, b: Form, left: tuple[str, str] | None, right: tuple[str, str] | None) -> tuple[Form, Form]:
    text, letter = left or (spelled(a), "")
    other, other_letter = right or (spelled(b), "")
    if letter and other_letter:
        other = structures.renamed(other, other_letter, letter)
    elif letter and not re.search(rf"(?<![\\a-zA-Z]){letter}", other):
        # the prediction does not say which of its letters is the constant: the one that the gold does not have
        mine, theirs = (
            set(re.findall(r"(?<![\\a-zA-Z])[a-zA-Z]|(?<=[a-zA-Z])[a-zA-Z](?=\b)", each)) for each in (text, other)
        )
        if len(theirs - mine) == 1:
            new = (theirs - mine).pop()
            other = re.sub(rf"(?<![\\]){new}", lambda _: letter, other)
    return forms.read(text), forms.read(other)


def choice(form: Form) -> tuple[str, str] | None:
    """The letter of a multiple-choice answer, and what it stands for: B, (B), B. or (B) 12."""
    if form.brackets == LIST and all(map(_LETTER.fullmatch, form.parts)):
        return "".join(sorted(part.strip("()") for part in form.parts)), ""
    text = spelled(form)
    if form.brackets not in (SCALAR, LIST, FAMILY):
        return None
    if form.brackets == SCALAR and _LETTERS.fullmatch(text):
        return (text, "") if list(text) == sorted(set(text)) else None
    match = _CHOICE.match(text)
    if not match or (form.brackets == LIST and not match[1]):
        return None
    rest = text[match.end() :].strip()
    if match[1] and rest and text[match.end()] in "([+-*/^=_'<>":
        return None  # (C)(x+1) is a product
    return (match[1] or match[2] or match[3], rest.lstrip(":.").strip())


def name_of(name: str) -> str:
    """One name for its spellings: of an angle, of a segment from either end, of a function and of a derivative."""
    name = re.sub(r"^m?\\angle\s*|^\\triangle\s*|\\(?:overline|bar)(?=\{)|[|{}\s]", "", name)
    if match := _DERIVATIVE.fullmatch(name):
        return match[1] + "'"
    if re.fullmatch(r"[A-Z]{2,3}", name):
        return min(name, name[::-1])
    return name if "_" in name else _APPLIED.sub(r"\1", name)


def may_be_one(name: str, other: str) -> bool:
    """Whether two names may be of one thing: a bare value meets any name, y is f(x), and no other two names meet."""
    if not name or not other:
        return True
    one, two = name_of(name), name_of(other)
    functions = ["(" in each and bool(_APPLIED.fullmatch(each)) for each in (name, other)]
    return one == two or ("y" in (one, two) and any(functions))


def is_relation(text: str) -> bool:
    """Whether a text relates two sides; the equals sign in the bounds of a sum does not."""
    return bool(_RELATION.search(_BOUND.sub("", text)))


def is_subset(text: str) -> bool:
    """Whether a text is a subset of a line or a space rather than a value: an inequality, or sets joined or cut."""
    return bool(_SUBSET.search(text))
