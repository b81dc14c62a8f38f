r"""Quantities: an exact value, its text and one name for its unit."""

from fractions import Fraction

import pytest

from stages.core.answers.notation import tidy
from stages.core.answers.quantities import (
    CACHED_CHARS,
    Quantity,
    join_thousands,
    quantity,
    without_unit,
)
from stages.core.equality.measures import is_time, same_time


@pytest.mark.parametrize(
    ("answer", "value", "unit"),
    [
        # golds of MATH-500
        (r"90^\circ", 90, "degree"), (r"\frac{270}7\text{ degrees}", Fraction(270, 7), "degree"), (r"\$18.90", Fraction(189, 10), "dollar"),
        (r"\$32,\!348", 32_348, "dollar"), (r"864 \mbox{ inches}^2", 864, "in^{2}"), (r"15\mbox{ cm}^2", 15, "cm^{2}"),
        (r"5.4 \text{ cents}", Fraction(27, 5), "cent"), ("58,500", 58_500, ""), (r"137 \frac{1}{2}", Fraction(275, 2), ""),
        # spellings of one unit
        ("60 deg", 60, "degree"), ("10%", 10, "%"), (r"10\%", 10, "%"), ("10 percent", 10, "%"), ("USD 10", 10, "dollar"), ("10 dollars", 10, "dollar"),
        ("5 square feet", 5, "ft^{2}"), ("5 sq. ft", 5, "ft^{2}"), ("5 cubic meters", 5, "m^{3}"), ("5 kilograms", 5, "kg"), ("5 hrs", 5, "hour"),
        ("1,234 km", 1_234, "km"), ("5 m/s", 5, "m/s"), ("5 apples", 5, "apple"), ("-USD 5", -5, "dollar"), ("USD -5", -5, "dollar"),
        ("\u20ac5", 5, "\u20ac"), ("5 million", 5_000_000, ""), ("((5))", 5, ""), ("the answer is 5 cm", 5, "cm"),
    ],
)  # fmt: skip
def test_a_value_and_its_unit(answer: str, value: Fraction | int, unit: str) -> None:
    found = quantity(tidy(answer))
    assert (found.value, found.unit) == (value, unit)


@pytest.mark.parametrize(
    ("text", "rest", "unit"),
    [
        (r"2\sqrt{3} cm", r"2\sqrt{3}", "cm"),
        (r"36\pi cm^{2}", r"36\pi", "cm^{2}"),
        ("2^{n} ways", "2^{n}", "way"),
        (r"\pi radians", r"\pi", "radian"),
    ],
)
def test_a_constant_or_a_formula_may_have_a_unit(text: str, rest: str, unit: str) -> None:
    assert quantity(text) == Quantity(None, rest, unit)


@pytest.mark.parametrize(
    "text",
    ["", "x", "percent", "5m", "x m", "5 thirds", "5 below zero", "5 hours thirty minutes", "10 choose 3", "5 lakh", "1011 binary",
     "\u20ac \u20ac 5", "no solution", "2 and 3 apples"],
)  # fmt: skip
def test_words_that_change_a_value_are_no_units(text: str) -> None:
    assert quantity(text) == Quantity(None, text, "")


def test_a_long_text_is_read_as_a_short_one() -> None:
    digits = "7" * (CACHED_CHARS + 1)
    assert quantity(f"{digits} cm") == Quantity(Fraction(int(digits)), digits, "cm")


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("1,234", "1234"), ("1 234", "1234"), ("1,234,567.5", "1234567.5"), ("1 234 567", "1234567"), ("USD 1,234", "USD 1234"),
        ("12,345 km", "12345 km"), ("A. 1,234", "A. 1234"), ("-1,234", "-1234"),
        # not thousands
        ("1,23", "1,23"), ("0,123", "0,123"), ("1,234,56", "1,234,56"), ("(1,234)", "(1,234)"), ("1234,567", "1234,567"), ("", ""),
    ],
)  # fmt: skip
def test_thousands_are_joined_where_they_are_the_whole_answer(text: str, joined: str) -> None:
    assert join_thousands(text) == joined


@pytest.mark.parametrize(
    ("text", "bare"), [("(3,4) cm", "(3,4)"), (r"2\pi radians", r"2\pi"), ("(3,4)", "(3,4)"), ("5 apples", "5 apples"), ("", "")]
)  # fmt: skip
def test_a_unit_that_stands_behind_anything_is_dropped(text: str, bare: str) -> None:
    assert without_unit(text) == bare


@pytest.mark.parametrize(
    ("a", "b", "exactly", "leniently"),
    [
        ("8:34 PM", "20:34", True, True), ("8:34 p.m.", "8:34PM", True, True), ("13:00", "1:00 pm", True, True), ("0:30", "12:30 am", True, True),
        ("12:00 pm", "12:00 am", False, False), ("8:34 PM", "8:34 AM", False, False), ("20:34", "8:34 AM", False, False),
        # which half of the day is not told
        ("8:34", "8:34 PM", None, True), ("8:34", "9:34 PM", None, False), ("10:20", "10:20", None, None),
        # no times
        ("24:00", "0:00", None, None), ("13:00 PM", "13:00", None, True), ("1:2", "1:2", None, None), ("x", "8:34 PM", None, None),
    ],
)  # fmt: skip
def test_times_of_the_day(a: str, b: str, exactly: bool | None, leniently: bool | None) -> None:
    assert same_time(a, b, lenient=False) is same_time(b, a, lenient=False) is exactly
    assert same_time(a, b, lenient=True) is same_time(b, a, lenient=True) is leniently


def test_a_time_has_two_digits_of_minutes() -> None:
    assert [is_time(text) for text in ("10:20", " 8:34 PM ", "1:2", "10:20:30", "10:200", "")] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]
