r"""Boxes: what stands in the ``\boxed{...}`` of a response."""

import re
from typing import NamedTuple

MAX_JOINED = 100
"""No answer has more boxes than this side by side."""
_GAP_CHARS = 60

_BRACES = re.compile(
    r"(?P<box>\\{1,4}(?:boxed|fbox)\s*\{)|(?P<short>\\{1,4}(?:boxed|fbox)(?:\s+"
    r"|(?=[-\d\\]))(?P<word>-?(?:[\d,.]*\d\w*|\w+|\\[dt]?frac\s*(?:\{[^{}]*\}\s*\{[^{}]*\}|\d\s*\d)"
    r"|\\(?:sqrt\s*(?:\{[^{}]*\}|\w)|pi\b))))|\\.|(?P<open>\{)|(?P<close>\})",
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
    """The content of the last complete, filled box, joined with its neighbours; None without such a box."""
    if plain := _only_box(response):
        return plain
    filled = _filled(response, _complete_boxes(response))
    return _join_adjacent(response, filled) if filled else None


def boxed(response: str) -> list[str]:
    """The contents of a response's boxes, in order. Boxes side by side, or joined by "and" or a comma, are one."""
    left = _filled(response, _complete_boxes(response))
    contents: list[str] = []
    while left:
        joined = _join_adjacent(response, left)
        contents.insert(0, joined)
        # Drop the joined boxes, and those before them that only repeat a part of the joined answer.
        left.pop()
        while left and len(contents[0].split(", ")) > 1 and left[-1][1] in contents[0].split(", "):
            left.pop()
    return contents


def _only_box(response: str) -> str | None:
    """The content of the only box of a response, if it is a plain number or word, as most are."""
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
    for match in _BRACES.finditer(response, len(response[:first].rstrip("\\f"))):
        box = None
        if match["box"]:
            opened.append((match.start(), match.end()))
        elif match["short"]:
            box = _Box(match.start(), *match.span("word"), match.end())
        elif match["open"]:
            opened.append(None)
        elif match["close"] and opened and (opening := opened.pop()):
            box = _Box(*opening, match.start(), match.end())
        if box:
            while boxes and boxes[-1].start >= box.start:
                boxes.pop()
            boxes.append(box)
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
