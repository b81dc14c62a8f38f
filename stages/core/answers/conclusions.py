"""Conclusions: the value that a text without a box or a statement ends with.

They are weaker evidence than a statement: a judge looks at them, a vote does not.
"""

import re

from stages.core.answers.extraction import CONNECTIVE, JOINS, MATH, OTHERWISE, STATEMENT, connected, extract, formula

_WHOLE_CHARS = 60
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
    if MATH.search(last):
        prose = MATH.sub(" ", last)
        is_statement = len(after) > 1 or len(sentences) > 1
        if prose.lstrip().startswith("%") or not (is_statement or re.search(r"[^\W\d_]{2}", JOINS.sub(" ", prose))):
            return None
        return _formulas(rest if MATH.search(rest) else last, is_statement)
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
    if len(sentences) > 1 or STATEMENT.search(last):
        numbers = list(_NUMBER.finditer(last))
        number = numbers[0 if STATEMENT.search(last) else -1] if numbers else None
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
    formulas = list(MATH.finditer(sentence))
    lone = bool(formulas) and len(formula(formulas[-1]).strip()) == 1 and formula(formulas[-1]).strip().isalpha()
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
    formulas = list(MATH.finditer(text))
    joined, num_joined = formula(formulas[-1]).strip(), 1
    for left, right in zip(reversed(formulas[:-1]), reversed(formulas[1:]), strict=True):
        connective = text[left.end() : right.start()].strip()
        if not CONNECTIVE.fullmatch(connective):
            break
        joined, num_joined = connected(formula(left).strip(), connective, joined), num_joined + 1
    if num_joined < len(formulas) and not is_statement:
        return None
    if num_joined == 1 and OTHERWISE.search(text[: formulas[-1].start()]):
        return None
    return joined


def _is_sentence(answer: str) -> bool:
    """Whether a stated answer is a whole sentence that contains the answer."""
    return len(answer.split()) > 5 and any(map(str.isdigit, answer)) and not any(mark in answer for mark in "\\=<>$")
