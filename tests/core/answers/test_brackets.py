r"""Brackets: what they enclose, what only groups, and where a list or a ratio is cut."""

import pytest

from stages.core.answers.brackets import MAX_LAYERS, SET, bare, depth, ratio, split, unbracket


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("((1/2))", "1/2"), ("{(1, 2)}", "(1, 2)"), ("(1, 2)", "(1, 2)"), (" 5 ", "5"), ("(a)(b)", "(a)(b)"), ("(1", "(1"), ("[5]", "[5]"),
        ("the answer is 5", "5"), ("Answer: 5", "5"), ("The correct option is (B)", "B"), ("our final answer: x", "x"), ("answer", "answer"), ("", ""),
    ],
)  # fmt: skip
def test_lead_in_words_and_grouping_brackets_go(text: str, inside: str) -> None:
    assert bare(text) == inside


def test_so_many_layers_are_taken_off_and_no_more() -> None:
    assert bare("(" * MAX_LAYERS + "1" + ")" * MAX_LAYERS) == "1"
    assert bare("(" * (MAX_LAYERS + 1) + "1" + ")" * (MAX_LAYERS + 1)) == "(1)"


@pytest.mark.parametrize(
    ("text", "brackets", "inside"),
    [
        (r"\{1, 2\}", SET, "1, 2"), ("[0,1)", "[)", "0,1"), ("(0,1]", "(]", "0,1"), ("( 5 )", "()", "5"), (r"\{\}", SET, ""),
        ("(1)+(2)", "", "(1)+(2)"), (r"\{1\}\cup\{2\}", "", r"\{1\}\cup\{2\}"), ("(1", "", "(1"), ("|1|", "", "|1|"), ("{1}", "", "{1}"), ("", "", ""),
    ],
)  # fmt: skip
def test_brackets_around_the_whole_are_told_from_brackets_within(text: str, brackets: str, inside: str) -> None:
    assert unbracket(text) == (brackets, inside)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1, 2", ["1", "2"]), ("1; 2", ["1", "2"]), ("1 and 2", ["1", "2"]), ("1, and 2", ["1", "2"]), ("x=1 or x=2", ["x=1", "x=2"]),
        ("(1,2), (3,4)", ["(1,2)", "(3,4)"]), ("[1,2),(3,4]", ["[1,2)", "(3,4]"]), ("f(1,2)", ["f(1,2)"]), ("Alice and Bob", ["Alice", "Bob"]),
        ("two and three", ["two and three"]), ("A or B", ["A or B"]), ("1,,2", ["1", "2"]), (",", []), ("", []), ("5", ["5"]),
    ],
)  # fmt: skip
def test_a_list_is_cut_outside_brackets(text: str, parts: list[str]) -> None:
    assert split(text) == parts


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("1:2", ["1", "2"]),
        ("1 : 2 : 3", ["1", "2", "3"]),
        ("(1:2):3", ["(1:2)", "3"]),
        ("a:b", ["a", "b"]),
        ("(1:2)", []),
        ("1:", []),
        (":", []),
        ("5", []),
        ("", []),
    ],
)
def test_a_ratio_has_two_terms_or_more(text: str, terms: list[str]) -> None:
    assert ratio(text) == terms


@pytest.mark.parametrize(
    ("text", "deep"), [("", 0), ("x", 0), ("(x)", 1), ("({[x]})", 3), ("()()", 1), ("(((", 3), (")))", 0), (")(", 0)]
)
def test_depth_counts_brackets_of_any_kind(text: str, deep: int) -> None:
    assert depth(text) == deep
