r"""Brackets: what they enclose, and where a list is cut."""

import re

SET = "{}"
MAX_LAYERS = 40
"""Brackets nested deeper are not taken apart."""

_PREAMBLE = re.compile(
    r"(?:the |our )?(?:final |correct )?(?:answer|option|choice|solution)(?: is|:)?:?\s+", re.IGNORECASE
)
_NUMBERS = re.compile(r"\(\s*\d+(?:\s+\d+)+\s*\)")
"""A cycle or a row: its brackets do not only group."""
_SEPARATOR = re.compile(r",?\s+(?:and|or|AND|OR)\s+|(?<=[,;])\s*(?:and|or|AND|OR)\s+")
_OPENERS, _CLOSERS = "([{", ")]}"


def bare(text: str) -> str:
    """`text` without lead-in words and without brackets that only group: ((1/2)) is 1/2, {(1, 2)} is (1, 2)."""
    text = _PREAMBLE.sub("", text.strip(), count=1) if text[:1].isalpha() else text.strip()
    for _ in range(MAX_LAYERS):
        if not text or text[0] not in "({" or _match(text, 0) != len(text) - 1:
            break
        if text[0] == "(" and (len(split(text[1:-1])) != 1 or _NUMBERS.fullmatch(text)):
            break
        text = text[1:-1].strip()
    return text


def unbracket(text: str) -> tuple[str, str]:
    r"""The pair of brackets around the whole of `text`, and what is inside; ("", text) if there is none."""
    if text.startswith(r"\{") and text.endswith(r"\}") and _match(text, 1) == len(text) - 1:
        return SET, text[2:-2].strip()
    if text and text[0] in "([" and text[-1] in ")]" and _match(text, 0) == len(text) - 1:
        return text[0] + text[-1], text[1:-1].strip()
    return "", text


def split(text: str) -> list[str]:
    """The parts of a list: cut at commas, semicolons, "and" and "or" outside brackets."""
    text = _SEPARATOR.sub(", ", text) if re.search(r"[\d)}=,;]|^[A-Z]\w* and [A-Z]\w*$", text) else text
    return [part for part in _cut(text, ",;") if part]


def ratio(text: str) -> list[str]:
    """The terms of a ratio such as 1:2, or of a time: cut at colons outside brackets; [] when it is none."""
    terms = _cut(text, ":")
    return terms if len(terms) > 1 and all(terms) else []


def _cut(text: str, separators: str) -> list[str]:
    """The parts of `text` between the `separators` that stand outside brackets."""
    parts: list[str] = []
    level = start = 0
    for index, char in enumerate(text):
        level += (char in _OPENERS) - (char in _CLOSERS)
        if char in separators and level == 0:
            parts.append(text[start:index].strip())
            start = index + 1
    return [*parts, text[start:].strip()]


def depth(text: str) -> int:
    """How deep brackets of any kind are nested."""
    level = deepest = 0
    for char in text:
        level += (char in _OPENERS) - (char in _CLOSERS)
        deepest = max(deepest, level)
    return deepest


def _match(text: str, start: int) -> int:
    """Where the bracket opened at `start` is closed, any kind of bracket closing any other; -1 if nowhere."""
    depth = 0
    for index in range(start, len(text)):
        depth += (text[index] in _OPENERS) - (text[index] in _CLOSERS)
        if depth == 0:
            return index
    return -1
