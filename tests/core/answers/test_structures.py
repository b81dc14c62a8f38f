r"""Structures: rows, cycles, systems, described sets, families and numbered answers."""

import pytest

from stages.core.answers import structures
from stages.core.answers.forms import read
from stages.core.answers.keys import canonical
from stages.core.answers.notation import tidy


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("1 2 3", ["1", "2", "3"]),
        ("07 12", ["07", "12"]),
        ("B A C", ["BAC"]),
        ("x y", None),
        ("5", None),
        ("1, 2", None),
    ],
)
def test_numbers_side_by_side_are_a_row(text: str, entries: list[str] | None) -> None:
    assert structures.row(text) == entries


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("(2 1)(4 3)", ["(1 2)", "(3 4)"]), ("(3 4)(1 2)", ["(1 2)", "(3 4)"]), ("(2 3 1)", ["(1 2 3)"]),
        ("(1,2)(3,4)", ["(1 2)", "(3 4)"]),
        ("(2 3)(1 2)", ["(2 3)", "(1 2)"]), ("(1, 2)", None), ("(1)(2)", None), ("x(1 2)", None),
    ],
)  # fmt: skip
def test_cycles_start_at_their_least_entry_and_commute_where_they_are_disjoint(
    text: str, found: list[str] | None
) -> None:
    assert structures.cycles(text) == found


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        (r"\{x\mid -2\le x\le 3\}", r"-2\le x\le 3"), (r"\{x : x>2\}", "x>2"), (r"\{x \in \mathbb{R} | x \ne 1\}",
            r"x \ne 1"),
        (r"\{2k+1 \mid k \in \mathbb{Z}\}", r"2k+1, k \in \mathbb{Z}"), (r"\{n \in \mathbb{Z} \mid n>2\}",
            r"n>2, n \in \mathbb{Z}"),
        (r"\{1,2\}", None), (r"\{x\}", None), ("x>2", None),
    ],
)  # fmt: skip
def test_a_set_is_what_its_condition_says(text: str, condition: str | None) -> None:
    assert structures.condition(text) == condition


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"n\pi, n\in\mathbb{Z}", (r"k\pi", r"\mathbb{Z}")), (r"n\pi (n\in\mathbb{Z})", (r"k\pi", r"\mathbb{Z}")),
        (r"2m+1 for any integer m", ("2k+1", r"\mathbb{Z}")), (r"x \in \mathbb{Z}", None), (r"n\pi", None),
            (r"a, b\in\mathbb{Z}", None),
    ],
)  # fmt: skip
def test_the_letter_of_a_family_means_nothing(text: str, found: tuple[str, str] | None) -> None:
    assert structures.family(text) == found


@pytest.mark.parametrize(
    ("text", "turned"),
    [
        ("a>b>c", "c < b < a"),
        (r"3\ge x>1", r"1 < x \le 3"),
        ("x<3", "x<3"),
        ("x>1 or x<0", "x>1 or x<0"),
        ("1<x>0", "1<x>0"),
    ],
)
def test_a_chain_of_inequalities_starts_with_its_smallest_side(text: str, turned: str) -> None:
    assert structures.oriented(text) == turned


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        ("1 2 3", "1 2 3"), ("(2 1)(4 3)", "(1 2)(3 4)"), ("x=2 or y=3", "x=2 or y=3"), ("x=2, y=3", "{x=2, y=3}"),
        (r"\begin{cases}x=1\\y=2\end{cases}", "{x=1, y=2}"), ("(1) 3; (2) 5", "(3, 5)"), 
        (r"n\pi, n\in\mathbb{Z}", r"k\pi, k \in \mathbb{Z}"), ("5 > x", "x<5"), ("y=5", "y=5"), ("x=5", "5"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}^T", r"\begin{pmatrix}1 & 3 \\ 2 & 4\end{pmatrix}"), ("x < 1 or x > 2",
            "2<x or x<1"),
    ],
)  # fmt: skip
def test_each_structure_has_a_key_of_its_own_kind(answer: str, key: str) -> None:
    assert canonical(answer) == key
    assert canonical(key) == key


def test_answers_in_lines_of_their_own_are_a_list() -> None:
    assert read("2\n\n3\n\nx+1") == read("2, 3, x+1")
    assert read("x = 1\ny = 2") == read("x=1, y=2")
    assert read("x^2\n+ 1") == read("x^2 + 1")
    assert read(tidy("(1,\n2)")) == read("(1,2)")
