r"""Notation: one spelling for what is typed in many ways, and nothing but the spelling changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.answers.notation import squeeze, tidy
from tests.spellings import ANSWERS

MATH_500 = [
    (r"\frac12", r"\frac{1}{2}"), (r"\frac 59", r"\frac{5}{9}"), (r"\frac9{19}", r"\frac{9}{19}"),
    (r"\frac{270}7\text{ degrees}", r"\frac{270}{7} degrees"), (r"\dfrac{17}{50}", r"\frac{17}{50}"),
    (r"11\sqrt2", r"11\sqrt{2}"), (r"10,\!080", "10080"), (r"11,\! 111,\! 111,\! 100", "11111111100"),
    (r"\$32,\!348", "USD 32348"), (r"90^\circ", r"90^{\circ}"), (r"864 \mbox{ inches}^2", "864 inches ^{2}"),
    (r"\left( 3, \frac{\pi}{2} \right)", r"( 3, \frac{\pi}{2} )"), ("52_8", "52_{8}"), (r"\text{east}", "east"),
]  # fmt: skip
"""Golds as the authors of MATH typed them."""
OTHERS = [
    ("\uff12\uff0f\uff13", "2/3"), ("\u00bd", r"\frac{1}{2}"), ("x\u00b2", "x^{2}"), ("x\u207b\u00b9\u00b2", "x^{-12}"),
    ("\u22125", "-5"), ("a\u200bb", "ab"), ("\u2205", r"\emptyset"), (r"\{ \}", r"\emptyset"), ("\u221a2", r"\sqrt{2}"),
    ("2\u00d73", "2* 3"), ("sqrt(2)", r"\sqrt{2}"), (r"x\leqslant3", r"x\le 3"), ("x <= 3", r"x \le  3"), ("x != 5", r"x \ne  5"),
    ("5!=120", "5!=120"), (r"5 \quad 6", "5 6"), ("5 .", "5"), ("n!", "n!"), (r"1, 2, \dots", r"1, 2, \ldots"),
    (r"\\frac{1}{2}", r"\frac{1}{2}"), ("3\times 4", "3* 4"), ("\x0crac12", r"\frac{1}{2}"), ("\x08inom{5}{2}", r"\binom{5}{2}"),
    (r"\textbf{\textit{a}}", "a"), (r"\hspace{1cm}5", "5"), ("$5$", "5"), (r"\(5\)", "5"), ("", ""), (" \n\t", ""),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "tidied"), [*MATH_500, *OTHERS])
def test_one_spelling(typed: str, tidied: str) -> None:
    assert tidy(typed) == " ".join(tidied.split())


@pytest.mark.parametrize(("a", "b"), [("1/2", "0.5"), (r"\frac{1}{2}", "1/2"), ("x", "X"), ("(1)", "1"), ("+5", "5")])
def test_values_and_brackets_are_not_looked_at(a: str, b: str) -> None:
    assert tidy(a) != tidy(b)


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_is_tidy_stays(answer: str) -> None:
    assert tidy(tidy(answer)) == tidy(answer)


@pytest.mark.parametrize(
    ("text", "squeezed"),
    [
        ("x ^{2} + 1", "x^{2}+1"), ("2^{6} 3", "2^{6}3"), ("2 3", "2 3"), ("no solution", "no solution"), (r"\pi r", r"\pi r"),
        (r"\sin 2", r"\sin 2"), ("( 3 , 4 )", "(3,4)"), ("  a  ", "a"), ("", ""),
    ],
)  # fmt: skip
def test_only_spaces_that_mean_nothing_are_squeezed_out(text: str, squeezed: str) -> None:
    assert squeeze(text) == squeezed


@given(st.text(max_size=80))
def test_squeezing_changes_spaces_alone_and_once(text: str) -> None:
    assert "".join(squeeze(text).split()) == "".join(text.split())
    assert squeeze(squeeze(text)) == squeeze(text)
