"""The words that copies of a problem share, however they are typeset."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.text.normalisation import MASK, prose, template, words, words_and_signs


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Find $x$.", "find x"),
        ("What is  2 + 2 ?", "what is 2+2"),
        ("Solve \\[2x = 4.\\]", "Solve $2 x=4$"),
        ("the root $r_1$ of", "the root $r_{1}$ of"),
        ("\\overline{r}_1", "\\overline{r_1}"),
        ("a\nb", "a b"),
        ("In triangle $A B C$,", "In triangle \\(ABC\\),"),
    ],
    ids=["case and dollars", "spaces", "delimiters", "subscript", "braces", "line ends", "letters apart"],
)
def test_case_punctuation_and_spacing_of_formulas_are_no_words(one: str, other: str) -> None:
    assert words(one) == words(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("7 bags", "6 bags"), ("2.5 m", "25 m"), ("12 and 3", "1 and 23"), ("7 bags", "7 boxes"), ("a pipe", "apipe")],
)
def test_other_numbers_or_words_are_others(one: str, other: str) -> None:
    assert words(one) != words(other)


def test_signs_count_only_where_they_are_asked_for() -> None:
    assert words("7 + 5") == words("7 - 5")
    assert words_and_signs("7 + 5") == ["7", "+", "5"] != words_and_signs("7 - 5")
    assert words_and_signs("$x<3$") == words_and_signs("x < 3") == words_and_signs("\\(x<3\\)")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("7 \u00d7 5", "7 \u00f7 5"),
        ("7 \u2212 5", "7 + 5"),
        ("x \u2264 3", "x \u2265 3"),
        ("$(1+2)/3$", "$1+(2/3)$"),
        ("e^{x+1}", "e^x+1"),
        (r"\sqrt{2}+1", r"\sqrt{2+1}"),
        ("[0, 1)", "(0, 1)"),
        (r"What is $88 \div 4 \div 2$?", r"What is $88 \div (4 \div 2)$?"),  # two problems of MATH, 11 and 44
    ],
)
def test_another_sign_or_another_bracket_is_another_problem(one: str, other: str) -> None:
    assert words_and_signs(one) != words_and_signs(other)


@pytest.mark.parametrize(("one", "other"), [("7 \u2212 5", "7-5"), ("r_{1}", "r_1"), (r"\frac{1}{2}", r"\frac 1 2")])
def test_typesetting_makes_no_other_problem(one: str, other: str) -> None:
    assert words_and_signs(one) == words_and_signs(other)


def test_prose_has_no_drawing_and_no_typesetting() -> None:
    drawn = "Find $\\left(\\frac{AB}{2}\\right)$. [asy]\ndraw(A--B);\n[/asy] It is \\textbf{not} 3."
    assert prose(drawn) == ["find", "ab", "2", "it", "is", "not", "3"]


def test_a_template_masks_numbers_in_digits_and_in_words_and_joins_them() -> None:
    assert template("Anna has 7 bags with three apples, 1,000 in all") == template(
        "Anna has twelve bags with 25 apples, 17 in all"
    )
    assert template("the points (1, 2) and 3.5") == ["the", "points", MASK, "and", MASK]


@pytest.mark.parametrize("function", [words, words_and_signs, prose, template])
def test_no_words_are_no_words(function: object) -> None:
    assert function("") == function("\\{ \\}!?"[-1]) == []


@given(st.text())
def test_any_text_has_words_without_spaces(text: str) -> None:
    for function in (words, words_and_signs, prose, template):
        assert all(word and " " not in word for word in function(text))
