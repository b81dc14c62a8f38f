r"""Numerals: exact values of plain arithmetic, or none."""

import math
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.answers.numerals import MAX_CHARS, MAX_DEPTH, MAX_FACTORIAL, evaluate, is_rounding_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # golds of MATH-500, tidied
        (r"\frac{14}{3}", Fraction(14, 3)), (".35625", Fraction(57, 160)), (".0000672", Fraction(42, 625_000)), ("58500", 58_500),
        (r"1\frac{4}{5}", Fraction(9, 5)), (r"137 \frac{1}{2}", Fraction(275, 2)),
        # the other spellings
        ("137 1/2", Fraction(275, 2)), ("-1 1/2", Fraction(-3, 2)), ("2.5 million", 2_500_000), ("3 thousand", 3_000),
        ("1e-7", Fraction(1, 10**7)), ("2.5E3", 2_500), (r"0.3\overline{6}", Fraction(11, 30)), (r".\overline{9}", 1),
        (r"\gcd(12,18)", 6), (r"\lcm(4,6,10)", 60), (r"\binom{5}{2}", 10), ("2^{-3}", Fraction(1, 8)), ("2^{6} 3^{5}", 15_552),
        ("(2)3", 6), ("3!", 6), ("0!", 1), ("1.", 1), ("+5", 5), ("--5", 5), ("1+2*3-4/8", Fraction(13, 2)), ("2*(3+4)", 14),
        ("-2^2", -4),
    ],
)  # fmt: skip
def test_arithmetic_has_an_exact_value(text: str, value: Fraction | int) -> None:
    assert evaluate(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "million", "x million", "5-", "*5", "(1", "1)", "1,2", "2 3", "1 3/2", r"2\frac{3}{2}", "1/0", "0^0", "0^{-1}",
        "2^{1/2}", "(1/2)!", "(-1)!", "5!!", r"\binom{2}{5}", r"\gcd(1/2,3)", r"\gcd()", "2020-01-05", "1.2.3", r"\sqrt{4}",
    ],
)  # fmt: skip
def test_anything_else_has_none(text: str) -> None:
    assert evaluate(text) is None


def test_what_is_large_is_refused_at_its_limit() -> None:
    assert evaluate(f"{MAX_FACTORIAL}!") == math.factorial(MAX_FACTORIAL)
    assert evaluate(f"{MAX_FACTORIAL + 1}!") is None
    assert evaluate("(" * (MAX_DEPTH - 1) + "1" + ")" * (MAX_DEPTH - 1)) == 1
    assert evaluate("(" * MAX_DEPTH + "1" + ")" * MAX_DEPTH) is None
    assert evaluate("2^{6000}") == 2**6000
    assert evaluate("2^{12000}") is None
    assert evaluate("1+" * (MAX_CHARS // 2 - 1) + "1") == MAX_CHARS // 2
    assert evaluate("1+" * (MAX_CHARS // 2) + "1") is None


@given(st.recursive(
    st.integers(0, 99).map(str),
    lambda part: st.tuples(part, st.sampled_from("+-*/"), part).map(lambda found: f"({''.join(found)})"),
    max_leaves=12,
))  # fmt: skip
def test_arithmetic_is_that_of_pythons_fractions(text: str) -> None:
    try:
        wanted = eval(re.sub(r"\d+", r"Fraction(\g<0>)", text))
    except ZeroDivisionError:
        wanted = None
    assert evaluate(text) == wanted


@pytest.mark.parametrize(
    ("text", "exact", "rounded"),
    [
        ("0.333333", Fraction(1, 3), True), ("0.33333", Fraction(1, 3), False), ("0.333334", Fraction(1, 3), False),
        ("0.666666", Fraction(2, 3), True), ("0.666667", Fraction(2, 3), True), ("-0.666667", Fraction(-2, 3), True),
        ("0.083333", Fraction(1, 12), True), ("0.000000", Fraction(1, 13_983_816), False), ("0.000333", Fraction(1, 3_000), False),
        ("0.1234567", Fraction(12_345_675, 10**8), False), ("1", Fraction(1), False), ("1/3", Fraction(1, 3), False),
    ],
)  # fmt: skip
def test_six_places_of_an_endless_fraction_stand_for_it(text: str, exact: Fraction, rounded: bool) -> None:
    decimal = evaluate(text)
    assert decimal is not None
    assert is_rounding_of(text, decimal, exact) is rounded
