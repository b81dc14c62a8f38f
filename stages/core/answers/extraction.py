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
_WHOLE_CHARS = 60
_TAGGED_CHARS = 20_000
_STATEMENT = re.compile(
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
_CHOSEN = re.compile(
    r"(?:\b(?:option|choice|statement)\s*\**\(?(?P<option>[A-J])\)?\**\s*(?:\.?\s*$|is\b)"
    r"|(?:\b[Tt]herefore|\b[Tt]hus|\b[Ss]o|\b[Hh]ence|\bis|\bchoose|\bselect"
    r"|\bpick)[,:]?\s*\**\((?P<letter>[A-J])\)\**\s*\.?\s*$"
    r"|(?:故|应|因此|所以)?[选選](?:择|項|项)?\s*[:\uff1a]?\s*\(?(?P<chosen>[A-J]{1,5})\)?\s*[.。]?\s*$)",
    re.MULTILINE,
)
"""A choice that the last line of a text makes."""
_EQUATION = re.compile(r"(?<=[\d)])\s*=\s*(?=[-$€£]?\s?\d[^=]*$)")
"""The last equals sign of an arithmetic chain in prose: 60*9 = 540 meters."""
_MONEY = re.compile(r"(?<![\w$\\])[$€£]\s?(?=\d)")
_DECIMAL_COMMA = re.compile(r"(?<![\d,.])(\d+),(\d{1,2}|\d{4,})(?![\d,])")
"""In a language that writes so; three digits could be thousands."""
_REASON = re.compile(r"(?:,\s*|\s+)(?:as|because|since|which|where|so|for|by|given|after|when)\b", re.IGNORECASE)
"""What follows an answer in its sentence and is no part of it."""
_TURN = re.compile(r"<\|[a-z_]+\|>")
_SENTENCE = re.compile(
    # "10! - 1" is one formula, and "A. x" one choice
    r"(?<=[.?])(?<!^[A-J]\.)\s+(?=[^\s\d])|(?<=!)\s+(?=[A-Z][a-z\u2019' ])|(?<=[。！？।])|\n+"  # noqa: RUF001
)
_ENCLOSED = re.compile(r"\\(?:begin|end)\s*\{[^{}]*\}|\n\n|[()\[\]{}]")
_ENVIRONMENT = re.compile(r"\\begin\s*\{(?P<kind>[a-z]+\*?)\}.*\\end\s*\{(?P=kind)\}", re.DOTALL)
_LANGUAGE = re.compile(r"(?<![\\a-zA-Z])[^\W\d_]{2}|[\u3000-\u9fff]")
_TYPESET = re.compile(r"\\(?:begin|end)\s*\{[^{}]*\}|\\(?:text|mbox)\s*\{[^{}]*\}|\\[a-zA-Z]+")
_YES_OR_NO = re.compile(r"\s*(?:yes|no)\b", re.IGNORECASE)
_PREMISE = re.compile(r"\b(?:if|since|when|with|because|let|as)\b", re.IGNORECASE)
_AND_MORE = re.compile(r"(?:,|;|,?\s+(?:and|but|while))\s+(?!(?:so|thus|then|hence|therefore)\b)")
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
_WORD = re.compile(r"(?<![\\a-zA-Z])[^\W\d_]{3}")
_NUMBER = re.compile(r"(?:[$€£¥]\s?)?-?\d(?:[\d,]*\d)?(?:\.\d+)?(?:\s?/\s?\d+)?(?:\s?(?:\\?%|°))?")
_MATH = re.compile(
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


def payload(text: str) -> str:
    """The answer inside `text`, which may be a whole response, a sentence that ends in a formula, or an answer.

    Text in which no answer is singled out comes back unchanged.
    """
    answer = extract(text).answer
    if answer is not None and not _is_sentence(answer):
        return answer
    if answer is None and (choice := _chosen(text)):
        return choice
    last = conclusion(text)
    return last if last is not None else answer or text


def _chosen(text: str) -> str | None:
    """The letter that the last line of a text chooses; a letter alone is an answer already."""
    lines = text.strip().rsplit("\n", 1)
    found = list(_CHOSEN.finditer(lines[-1][-CONCLUSION_CHARS:]))
    return next(filter(None, found[-1].groupdict().values())) if found else None


def conclusion(text: str) -> str | None:
    """The value that the last sentence of a text without a box or a statement gives; None where it gives none.

    That is an environment in it, else its last words in bold, else its last formula, else the number after its last
    verb ("Therefore, there are 12 ways."), else, in a text of several sentences, its last number. None, too, for
    formulas alone, or for one sentence that gives several values. It is weaker evidence than a statement: judging a
    whole response uses it, a vote does not.
    """
    end = _TURN.split(text, maxsplit=1)[0][-CONCLUSION_CHARS:]
    if not _LANGUAGE.search(_TYPESET.sub(" ", end)):
        return None  # formulas alone: all of them are the answer
    sentences = [part for part in _SENTENCE.split(_on_one_line(end)) if part.strip(" .*\n")]
    while sentences and _CLOSING.search(sentences[-1]):
        sentences.pop()
    if not sentences:
        return None
    last = sentences[-1]
    if len(sentences) == 1 and _has_more_values(last):
        return None
    if environment := _ENVIRONMENT.search(last):
        return environment[0]
    bold = _BOLD.findall(last)
    if bold and any(map(str.isdigit, bold[-1])):
        return str(bold[-1]).strip()
    after = _VERB.split(last)
    rest = after[-1].strip(" *:")
    if _MATH.search(last):
        prose = _MATH.sub(" ", last)
        is_statement = len(after) > 1 or len(sentences) > 1
        if prose.lstrip().startswith("%") or not (is_statement or re.search(r"[^\W\d_]{2}", _JOINS.sub(" ", prose))):
            return None
        return _formulas(rest if _MATH.search(rest) else last, is_statement)
    chain = _EQUATION.split(last)
    if len(chain) > 1 and "\\" not in last and _WORD.search(last):
        number = _NUMBER.match(chain[-1].lstrip())
        return _whole(chain[-1].lstrip(), number)
    amounts = list(_MONEY.finditer(last))
    if amounts and _WORD.search(last[: amounts[-1].start()]) and (len(amounts) == 1 or len(sentences) > 1):
        return _whole(last[amounts[-1].start() :], _NUMBER.match(last, amounts[-1].start()))
    number = _NUMBER.match(rest) if len(after) > 1 else None
    if number is not None:
        return _whole(rest, number)
    if len(sentences) > 1 or _STATEMENT.search(last):
        numbers = list(_NUMBER.finditer(last))
        number = numbers[0 if _STATEMENT.search(last) else -1] if numbers else None
    return _whole(last[number.start() :], _NUMBER.match(last, number.start())) if number else None


def _on_one_line(text: str) -> str:
    """`text` without the line ends inside brackets and environments: what stands there is one formula."""
    spans: list[tuple[int, int]] = []
    opened: list[int] = []
    for match in _ENCLOSED.finditer(text):
        if match[0][0] in "([{" or match[0].startswith("\\b"):
            opened.append(match.start())
        elif match[0] == "\n\n":
            opened.clear()  # no formula spans paragraphs: an open bracket here is an emoticon or a slip
        elif opened:
            spans.append((opened.pop(), match.end()))
    lines = list(text)
    end = 0
    for start, stop in sorted(spans):
        lines[max(start, end) : max(stop, end)] = text[max(start, end) : max(stop, end)].replace("\n", " ")
        end = max(stop, end)
    return "".join(lines)


def _has_more_values(sentence: str) -> bool:
    """Whether the only sentence of a text gives more than its last number or formula.

    Yes or no, two values ("Alice is 6 and Bob is 7"), or a condition on a letter ("all even $n$").
    """
    clauses = [clause.strip(" *:") for clause in _VERB.split(sentence)]
    number = _NUMBER.match(clauses[-2]) if len(clauses) > 2 and _NUMBER.match(clauses[-1]) else None
    formulas = list(_MATH.finditer(sentence))
    lone = bool(formulas) and len(_formula(formulas[-1]).strip()) == 1 and _formula(formulas[-1]).strip().isalpha()
    continues = number is not None and _AND_MORE.match(clauses[-2], len(number[0].rstrip()))
    more = continues and not _PREMISE.search(clauses[0])
    return bool(_YES_OR_NO.match(sentence) or lone or more)


def _whole(text: str, number: re.Match[str] | None) -> str | None:
    """The number that `text` begins with, or all of it where the number is only a part of the answer: 2x, 3 or 4."""
    if number is None:
        return None
    behind = text[len(number[0].rstrip()) :]
    if not _GOES_ON.match(behind):
        return number[0].strip()
    whole = text.strip().rstrip(".。!！?？ ")  # noqa: RUF001
    return whole if len(whole) <= _WHOLE_CHARS else None


def _formulas(text: str, is_statement: bool) -> str | None:
    """The last formula of a clause, with those before it from which only "and", "or" or a comma separates it.

    None where words qualify it ("not", "less"), or for several formulas without a verb, as in "3 hours and 20 minutes".
    """
    formulas = list(_MATH.finditer(text))
    joined, num_joined = _formula(formulas[-1]).strip(), 1
    for left, right in zip(reversed(formulas[:-1]), reversed(formulas[1:]), strict=True):
        connective = text[left.end() : right.start()].strip()
        if not _CONNECTIVE.fullmatch(connective):
            break
        joined, num_joined = _connected(_formula(left).strip(), connective, joined), num_joined + 1
    if num_joined < len(formulas) and not is_statement:
        return None
    if num_joined == 1 and _OTHERWISE.search(text[: formulas[-1].start()]):
        return None
    return joined


def _is_sentence(answer: str) -> bool:
    """Whether a stated answer is a whole sentence that contains the answer."""
    return len(answer.split()) > 5 and any(map(str.isdigit, answer)) and not any(mark in answer for mark in "\\=<>$")


def _stated(response: str) -> str | None:
    """The answer after the last "answer is", "Answer:" or "####", up to the end of its sentence."""
    found = [(match.end(), match["abroad"]) for match in _STATEMENT.finditer(response)][-MAX_STATEMENTS:]
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
    math = _MATH.search(tail)
    if math and (end is None or math.start() <= end.start()):
        lead = tail[: math.start()]
        if _OTHERWISE.search(lead):
            return (tail[: end.start()] if end else tail).strip().rstrip(".") or None
        joined = _formula(math).strip()
        for more in _MATH.finditer(tail, math.end()):
            connective = tail[math.end() : more.start()].strip()
            if not _CONNECTIVE.fullmatch(connective):
                break
            joined = _connected(joined, connective, _formula(more).strip())
            math = more
        return joined or None
    sentence = (tail[: end.start()] if end else tail).replace("**", "").strip().rstrip(".")
    reason = _REASON.search(sentence)
    if reason and re.search(r"\d", sentence[: reason.start()]):
        sentence = sentence[: reason.start()].rstrip()
    return sentence or None


def _connected(left: str, connective: str, right: str) -> str:
    """Two formulas as one answer: a list, but "x < 1 or x > 2" is a region and keeps its word."""
    word = _JOINS.search(connective)
    if word and _UNEQUAL.search(left) and _UNEQUAL.search(right):
        return f"{left} {word[0]} {right}"
    return ", ".join(filter(None, (left, right)))


def _formula(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group is not None)
