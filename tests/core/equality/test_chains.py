"""Chains of equations, and the value that they come to."""

import pytest

from stages.core.answers.forms import read
from stages.core.equality.chains import is_described, result


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("m+n=113", "113"), ("m + n = 100 + 13 = 113", "113"), ("f(2)=5", "5"), (r"\log_2 8 = 3", "3"), (r"m\angle A=60^\circ", r"60^{\circ}"),
        (r"\cos\theta=\frac12", r"\frac{1}{2}"), ("7=11a+c", ""), ("x^2+y^2=2", ""), ("f(2)=x", ""), ("x=5", ""), ("5", ""), ("1, 2", ""), ("", ""),
    ],
)  # fmt: skip
def test_a_description_of_a_value_ends_with_it(answer: str, value: str) -> None:
    form = read(answer)
    assert (result(form) if form.parts else "") == value


@pytest.mark.parametrize(
    ("answer", "described"),
    [(r"P(A \cap B)=\frac12", True), (r"m\angle A=60^\circ", True), ("m+n=113", False), ("x=5", False), ("5", False)],
)
def test_the_value_of_a_function_is_told_from_an_equation(answer: str, described: bool) -> None:
    assert is_described(read(answer)) is described
