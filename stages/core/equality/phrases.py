r"""Phrases: words around an answer or for one, which a judge understands.

Numbers and sets in words, qualifiers such as "for all x", arbitrary constants, vectors written along their axes.
"""

import re

MAX_CHARS = 1_000

_CONSTANT = re.compile(
    r"(?P<what>.+?)\s*,?\s*\(?\s*(?:where|for|with)\s+(?:(?:some|any|all|an)\s+)?(?:arbitrary\s+"
    r"|real\s+)?(?:constants?|numbers?|reals?)\s+(?P<letter>[a-zA-Z])\)?"
    r"|(?P<what2>.+?)\s*,?\s*\(?\s*(?:where|with)\s+(?P<letter2>[a-zA-Z])\s+is\s+(?:an?\s+)?(?:any\s+"
    r"|arbitrary\s+|real\s+)*(?:constant|number)\)?",
    re.DOTALL,
)
_QUALIFIER = re.compile(
    r"\s*,?\s*\(?\s*(?:for\s+(?:all|any|every|each)\s+(?:real\s+|values\s+of\s+|real\s+numbers?\s+"
    r"|integers?\s+)*(?:[a-z](?:\s*\\in\s*\\mathbb\{[A-Z]\})?)?"
    r"|\\forall\s*[a-z](?:\s*\\in\s*\\mathbb\{[A-Z]\})?)\s*\)?"
)
_REAL = re.compile(
    r"[a-z]\s*\\in\s*\\mathbb\{R\}\s*(?:,|and)\s*(?=[a-z])|(?<=[\w}])\s*(?:,|and)\s*[a-z]\s*\\in\s*\\mathbb\{R\}"
)
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


def constant(text: str) -> tuple[str, str] | None:
    """An answer with an arbitrary constant as its text and the letter of the constant."""
    match = _CONSTANT.fullmatch(text) if len(text) <= MAX_CHARS and ("constant" in text or "number" in text) else None
    return (match["what"] or match["what2"], match["letter"] or match["letter2"]) if match else None


def unqualified(text: str) -> str:
    """An answer without "for all x" and without "x is real", which a judge ignores."""
    if len(text) > MAX_CHARS:
        return text
    for pattern in (_QUALIFIER, _REAL):
        shorter = pattern.sub("", text, count=1)
        if shorter != text and shorter.strip():
            text = shorter.strip()
    return text


_AXIS = re.compile(r"\\(?:hat|vec|mathbf)\s*\{?\s*(?:\\[ij]math|[ijk])\s*\}?")
_TERM = re.compile(r"\s*([+-]?)\s*((?:[^\s+\-ijk{}]|\{(?:[^{}]|\{[^{}]*+\})*+\})*+)\s*\*?\s*([ijk])(?![a-zA-Z])")


def along_axes(text: str, length: int) -> list[str] | None:
    """The coordinates of a vector that is written as i + 2j - k; None for any other text."""
    plain = _AXIS.sub(lambda match: "i" if "imath" in match[0] else re.findall("[ijk]", match[0])[-1], text)
    found: dict[str, str] = {}
    position = 0
    while position < len(plain.rstrip()):
        match = _TERM.match(plain, position)
        if not match or match[3] in found:
            return None
        found[match[3]] = match[1].replace("+", "") + (match[2].strip("*() ") or "1")
        position = match.end()
    axes = "ijk"[:length]
    is_vector = 1 < length < 4 and set(found) <= set(axes) and (len(found) > 1 or axes == "ij")
    return [found.get(axis, "0") for axis in axes] if is_vector and found else None
