"""From a source's columns to ours: mapping, choice of rows, one row a problem, and every fault with its place."""

from collections.abc import Mapping
from typing import Any

import pytest

from stages.core.problems.intake import PRESETS, Columns, Intake, Wanted, needed, take
from stages.edge.params.problems import Excluded

COLUMNS = Columns("problem", "answer", id="uid", topic="kind", difficulty="level")


def row(**changed: Any) -> Mapping[str, object]:
    return {"problem": "1+1?", "answer": "2", "uid": "a", "kind": "sum", "level": "1/8", "more": "x"} | changed


def taken(*rows: Mapping[str, object], columns: Columns = COLUMNS, **where: list[object]) -> Intake:
    return take("mine", [(f"line {number}", each) for number, each in enumerate(rows, 1)], columns, where)


def test_columns_are_renamed_and_the_rest_is_left() -> None:
    found = taken(row(), row(problem="2+2?", answer=4, uid=7, kind=None, level=None))
    names = ("source", "source_id", "topic", "prompt", "gold", "difficulty")
    assert found.problems.select(names).rows() == [
        ("mine", "a", "sum", "1+1?", "2", 0.125),
        ("mine", "7", None, "2+2?", "4", None),
    ]
    assert found[1:] == (2, 0, 0, 0)


def test_a_column_of_integers_that_came_as_floats_is_one_of_integers() -> None:
    assert taken(row(answer=33.0, uid=3.0)).problems.select("gold", "source_id").rows() == [("33", "3")]
    assert taken(row(answer=0.5)).problems["gold"].to_list() == ["0.5"]


def test_where_takes_rows_that_have_one_of_the_values_in_every_column() -> None:
    rows = [row(uid=str(n), problem=f"{n}?", kind=kind, level=level) for n, (kind, level) in enumerate(
        [("sum", 1), ("sum", 2), ("proof", 1), (None, 1)]
    )]  # fmt: skip
    assert taken(*rows, kind=["sum"]).problems["source_id"].to_list() == ["0", "1"]
    assert taken(*rows, kind=["sum", None], level=[1]).problems["source_id"].to_list() == ["0", "3"]
    assert taken(*rows, kind=["sum"]).num_filtered == 2
    with pytest.raises(ValueError, match="line 1: no column 'colour'"):
        taken(*rows, colour=["red"])


def test_where_without_leaves_out_rows_that_have_one_of_the_values() -> None:
    golds = ["5", "Yes", "No", "Yes ", None, "yes"]
    rows = [row(uid=str(n), problem=f"{n}?", answer=gold) for n, gold in enumerate(golds)]
    found = take("mine", [("line", each) for each in rows], COLUMNS, {"answer": Excluded(without=["Yes", "No"])})
    assert found.problems["source_id"].to_list() == ["0", "4", "5"] and found.num_filtered == 3
    both: dict[str, Wanted] = {"answer": Excluded(without=["Yes"]), "uid": ["1", "2"]}
    assert take("mine", [("line", each) for each in rows], COLUMNS, both).problems["source_id"].to_list() == ["2"]


def test_one_row_a_solution_becomes_one_row_a_problem() -> None:
    columns = Columns("problem", "answer")
    found = taken(*[row()] * 5, row(answer="3"), row(), row(problem=" "), row(problem=None), columns=columns)
    assert found.problems["gold"].to_list() == ["2", "3"]
    assert found == found._replace(num_rows=9, num_filtered=0, num_empty=2, num_repeated=5)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"problem": ["a"]}, "line 2, column 'problem': .* is no text$"),
        ({"problem": 7}, "line 2, column 'problem': '7' is no text"),
        ({"answer": {"x": 1}}, "line 2, column 'answer': .* is no text or a number"),
        ({"answer": True}, "line 2, column 'answer': 'True' is no text or a number"),
        ({"answer": float("nan")}, "line 2, column 'answer': 'nan' is no text or a number"),
        ({"kind": [1]}, "line 2, column 'kind'"),
        ({"uid": "a"}, "line 2, column 'uid': the id 'a' stands at line 1 too"),
        ({"level": "hard"}, "line 2, column 'level': difficulty 'hard' is neither"),
        ({"problem": "\ud800?"}, "line 2, column 'problem': holds half a character"),
    ],
)
def test_a_row_of_another_kind_is_told_with_its_place_and_column(changed: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        taken(row(), row(**{"uid": "b", "problem": "2+2?"} | changed))


def test_a_missing_column_is_told_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"line 1: no column 'answer' \(it has problem, uid\)"):
        taken({"problem": "?", "uid": 1})


def test_only_what_is_named_is_needed() -> None:
    assert needed(Columns("problem", None, topic="kind"), {"kind": [1], "used": [True]}) == ["problem", "kind", "used"]


@pytest.mark.parametrize(
    ("preset", "line"),
    [
        ("polaris", {"problem": "1+1?", "answer": "2", "difficulty": "7/8"}),
        ("openmathreasoning", {"problem": "1+1?", "expected_answer": "2", "problem_type": "has_answer_extracted"}),
        ("deepscaler", {"problem": "1+1?", "answer": "2", "solution": "It is 2."}),
        ("reasonlite", {"prompt": "1+1?", "expected_answer": "2", "index": "pol:0"}),
        ("math", {"problem": "1+1?", "answer": "2", "level": 3}),
        ("matharena", {"problem_idx": 1, "problem": "1+1?", "answer": 2}),
        ("amc23", {"id": 0, "question": "1+1?", "answer": "2"}),
        ("gsm8k", {"question": "1+1?", "answer": "2"}),
    ],
)
def test_the_columns_of_well_known_sets_are_known(preset: str, line: dict[str, object]) -> None:
    found = taken(line, columns=PRESETS[preset]).problems
    assert found.select("prompt", "gold").rows() == [("1+1?", "2")]
    assert set(needed(PRESETS[preset], {})) <= set(line)
