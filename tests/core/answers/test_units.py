"""Units: one name for all spellings, and how many of one another is."""

from fractions import Fraction

import pytest

from stages.core.answers import units
from stages.core.answers.notation import tidy
from stages.core.answers.quantities import quantity
from stages.core.equality.measures import in_one_unit


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("square feet", "ft^{2}"), ("sq. ft", "ft^{2}"), ("m/s", "m/s"), ("meters per second", "m/s"),
        (r"km / \text{h}", "km/h"), ("hrs", "hour"),
        ("kilograms", "kg"), (r"\Omega", "Ohm"), ("m/s^{2}", "m/s^{2}"), ("kg m/s", "kg*m/s"), ("cubic meters",
        "m^{3}"), ("mph", "mph"),
        ("liters", "L"), ("square units", "unit^{2}"), ("cm", "cm"),
    ],
)  # fmt: skip
def test_one_name_for_all_spellings(text: str, name: str) -> None:
    found = units.read(text)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("text", ["", "apples", "x", "^2", "m/apple", "square"])
def test_what_is_no_known_unit(text: str) -> None:
    assert units.read(text) is None


@pytest.mark.parametrize(
    ("a", "b", "ratio"),
    [
        ("minute", "hour", Fraction(1, 60)), ("m", "cm", 100), ("cent", "dollar", Fraction(1, 100)), ("L", "cm^{3}",
        1000), ("km/h", "m/s", Fraction(5, 18)),
        ("'", "degree", Fraction(1, 60)), ("mi", "ft", 5280), ("m", "second", None), ("apple", "pear", None),
    ],
)  # fmt: skip
def test_units_of_one_dimension_convert(a: str, b: str, ratio: Fraction | int | None) -> None:
    assert units.ratio(a, b) == ratio


@pytest.mark.parametrize(
    ("answer", "value", "unit"),
    [
        (r"3\text{ hours }30\text{ minutes}", Fraction(7, 2), "hour"), (r"22^\circ 30'", Fraction(45, 2), "degree"),
            ("5 ft 6 in", Fraction(11, 2), "ft"),
        (r"12 \mathrm{~km} / \mathrm{h}", 12, "km/h"), (r"12\text{ V}", 12, "V"), (r"12\text{ (cm)}", 12, "cm"),
            ("30'", 30, "'"),
        ("2.5 million dollars", 2_500_000, "dollar"),
    ],
)  # fmt: skip
def test_a_value_in_units(answer: str, value: Fraction | int, unit: str) -> None:
    found = quantity(tidy(answer))
    assert (found.value, found.unit) == (value, unit)


def test_two_quantities_meet_in_one_unit() -> None:
    assert in_one_unit(quantity("90 minutes"), quantity("1.5 hours")) == (Fraction(3, 2), Fraction(3, 2))
    assert in_one_unit(quantity("5 m"), quantity("5 seconds")) is None
