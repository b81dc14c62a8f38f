"""Words: answers in language rather than formulas."""

import re

from stages.core.answers.notation import squeeze

_CAPITALS = re.compile(r"[A-Z]{2,}|no|on|up|in|by")
_NAMED_BY_POINTS = re.compile(r"(?!(?:NO|YES|ODD|ALL|ANY|ONE|TWO|SIX|TEN)$)[A-Z]{2,3}")
_WORD = re.compile(r"[^\W\d_]{3,}|[^\x00-\x7f]")
_NOT_WORDS = re.compile(r"\\(?:begin|end)\{[a-z]+\*?\}|\\[a-zA-Z]+|_\{[^{}]*\}")
_FIGURE = re.compile(r"(\\angle|\\overline)\s*\{?([a-zA-Z]{2,3})\}?")
_ARTICLE = re.compile(r"^(?:an?|the)\s+", re.IGNORECASE)


_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_NUMBERS = {word: value for value, word in enumerate(_ONES)} | {
    word: 20 + 10 * place for place, word in enumerate(_TENS)
}
_PARTS = {
    "half": 2,
    "third": 3,
    "quarter": 4,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "ninth": 9,
    "tenth": 10,
}
_NUMBER = re.compile(
    rf"(?:(?P<tens>{'|'.join(_TENS)})(?:[- ](?P<ones>{'|'.join(_ONES[1:10])}))?|(?P<one>{'|'.join(_ONES)}))"
)
_SHARE = re.compile(rf"(?P<above>one|an?|two|three|four|five|six|seven|eight|nine)[- ](?P<below>{'|'.join(_PARTS)})s?")

_PHRASES = [
    (re.compile(pattern, re.IGNORECASE), symbols)
    for pattern, symbols in (
        (r"(?:the\s+)?(?:set\s+of\s+)?(?:all|any)\s+(?:the\s+)?reals?(?:\s+numbers?)?|(?:[a-z]\s+(?:is"
         r"|can be)\s+)?(?:all|any)\s+reals?(?:\s+numbers?)?"
         r"|全体实数|tous les réels|alle reellen Zahlen|todos los (?:números )?reales|все действительные числа"
         r"|\(?\s*-\s*\\infty\s*,\s*\\infty\s*\)?"
         r"|[a-z]\s*\\in\s*\\mathbb\{R\}", r"\mathbb{R}"),
        (r"(?:the\s+)?(?:set\s+of\s+)?(?:all\s+)?(?:the\s+)?integers|(?:[a-z]\s+(?:is|can be)\s+)?(?:all"
         r"|any)\s+integers?|全体整数", r"\mathbb{Z}"),
        (r"(?:[a-z]\s+(?:is|can be)\s+)?(?:all|any)\s+(?:positive\s+integers?|natural\s+numbers?)", r"\mathbb{N}"),
        (r"(?:there\s+(?:is|are)\s+)?no(?:\s+such)?(?:\s+(?:real|integer|valid|positive|other"
         r"|possible))?\s*(?:solutions?|roots?|values?|answers?|numbers?|integers?)?(?:\s+exists?)?"
         r"|none|nothing|(?:the\s+)?empty\s+set|无解|无实数解|空集|aucune solution|keine l(?:ö|oe)sung(?:en)?"
         r"|sin soluci(?:ó|o)n|no hay soluci(?:ó|o)n|нет решений"
         r"|doesn't have (?:any )?solutions?", r"\emptyset"),
        (r"(?:the\s+limit\s+)?(?:does\s+not\s+exist|doesn't\s+exist|d\.?n\.?e\.?)|undefined|not\s+defined|不存在",
            "undefined"),
        (r"(?:it\s+)?(?:diverges|divergent|is\s+divergent)", "divergent"), (r"(?:it\s+)?(?:converges|convergent"
            r"|is\s+convergent)", "convergent"),
    )
]  # fmt: skip


def in_symbols(text: str) -> str:
    """A tidied text that names a number, all numbers or none as its symbols; any other as it is.

    "no" alone stays: it is an answer to a question.
    """
    plain = " ".join(text.split()).strip(" .")
    low = plain.casefold()
    if low == "no" or len(plain) > 80 or not _NAMING.search(low):
        return text
    if match := _NUMBER.fullmatch(low):
        return str(_NUMBERS[match["one"]] if match["one"] else _NUMBERS[match["tens"]] + _NUMBERS.get(match["ones"], 0))
    if match := _SHARE.fullmatch(low):
        return rf"\frac{{{_NUMBERS.get(match['above'], 1)}}}{{{_PARTS[match['below']]}}}"
    return next((symbols for pattern, symbols in _PHRASES if pattern.fullmatch(plain)), text)


_NAMING = re.compile(r"[^\W\d_]{3}|\\mathbb|d\.?n\.?e|\\infty|[\u4e00-\u9fff]{2}")


def folded(text: str) -> str:
    """Words without their case, but for the two or three capitals of a segment or a triangle: AB is not ab."""
    return text if _NAMED_BY_POINTS.fullmatch(text) else text.casefold()


def is_words(text: str) -> bool:
    """Whether a tidied text is language rather than a formula: a run of three letters outside macros, or of capitals.

    AB is no product that commutes, and IV no VI.
    """
    return bool(_CAPITALS.fullmatch(text) or _WORD.search(_NOT_WORDS.sub(" ", text)))


def key(text: str, lenient: bool) -> str:
    """Words without case and, for a judge, without their article; an angle and a triangle from either end."""
    text = folded(squeeze(text))
    if not lenient:
        return text
    if match := _FIGURE.fullmatch(text):
        return match[1] + min(match[2], match[2][::-1])
    return _ARTICLE.sub("", text)
