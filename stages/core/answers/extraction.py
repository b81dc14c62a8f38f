r"""Answers: what a response gives as its final answer, as text.

A model is asked to put its answer in ``\boxed{...}``. The last complete box counts, so a model may correct
itself. Responses without a box are read by their closing statement ("the answer is ...").
"""

import re
from typing import Literal, NamedTuple

from stages.core.answers import boxes

STATEMENT_CHARS = 300
"""A stated answer longer than this is prose, and cut here."""
MAX_STATEMENTS = 10
"""Only so many of the last statements are read."""
_TAGGED_CHARS = 20_000
STATEMENT = re.compile(
    r"(?:\b(?:answer|(?P<abroad>réponse|resp(?:ue|o)sta|risposta|antwort|lösung|solución|ответ))\b[^\n:=]{0,60}?"
    r"(?:\bis\b|\bare\b|[:=]|(?<!\w)(?:est|ist|lautet|es|é|è|равен|равно)\b(?!\s*[:=]))"
    r"|\banswer\s*\*\*\s*:?|^[ \t]*####"
    r"|(?:答案|答え|정답|답|उत्तर|الجواب)\s*(?:应?(?:是|为|為|选)|は|은|는|है|[:\uff1a])\s*[:\uff1a]?)[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_TAGGED = re.compile(
    r"<answer>\s*(?P<answer>.{1,2000}?)\s*</answer>|<\|begin_of_box\|>\s*(?P<box>.{1,2000}?)\s*<\|end_of_box\|>",
    re.DOTALL | re.IGNORECASE,
)
"""Tags that models are asked to put around an answer, as in DeepSeek-R1's and GLM's templates."""
_DECIMAL_COMMA = re.compile(r"(?<![\d,.])(\d+),(\d{1,2}|\d{4,})(?![\d,])")
"""In a language that writes so; three digits could be thousands."""
_REASON = re.compile(r"(?:,\s*|\s+)(?:as|because|since|which|where|so|for|by|given|after|when)\b", re.IGNORECASE)
"""What follows an answer in its sentence and is no part of it."""
CONNECTIVE = re.compile(r"(?:,|;|,?\s*\b(?:and|or)\b|和|或|、)?")
JOINS = re.compile(r"\b(?:and|or)\b")
OTHERWISE = re.compile(r"\b(?:not|between|if|unless|from|less|more)\b|不", re.IGNORECASE)
MATH = re.compile(
    # a dollar before a number, whose partner has a space before it or a number behind it, is money
    r"(?<!\\)\$\$?(?!\d(?:[^$\\]|\\.)*(?:\s\$|\$\d))((?:[^$\\]|\\.)+)\$\$?|\\\((.{1,1000}?)\\\)|\\\[(.{1,1000}?)\\\]",
    re.DOTALL,
)
_COMMENT = re.compile(
    r"(?:also |indeed |therefore |thus )?(?:correct|right|reasonable|valid|consistent|plausible|sensible|verified|"
    r"confirmed)\b\s*(?=$|[.,;!*]|because|since|as|and|with|when|if|for)"
)
"""A comment on an answer, such as "correct", rather than an answer."""
_UNEQUAL = re.compile(r"[<>]|\\(?:le|ge|lt|gt|leq|geq|leqslant|geqslant|ne|neq)(?![a-zA-Z])")
_SENTENCE_END = re.compile(r"(?<!\d)\.(?=\s|$)|(?<=\d)\.(?=\s|$)|[。\n]|<\|")


class Extracted(NamedTuple):
    """The answer of a response, or None, and the rule that found it."""

    answer: str | None
    rule: Literal["box", "stated", "none"]


def extract(response: str) -> Extracted:
    r"""The final answer of a whole response.

    Boxes that stand side by side, or joined by "and" or a comma, are one answer ("1, 2"); otherwise the last complete,
    non-empty ``\boxed`` or ``\fbox`` counts. Takes time linear in the length.
    """
    if "<" in response and (tags := list(_TAGGED.finditer(response[-_TAGGED_CHARS:]))):
        tagged = tags[-1]["answer"] or tags[-1]["box"]
        if tagged and r"\boxed" not in tagged:
            within = _stated(tagged)
            return Extracted(within or tagged, "box")
    inside = boxes.last(response)
    if inside is not None:
        return Extracted(inside, "box")
    stated = _stated(response)
    return Extracted(stated, "stated") if stated else Extracted(None, "none")


def _stated(response: str) -> str | None:
    """The answer after the last "answer is", "Answer:" or "####", up to the end of its sentence."""
    found = [(match.end(), match["abroad"]) for match in STATEMENT.finditer(response)][-MAX_STATEMENTS:]
    while len(found) > 1 and _COMMENT.match(_behind(response, found[-1][0])):
        found.pop()
    if not found:
        return None
    end, is_abroad = found[-1]
    answer = _statement_answer(_behind(response, end))
    return _DECIMAL_COMMA.sub(r"\1.\2", answer) if answer and is_abroad else answer


def _behind(response: str, end: int) -> str:
    """What stands behind a statement's verb."""
    return response[end : end + STATEMENT_CHARS].lstrip(" \t\n*:")


def _statement_answer(tail: str) -> str | None:
    """The answer of a statement, up to the end of its sentence."""
    end = _SENTENCE_END.search(tail)
    if re.match(r"(?:the|so|it|there)\b", tail, re.IGNORECASE) and end:
        subject = list(re.finditer(r"\b(?:is|are|equals)\b:?[ \t]*", tail[: end.start()]))
        tail = tail[subject[-1].end() :] if subject else tail
        end = _SENTENCE_END.search(tail)
    math = MATH.search(tail)
    if math and (end is None or math.start() <= end.start()):
        lead = tail[: math.start()]
        if OTHERWISE.search(lead):
            return (tail[: end.start()] if end else tail).strip().rstrip(".") or None
        joined = formula(math).strip()
        for more in MATH.finditer(tail, math.end()):
            connective = tail[math.end() : more.start()].strip()
            if not CONNECTIVE.fullmatch(connective):
                break
            joined = connected(joined, connective, formula(more).strip())
            math = more
        return joined or None
    sentence = (tail[: end.start()] if end else tail).replace("**", "").strip().rstrip(".")
    reason = _REASON.search(sentence)
    if reason and re.search(r"\d", sentence[: reason.start()]):
        sentence = sentence[: reason.start()].rstrip()
    return sentence or None


def connected(left: str, connective: str, right: str) -> str:
    """Two formulas as one answer: a list, but "x < 1 or x > 2" is a region and keeps its word."""
    word = JOINS.search(connective)
    if word and _UNEQUAL.search(left) and _UNEQUAL.search(right):
        return f"{left} {word[0]} {right}"
    return ", ".join(filter(None, (left, right)))


def formula(match: re.Match[str]) -> str:
    """The formula of a match of `MATH`."""
    return next(group for group in match.groups() if group is not None)
