r"""Evaluation: values of trees to many digits, and refusals of what is large or undefined."""

import math

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.answers.notation import tidy
from stages.core.equality.evaluation import branches, evaluate, is_undefined
from stages.core.equality.expressions import Tree, read
from stages.core.equality.operations import (
    LARGEST_ANGLE,
    LARGEST_EXPONENT,
    LARGEST_FACTORIAL,
    NoValueError,
    context,
    coordinate,
)

DIGITS = context(40)


def tree(text: str) -> Tree:
    found = read(tidy(text))
    assert found is not None, text
    return found.tree


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # to 40 digits, from the tables of the OEIS: A002193, A000796, A001113, A002162, A001622
        (r"\sqrt2", "1.414213562373095048801688724209698078570"), (r"\pi", "3.141592653589793238462643383279502884197"),
        ("e", "2.718281828459045235360287471352662497757"), (r"\ln 2", "0.6931471805599453094172321214581765680755"),
        (r"\frac{1+\sqrt5}{2}", "1.618033988749894848204586834365638117720"),
        ("2^{-3}", "0.125"), ("5!", "120"), (r"\binom{5}{2}", "10"), ("|-3|", "3"), (r"\sqrt[3]{-8}", "-2"), (r"\log_2 8", "3"), (r"\sin\frac{\pi}{6}", "0.5"),
        (r"\arctan 1", "0.7853981633974483096156608458198757210493"), ("-2^2", "-4"), ("2-3-4", "-5"), (r"\exp(0)", "1"),
    ],
)  # fmt: skip
def test_constants_have_their_value(text: str, value: str) -> None:
    assert abs(evaluate(tree(text), {}, DIGITS) - DIGITS.mpf(value)) < DIGITS.mpf(10) ** -38


def test_roots_of_negative_numbers_are_complex_unless_the_index_is_odd() -> None:
    assert evaluate(tree(r"\sqrt{-4}"), {}, DIGITS) == DIGITS.mpc(0, 2)
    assert evaluate(tree("i^2"), {}, DIGITS) == -1
    assert evaluate(tree(r"\sqrt[5]{-32}"), {}, DIGITS) == -2


@given(st.integers(-50, 50), st.integers(1, 50))
def test_variables_have_the_values_that_they_are_given(x: int, y: int) -> None:
    found = evaluate(tree(r"\frac{x^2-3x}{y}+|x|"), {"x": DIGITS.mpf(x), "y": DIGITS.mpf(y)}, DIGITS)
    assert math.isclose(found, (x * x - 3 * x) / y + abs(x), abs_tol=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "1/0", "0^0", "0^{-1}", r"\ln 0", r"\log_1 5", r"\log_0 5", r"\sqrt[0]{5}", r"\sqrt[101]{5}", "(1/2)!", "(-1)!", r"\binom{x}{2}",
        f"{LARGEST_FACTORIAL + 1}!", f"1^{{{LARGEST_EXPONENT + 1}}}", "10^{401}", "10^{10^{10}}", f"\\sin({LARGEST_ANGLE + 1})", r"\exp(101)", r"\binom{151}{2}",
    ],
)  # fmt: skip
def test_what_is_undefined_or_large_is_refused(text: str) -> None:
    with pytest.raises(NoValueError):
        evaluate(tree(text), {"x": DIGITS.mpf("0.5")}, DIGITS)


def test_what_is_as_large_as_allowed_is_evaluated() -> None:
    assert evaluate(tree(f"{LARGEST_FACTORIAL}!"), {}, DIGITS) == DIGITS.factorial(LARGEST_FACTORIAL)
    assert evaluate(tree(f"1^{{{LARGEST_EXPONENT}}}"), {}, DIGITS) == 1
    assert evaluate(tree("10^{400}"), {}, DIGITS) == DIGITS.mpf(10) ** 400


def test_a_refusal_is_a_value_error() -> None:
    assert issubclass(NoValueError, ValueError)


@pytest.mark.parametrize(
    ("text", "branching"),
    [("|x|", True), (r"\sqrt{x}", True), (r"\ln x", True), (r"\arcsin x", True), (r"x^{1/2}", True), ("x^y", True), ("x^2", False), ("x^{-2}", False),
     ("2^x", False), (r"\sqrt2 x", False), ("|-3|x", False), (r"\sin x", False), (r"1+|x|", True)],
)  # fmt: skip
def test_only_what_depends_on_a_variable_branches(text: str, branching: bool) -> None:
    assert branches(tree(text)) is branching


@pytest.mark.parametrize(
    ("text", "undefined"), [("1/0", True), ("1+x/0.0", True), ("0/1", False), ("1/(1-1)", False), ("5", False)]
)
def test_a_written_division_by_zero_is_seen(text: str, undefined: bool) -> None:
    assert is_undefined(tree(text)) is undefined


def test_coordinates_are_fixed_and_differ_by_name_and_point() -> None:
    points = {(name, point): coordinate(name, point, DIGITS) for name in ("x", "y", "x_1") for point in range(20)}
    assert points == {key: coordinate(*key, DIGITS) for key in points}
    assert len(set(points.values())) == len(points)
    assert all(0 < abs(value) < 10_000 for value in points.values())
    for name in ("x", "y", "x_1"):
        signs = [points[name, point] > 0 for point in range(4)]
        assert signs[:2] == [True, True] and sorted(signs[2:]) == [False, True]
    assert mpmath.mp.dps == 15, "a context of its own changes nobody's digits"
