r"""Units: their spellings, products and quotients, and what one is worth in another.

A unit that is known has one name for all its spellings (``square feet``, ``sq. ft``, ``\text{ft}^2``) and a scale: 90
minutes are 1.5 hours. Scales follow the SI brochure (2019) and, for inches and pounds, the agreement of 1959.
"""

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

_LENGTH, _MASS, _TIME = "length", "mass", "time"
_INCH = Fraction(254, 10_000)
_SCALES: dict[str, tuple[str, int, Fraction]] = {
    # name: dimension, its power, how many of the first unit of that dimension
    "m": (_LENGTH, 1, Fraction(1)), "in": (_LENGTH, 1, _INCH), "ft": (_LENGTH, 1, 12 * _INCH), "yd": (_LENGTH, 1,
    36 * _INCH),
    "mi": (_LENGTH, 1, 63_360 * _INCH), "L": (_LENGTH, 3, Fraction(1, 1000)),
    "g": (_MASS, 1, Fraction(1)), "lb": (_MASS, 1, Fraction(45_359_237, 100_000)), "oz": (_MASS, 1,
    Fraction(45_359_237, 1_600_000)),
    "second": (_TIME, 1, Fraction(1)), "minute": (_TIME, 1, Fraction(60)), "hour": (_TIME, 1, Fraction(3600)),
    "day": (_TIME, 1, Fraction(86_400)), "week": (_TIME, 1, Fraction(604_800)),
    "dollar": ("money", 1, Fraction(1)), "cent": ("money", 1, Fraction(1, 100)),
    "degree": ("angle", 1, Fraction(1)), "'": ("angle", 1, Fraction(1, 60)), "''": ("angle", 1, Fraction(1, 3600)),
}  # fmt: skip
_PREFIXES = {"T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "d": -1, "c": -2, "m": -3, "u": -6, "n": -9}
_PREFIXED = {"m": "cmkdnu", "g": "kmu", "L": "md", "s": "mnu"}
_DERIVED = (
    "N", "J", "W", "V", "A", "Pa", "Hz", "F", "C", "T", "H", "K", "Wh", "eV", "cal", "mol", "lm", "lx", "bit", "B",
)  # fmt: skip
_SPELLINGS = {
    "m": "met(?:er|re)s?", "L": "lit(?:er|re)s?|l", "g": "gram(?:me)?s?", "in": "inch(?:es)?", "ft": "feet|foot|fts",
    "yd": "yards?|yds",
    "mi": "miles?", "lb": "pounds?|lbs", "oz": "ounces?", "second": "seconds?|secs?|s", "minute": "minutes?|mins?",
    "hour": "hours?|hrs?|h", "day": "days?", "week": "weeks?|wks?", "dollar": "dollars?|USD", "cent": "cents?",
    "Ohm": r"ohms?|\\Omega",
    "degree": "degrees?|deg", "J": "joules?", "N": "newtons?", "W": "watts?", "V": "volts?", "A": "amperes?|amps?",
    "Pa": "pascals?",
    "Hz": "hertz", "unit": "units?", "radian": "radians?|rad", "year": "years?|yrs?|yr", "month": "months?", "u": "u",
    "P": "P",
    "mph": "mph", "person": "persons?|people", "way": "ways", "student": "students", "gallon": "gallons?|gal",
}  # fmt: skip
_LONG_PREFIXES = {
    "kilo": "k", "centi": "c", "milli": "m", "mega": "M", "micro": "u", "nano": "n", "deci": "d", "giga": "G",
}  # fmt: skip
_SPELLED = [(name, re.compile(spelling)) for name, spelling in _SPELLINGS.items()]

SHORT = "|".join(
    (
        *(f"[{prefixes}]?{unit}" for unit, prefixes in _PREFIXED.items()),
        rf"[kMGmu]?(?:{'|'.join(unit for unit in _DERIVED if len(unit) > 1)})",
        rf"[kMGmu](?:{'|'.join(unit for unit in _DERIVED if len(unit) == 1)})",
        "km/h|kWh|ft|in|lbs?|oz|hrs?|mi|mins?|secs?|h|l|yd|deg|pct|mph|yr",
    )
)
"""Symbols of units that count as one behind a number and a space."""
ATOM = (
    rf"(?:(?:square|cubic|sq\.?|cu\.?)\s*)?(?:\\text\{{[A-Za-z]\}}|\\Omega|{SHORT}"
    r"|(?:kilo|centi|milli|mega)?(?:met(?:er|re)s?|grams?|lit(?:er|re)s?|watts?|joules?|volts?)|inch(?:es)?|feet"
    r"|foot|yards?|miles?"
    r"|pounds?|ounces?|seconds?|minutes?|hours?|days?|weeks?|years?|months?|units?|radians?|rad|people|students"
    r"|persons?|dollars|cents"
    r"|ways|newtons?|amperes?|hertz|gallons?)(?![a-zA-Z])(?:\s*\^\s*\{?-?\d\}?)?"
)
COMPOUND = (
    rf"{ATOM}(?:(?:\s*/\s*|\s*\*\s*|\s+per\s+|\s+)\(?(?:{ATOM}|[smhg](?![a-zA-Z])(?:\s*\^\s*\{{?-?\d\}}?)?)\)?){{0,4}}"
)
_TOKEN = re.compile(r"\s*(?:\\text\{\s*(\w+)\s*\}|(\\[a-zA-Z]+|[A-Za-z]+\.?|'{1,2})|\^\s*\{?\s*(-?\d)\s*\}?|([/*()]))")


class Unit(NamedTuple):
    """The one name of a unit; its powers of dimensions; and how many of the first units of those it is."""

    name: str
    dimensions: tuple[tuple[str, int], ...]
    scale: Fraction


@lru_cache(maxsize=2_000)
def read(text: str) -> Unit | None:
    """The unit that a tidied text names, None when a part of it is not known."""
    powers: dict[str, int] = {}
    sign, raised, last, position = 1, 1, "", 0
    text = text.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            return None
        position = match.end()
        word = match[1] or (match[2] or "").rstrip(".")
        if match[3]:
            if not last:
                return None
            powers[last] += sign * (int(match[3]) - 1)
        elif match[4]:
            sign = -1 if match[4] == "/" else sign
        elif word in ("per", "over"):
            sign = -1
        elif word in ("square", "sq", "cubic", "cu"):
            raised = 2 if word[0] == "s" else 3
        else:
            last = _name(word)
            if not last:
                return None
            powers[last] = powers.get(last, 0) + sign * raised
            raised = 1
    powers = {name: power for name, power in powers.items() if power}
    return _unit(powers) if powers and raised == 1 else None


def ratio(a: str, b: str) -> Fraction | None:
    """How many of unit `b` one of unit `a` is, both by name; None for units of different or unknown dimensions."""
    one, other = read(a), read(b)
    if one is None or other is None or not one.dimensions or one.dimensions != other.dimensions:
        return None
    return one.scale / other.scale


def _name(word: str) -> str:
    """The one name of a unit without its power; "" when it is not known."""
    for name, spelling in _SPELLED:
        if spelling.fullmatch(word):
            return name
    for long, short in _LONG_PREFIXES.items():
        if word.startswith(long) and (rest := _name(word[len(long) :])):
            return short + rest
    if word in _SCALES or word in _DERIVED or _prefixed(word):
        return word
    return _name(word.lower()) if word[1:].islower() and len(word) > 3 and word[0].isupper() else ""


def _prefixed(word: str) -> tuple[str, int] | None:
    """A symbol with a prefix as the symbol and the power of ten."""
    prefix, unit = word[:1], word[1:]
    if prefix not in _PREFIXES or not (unit in _DERIVED or prefix in _PREFIXED.get(unit, "") or unit == "Ohm"):
        return None
    return {"s": "second"}.get(unit, unit), _PREFIXES[prefix]


def _unit(powers: dict[str, int]) -> Unit:
    short = {} if len(powers) == 1 else {"second": "s", "hour": "h"}
    above, below = (
        [_raised(short.get(name, name), abs(power)) for name, power in sorted(powers.items()) if power * sign > 0]
        for sign in (1, -1)
    )
    name = "*".join(above) or "1"
    name += "/" + "*".join(below) if below else ""
    dimensions: dict[str, int] = {}
    scale = Fraction(1)
    if powers == {"mph": 1}:
        powers = {"mi": 1, "hour": -1}
    for each, power in powers.items():
        unit, ten = (_prefixed(each) if each not in _SCALES else None) or (each, 0)
        dimension, times, worth = _SCALES.get(unit, (unit, 1, Fraction(1)))
        dimensions[dimension] = dimensions.get(dimension, 0) + times * power
        scale *= (worth * Fraction(10) ** ten) ** power
    return Unit(name, tuple(sorted((each, power) for each, power in dimensions.items() if power)), scale)


def _raised(name: str, power: int) -> str:
    return name if power == 1 else f"{name}^{{{power}}}"
