r"""Unions of intervals and points on the line, compared by their ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.answers.notation import tidy
from stages.core.equality import intervals


def same(a: str, b: str) -> bool | None:
    return intervals.equal(tidy(a), tidy(b))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (r"[1,3]\cup[2,4]", "[1,4]"),
        (r"[1,2)\cup[2,3]", "[1,3]"),
        (r"(1,2)\cup\{2\}\cup(2,3)", "(1,3)"),
        (r"\{1\}\cup(1,2]", "[1,2]"),
        (r"(-\infty,2)\cup(2,\infty)", r"\mathbb{R}\setminus\{2\}"),
        (r"\mathbb{R}-\{0,1\}", r"(-\infty,0)\cup(0,1)\cup(1,\infty)"),
        (r"[0,1]\cup[2,3]", r"[2,3]\cup[0,1]"),
        (r"(0,\sqrt{4}]\cup(5,6)", r"(0,2]\cup(5,\frac{12}{2})"),
        (r"(3,3)\cup[1,2]", "[1,2]"),
        (r"[1,2]\setminus\{1\}", "(1,2]"),
        (r"x \le -2 or x \ge 3", r"(-\infty,-2]\cup[3,\infty)"),
        ("x>2 and x<5", "(2,5)"),
        ("x>2 and x<1", "(3,3)"),
        (r"5>x", r"x<5"),
        (r"1\le x<3", "[1,3)"),
        (r"x\ne 3 and x>0", r"(0,3)\cup(3,\infty)"),
        (r"1<x<2 or x=5", r"(1,2)\cup\{5\}"),
        (r"x\in(0,1)\cup(2,3)", "0<x<1 or 2<x<3"),
        ("x>1 and x<2 or x>3", r"(1,2)\cup(3,\infty)"),
    ],
)
def test_one_region_written_in_two_ways(a: str, b: str) -> None:
    assert same(a, b) is same(b, a) is True


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (r"(0,9)\cup(9,36)", r"(0,9)\cup(9,37)"),
        (r"(0,9)\cup(9,36)", "(0,36)"),
        (r"(1,2)\cup(2,3)", "(1,3)"),
        (r"[1,2]\cup(3,4)", r"[1,2]\cup[3,4)"),
        (r"(-\infty,2)\cup(3,\infty)", r"(-\infty,2)\cup(4,\infty)"),
        (r"\mathbb{R}", r"\mathbb{R}\setminus\{2\}"),
        ("x<1 or x>2", "x<1 and x>2"),
        ("x<1 or x>2", r"(-\infty,1]\cup(2,\infty)"),
        (r"x\ge 2", "x>2"),
        (r"(0,1)\cup(2,3)", r"(0,1+10^{-30})\cup(2,3)"),
    ],
)
def test_other_regions(a: str, b: str) -> None:
    assert same(a, b) is same(b, a) is False


@pytest.mark.parametrize(
    "text",
    [
        "5",
        "x",
        r"(1,2,3)\cup(4,5)",
        r"(a,b)\cup(c,d)",
        r"A\cup B",
        r"(1,2",
        "",
        r"x\cup(1,2)",
        "x<a",
        "x<y",
        "x<1 or y>2",
        "1<x>0",
        r"1<x\ne 3",
        "x^2<4",
    ],
)
def test_what_is_no_region_is_not_told(text: str) -> None:
    assert same(text, r"(0,1)\cup(2,3)") is None


ENDS = st.integers(-9, 9)
PIECES = st.lists(st.tuples(ENDS, ENDS, st.sampled_from(["()", "[]", "(]", "[)"])), min_size=1, max_size=5)


def spelled(pieces: list[tuple[int, int, str]]) -> str:
    return r"\cup".join(f"{brackets[0]}{min(a, b)},{max(a, b)}{brackets[1]}" for a, b, brackets in pieces)


def holds(pieces: list[tuple[int, int, str]], point: float) -> bool:
    def inside(a: int, b: int, brackets: str) -> bool:
        low, high = min(a, b), max(a, b)
        is_end = (point == low and brackets[0] == "[") or (point == high and brackets[1] == "]")
        return low < point < high or (is_end and (low < high or brackets == "[]"))

    return any(inside(*piece) for piece in pieces)


@given(PIECES, PIECES)
def test_regions_are_equal_exactly_when_they_hold_the_same_points(
    a: list[tuple[int, int, str]], b: list[tuple[int, int, str]]
) -> None:
    points = [half / 2 for half in range(-20, 21)]
    assert same(spelled(a), spelled(b)) is all(holds(a, point) == holds(b, point) for point in points)
