"""One row a problem, the better gold, and a row of evidence for each that was dropped."""

import json
import os
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.problems.dropped import DUPLICATES, DUPLICATES_KEY
from stages.core.problems.duplicates import drop
from stages.core.problems.problems import problem_rows
from stages.core.tables.problems import PROBLEMS

DATA = Path(os.environ.get("REASONLITE_TEST_DATA", ""))
needs_data = pytest.mark.skipif(
    "REASONLITE_TEST_DATA" not in os.environ, reason="REASONLITE_TEST_DATA names no folder of real problems"
)


def table(source: str, *pairs: tuple[str, str | None]) -> pl.DataFrame:
    return problem_rows(source, [{"prompt": prompt, "gold": gold} for prompt, gold in pairs])


def real(name: str) -> pl.DataFrame:
    with (DATA / f"train/{name}.jsonl").open(encoding="utf-8", newline="\n") as lines:
        return table(name, *((row["problem"], row["answer"]) for row in map(json.loads, lines)))


def test_of_a_prompt_that_comes_twice_the_first_with_a_gold_stays() -> None:
    found = pl.concat(
        [
            table("first", ("A?", None), ("B?", "2"), ("C?", "3+")),
            table("second", ("B?", "22"), ("A?", "1"), ("C?", None), ("D?", "4"), (" A?\r\n", "11")),
        ]
    )
    left, dropped = drop(found, None)
    assert left.schema == PROBLEMS
    assert left.select("source", "prompt", "gold").rows() == [
        ("first", "B?", "2"),
        ("first", "C?", "3+"),
        ("second", "A?", "1"),
        ("second", "D?", "4"),
    ]
    assert dropped.schema == DUPLICATES and not dropped.select(DUPLICATES_KEY).is_duplicated().any()
    assert set(dropped.select("source", "row", "gold", "kept_source", "kept_gold", "rule", "conflict").rows()) == {
        ("first", 0, None, "second", "1", "same", False),
        ("second", 0, "22", "first", "2", "same", True),
        ("second", 2, None, "first", "3+", "same", False),
        ("second", 4, "11", "second", "1", "same", True),
    }
    again = drop(left, None)
    assert again.problems.equals(left) and again.duplicates.is_empty()


def test_the_gold_that_more_copies_have_wins_over_the_first() -> None:
    found = pl.concat(table(name, ("What is 2/4?", gold)) for name, gold in (("a", "2"), ("b", "1/2"), ("c", "0.5")))
    left, dropped = drop(found, None)
    assert left.select("source", "gold").rows() == [("b", "1/2")]
    assert dropped.select("source", "conflict").rows() == [("a", True), ("c", False)]


def test_the_same_wording_in_other_typesetting_is_the_same_problem_but_another_sign_is_not() -> None:
    left, dropped = drop(table("a", ("Find $7+5$.", "12"), ("find \\(7 + 5\\)", "12"), ("Find $7-5$.", "2")), None)
    assert left["gold"].to_list() == ["12", "2"]
    assert dropped["rule"].to_list() == ["exact"]


LONG = (
    "A box holds 5 white balls and 6 black balls. {} balls are drawn at random without putting any back into the box."
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((LONG.format("Two") + " What is the chance?", "1"), (LONG.format("Two") + " What is the probability?", "1")),
        ((LONG.format("Two"), "1"), (LONG.format("2"), "1")),
        ((LONG.format("Two"), "1"), (LONG.format("Two") + " Why?", None)),
    ],
    ids=["another word", "a number in words", "no other gold"],
)
def test_nearly_the_same_words_with_the_same_numbers_and_gold_are_one_problem(
    one: tuple[str, str | None], other: tuple[str, str | None]
) -> None:
    left, dropped = drop(table("a", one, other), 0.6)
    assert left["prompt"].to_list() == [one[0]]
    assert dropped["rule"].to_list() == ["near"] and 0.6 <= dropped["similarity"][0] < 1
    assert drop(table("a", one, other), None).duplicates.is_empty()
    assert drop(table("a", one, other), 1.0).duplicates.is_empty()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((LONG.format("Two"), "1"), (LONG.format("Three"), "1")),
        ((LONG.format("At least two"), "1/2"), (LONG.format("At most two"), "1/3")),
        ((LONG.format("Two"), "1"), (LONG.format("Two").replace("5", "15"), "1")),
    ],
    ids=["a number in words", "another gold", "a number"],
)
def test_a_changed_number_or_another_gold_makes_another_problem(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert drop(table("a", one, other), 0.6).duplicates.is_empty()


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("bridge", ["Exactly two", "At least two"])
def test_a_row_without_a_gold_is_no_bridge_between_two_golds(order: tuple[int, int, int], bridge: str) -> None:
    rows = [(LONG.format("At least two"), "5"), (LONG.format(bridge), None), (LONG.format("At most two"), "7")]
    left, dropped = drop(table("a", *(rows[place] for place in order)), 0.6)
    assert {"5", "7"} <= set(left["gold"]) and not dropped["conflict"].any()


def test_nothing_is_nothing() -> None:
    left, dropped = drop(table("a"), 0.6)
    assert left.is_empty() and dropped.is_empty() and dropped.schema == DUPLICATES


@given(
    st.lists(
        st.tuples(st.sampled_from(["A?", "a ?", "B? 1", "B? 2", "c d e f g"]), st.sampled_from(["1", "2", None, "3+"]))
    ),
    st.sampled_from([None, 0.5]),
)
def test_what_is_dropped_and_what_is_kept_are_all_rows(pairs: list[tuple[str, str | None]], near: float | None) -> None:
    found = table("s", *pairs)
    left, dropped = drop(found, near)
    assert left.height + dropped.height == found.height
    assert not left["problem_id"].is_duplicated().any()
    assert set(dropped["kept_problem_id"]) <= set(left["problem_id"])
    assert drop(left, near).duplicates.is_empty()


# real sets


@needs_data
@pytest.mark.parametrize(
    ("name", "num_exact", "num_conflicts", "num_near"),
    [
        ("aime_1983_2023", 0, 0, 0),
        ("deepscaler_sample5k", 39, 9, 19),
        ("math_train", 3, 0, 13),
        ("gsm8k_train", 0, 0, 1),
    ],
)
def test_the_duplicates_of_public_sets_are_found(name: str, num_exact: int, num_conflicts: int, num_near: int) -> None:
    """By letters and digits alone deepscaler_sample5k has 40; the 40th pair, with letters set apart, is a near one here.

    All near pairs of the four sets, 33, were read: 30 are the same question, up to names and units; three another one
    with the same answer ("the word PROOF", "the word RADII").
    """
    found = real(name)
    exact = drop(found, None).duplicates
    assert (exact.height, int(exact["conflict"].sum())) == (num_exact, num_conflicts)
    near = drop(found, 0.6).duplicates.filter(rule="near")
    assert near.height == num_near and not near["conflict"].any()
