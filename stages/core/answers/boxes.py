r"""Boxes: what stands in the ``\boxed{...}`` of a response."""

import re
from typing import NamedTuple

MAX_JOINED = 100
"""No answer has more boxes than this side by side."""
_GAP_CHARS = 60

_BRACES = re.compile(
    r"(?P<box>\\{1,4}(?:boxed|fbox)\s*\{)|(?P<short>\\{1,4}(?:boxed|fbox)\s+(?P<word>-?\w+))|\\.|(?P<open>\{)|(?P<close>\})",
    re.DOTALL,
)
_INNER_BOX = re.compile(r"\\{1,4}(?:boxed|fbox)\s*(?=\{)")
_BETWEEN_BOXES = re.compile(
    r"(?:\s|[$,;&.]|\\quad|\\qquad|\\[,;:! ()\[\]]|\\(?:text|mbox|mathrm)\s*\{|\}|,?\b(?:and|or)\b)*"
)


class _Box(NamedTuple):
    """One complete box: its span in the response, and the span of what is inside."""

    start: int
    inner_start: int
    inner_end: int
    end: int


def last(response: str) -> str | None:
    """What the last complete, filled box says, with those that it is joined to; None without one."""
    if plain := _only_box(response):
        return plain
    found = _filled(response, _complete_boxes(response))
    return _join_adjacent(response, found) if found else None


def boxed(response: str) -> list[str]:
    """What the boxes of a response say, in order: boxes side by side, or joined by "and" or a comma, say one thing."""
    left = _filled(response, _complete_boxes(response))
    said: list[str] = []
    while left:
        last = _join_adjacent(response, left)
        said.insert(0, last)
        # What was joined is gone; a box that repeats an answer within is no answer of its own.
        left.pop()
        while left and len(said[0].split(", ")) > 1 and left[-1][1] in said[0].split(", "):
            left.pop()
    return said


def _only_box(response: str) -> str | None:
    """What is in the only box of a response, if that is as simple as most are: a number, a word."""
    start = response.find(r"\boxed{")
    if start < 0 or response.find("box", start + 4) >= 0:
        return None
    end = response.find("}", start)
    inside = response[start + 7 : end].strip() if end >= 0 else ""
    return inside if inside.isalnum() else None


def _complete_boxes(response: str) -> list[_Box]:
    """The complete boxes in the order of the text, by one pass over the braces; of nested ones the outermost."""
    boxes: list[_Box] = []
    opened: list[tuple[int, int] | None] = []
    first = response.find("box")
    if first < 0:
        return boxes
    # Brackets before the first box change nothing, and most of a response stands there.
    for mark in _BRACES.finditer(response, len(response[:first].rstrip("\\f"))):
        found = None
        if mark["box"]:
            opened.append((mark.start(), mark.end()))
        elif mark["short"]:
            found = _Box(mark.start(), *mark.span("word"), mark.end())
        elif mark["open"]:
            opened.append(None)
        elif mark["close"] and opened and (box := opened.pop()):
            found = _Box(*box, mark.start(), mark.end())
        if found:
            while boxes and boxes[-1].start >= found.start:
                boxes.pop()
            boxes.append(found)
    return boxes


def _filled(response: str, boxes: list[_Box]) -> list[tuple[_Box, str]]:
    """The boxes that hold something, with their contents; boxes inside them are undone."""
    contents = (_INNER_BOX.sub("", response[box.inner_start : box.inner_end]).strip() for box in boxes)
    filled = [(box, content) for box, content in zip(boxes, contents, strict=True) if content.strip(" .\t\n{}")]
    return filled[-MAX_JOINED:]


def _join_adjacent(response: str, boxes: list[tuple[_Box, str]]) -> str:
    """The last box, with the boxes before it from which only a connective separates it."""
    contents = [boxes[-1][1]]
    for (left, content), (right, _) in zip(reversed(boxes[:-1]), reversed(boxes[1:]), strict=True):
        gap = response[left.end : right.start]
        joined = gap == "" or bool(re.search(r",|\band\b|\bor\b", gap[:_GAP_CHARS]))
        if len(gap) > _GAP_CHARS or not joined or not _BETWEEN_BOXES.fullmatch(gap):
            break
        if content not in contents:
            contents.insert(0, content)
    return ", ".join(contents)
