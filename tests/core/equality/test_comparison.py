r"""Comparison of forms: what structure and exact values decide, and which pairs of formulas are left to a leaf."""

import pytest

from stages.core.answers import forms
from stages.core.equality.comparison import MAX_UNORDERED, Rules, compare
from stages.core.equality.leniency import is_subset, unwrapped


def compared(a: str, b: str, lenient: bool, leaf: bool | None = None) -> tuple[bool | None, list[tuple[str, str]]]:
    """The verdict, and the pairs that a leaf with one answer to everything was asked for."""
    asked: list[tuple[str, str]] = []

    def answer(one: str, other: str) -> bool | None:
        asked.append((one, other))
        return leaf

    return compare(forms.read(a), forms.read(b), Rules(lenient, answer)), asked


@pytest.mark.parametrize(
    ("a", "b", "strictly", "leniently"),
    [
        ("1/2", "0.5", True, True), ("1, x", "x, 1", True, True), ("1, 2", r"\{2, 1\}", True, True), ("a=1,b=2", "b=2,a=1", True, True),
        ("1, 2", "1, 3", False, False), ("(1,2)", "(2,1)", False, False), ("(x,y)", "[x,y]", False, False), ("a=1,b=2", "b=1,a=2", False, False),
        ("(1,2)", r"\{1,2\}", False, False), ("1, 2, 2", "1, 2", False, False), ("", "5", False, False), ("", "", False, False),
        ("5 m", "5 km", False, False), ("abc", "abd", False, False), ("101_2", "5", False, False), ("2x", "5", False, False), ("f'(x)", "f(x)", False, False),
        ("x", "y", False, False), ("x+1=2", "x+1", False, False), ("(B)", "(C)", False, False), (r"10\%", "0.2", False, False),
        # what only a judge forgives
        ("5", "5 cm", False, True), (r"50\%", "0.5", False, True), ("0.333333", r"\frac13", False, True), (r"\frac13", "0.333333", False, True),
        ("B", "(B) 12", None, True), ("1:2", "2:4", False, True), ("1:2", "0.5", False, True), ("113", "m+n=113", False, True),
        ("30.4 or 152/5", "30.4", False, True), (r"\{5\}", "5", False, True), ("(1,2)", r"\begin{pmatrix}1\\2\end{pmatrix}", False, True),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "[[1,2],[3,4]]", False, True), ("1, 2", "(1, 2)", False, True),
    ],
)  # fmt: skip
def test_structure_and_exact_values_decide(a: str, b: str, strictly: bool | None, leniently: bool) -> None:
    assert compared(a, b, lenient=False)[0] is strictly
    assert compared(a, b, lenient=True) == (leniently, [])


def test_the_gold_is_what_may_be_looked_through() -> None:
    assert compared("0.5", r"50\%", lenient=True)[0] is True
    assert compared("50", r"50\%", lenient=True)[0] is False, "a gold of 50 says nothing of percent"
    assert compared(r"50\%", "50", lenient=True)[0] is True
    assert compared("m+n=113", "113", lenient=True)[0] is False, "a gold that is an equation is no value"


@pytest.mark.parametrize(
    ("a", "b", "asked"),
    [
        ("x+1", "y+1", [("x+1", "y+1")]), ("x=2y", "y=x/2", [("x=2y", "y=x/2")]), ("x<1", "(0,1)", [("x<1", "(0, 1)")]),
        ("(B) x+1", "(B) y+1", [("x+1", "y+1")]), ("(x+1, 5)", "(1+x, 5)", [("x+1", "1+x")]),
    ],
)  # fmt: skip
def test_a_leaf_is_asked_for_formulas_alone(a: str, b: str, asked: list[tuple[str, str]]) -> None:
    for leaf in (True, False, None):
        assert compared(a, b, lenient=True, leaf=leaf) == (leaf, asked)


def test_one_part_that_differs_decides_whatever_the_leaf_says_of_others() -> None:
    assert compared("(x+1, 5)", "(1+x, 6)", lenient=False, leaf=None)[0] is False
    assert compared("x+1, 5", "1+x, 6", lenient=False, leaf=None)[0] is False


def test_long_lists_are_equal_by_their_text_or_not_decided() -> None:
    def many(number: int, step: int) -> str:
        return ", ".join(f"x+{value}" for value in range(step, number + step))

    assert compared(many(MAX_UNORDERED, 0), many(MAX_UNORDERED, 1), lenient=False, leaf=False)[0] is False
    assert compared(many(MAX_UNORDERED + 1, 0), many(MAX_UNORDERED + 1, 1), lenient=False, leaf=False) == (None, [])


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("D=(0,1)", "(0, 1)"),
        (r"\{(1,2)\}", "(1, 2)"),
        ("P(3,4)", "(3, 4)"),
        ("5", "5"),
        ("(1,2)", "(1, 2)"),
        (r"\{1,2\}", r"\{1, 2\}"),
    ],
)
def test_a_judge_opens_what_holds_one_sequence(text: str, plain: str) -> None:
    assert forms.spelled(unwrapped(forms.read(text))) == plain


@pytest.mark.parametrize(
    ("text", "region"), [("x<1", True), (r"(0,1)\cup(2,3)", True), (r"\mathbb{R}", True), (r"x\ne 3", True), ("5", False), ("x=1", False), ("(0,1)", False), ("", False)]
)  # fmt: skip
def test_a_part_of_the_line_is_told_from_a_value(text: str, region: bool) -> None:
    assert is_subset(text) is region
