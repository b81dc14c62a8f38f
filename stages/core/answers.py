r"""Answers: what a response gives as its final answer, as text.

A model is asked to put its answer in ``\boxed{...}``. The last complete box counts, so a model that takes an answer
back is read by its last word. Responses without a box are read by their closing statement ("the answer is ...").
"""

import re
from typing import Literal, NamedTuple

STATEMENT_CHARS = 300
"""A stated answer longer than this is prose, and cut here."""
MAX_JOINED = 100
"""No answer has more boxes than this side by side."""

_BRACES = re.compile(
    r"(?P<box>\\{1,4}(?:boxed|fbox)\s*\{)|(?P<short>\\{1,4}(?:boxed|fbox)\s+(?P<word>-?\w+))|\\.|(?P<open>\{)|(?P<close>\})",
    re.DOTALL,
)
_INNER_BOX = re.compile(r"\\{1,4}(?:boxed|fbox)\s*(?=\{)")
_BETWEEN_BOXES = re.compile(
    r"(?:\s|[$,;&.]|\\quad|\\qquad|\\[,;:! ()\[\]]|\\(?:text|mbox|mathrm)\s*\{|\}|,?\b(?:and|or)\b)*"
)
_GAP_CHARS = 60
_STATEMENT = re.compile(
    r"(?:\b(?:answer|réponse|resp(?:ue|o)sta|risposta|antwort|ответ)\b[^\n:=]{0,60}?(?:\bis\b|\bare\b|[:=])"
    r"|\banswer\s*\*\*\s*:?|^[ \t]*####"
    r"|(?:答案|答え|정답|답|उत्तर|الجواب)\s*(?:是|为|為|は|은|는|है|[:\uff1a]))[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_TURN = re.compile(r"<\|[a-z_]+\|>")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[^\s\d])|(?<=[。！？।])|\n+")  # noqa: RUF001
_CLOSING = re.compile(r"\bI hope\b|^\s*Note\b", re.IGNORECASE)
_CONNECTIVE = re.compile(r"(?:,|;|,?\s*\b(?:and|or)\b|和|或|、)?")
_JOINS = re.compile(r"\b(?:and|or)\b")
_OTHERWISE = re.compile(r"\b(?:not|between|if|unless|from|less|more)\b|不", re.IGNORECASE)
_GOES_ON = re.compile(
    r"\s*(?:[\\^*+:!√π/=\u00d7·<>(\[_±]|-\s*\d|,\s*-?\d|to\s+-?\d|out\s+of|(?:and|or)\s+-?[\d$\\]|"
    r"(?:thousand|million|billion|trillion|hundred|dozen|times|mod|base|over|plus|minus)\b)|[A-Za-z\u0370-\u03ff½⅓¼]"
)
CONCLUSION_CHARS = 4_000
"""How far from its end a response is searched for its conclusion."""
_BOLD = re.compile(r"\*\*([^*\n]{1,80})\*\*")
_VERB = re.compile(r"\b(?:is|are|equals|be|est|sont|ist|sind|es|son)\b|[是为為]")
_NUMBER = re.compile(r"(?:[$€£¥]\s?)?-?\d(?:[\d,]*\d)?(?:\.\d+)?(?:\s?/\s?\d+)?(?:\s?(?:\\?%|°))?")
_MATH = re.compile(r"\$\$?([^$]+)\$\$?|\\\((.{1,1000}?)\\\)|\\\[(.{1,1000}?)\\\]", re.DOTALL)
_SENTENCE_END = re.compile(r"(?<!\d)\.(?=\s|$)|(?<=\d)\.(?=\s|$)|[。\n]|<\|")


class Extracted(NamedTuple):
    """The answer of a response, or None, and the rule that found it."""

    answer: str | None
    rule: Literal["box", "stated", "none"]


class _Box(NamedTuple):
    """One complete box: its span in the response, and the span of what is inside."""

    start: int
    inner_start: int
    inner_end: int
    end: int


def extract(response: str) -> Extracted:
    r"""The final answer of a whole response.

    Boxes that stand side by side, or joined by "and" or a comma, are one answer ("1, 2"); otherwise the last complete,
    non-empty ``\boxed`` or ``\fbox`` counts. Takes time linear in the length.
    """
    if plain := _only_box(response):
        return Extracted(plain, "box")
    boxes = _filled(response, _complete_boxes(response))
    if boxes:
        return Extracted(_join_adjacent(response, boxes), "box")
    stated = _stated(response)
    return Extracted(stated, "stated") if stated else Extracted(None, "none")


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


def payload(text: str) -> str:
    """The answer inside `text`, which may be a whole response, a sentence that ends in a formula, or an answer.

    Text in which no answer is singled out comes back unchanged.
    """
    found = extract(text).answer
    if found is not None and not _is_sentence(found):
        return found
    said = concluded(text)
    return said if said is not None else found or text


def concluded(text: str) -> str | None:
    """What the last sentence of a text without a box or a statement comes to; None where it comes to nothing.

    That is its last words in bold, else its last formula, else the number after its last verb ("Therefore, there are 12
    ways."), else, in a text of several sentences, its last number. Weaker than a statement: a judge who is handed a
    whole response reads it so, a vote does not.
    """
    end = _TURN.split(text, maxsplit=1)[0][-CONCLUSION_CHARS:]
    sentences = [part for part in _SENTENCE.split(end) if part.strip(" .*\n")]
    while sentences and _CLOSING.search(sentences[-1]):
        sentences.pop()
    if not sentences:
        return None
    last = sentences[-1]
    bold = _BOLD.findall(last)
    if bold and any(map(str.isdigit, bold[-1])):
        return str(bold[-1]).strip()
    after = _VERB.split(last)
    rest = after[-1].strip(" *:")
    if _MATH.search(last):
        prose = _MATH.sub(" ", last)
        is_said = len(after) > 1 or len(sentences) > 1
        if prose.lstrip().startswith("%") or not (is_said or re.search(r"[^\W\d_]{2}", _JOINS.sub(" ", prose))):
            return None
        return _formulas(rest if _MATH.search(rest) else last, is_said)
    number = _NUMBER.match(rest) if len(after) > 1 else None
    if number is not None:
        return _whole(rest, number)
    if len(sentences) > 1 or _STATEMENT.search(last):
        numbers = list(_NUMBER.finditer(last))
        number = numbers[0 if _STATEMENT.search(last) else -1] if numbers else None
    return _whole(last[number.start() :], _NUMBER.match(last, number.start())) if number else None


def _whole(text: str, number: re.Match[str] | None) -> str | None:
    """The number that `text` begins with, or all of it where the number is a part of what it says: 2x, 3 or 4."""
    if number is None:
        return None
    behind = text[len(number[0].rstrip()) :]
    if not _GOES_ON.match(behind):
        return number[0].strip()
    whole = text.strip().rstrip(".。!！?？ ")  # noqa: RUF001
    return whole if len(whole) <= _GAP_CHARS else None


def _formulas(text: str, is_said: bool) -> str | None:
    """The last formula of a clause, with those before it from which only "and", "or" or a comma separates it.

    None where words say something else of it, or of several formulas without a verb, as in "3 hours and 20 minutes".
    """
    found = list(_MATH.finditer(text))
    parts = [_formula(found[-1]).strip()]
    for left, right in zip(reversed(found[:-1]), reversed(found[1:]), strict=True):
        if not _CONNECTIVE.fullmatch(text[left.end() : right.start()].strip()):
            break
        parts.insert(0, _formula(left).strip())
    if len(parts) < len(found) and not is_said:
        return None
    if len(parts) == 1 and _OTHERWISE.search(text[: found[-1].start()]):
        return None
    return ", ".join(parts)


def _is_sentence(answer: str) -> bool:
    """Whether a stated answer is a sentence in which the answer is still to be found."""
    return len(answer.split()) > 5 and any(map(str.isdigit, answer)) and not any(mark in answer for mark in "\\=<>$")


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


def _stated(response: str) -> str | None:
    """What follows the last "answer is", "Answer:" or "####", up to the end of its sentence."""
    ends = [found.end() for found in _STATEMENT.finditer(response)]
    if not ends:
        return None
    tail = response[ends[-1] : ends[-1] + STATEMENT_CHARS].lstrip(" \t\n*:")
    end = _SENTENCE_END.search(tail)
    if re.match(r"(?:the|so|it|there)\b", tail, re.IGNORECASE) and end:
        subject = list(re.finditer(r"\b(?:is|are|equals)\b:?[ \t]*", tail[: end.start()]))
        tail = tail[subject[-1].end() :] if subject else tail
        end = _SENTENCE_END.search(tail)
    math = _MATH.search(tail)
    if math and (end is None or math.start() <= end.start()):
        said = tail[: math.start()]
        if _OTHERWISE.search(said):
            return (tail[: end.start()] if end else tail).strip().rstrip(".") or None
        joined = [_formula(math).strip()]
        for more in _MATH.finditer(tail, math.end()):
            if not _CONNECTIVE.fullmatch(tail[math.end() : more.start()].strip()):
                break
            joined.append(_formula(more).strip())
            math = more
        return ", ".join(filter(None, joined)) or None
    sentence = tail[: end.start()] if end else tail
    return sentence.replace("**", "").strip().rstrip(".") or None


def _formula(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group is not None)
