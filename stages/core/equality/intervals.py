r"""Subsets of the real line: unions of intervals and points, compared by their ends.

``(-\infty,2)\cup(3,5]``, ``\mathbb{R}\setminus\{1\}``, ``\{1\}\cup[2,3)``. Ends are constants, to as many digits as
`stages.core.equality.identities` gives them.
"""

import re
from typing import NamedTuple

from stages.core.answers.brackets import bare, split, unbracket
from stages.core.equality import identities

MAX_PIECES = 40
_UNION = re.compile(r"\\cup(?![a-zA-Z])")
_WITHOUT = re.compile(r"\\setminus(?![a-zA-Z])|(?<=\})\s*-\s*(?=\\\{)")
_INFINITY = re.compile(r"(-?)\s*\\infty")
_LINE = re.compile(r"\\mathbb\s*\{?\s*R\s*\}?")


_OR = re.compile(r"\s+(?:or|OR)\s+")
_AND = re.compile(r"\s+(?:and|AND)\s+")
_SIDES = re.compile(r"[<>=]|\\(?:le|ge|ne)(?![a-zA-Z])")
_VARIABLE = re.compile(r"[a-df-hj-zA-Z]|\\(?:alpha|beta|theta|lambda|mu|phi)")
_DISTANCE = re.compile(rf"\|\s*(?P<letter>{_VARIABLE.pattern})\s*(?:(?P<sign>[-+])\s*(?P<centre>[^|]+))?\|")
_MEMBER = re.compile(r"([a-zA-Z])\s*\\in(?![a-zA-Z])\s*")


class Piece(NamedTuple):
    """An interval, or a point where both ends are the same; `has_low` and `has_high`: whether they belong to it."""

    low: identities.Real
    high: identities.Real
    has_low: bool
    has_high: bool


_WHOLE = Piece(-identities.INFINITY, identities.INFINITY, False, False)


def equal(a: str, b: str, commas: bool = False) -> bool | None:
    """Whether two tidied texts are the same subset of the line; None when one of them is no union of intervals.

    `commas` reads the commas between inequalities of one variable as "and", or as "or" where nothing fits all of them.
    """
    left, right = read(a, commas), read(b, commas)
    if left is None or right is None or len(_variables(a) | _variables(b)) > 1:
        return None
    return len(left) == len(right) and all(map(_same, left, right))


def read(text: str, commas: bool = False) -> list[Piece] | None:
    """The pieces of a subset from left to right, those that touch merged; None where the text is none.

    "and" binds inequalities of one variable closer than "or".
    """
    if len(_variables(text)) > 1:
        return None
    if commas and len(clauses := _clauses(text)) > 1:
        return read(" and ".join(clauses)) or read(" or ".join(clauses))
    pieces: list[Piece] = []
    for alternative in _OR.split(text):
        common: list[Piece] | None = None
        for clause in _AND.split(alternative):
            parts = _inequality(bare(clause)) if _SIDES.search(clause) else _union(_MEMBER.sub("", clause.strip()))
            if parts is None:
                return None
            common = parts if common is None else [met for one in common for two in parts for met in _overlap(one, two)]
        pieces += common or []
    return _merged(pieces)


def _clauses(text: str) -> list[str]:
    """The inequalities between the commas of a text, [] where a part is none or a word joins them."""
    clauses = [] if _OR.search(text) or _AND.search(text) else split(text)
    return clauses if all(map(_SIDES.search, clauses)) else []


def _variables(text: str) -> set[str]:
    """The letters that a text relates to values."""
    clauses = [clause for clause in re.split(rf"{_OR.pattern}|{_AND.pattern}", text) if _SIDES.search(clause)]
    sides = [bare(side) for clause in clauses for side in _SIDES.split(bare(clause))]
    every = re.split(rf"{_OR.pattern}|{_AND.pattern}", text)
    members = {match[1] for match in map(_MEMBER.match, map(str.strip, every)) if match}
    near = {match["letter"] for match in map(_DISTANCE.fullmatch, sides) if match}
    return members | near | {side for side in sides if _VARIABLE.fullmatch(side)}


def _inequality(text: str) -> list[Piece] | None:
    r"""The values of the one variable in x<3, 3>x, 1\le x<3 or x\ne 3."""
    sides, signs = [side.strip() for side in _SIDES.split(text)], [match[0] for match in _SIDES.finditer(text)]
    if len(sides) == 2 and (near := _DISTANCE.fullmatch(sides[0])):
        return _around(near, signs[0], sides[1])
    places = [place for place, side in enumerate(sides) if _VARIABLE.fullmatch(side)]
    if len(places) != 1 or len(sides) not in (2, 3) or (len(sides) == 3 and places != [1]):
        return None
    ends = [_end(side) for place, side in enumerate(sides) if place != places[0]]
    if signs == [r"\ne"]:
        (end,) = ends
        return None if end is None else _without(_WHOLE, end)
    if signs == ["="]:
        (end,) = ends
        return None if end is None else [Piece(end, end, True, True)]
    low, high = _WHOLE, _WHOLE
    directions = {sign in (">", r"\ge") for sign in signs}
    if len(directions) > 1 or {r"\ne", "="} & set(signs):
        return None
    for place, (sign, end) in enumerate(zip(signs, ends, strict=True)):
        if end is None:
            return None
        is_before = place < places[0]  # the end stands before the variable
        if is_before == (sign in (">", r"\ge")):
            high = Piece(-identities.INFINITY, end, False, sign in (r"\le", r"\ge"))
        else:
            low = Piece(end, identities.INFINITY, sign in (r"\le", r"\ge"), False)
    return _overlap(low, high)


def _around(near: re.Match[str], sign: str, reach: str) -> list[Piece] | None:
    """The values at most, or at least, so far from a centre: |x-2|<3."""
    letter, away = near["letter"], f"({near['centre'] or 0})"
    centre = away if near["sign"] == "-" else f"-{away}"
    end = _end(reach)
    if end is None or end < 0:
        return None
    low, high = f"{centre}-({reach})", f"{centre}+({reach})"
    if sign in ("<", r"\le"):
        return _inequality(f"{low} {sign} {letter} {sign} {high}")
    if sign in (">", r"\ge"):
        turned = "<" if sign == ">" else r"\le"
        outside = [_inequality(f"{letter} {turned} {low}"), _inequality(f"{letter} {sign} {high}")]
        return [piece for pieces in outside for piece in pieces or []]
    return None


def _overlap(a: Piece, b: Piece) -> list[Piece]:
    """What two pieces have in common."""
    low = max(a, b, key=lambda each: (each.low, not each.has_low))
    high = min(a, b, key=lambda each: (each.high, each.has_high))
    has_low = low.has_low and not any(_close(each.low, low.low) and not each.has_low for each in (a, b))
    has_high = high.has_high and not any(_close(each.high, high.high) and not each.has_high for each in (a, b))
    if _close(low.low, high.high):
        return [Piece(low.low, high.high, True, True)] if has_low and has_high else []
    return [Piece(low.low, high.high, has_low, has_high)] if low.low < high.high else []


def _union(text: str) -> list[Piece] | None:
    kept, *dropped = _WITHOUT.split(text)
    if any(map(_UNION.search, dropped)):
        return None  # the order of the operations is ambiguous
    pieces = _pieces(kept)
    holes = [_pieces(each) for each in dropped]
    if pieces is None or None in holes:
        return None
    merged = _merged(pieces)
    for hole in holes:
        for point in hole or []:
            if not _close(point.low, point.high):
                return None
            merged = [part for piece in merged for part in _without(piece, point.low)]
    return merged


def _pieces(text: str) -> list[Piece] | None:
    parts = [part.strip() for part in _UNION.split(text)]
    if len(parts) > MAX_PIECES:
        return None
    pieces: list[Piece] = []
    for part in parts:
        part_pieces = _points(part) if part.startswith(r"\{") else _interval(part)
        if part_pieces is None:
            return None
        pieces += part_pieces
    return pieces


def _points(text: str) -> list[Piece] | None:
    values = [_end(each) for each in split(unbracket(text)[1])]
    return [Piece(value, value, True, True) for value in values if value is not None] if None not in values else None


def _interval(text: str) -> list[Piece] | None:
    if _LINE.fullmatch(text):
        return [_WHOLE]
    brackets, inside = unbracket(text)
    ends = [_end(each) for each in split(inside)]
    if len(brackets) != 2 or len(ends) != 2:
        return None
    low, high = ends
    if low is None or high is None:
        return None
    if low > high or (brackets != "[]" and _close(low, high)):
        return []
    return [Piece(low, high, brackets[0] == "[", brackets[1] == "]")]


def _end(text: str) -> identities.Real | None:
    infinite = _INFINITY.fullmatch(text.strip())
    if infinite:
        return -identities.INFINITY if infinite[1] else identities.INFINITY
    return identities.real(text)


def _merged(pieces: list[Piece]) -> list[Piece]:
    merged: list[Piece] = []
    for piece in sorted(pieces, key=lambda each: (each.low, not each.has_low)):
        last = merged[-1] if merged else None
        touches = last and (
            piece.low < last.high or (_close(piece.low, last.high) and (piece.has_low or last.has_high))
        )
        if last and touches:
            reaches = piece.high > last.high and not _close(piece.high, last.high)
            has_high = (
                piece.has_high if reaches else last.has_high or (_close(piece.high, last.high) and piece.has_high)
            )
            merged[-1] = last._replace(high=piece.high if reaches else last.high, has_high=has_high)
        else:
            merged.append(piece)
    return merged


def _without(piece: Piece, point: identities.Real) -> list[Piece]:
    if _close(piece.low, point) and _close(piece.high, point):
        return []
    if _close(piece.low, point):
        return [piece._replace(has_low=False)]
    if _close(piece.high, point):
        return [piece._replace(has_high=False)]
    if not piece.low < point < piece.high:
        return [piece]
    return [piece._replace(high=point, has_high=False), piece._replace(low=point, has_low=False)]


def _same(a: Piece, b: Piece) -> bool:
    return _close(a.low, b.low) and _close(a.high, b.high) and a[2:] == b[2:]


def _close(a: identities.Real, b: identities.Real) -> bool:
    if a == b:
        return True
    size = max(abs(a), abs(b))
    return bool(size < identities.INFINITY and abs(a - b) <= identities.AGREEMENT * size)
