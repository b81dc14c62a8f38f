r"""Words: what is language, and what of it means nothing."""

import pytest

from stages.core.answers.words import folded, is_words, key


@pytest.mark.parametrize(
    ("text", "words"),
    [
        # golds of MATH-500, tidied
        ("Evelyn", True), ("east", True), ("ellipse", True), (r"\cot x", False), ("3R^{2}", False), ("x^{8} + x^{7}", False), ("C", False),
        # two capitals, two letters, macros and indices
        ("AB", True), ("IV", True), ("no", True), ("ab", False), ("xy", False), (r"\begin{pmatrix}1\end{pmatrix}", False), ("x_{max}", False),
        ("2 apples", True), ("\u662f", True), ("12", False), ("", False),
    ],
)  # fmt: skip
def test_language_is_told_from_formulas(text: str, words: bool) -> None:
    assert is_words(text) is words


@pytest.mark.parametrize(
    ("text", "plain"), [("Yes", "yes"), ("NO", "no"), ("AB", "AB"), ("ABC", "ABC"), ("ABCD", "abcd"), ("Ab", "ab"), ("SIX", "six"), ("Stra\u00dfe", "strasse"), ("", "")]
)  # fmt: skip
def test_case_means_nothing_but_in_names_of_points(text: str, plain: str) -> None:
    assert folded(text) == plain


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        ("A  Rectangle", "a rectangle", "rectangle"),
        ("the end", "the end", "end"),
        ("an", "an", "an"),
        ("another", "another", "another"),
        ("East", "east", "east"),
    ],
)
def test_only_a_judge_drops_the_article(text: str, strict: str, lenient: str) -> None:
    assert key(text, lenient=False) == strict
    assert key(text, lenient=True) == lenient
