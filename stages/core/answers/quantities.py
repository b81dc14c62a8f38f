"""Quantities: an answer as an exact value with a unit."""

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from stages.core.answers import units
from stages.core.answers.brackets import bare
from stages.core.answers.notation import squeeze
from stages.core.answers.numerals import evaluate

CACHED, CACHED_CHARS = 100_000, 500
MAX_CHARS = 2_000
"""Longer texts are no quantity."""

_UNITS = {
    "degree": r"\^?\{?\\circ\}?|deg|degrees?",
    "%": r"\\?%|percent|percentage|pct|per cent",
    "dollar": r"USD|dollars?",
}
_UNIT = re.compile("|".join(f"(?P<u{index}>{pattern})" for index, pattern in enumerate(_UNITS.values())), re.IGNORECASE)
_CURRENCY = re.compile(r"(USD|[€£¥₹])(?!\s*(?:USD|[€£¥₹]))\s*(.+)|(-)\s*(USD|[€£¥₹])(?!\s*(?:USD|[€£¥₹]))\s*(.+)")
_NO_UNIT = (
    r"and|or|is|if|mod\w*|for|where|to|over|times|plus|minus|squared|cubed|choose|factorial|divided|multiplied"
    r"|base|binary|"
    r"octal|remainder|root|point|not|negative|dozen|scores?|pairs?|half|halves|quarters?|thirds?|fourths?"
    r"|fifths?|sixths?|"
    r"sevenths?|eighths?|ninths?|tenths?|hundredths?|thousandths?|millionths?|percent of|lakhs?|crores?|"
    r"below|above|under|more|less|fewer|greater|than|after|before|by|short"
)
_NUMBER_WORD = re.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|hundred)\b"
)
_LONG = r"hours?|minutes?|seconds?|days?|weeks?|years?|degrees|percent"
_TAIL = re.compile(
    r"(?P<value>.*[\d})!])\s*(?P<unit>\^\{\\circ\}(?:\s*[CF])?|\\?%|'{1,2}"
    rf"|(?<=\s){units.COMPOUND}|\(\s*(?:{units.COMPOUND})\s*\)|\\text\{{[A-Za-z]\}}(?:\s*[/*]\s*{units.COMPOUND})?"
    rf"|(?<=\s)(?!(?:{_NO_UNIT})\b)(?:[A-Za-z]{{3}}[A-Za-z /.-]*|[ap]m)(?:\s*\^\{{[23]\}})?"
    rf"|(?:[ckm]m|kg|km/h|m/s|ft|deg|pct|{_LONG})(?:\s*\^\{{[23]\}})?"
    r"|[^\x00-\x7f]+)",
    re.DOTALL,
)
_MEASURED = re.compile(
    rf"(?P<value>.*?[\w)}}!])\s*(?:(?<=\s)(?!\w\s*(?:\^|$))(?P<unit>{units.COMPOUND})"
    rf"|(?P<styled>\\text\{{[A-Za-z]\}}(?:\s*[/*]\s*{units.COMPOUND})?)"
    rf"|\(\s*(?P<bracketed>{units.COMPOUND})\s*\))",
    re.DOTALL,
)
"""These are units behind letters too: 36\\pi cm, 2^n ways."""
_MIXED = re.compile(
    r"(?P<sign>-?)(?P<parts>(?:\d+(?:\.\d+)?\s*(?:\^\{\\circ\}|'{1,2}|[A-Za-z]+)\s*(?:,?\s*and\s+|,\s*)?){2,3})"
)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(\^\{\\circ\}|'{1,2}|[A-Za-z]+)")
_LETTERS = re.compile(r"(?<![\\a-zA-Z])(?:[a-zA-Z]{3}|(?:or|is|to|no|if|of|at|by|in|on|as)(?![a-zA-Z]))")
_FORMULA = re.compile(r"(?:[^=<>,;:'\[\]]|\\[,;:])+(?<![-+*/^_(\s])")
_SCALE = re.compile(r"(?:hundred|thousand|million|billion|trillion)s?\b")
_SCALED = re.compile(
    rf"(?P<value>.+\s(?:hundred|thousand|million|billion"
    rf"|trillion)s?)\s+(?!(?:{_NO_UNIT})\b)(?P<unit>[A-Za-z]{{3}}[A-Za-z ]*)"
)
_THOUSANDS = re.compile(
    r"((?:\([A-J]\)\s*|[A-J][.:)]\s+)?[-+]?(?:USD|[€£¥₹])?\s*)"
    r"([1-9]\d{0,2}(?:,\d{3})+|[1-9]\d{0,2}(?: \d{3})+)((?:\.\d+)?(?![\d,]).*)",
    re.DOTALL,
)


_IN_LIST = re.compile(r"(?<![\d,.])[1-9]\d{0,2}(?:,\d{3})+(?![\d,])|(?<![\d,.])[1-9]\d{0,2}(?:,\d{3})+(?=, )")


class Quantity(NamedTuple):
    """The exact value (None when the text is not arithmetic), its text and its unit ("" for none)."""

    value: Fraction | None
    text: str
    unit: str


def quantity(text: str) -> Quantity:
    """A scalar as value and unit: "USD 10", "10 cm", "10%" and "60 degrees" all have one."""
    return _quantity(text) if len(text) <= CACHED_CHARS else _quantity.__wrapped__(text)


@lru_cache(maxsize=CACHED)
def _quantity(text: str) -> Quantity:
    text = join_thousands(bare(text))
    value = evaluate(text)
    if value is not None:
        return Quantity(value, text, "")
    money = _CURRENCY.fullmatch(text)
    if money:
        inner = quantity(money[2] or money[3] + money[5])
        unit = _unit_name(money[1] or money[4])
        return Quantity(inner.value, inner.text, f"{unit} {inner.unit}" if inner.unit else unit)
    if mixed := _mixed(text):
        return mixed
    if (scaled := _SCALED.fullmatch(text)) and (value := evaluate(scaled["value"])) is not None:
        return Quantity(value, text, _unit_name(scaled["unit"]))
    tail = _TAIL.fullmatch(text)
    if tail and not _SCALE.match(tail["unit"]) and not _NUMBER_WORD.search(tail["unit"]):
        head = bare(tail["value"])
        value = evaluate(head)
        if value is not None or _is_constant(head):
            return Quantity(value, head, _unit_name(tail["unit"]))
    tail = _MEASURED.fullmatch(text)
    head = bare(tail["value"]) if tail else ""
    if tail and _FORMULA.fullmatch(head) and not _LETTERS.search(head):
        return Quantity(evaluate(head), head, _unit_name(tail["unit"] or tail["styled"] or tail["bracketed"]))
    return Quantity(None, text, "")


def _mixed(text: str) -> Quantity | None:
    """3 hours 30 minutes, 5 ft 6 in and 22^\\circ 30' in the largest of their units; None for anything else."""
    match = _MIXED.fullmatch(text)
    if not match:
        return None
    parts = [(Fraction(number), _unit_name(unit)) for number, unit in _PART.findall(match["parts"])]
    largest = parts[0][1]
    ratios = [units.ratio(unit, largest) for _, unit in parts]
    known = [ratio for ratio in ratios if ratio is not None]
    if len(known) < len(parts) or known != sorted(set(known), reverse=True):
        return None
    value = sum((number * ratio for (number, _), ratio in zip(parts, known, strict=True)), Fraction(0))
    return Quantity(-value if match["sign"] else value, text, largest)


def without_unit(text: str) -> str:
    """A tidied text without a known unit at its end; otherwise unchanged."""
    tail = _MEASURED.fullmatch(text)
    return tail["value"] if tail else text


def _is_constant(text: str) -> bool:
    """Whether a text has roots, pi and digits only: a unit may follow it, as in the length of a diagonal in cm."""
    return not re.search(r"[a-zA-Z=<>]", re.sub(r"\\(?:sqrt|pi|frac)(?![a-zA-Z])", "", text))


def join_thousands(text: str) -> str:
    """1,234 and 1 234 are one number when they are the whole answer; inside brackets 1,234 are two."""
    match = _THOUSANDS.fullmatch(text)
    return f"{match[1]}{re.sub('[ ,]', '', match[2])}{match[3]}" if match and "," not in match[3] else text


def join_spaced_thousands(text: str) -> str:
    """The thousands of a list whose other commas have spaces behind them: 12,345, 23,456 are two numbers."""
    if ", " not in text:
        return text
    joined = _IN_LIST.sub(lambda match: match[0].replace(",", ""), text)
    return text if re.search(r",(?! )", joined) else joined


def _unit_name(unit: str) -> str:
    unit = unit.strip().rstrip(".")
    match = _UNIT.fullmatch(unit)
    if match and match.lastgroup:
        return list(_UNITS)[int(match.lastgroup[1:])]
    if known := units.read(unit.strip("()")):
        return known.name
    plain = squeeze(unit)
    return plain[:-1] if len(plain) > 3 and plain.endswith("s") else plain
