"""Labelled pairs: their columns, their labels, and what is counted of the verdicts on them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.formats.pairs import Agreement, Pair, gold_of, read, with_others


@pytest.mark.parametrize(
    ("record", "pair"),
    [
        ({"gold": "4", "pred": 4.0}, Pair("4", "4.0", None, "all")),
        ({"gold": None, "pred": "x", "equal": True, "kind": "k"}, Pair("", "x", True, "k")),
        ({"gold_answer": "4", "llm_response": "x", "gold_judgment": "B"}, Pair("4", "x", False, "all")),
        (
            {"gold_answer": "4", "llm_response": "x", "gold_judgment": " Correct ", "domain": "math"},
            Pair("4", "x", True, "math"),
        ),
        (
            {"gold_answer": "4", "llm_response": "x", "gold_judgment": "C", "answer_type": "n", "domain": "m"},
            Pair("4", "x", False, "n"),
        ),
        ({"gold_answer": "4", "llm_response": "x", "gold_judgment": None}, Pair("4", "x", None, "all")),
        ({"gold_answer": "4", "llm_response": "x", "gold_judgment": 1}, Pair("4", "x", True, "all")),
    ],
)
def test_a_record_is_read_by_our_names_and_by_those_of_verifierbench(record: dict[str, object], pair: Pair) -> None:
    assert read(record) == pair


@pytest.mark.parametrize("record", [{"gold": "1"}, {"gold": "1", "pred": []}, {"gold_answer": "1", "pred": "1"}, {}])
def test_a_record_without_a_pair_is_refused(record: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not an object with"):
        read(record)


def test_an_unknown_label_is_refused_and_a_gold_has_one_of_three_names() -> None:
    with pytest.raises(ValueError, match="'perhaps' is none of A, B, C"):
        read({"gold": "1", "pred": "1", "equal": "perhaps"})
    assert [gold_of({name: 4}) for name in ("gold", "gold_answer", "answer")] == ["4"] * 3


def test_errors_are_counted_by_kind_and_the_undecided_as_not_accepted() -> None:
    found = Agreement()
    for label, equal, kind in [
        (True, True, "a"), (True, None, "a"), (True, False, "b"), (False, True, "b"), (False, None, "c"), (None, True, "d"),
    ]:  # fmt: skip
        found.add(Pair("", "", label, kind), equal)
    assert (found.num_pairs, found.num_false_equal, found.num_missed, found.num_undecided) == (5, 1, 2, 2)
    assert found.accuracy == pytest.approx(0.4)
    assert [line.split() for line in found.lines(2.0)[2:]] == [["b", "2", "1", "1"], ["a", "2", "0", "1"]]
    assert "(2 a second)" in found.lines(2.0)[0]
    assert Agreement().accuracy == 0.0


@given(st.lists(st.text(max_size=3)), st.integers(1, 9), st.integers())
def test_each_gold_meets_others_and_never_itself(golds: list[str], number: int, seed: int) -> None:
    distinct = {gold for gold in golds if gold.strip()}
    pairs = list(with_others(golds, number, seed))
    assert len(set(pairs)) == len(pairs) == len(distinct) * min(number, max(len(distinct) - 1, 0))
    assert all(gold != other and {gold, other} <= distinct for gold, other in pairs)
    assert pairs == list(with_others(reversed(golds), number, seed)), "the order of the file does not matter"
