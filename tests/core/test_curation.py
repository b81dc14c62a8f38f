from collections import Counter
from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core import chat
from stages.core.curation import (
    KEY,
    PROBLEMS_IN,
    REASONS,
    REJECTS,
    TRACES_IN,
    VERDICTS_IN,
    Messages,
    chosen,
    curate,
    losses,
)
from stages.core.judging import VERDICT
from stages.core.queries import STATUSES

CANDIDATES = pl.Schema({**VERDICTS_IN, **TRACES_IN, **PROBLEMS_IN})
GOOD: Mapping[str, object] = {
    "model": "teacher",
    "effort": "medium",
    "problem_id": "p",
    "sample": 0,
    "verdict": "correct",
    "reasoning": "6 times 7",
    "content": "42",
    "status": "stop",
    "prompt": "What is 6 times 7?",
}


def candidates(*changes: Mapping[str, object]) -> pl.DataFrame:
    return pl.DataFrame([{**GOOD, **change} for change in changes], schema=CANDIDATES)


def render(prompt: str) -> Messages:
    return [{"role": "user", "content": f"{prompt} Be brief."}]


def count_words(messages: Messages) -> int:
    return sum(len(message["content"].split()) for message in messages)


def run(table: pl.DataFrame, **changed: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    settings: dict[str, Any] = {
        "mixture": {"medium": 1.0},
        "any_verdict": False,
        "max_tokens": 100,
        "max_per_problem": 100,
        "set_apart": [],
        "seed": 42,
        "render": render,
        "count_tokens": count_words,
    }
    sft, held_out, rejects = curate(table, **(settings | changed))
    assert held_out.select(KEY).equals(rejects.filter(pl.col("reason") == "held_out").select(KEY))
    return sft, rejects


def reason_of(change: Mapping[str, object], **changed: Any) -> str | None:
    """Why the one row falls, or None where it stays."""
    sft, rejects = run(candidates(change), **changed)
    assert sft.height + rejects.height == 1
    return None if rejects.is_empty() else str(rejects["reason"].item())


def keys(table: pl.DataFrame) -> set[tuple[object, ...]]:
    return set(table.select(KEY).rows())


def many(num_problems: int, num_samples: int, effort: str = "medium") -> list[dict[str, object]]:
    return [
        {"effort": effort, "problem_id": f"p_{problem}", "sample": sample}
        for problem in range(num_problems)
        for sample in range(num_samples)
    ]


# what stays


def test_a_right_trace_becomes_the_conversation_that_the_student_is_trained_on() -> None:
    sft, rejects = run(candidates({"problem_id": "openmath_reasoning:12", "sample": 7}))
    assert sft.schema == chat.SFT
    assert sft.rows(named=True) == [
        {
            "model": "teacher",
            "effort": "medium",
            "problem_id": "openmath_reasoning:12",
            "sample": 7,
            "messages": [
                {"role": "user", "content": "What is 6 times 7? Be brief."},
                {"role": "assistant", "content": "<think>\n6 times 7\n</think>42"},
            ],
            "num_tokens": 12,
        }
    ]
    assert rejects.schema == REJECTS
    assert rejects.is_empty()


def test_an_answer_without_reasoning_is_trained_as_it_stands() -> None:
    sft, _ = run(candidates({"reasoning": None}))
    assert sft["messages"].to_list()[0][-1] == {"role": "assistant", "content": "42"}


# what falls, and why


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "failed", "verdict": "unscored", "content": None, "reasoning": None}, "failed"),
        ({"status": "refused", "verdict": "unscored", "content": None, "reasoning": None}, "failed"),
        ({"status": "length"}, "truncated"),
        ({"verdict": "no_answer"}, "no_answer"),
        ({"verdict": "incorrect"}, "incorrect"),
        ({"verdict": "unparsable"}, "unjudged"),
        ({"verdict": "timeout"}, "unjudged"),
        ({"verdict": "no_label"}, "unjudged"),
        ({"verdict": "unscored"}, "unjudged"),
        ({"content": "42</think>"}, "malformed"),
        ({"content": "42<|return|>"}, "malformed"),
        ({"content": None}, "malformed"),
        ({"effort": "high"}, "mixture"),
        ({"content": "so " * 100 + "42"}, "too_long"),
    ],
)
def test_a_fault_is_rejected_with_its_reason(change: Mapping[str, object], reason: str) -> None:
    assert reason_of(change) == reason


@pytest.mark.parametrize("verdict", [verdict for verdict in VERDICT if verdict != "correct"])
def test_of_the_verdicts_only_correct_stays_unless_any_will_do(verdict: str) -> None:
    assert reason_of({"verdict": verdict}) in {"incorrect", "no_answer", "unjudged"}
    assert reason_of({"verdict": verdict}, any_verdict=True) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"status": "failed"}, "failed"), ({"status": "length"}, "truncated"), ({"content": " "}, "malformed")],
)
def test_where_any_verdict_will_do_a_trace_must_still_be_whole(change: Mapping[str, object], reason: str) -> None:
    assert reason_of({"verdict": "incorrect", **change}, any_verdict=True) == reason


def test_of_several_faults_the_first_filter_takes_the_row() -> None:
    faults: list[tuple[str, dict[str, object]]] = [
        ("too_long", {"content": "so " * 100 + "42"}),
        ("mixture", {"effort": "high"}),
        ("malformed", {"content": "so " * 100 + "<think>"}),
        ("incorrect", {"verdict": "incorrect"}),
        ("truncated", {"status": "length"}),
        ("failed", {"status": "failed"}),
    ]
    change: dict[str, object] = {}
    for reason, fault in faults:
        change |= fault
        assert reason_of(change) == reason
    order = [reason for reason, _ in reversed(faults)]
    assert order == [reason for reason in REASONS if reason in order]


def test_a_verdict_whose_trace_or_prompt_is_missing_does_not_pass() -> None:
    lost: dict[str, object] = {"reasoning": None, "content": None, "status": None}
    assert reason_of(lost) == "malformed"


@pytest.mark.parametrize(("limit", "reason"), [(11, "too_long"), (12, None)])
def test_a_row_as_long_as_the_limit_stays_and_a_longer_one_is_rejected_never_cut(
    limit: int, reason: str | None
) -> None:
    assert reason_of({}, max_tokens=limit) == reason


def test_only_rows_that_may_stay_are_rendered_and_counted() -> None:
    counted: list[Messages] = []

    def count(messages: Messages) -> int:
        counted.append(messages)
        return 1

    run(candidates({}, {"sample": 1, "verdict": "incorrect"}, {"sample": 2, "content": None}), count_tokens=count)
    assert len(counted) == 1


statuses, verdicts = st.sampled_from(STATUSES), st.sampled_from(VERDICT)
contents = st.sampled_from([None, "", "42", "so " * 20, "42</think>"])
drawn_rows = st.lists(
    st.tuples(
        st.sampled_from(["medium", "high", "low"]),
        st.sampled_from("abc"),
        st.integers(0, 9),
        statuses,
        verdicts,
        contents,
    ),
    unique_by=lambda row: row[:3],
)


@given(drawn_rows, st.booleans(), st.integers(1, 3), st.integers(0, 5))
def test_every_candidate_is_either_a_row_or_a_reject_and_never_both(
    drawn: list[tuple[object, ...]], any_verdict: bool, max_per_problem: int, seed: int
) -> None:
    names = ("effort", "problem_id", "sample", "status", "verdict", "content")
    table = candidates(*(dict(zip(names, row, strict=True)) for row in drawn))
    sft, rejects = run(
        table,
        mixture={"medium": 2.0, "high": 1.0},
        any_verdict=any_verdict,
        max_tokens=20,
        max_per_problem=max_per_problem,
        seed=seed,
    )
    assert (sft.schema, rejects.schema) == (chat.SFT, REJECTS)
    assert keys(sft) | keys(rejects) == keys(table)
    assert not keys(sft) & keys(rejects)
    assert sft.height + rejects.height == table.height
    assert rejects["reason"].null_count() == 0
    kept = table.join(sft, on=KEY)
    assert set(kept["status"]) <= {"stop"}
    assert any_verdict or set(kept["verdict"]) <= {"correct"}
    assert set(sft["effort"]) <= {"medium", "high"}
    assert sft.filter(pl.col("num_tokens") > 20).is_empty()
    assert all(count <= max_per_problem for count in Counter(sft.select("effort", "problem_id").rows()).values())


def test_no_candidates_make_two_empty_tables() -> None:
    sft, rejects = run(candidates())
    assert (sft.schema, rejects.schema) == (chat.SFT, REJECTS)
    assert sft.is_empty()
    assert rejects.is_empty()


# our choices: mixture and cap


def test_the_largest_weight_keeps_every_row_and_the_others_their_share() -> None:
    table = candidates(*many(400, 5, "medium"), *many(400, 5, "high"), *many(1, 5, "low"))
    sft, rejects = run(table, mixture={"medium": 0.5, "high": 2.0})
    kept = Counter(sft["effort"])
    assert kept["high"] == 2000
    assert kept["low"] == 0
    assert kept["medium"] == pytest.approx(500, abs=4 * (2000 * 0.25 * 0.75) ** 0.5)  # four standard deviations
    assert set(rejects["reason"]) == {"mixture"}


def test_equal_weights_keep_all_and_only_ratios_matter() -> None:
    table = candidates(*many(20, 5, "medium"), *many(20, 5, "high"))
    assert run(table, mixture={"medium": 3.0, "high": 3.0})[1].is_empty()
    one, other = (run(table, mixture={"medium": weight, "high": 4 * weight})[0] for weight in (1.0, 10.0))
    assert one.equals(other)


def test_the_cap_holds_for_each_problem_and_effort_and_counts_only_rows_that_would_stay() -> None:
    wrong = [{**row, "sample": 100 + int(str(row["sample"])), "verdict": "incorrect"} for row in many(3, 50)]
    table = candidates(*many(3, 5, "medium"), *many(3, 2, "high"), *wrong)
    sft, rejects = run(table, mixture={"medium": 1.0, "high": 1.0}, max_per_problem=3)
    assert Counter(sft.select("effort", "problem_id").rows()) == {
        **{("medium", f"p_{problem}"): 3 for problem in range(3)},
        **{("high", f"p_{problem}"): 2 for problem in range(3)},
    }
    assert Counter(rejects["reason"]) == {"incorrect": 150, "over_cap": 6}


def test_which_rows_the_cap_takes_is_drawn_by_the_seed_not_by_their_order() -> None:
    table = candidates(*many(20, 6))
    sft, _ = run(table, max_per_problem=2)
    assert keys(run(table.reverse(), max_per_problem=2)[0]) == keys(sft)
    assert keys(run(table, max_per_problem=2, seed=43)[0]) != keys(sft)
    assert len(set(sft["sample"])) > 2  # not the first two of each


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 9))
def test_rows_that_come_later_move_no_other(num_before: int, num_more: int, seed: int) -> None:
    mixture = {"medium": 1.0, "high": 2.0}
    before = candidates(*many(4, num_before, "medium"))
    after = candidates(*many(4, num_before + num_more, "medium"), *many(2, 3, "high"), {"problem_id": "new"})
    few, many_rows = (keys(run(table, mixture=mixture, seed=seed)[0]) for table in (before, after))
    assert few == many_rows & keys(before)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 9))
def test_under_a_cap_a_later_row_may_only_take_the_place_of_one_of_its_problem(
    num_before: int, num_more: int, seed: int
) -> None:
    before = candidates(*many(4, num_before))
    after = pl.concat(
        [before, candidates(*({**row, "sample": 50 + int(str(row["sample"]))} for row in many(1, num_more)))]
    )
    old, new = (keys(run(table, max_per_problem=2, seed=seed)[0]) for table in (before, after))
    assert {key for key in old if key[2] != "p_0"} == {key for key in new if key[2] != "p_0"}
    # None that had no place before gets one now.
    assert new & keys(before) <= old


# the account


def test_losses_count_each_filter_in_order_and_sum_to_the_rejects() -> None:
    table = candidates(
        {"sample": 0},
        {"sample": 1, "verdict": "incorrect"},
        {"sample": 2, "verdict": "incorrect"},
        {"sample": 3, "status": "length"},
        {"sample": 4, "content": ""},
    )
    _, rejects = run(table)
    counted = losses(rejects)
    assert [loss.reason for loss in counted] == list(REASONS)
    assert {loss.reason: loss.num_rows for loss in counted if loss.num_rows} == {
        "truncated": 1,
        "incorrect": 2,
        "malformed": 1,
    }
    assert sum(loss.num_rows for loss in counted) == rejects.height


def test_the_rows_of_problems_set_apart_are_held_out_whole_and_rejected() -> None:
    table = candidates(*many(3, 4), {"problem_id": "p_1", "sample": 9, "verdict": "incorrect"})
    sft, held_out, rejects = curate(
        table, mixture={"medium": 1.0}, any_verdict=False, max_tokens=100, max_per_problem=2, set_apart={"p_1"}, seed=42,
        render=render, count_tokens=count_words,
    )  # fmt: skip
    assert set(sft["problem_id"]) == {"p_0", "p_2"} and set(held_out["problem_id"]) == {"p_1"}
    assert held_out.height == 2 and held_out.schema == sft.schema
    # Only what would have been trained is held out: the rest has fallen to the filters before.
    assert dict(rejects["reason"].value_counts().iter_rows()) == {"over_cap": 6, "held_out": 2, "incorrect": 1}
    assert sft.height + rejects.height == table.height


def test_problems_are_set_apart_by_hash_so_that_others_stay_where_they_are() -> None:
    few, more = [f"p_{number}" for number in range(100)], [f"p_{number}" for number in range(110)]
    apart = chosen(few, 10, 42)
    assert len(apart) == 10 and apart == chosen(reversed(few), 10, 42) != chosen(few, 10, 43)
    assert len(apart - chosen(more, 10, 42)) <= 3
    assert chosen(few, 0, 42) == set()
