r"""Regions of the real line: unions of intervals and points, compared by their ends.

``(-\infty,2)\cup(3,5]``, ``\mathbb{R}\setminus\{1\}``, ``\{1\}\cup[2,3)``. Ends are constants, to as many digits as
`stages.core.identities` gives them.
"""

import re
from typing import NamedTuple

from stages.core import identities
from stages.core.brackets import split, unbracket

MAX_PIECES = 40
_UNION = re.compile(r"\\cup(?![a-zA-Z])")
_WITHOUT = re.compile(r"\\setminus(?![a-zA-Z])|(?<=\})\s*-\s*(?=\\\{)")
_INFINITY = re.compile(r"(-?)\s*\\infty")
_LINE = re.compile(r"\\mathbb\s*\{?\s*R\s*\}?")


class Piece(NamedTuple):
    """An interval, or a point where both ends are the same; `has_low` and `has_high`: whether they belong to it."""

    low: identities.Real
    high: identities.Real
    has_low: bool
    has_high: bool


def equal(a: str, b: str) -> bool | None:
    """Whether two tidied texts are the same part of the line; None when one of them is no union of intervals."""
    left, right = read(a), read(b)
    if left is None or right is None:
        return None
    return len(left) == len(right) and all(map(_same, left, right))


def read(text: str) -> list[Piece] | None:
    """The pieces of a region from left to right, those that touch joined; None where the text is none."""
    kept, *dropped = _WITHOUT.split(text)
    if any(map(_UNION.search, dropped)):
        return None  # what is taken away first cannot be told
    pieces = _pieces(kept)
    holes = [_pieces(each) for each in dropped]
    if pieces is None or None in holes:
        return None
    joined = _joined(pieces)
    for hole in holes:
        for point in hole or []:
            if not _close(point.low, point.high):
                return None
            joined = [part for piece in joined for part in _without(piece, point.low)]
    return joined


def _pieces(text: str) -> list[Piece] | None:
    parts = [part.strip() for part in _UNION.split(text)]
    if len(parts) > MAX_PIECES:
        return None
    found: list[Piece] = []
    for part in parts:
        read = _points(part) if part.startswith(r"\{") else _interval(part)
        if read is None:
            return None
        found += read
    return found


def _points(text: str) -> list[Piece] | None:
    values = [_end(each) for each in split(unbracket(text)[1])]
    return [Piece(value, value, True, True) for value in values if value is not None] if None not in values else None


def _interval(text: str) -> list[Piece] | None:
    if _LINE.fullmatch(text):
        return [Piece(-identities.INFINITY, identities.INFINITY, False, False)]
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


def _joined(pieces: list[Piece]) -> list[Piece]:
    found: list[Piece] = []
    for piece in sorted(pieces, key=lambda each: (each.low, not each.has_low)):
        last = found[-1] if found else None
        touches = last and (
            piece.low < last.high or (_close(piece.low, last.high) and (piece.has_low or last.has_high))
        )
        if last and touches:
            reaches = piece.high > last.high and not _close(piece.high, last.high)
            has_high = (
                piece.has_high if reaches else last.has_high or (_close(piece.high, last.high) and piece.has_high)
            )
            found[-1] = last._replace(high=piece.high if reaches else last.high, has_high=has_high)
        else:
            found.append(piece)
    return found


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
