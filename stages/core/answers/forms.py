r"""Forms: what kind of thing an answer is, so that a pair is never joined to a set, nor metres to kilometres.

A form is a scalar (a number, an expression or words, perhaps with a unit) or a sequence: a bare list ``1, 2``, a set
``\{1, 2\}``, a tuple ``(1, 2)``, an interval ``[1, 2)`` or a matrix. The parts of a sequence may be named
(``x=1, y=2``).
"""

import re
from functools import lru_cache
from typing import NamedTuple

from stages.core.answers import structures
from stages.core.answers.brackets import MAX_LAYERS, SET, bare, depth, split, unbracket
from stages.core.answers.notation import squeeze, tidy
from stages.core.answers.numerals import evaluate
from stages.core.answers.quantities import join_spaced_thousands, join_thousands

SCALAR = ""
LIST = ","
TUPLE = "()"
MATRIX = "matrix"
EITHER = "or"
"""Statements of which one holds: x=2 or y=3, x<1 or x>2."""
ROW, CYCLES, CASES, FAMILY = "row", "cycles", "cases", "family"
MAX_CHARS = 2_000
"""Longer answers, and deeper ones than `MAX_LAYERS`, are compared as they stand."""

_TRANSPOSE = r"\^\s*\{?\s*(?:T|\\top|\\intercal|\\mathsf\{T\}|')\s*\}?"
_NAME = re.compile(
    r"(?:\\angle\s*|\\triangle\s*)?(?:(?![a-z]{2}(?![A-Za-z]))[A-Za-z]{1,4}|\\(?!frac|sqrt|log|ln|sin|cos|tan"
    r"|int|sum|lim)[a-zA-Z]+)"
    r"(?:_\{?\w+\}?)?'{0,3}(?:\([A-Za-z](?:,[A-Za-z])*\))?"
    r"|\|[A-Z]{1,3}\||[A-Z](?:_\{\w+\})?:[A-Z](?:_\{\w+\})?|\\frac\{d[a-zA-Z]?\}\{d[a-zA-Z]\}|\\(?:overline|bar"
    r"|vec|hat)\{[A-Za-z]{1,2}\}"
)
_MATRIX = re.compile(
    r"\\begin\{(?P<kind>[pbB]?matrix|array)\}(?:\{[^{}]*\})?(?P<inside>.*)\\end\{(?P=kind)\}"
    rf"\s*(?P<transposed>{_TRANSPOSE})?",
    re.DOTALL,
)
_TURNED = re.compile(rf"(?P<inside>[(\[].*[)\]])\s*{_TRANSPOSE}", re.DOTALL)
_ENVIRONMENT = re.compile(r"\\begin\{[a-zA-Z]+\}.*?\\end\{[a-zA-Z]+\}", re.DOTALL)
_ROW_END = re.compile(r"(?:\\\\)+")
_OR = re.compile(r"\s(?:or|OR)\s")
_EQUALS = re.compile(r"=|\\in(?![a-zA-Z])")
_UNEQUAL = re.compile(r"[a-zA-Z]\s*\\ne\s*(?=[-\d\\])")
_UNEQUAL_SIGN = re.compile(r"[<>]|\\(?:le|ge|ne|in)(?![a-zA-Z])")
_POINT = re.compile(r"[ABDEFGHIJKLMOPQRSTVWXYZ](?=\([^()]*,)")


class Form(NamedTuple):
    """The structure of an answer: `brackets` is its kind; `names` belong to `parts` ("" for none)."""

    brackets: str
    parts: tuple[str, ...]
    names: tuple[str, ...]
    num_columns: int = 0
    """Of a matrix, whose parts are listed row by row."""


def read(answer: str) -> Form:
    """The form of an answer, tidied or not; an empty one has no parts."""
    if len(answer) > MAX_CHARS or depth(answer) > MAX_LAYERS:
        return Form(SCALAR, (" ".join(answer.split()),), ("",))
    return _read(answer)


@lru_cache(maxsize=10_000)
def _read(answer: str) -> Form:
    text = bare(tidy(structures.listed(answer)))
    if not text.replace(r"\ldots", "").strip(" .,;:?!-_*"):
        return Form(SCALAR, (), ())
    if r"\begin" in text:
        return _matrix(text) or _lines(text) or Form(SCALAR, (text,), ("",))
    text = join_thousands(text)
    if described := structures.condition(text):
        text = described
    if found := structures.family(text):
        return Form(FAMILY, found, ("", ""))
    if turned := _TURNED.fullmatch(text):
        inside = _read(turned["inside"])
        if inside.brackets in (TUPLE, "[]"):
            return Form(MATRIX, inside.parts, inside.names, 1)
    return _shaped(text)


def _shaped(text: str) -> Form:
    """The form of a text that is neither an environment nor described by a condition."""
    name, value = split_name(text)
    if value != text and (joined := join_thousands(value)) != value:
        return Form(SCALAR, (joined,), (name,))
    inner = bare(value)
    if inner.startswith("(") and name.startswith("(") and len(split(name[1:-1])) == len(split(inner[1:-1])) > 1:
        return Form(LIST, tuple(split(inner[1:-1])), tuple(map(squeeze, split(name[1:-1]))))
    if turned := structures.cycles(text):
        return Form(CYCLES, tuple(turned), ("",) * len(turned))
    if entries := structures.row(value):
        if len(entries) == 1:
            return Form(SCALAR, (entries[0],), (name,))
        return Form(ROW, tuple(entries), ("",) * len(entries))
    parts = _plus_minus(_shared_name(split(join_spaced_thousands(text))))
    if len(parts) > 1:
        if answers := structures.numbered(parts):
            return _named(TUPLE, answers)
        form = _named(LIST, parts)
        is_either = _OR.search(text) and (len(set(form.names)) == len(parts) or any(map(_UNEQUAL_SIGN.search, parts)))
        return form._replace(brackets=EITHER) if is_either else form
    brackets, inside = unbracket(text)
    parts = _plus_minus(split(join_spaced_thousands(inside)))
    if brackets and (len(parts) > 1 or brackets == SET):
        return _named(brackets, parts)
    if brackets in ("[]", TUPLE) and (entries := structures.row(inside)) and len(entries) > 1:
        return Form(brackets, tuple(entries), ("",) * len(entries))
    return _named(SCALAR, [text])


def _lines(text: str) -> Form | None:
    """A system of equations, or cases with their conditions."""
    found = structures.lines(text)
    if not found:
        return None
    rows, are_cases = found
    return Form(CASES, tuple(rows), ("",) * len(rows)) if are_cases else _named(LIST if len(rows) > 1 else SCALAR, rows)


def _shared_name(parts: list[str]) -> list[str]:
    r"""x\ne 1, 2 as x\ne 1, x\ne 2."""
    match = _UNEQUAL.match(parts[0]) if len(parts) > 1 else None
    if not match or not all(evaluate(part) is not None for part in parts[1:]):
        return parts
    return [parts[0], *(match[0] + part for part in parts[1:])]


def equated(text: str) -> list[str]:
    r"""The sides of a text between its equals signs (or ``\in``); those in the bounds of a sum do not count."""
    sides, start, level, end = [], 0, 0, 0
    for match in _EQUALS.finditer(text):
        level += text.count("{", end, match.start()) - text.count("}", end, match.start())
        end = match.start()
        if level == 0:
            sides.append(text[start : match.start()].strip())
            start = match.end()
    return [*sides, text[start:].strip()]


def _matrix(text: str) -> Form | None:
    """A text as a matrix, or the matrix that a sum or product of matrices results in; a determinant is none."""
    before, equals, last = text.rpartition("=")
    is_named = equals and _NAME.fullmatch(squeeze(before)) is not None
    if (
        equals
        and not is_named
        and (re.search(r"[A-Za-z]|\\ne", _ENVIRONMENT.sub("", before)) or r"\begin" not in before)
    ):
        return None
    brackets, inside = unbracket(last.strip())
    match = _MATRIX.fullmatch(inside if brackets in ("[]", TUPLE) else last.strip())
    if not match or r"\begin" in match["inside"]:
        return None
    rows = [row.split("&") for row in _ROW_END.split(match["inside"]) if row.strip()]
    if not rows or len({len(row) for row in rows}) != 1 or any(map(_EQUALS.search, rows[0])):
        return None
    columns = list(zip(*rows, strict=True)) if match["transposed"] else rows
    parts = tuple(cell.strip() for row in columns for cell in row)
    return Form(MATRIX, parts, ("",) * len(parts), len(columns[0]))


_JOINED = {EITHER: " or ", ROW: " ", CYCLES: "", FAMILY: r", k \in "}


def spelled(form: Form) -> str:
    """The text of a form, names and brackets included."""
    parts = [f"{name}={part}" if name else part for name, part in zip(form.names, form.parts, strict=True)]
    if form.brackets == MATRIX:
        width = form.num_columns
        lines = [" & ".join(parts[start : start + width]) for start in range(0, len(parts), width)]
        return r"\begin{pmatrix}" + r" \\ ".join(lines) + r"\end{pmatrix}"
    if form.brackets in _JOINED:
        return _JOINED[form.brackets].join(parts)
    if form.brackets == CASES:
        return r"\begin{cases}" + r" \\ ".join(part[1:-1].replace(", ", " & ", 1) for part in parts) + r"\end{cases}"
    left, right = {SCALAR: ("", ""), LIST: ("", ""), SET: (r"\{", r"\}")}.get(form.brackets) or tuple(form.brackets)
    return left + ", ".join(parts) + right


def is_name(text: str) -> bool:
    """Whether a squeezed text may name a value: a letter with or without index, a segment, an angle, f(x), dy/dx."""
    return _NAME.fullmatch(text) is not None


def split_name(text: str) -> tuple[str, str]:
    r"""Name and value: ("x", "5") for x=5, 5=x, x \approx 5 and x=2+3=5; ("", text) when nothing is named."""
    exact, about, value = text.partition(r"\approx")
    if about:
        name = squeeze(exact.strip())
        if _NAME.fullmatch(name):
            return name, value.strip()
        text = exact.strip() or value.strip()
    sides = equated(text)
    if len(sides) < 2 or not all(sides) or re.search(r"[<>]|\\(?:le|ge|ne|forall)(?![a-zA-Z])", text):
        return "", text
    first = squeeze(sides[0])
    if any(evaluate(side) is None for side in sides[1:-1]):
        return "", text
    if _NAME.fullmatch(first) or (first[0] == "(" and all(map(_NAME.fullmatch, split(first[1:-1])))):
        return first, sides[-1]
    if len(sides) == 2 and _NAME.fullmatch(squeeze(sides[1])) and evaluate(sides[0]) is not None:
        return squeeze(sides[1]), sides[0]
    return ("", sides[-1]) if all(evaluate(side) is not None for side in sides) else ("", text)


def point(text: str) -> str:
    """P(3,4) and P=(3,4) as (3,4); C(5,2), N(0,1) and U(0,1) are a number and distributions rather than points."""
    return _POINT.sub("", text, count=1) if _POINT.match(text) else text


def _named(brackets: str, parts: list[str]) -> Form:
    pairs = [split_name(structures.oriented(part)) for part in parts]
    return Form(brackets, tuple(value for _, value in pairs), tuple(name for name, _ in pairs))


def _plus_minus(parts: list[str]) -> list[str]:
    """The parts, with two for each that has one plus-minus sign."""
    spread: list[str] = []
    for part in parts:
        name, value = split_name(part)
        if value.count(r"\pm") == 1 and r"\mp" not in value:
            prefix = f"{name}=" if name else ""
            spread += [prefix + value.replace(r"\pm", sign) for sign in "+-"]
        else:
            spread.append(part)
    return spread
