"""Comparing quantities: in one unit, and as times of the day."""

import re
from fractions import Fraction

from stages.core.answers import units
from stages.core.answers.quantities import Quantity

_TIME = re.compile(r"(\d{1,2})\s*:\s*(\d\d)\s*(?:([ap])\.?\s?m\.?)?", re.IGNORECASE)


def in_one_unit(a: Quantity, b: Quantity) -> tuple[Fraction, Fraction] | None:
    """The values of two quantities in one unit: 90 minutes and 1.5 hours; None where no unit is common to both."""
    if a.value is None or b.value is None:
        return None
    if a.unit == b.unit:
        return a.value, b.value
    ratio = units.ratio(a.unit, b.unit)
    return None if ratio is None else (a.value * ratio, b.value)


def is_time(text: str) -> bool:
    """Whether a text may be a time of the day, 10:20, rather than a ratio."""
    return _TIME.fullmatch(text.strip()) is not None


def same_time(a: str, b: str, lenient: bool) -> bool | None:
    """Whether two times are the same, 8:34 PM and 20:34; None where one is no time, or lacks AM or PM.

    `lenient` lets either side leave out AM or PM.
    """
    left, right = _TIME.fullmatch(a.strip()), _TIME.fullmatch(b.strip())
    if left is None or right is None:
        return None
    minutes = _minute(left), _minute(right)
    if None not in minutes:
        return minutes[0] == minutes[1]
    if lenient and bool(left[3]) != bool(right[3]):
        return (int(left[1]), left[2]) == (int(right[1]), right[2])
    return None


def _minute(time: re.Match[str]) -> int | None:
    """The minute of the day of a time; None where AM or PM is missing or wrong."""
    hour, half = int(time[1]), (time[3] or "").casefold()
    if hour > 23 or (not half and 0 < hour < 13) or (half and not 0 < hour < 13):
        return None
    return (hour % 12 + 12 * (half == "p") if half else hour) * 60 + int(time[2])
