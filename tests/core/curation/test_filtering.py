import json
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stages.core.answers import table as table_of_answers
from stages.core.curation import accounting, selection
from stages.core.curation.filtering import (
    DECISIONS,
    PROBLEMS_IN,
    TRACES_IN,
    VERDICTS_IN,
    Labels,
    Messages,
    Order,
    conversations,
    decide,
    held_out,
)
from stages.core.curation.selection import select
from stages.core.labelling import judging
from stages.core.sampling import queries
from stages.core.tables.answers import VERDICT
from stages.core.tables.rejects import REASONS
from stages.core.tables.sft import SFT, SFT_KEY
from stages.core.tables.traces import STATUSES
from stages.core.tables.votes import LABELS
from stages.core.text.identity import problem_id
from stages.edge import params
from tests.rules import curation

CANDIDATES = pl.Schema({**VERDICTS_IN, **TRACES_IN, "prompt": pl.String(), "majority": pl.String()})
GOOD: Mapping[str, object] = {
    "model": "teacher",
    "effort": "medium",
    "problem_id": "p",
    "sample": 0,
    "answer": "42",
    "verdict": "correct",
    "reasoning": "6 times 7",
    "content": "42",
    "status": "stop",
    "prompt": "What is 6 times 7?",
    "majority": "42",
}
DATA = Path(os.environ.get("REASONLITE_TEST_DATA", ""))
needs_data = pytest.mark.skipif(
    "REASONLITE_TEST_DATA" not in os.environ, reason="REASONLITE_TEST_DATA names no folder of real transcripts"
)


class Selection(NamedTuple):
    """What `select` goes by."""

    apart: Collection[str]
    by: str | None
    max_share: float
    num_rows: int | None
    num_tokens: int | None

    @property
    def rules(self) -> tuple[Collection[str], params.Balance | None, params.Target]:
        balance = {"by": self.by, "max_share": self.max_share}
        target = params.Target(num_rows=self.num_rows, num_tokens=self.num_tokens)
        return self.apart, params.Balance.model_validate(balance) if self.by else None, target


ALL = Selection([], None, 1.0, None, None)


def candidates(*changes: Mapping[str, object]) -> pl.DataFrame:
    return pl.DataFrame([{**GOOD, **change} for change in changes], schema=CANDIDATES)


def render(prompt: str) -> Messages:
    return [{"role": "user", "content": f"{prompt} Be brief."}]


def count_words(messages: Messages) -> int:
    return sum(len(message["content"].split()) for message in messages)


def decided(
    table: pl.DataFrame,
    *,
    mixture: Mapping[str, float] = {"medium": 1.0},
    labels: Labels = "verified",
    pass_rate: tuple[float, float] | None = None,
    max_per_problem: int = 100,
    order: Order = "random",
    seed: int = 42,
    count_tokens: Callable[[Messages], int] = count_words,
    **filters: Any,
) -> pl.DataFrame:
    rules = curation(
        {"max_tokens": 100, **filters}, mixture=mixture, labels=labels, pass_rate=pass_rate,
        max_per_problem=max_per_problem, order=order, seed=seed,
    )  # fmt: skip
    return decide(table, rules, render, count_tokens)


def rows_of(table: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    problems = table.select("problem_id", "prompt").unique("problem_id")
    tokens = decisions.with_columns(input_ids=pl.lit([], SFT["input_ids"]), num_prompt=pl.lit(0, pl.Int32))
    return conversations(table, tokens, problems, render)


def selected(decisions: pl.DataFrame, problems: pl.DataFrame, chosen_by: Selection) -> pl.DataFrame:
    """The same however the table is cut."""
    (found,) = select([decisions], problems, *chosen_by.rules)
    pieces = [decisions.head(1), decisions.slice(1, 0), decisions.slice(1)]
    assert pl.concat(select(pieces, problems, *chosen_by.rules)).equals(found)
    return found


def run(table: pl.DataFrame, chosen_by: Selection = ALL, **changed: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(SFT rows, decisions against a row)."""
    problems = table.select("problem_id", "prompt").unique("problem_id", maintain_order=True).with_columns(
        source=pl.lit("mine"), difficulty=pl.lit(None, pl.Float32), gold=pl.lit("4")
    )  # fmt: skip
    decisions = selected(decided(table, **changed), problems.cast(PROBLEMS_IN), chosen_by)
    assert decisions.schema == DECISIONS and decisions.height == table.height
    kept = decisions.filter(pl.col("reason").is_null())
    return rows_of(table, kept), decisions.filter(pl.col("reason").is_not_null())


def reason_of(change: Mapping[str, object], **changed: Any) -> str | None:
    """Why the one row falls, or None where it stays."""
    sft, rejects = run(candidates(change), **changed)
    assert sft.height + rejects.height == 1
    return None if rejects.is_empty() else str(rejects["reason"].item())


def keys(table: pl.DataFrame) -> set[tuple[object, ...]]:
    return set(table.select(SFT_KEY).rows())


def many(num_problems: int, num_samples: int, effort: str = "medium") -> list[dict[str, object]]:
    return [
        {"effort": effort, "problem_id": f"p_{problem}", "sample": sample}
        for problem in range(num_problems)
        for sample in range(num_samples)
    ]


# what stays


def test_a_right_trace_becomes_the_conversation_that_the_student_is_trained_on() -> None:
    sft, rejects = run(candidates({"problem_id": "openmath_reasoning:12", "sample": 7}))
    assert sft.schema == SFT
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
            "input_ids": [],
            "num_prompt": 0,
        }
    ]
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
        ({"content": None}, "empty"),
        ({"content": " \n"}, "empty"),
        ({"content": "42</think>"}, "unclosed"),
        ({"reasoning": "I <think> so"}, "unclosed"),
        ({"content": "42<|return|>"}, "control_token"),
        ({"reasoning": "<|channel|>analysis<|message|>So"}, "control_token"),
        ({"content": "It is \\boxed{41}, no: \\boxed{42}."}, "conflicting_boxes"),
        ({"effort": "high"}, "mixture"),
        ({"content": "so " * 100 + "42"}, "too_long"),
    ],
)
def test_a_fault_is_rejected_with_its_reason(change: Mapping[str, object], reason: str) -> None:
    assert reason_of(change) == reason


@pytest.mark.parametrize("verdict", [verdict for verdict in VERDICT if verdict != "correct"])
def test_of_the_verdicts_only_correct_stays_unless_any_will_do(verdict: str) -> None:
    assert reason_of({"verdict": verdict}) in {"incorrect", "no_answer", "unjudged"}
    assert reason_of({"verdict": verdict}, labels="none") is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"verdict": "incorrect"}, None),
        ({"verdict": "no_label", "answer": "42.0"}, None),
        ({"answer": "41"}, "incorrect"),
        ({"answer": "42", "majority": "\\sqrt[3]{74088}"}, "unjudged"),  # nothing is compared here but keys and numbers
        ({"answer": None, "verdict": "no_answer"}, "no_answer"),
        ({"majority": None}, "unjudged"),
        ({"answer": "(3, \\infty)", "majority": "x > 3"}, "unjudged"),
    ],
)
def test_by_majority_a_trace_stays_that_gives_the_votes_answer_whatever_the_label(
    change: Mapping[str, object], reason: str | None
) -> None:
    assert reason_of(change, labels="majority") == reason


LOOP = "and so we go round and round the very same old sentence again and again. " * 8


@pytest.mark.parametrize(
    ("change", "filters", "reason"),
    [
        ({"reasoning": LOOP}, {"max_repeated_share": 0.3, "max_tokens": 1000}, "repetition"),
        ({"reasoning": LOOP}, {"max_repeated_share": None, "max_tokens": 1000}, None),
        ({"content": "\u6240\u4ee5 42"}, {"max_foreign_share": 0.01}, "language"),
        ({"content": "\u6240\u4ee5 42", "prompt": "\u516d\u4e03?"}, {"max_foreign_share": 0.01}, None),
        ({"reasoning": "The user wants 6 times 7. As an AI I say"}, {"max_meta_phrases": 1}, "meta"),
        ({"reasoning": "The user wants 6 times 7. So"}, {"max_meta_phrases": 1}, None),
        ({}, {"min_tokens": 13}, "too_short"),
        ({}, {"min_tokens": 12}, None),
        ({"content": "It is \\boxed{41}, no: \\boxed{42}."}, {"conflicting_boxes": False}, None),
    ],
)
def test_a_filter_takes_what_is_over_its_threshold_and_nothing_when_it_is_off(
    change: Mapping[str, object], filters: Mapping[str, object], reason: str | None
) -> None:
    assert reason_of(change, **filters) == reason


def test_of_near_duplicates_of_one_problem_the_first_in_the_draw_stays() -> None:
    words = [f"word{number}" for number in range(60)]
    rows = [
        {"sample": sample, "reasoning": " ".join([*words[:-1], end])}
        for sample, end in enumerate(["one", "two", "three"])
    ]
    other = {"sample": 9, "reasoning": " ".join(reversed(words))}
    elsewhere = {**rows[0], "problem_id": "q"}
    table = candidates(*rows, other, elsewhere)
    sft, rejects = run(table, max_similarity=0.8)
    assert Counter(rejects["reason"]) == {"near_duplicate": 2}
    assert {key[2:] for key in keys(sft)} > {("p", 9), ("q", 0)}
    assert run(table, max_similarity=0.99)[1].is_empty()
    assert keys(run(table.reverse(), max_similarity=0.8)[0]) == keys(sft)


@pytest.mark.parametrize(
    ("band", "stays"), [((0.0, 1.0), True), ((0.5, 0.9), True), ((0.0, 0.7), False), ((0.8, 1), False)]
)
def test_a_problem_that_is_too_easy_or_too_hard_falls_whole(band: tuple[float, float], stays: bool) -> None:
    wrong = [{"sample": 8, "verdict": "incorrect"}, {"sample": 9, "verdict": "unscored"}]
    sft, rejects = run(candidates(*many(1, 3), *({**row, "problem_id": "p_0"} for row in wrong)), pass_rate=band)
    assert sft.height == (3 if stays else 0)
    assert Counter(rejects["reason"])["pass_rate"] == (0 if stays else 3)


def test_under_the_cap_the_shortest_stay_or_those_that_differ_most() -> None:
    lengths = {0: 30, 1: 5, 2: 20, 3: 6}
    table = candidates(*({"sample": n, "reasoning": f"{n} " + "so " * length} for n, length in lengths.items()))
    assert {key[3] for key in keys(run(table, max_per_problem=2, order="shortest")[0])} == {1, 3}
    base = " ".join(f"word{number}" for number in range(40))
    texts = {
        0: base,
        1: base + " a",
        2: base + " b",
        3: "another way of thinking about it from the very start to the end",
    }
    table = candidates(*({"sample": n, "reasoning": text} for n, text in texts.items()))
    for seed in range(5):
        kept = {key[3] for key in keys(run(table, max_per_problem=2, order="diverse", seed=seed)[0])}
        assert 3 in kept and len(kept) == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"status": "failed"}, "failed"), ({"status": "length"}, "truncated"), ({"content": " "}, "empty")],
)
def test_where_any_verdict_will_do_a_trace_must_still_be_whole(change: Mapping[str, object], reason: str) -> None:
    assert reason_of({"verdict": "incorrect", **change}, labels="none") == reason


def test_of_several_faults_the_first_filter_takes_the_row() -> None:
    faults: list[tuple[str, dict[str, object]]] = [
        ("too_long", {"content": "so " * 100 + "42"}),
        ("mixture", {"effort": "high"}),
        ("unclosed", {"content": "so " * 100 + "<think>"}),
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
    assert reason_of(lost) == "empty"


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
    drawn: list[tuple[object, ...]], any_will_do: bool, max_per_problem: int, seed: int
) -> None:
    names = ("effort", "problem_id", "sample", "status", "verdict", "content")
    table = candidates(*(dict(zip(names, row, strict=True)) for row in drawn))
    sft, rejects = run(
        table,
        mixture={"medium": 2.0, "high": 1.0},
        labels="none" if any_will_do else "verified",
        max_tokens=20,
        max_per_problem=max_per_problem,
        seed=seed,
    )
    assert sft.schema == SFT
    assert keys(sft) | keys(rejects) == keys(table)
    assert not keys(sft) & keys(rejects)
    assert sft.height + rejects.height == table.height
    assert rejects["reason"].null_count() == 0
    kept = table.join(sft, on=SFT_KEY)
    assert set(kept["status"]) <= {"stop"}
    assert any_will_do or set(kept["verdict"]) <= {"correct"}
    assert set(sft["effort"]) <= {"medium", "high"}
    assert sft.filter(pl.col("num_tokens") > 20).is_empty()
    assert all(count <= max_per_problem for count in Counter(sft.select("effort", "problem_id").rows()).values())


def test_no_candidates_make_two_empty_tables() -> None:
    sft, rejects = run(candidates())
    assert sft.schema == SFT
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


# our choices among all problems


def problems_table(
    sources: Mapping[str, str],
    difficulties: Mapping[str, float] | None = None,
    golds: Mapping[str, str | None] | None = None,
) -> pl.DataFrame:
    rows = [
        (each, "?", source, (difficulties or {}).get(each), (golds or {}).get(each, each))
        for each, source in sources.items()
    ]
    return pl.DataFrame(rows, schema=PROBLEMS_IN, orient="row")


def test_no_source_and_no_difficulty_has_more_than_its_share() -> None:
    table = decided(candidates(*many(20, 5)))
    sources = {f"p_{number}": "small" if number < 4 else "large" for number in range(20)}
    problems = problems_table(sources, {f"p_{number}": 0.5 for number in range(10)})
    for by, rare in (("source", 20), ("difficulty", 50)):
        found = selected(table, problems, Selection([], by, 0.6, None, None))
        counted = found.join(problems, on="problem_id").filter(pl.col("reason").is_null())[by].value_counts()["count"]
        assert max(counted) <= 0.6 * sum(counted) and min(counted) == rare
        assert set(found["reason"].drop_nulls()) <= {"balance"}
    assert selected(table, problems, Selection([], "source", 0.8, None, None))["reason"].null_count() == 100
    even = selected(table, problems, Selection([], "source", 0.3, None, None))
    assert even["reason"].null_count() == 40, "two sources cannot both have less than half"


def test_no_gold_has_more_than_its_share_however_it_is_spelled() -> None:
    table = decided(candidates(*many(20, 5)))
    spellings = ["Yes", "yes", r"\text{Yes}", "No", None]
    golds = {f"p_{number}": spellings[number] if number < 5 else str(number) for number in range(20)}
    problems = problems_table(dict.fromkeys(golds, "s"), golds=golds)
    found = selected(table, problems, Selection([], "gold", 0.1, None, None))
    kept = found.join(problems, on="problem_id").filter(pl.col("reason").is_null())
    assert kept["gold"].is_in(spellings[:3]).sum() == int(0.1 * (100 - 15) / (1 - 0.1))
    assert kept["gold"].is_in(spellings[3:], nulls_equal=True).sum() == 10
    assert kept.height == 100 - 15 + 9 and set(found["reason"].drop_nulls()) == {"balance"}


def test_a_target_takes_the_first_rows_of_the_draw_up_to_it() -> None:
    table = decided(candidates(*many(20, 5)))
    problems = problems_table({f"p_{number}": "s" for number in range(20)})
    few = selected(table, problems, Selection([], None, 1.0, 30, None))
    assert few["reason"].null_count() == 30 and set(few["reason"].drop_nulls()) == {"target"}
    more = selected(table, problems, Selection([], None, 1.0, 40, None))
    assert keys(few.filter(pl.col("reason").is_null())) < keys(more.filter(pl.col("reason").is_null()))
    by_tokens = selected(table, problems, Selection([], None, 1.0, None, 125))
    assert by_tokens.filter(pl.col("reason").is_null())["num_tokens"].sum() == 120
    assert selected(table, problems, Selection([], None, 1.0, 1000, 10**9))["reason"].null_count() == 100


def test_a_target_prefers_no_problem_for_the_traces_that_the_cap_took_from_it() -> None:
    often = [{"problem_id": f"easy_{number}", "sample": sample} for number in range(300) for sample in range(16)]
    once = [{"problem_id": f"hard_{number}"} for number in range(300)]
    table = candidates(*often, *once)
    problems = problems_table(dict.fromkeys(table["problem_id"].unique(), "s"))
    found = selected(decided(table, max_per_problem=1), problems, Selection([], None, 1.0, 200, None))
    kept = found.filter(pl.col("reason").is_null())["problem_id"]
    assert 75 <= kept.str.starts_with("hard").sum() <= 125, "half of the problems are hard: 100 +- 3.5 deviations of 7"


def test_a_target_takes_of_a_mixture_by_its_weights() -> None:
    table = candidates(*many(400, 2, "high"), *many(400, 2, "medium"))
    problems = problems_table({f"p_{number}": "s" for number in range(400)})
    before = decided(table, mixture={"high": 1.0, "medium": 0.25})
    found = selected(before, problems, Selection([], None, 1.0, 300, None))
    efforts = Counter(found.filter(pl.col("reason").is_null())["effort"])
    assert 215 <= efforts["high"] <= 265, "four of five: 240 +- 3.5 deviations of 7"


def test_the_rows_of_problems_set_apart_are_held_out_whole_and_count_for_no_target() -> None:
    table = candidates(*many(3, 4), {"problem_id": "p_1", "sample": 9, "verdict": "incorrect"})
    problems = problems_table({f"p_{number}": "s" for number in range(3)})
    found = selected(decided(table, max_per_problem=2), problems, Selection({"p_1"}, None, 1.0, 3, None))
    # Only what would have been trained is held out: the rest has fallen to the filters before.
    assert Counter(found["reason"].drop_nulls()) == {"over_cap": 6, "held_out": 2, "incorrect": 1, "target": 1}
    assert set(found.filter(pl.col("reason") == "held_out")["problem_id"]) == {"p_1"}
    assert found.select(SFT_KEY).equals(decided(table).select(SFT_KEY)), "in the order in which they came"


# the account


def test_losses_count_each_filter_in_order_and_sum_to_the_rejects() -> None:
    table = candidates(
        {"sample": 0},
        {"sample": 1, "verdict": "incorrect"},
        {"sample": 2, "verdict": "incorrect"},
        {"sample": 3, "status": "length"},
        {"sample": 4, "content": ""},
    )
    decisions = decided(table)
    found = accounting.counted(decisions, problems_table({}, {}))
    counted = found.losses
    assert [loss.reason for loss in counted] == list(REASONS)
    assert {loss.reason: loss.num_rows for loss in counted if loss.num_rows} == {
        "truncated": 1,
        "incorrect": 2,
        "empty": 1,
    }
    funnel = accounting.funnel(found)
    assert funnel[0] == {"step": "all traces", "num_rows": 5} and funnel[-1]["num_rows"] == 1


def test_the_account_tells_rows_by_source_difficulty_and_length() -> None:
    table = candidates(*many(4, 2), {"problem_id": "p_0", "sample": 9, "verdict": "incorrect"})
    sources = {f"p_{number}": "one" if number < 3 else "other" for number in range(4)}
    decisions = decided(table)
    problems = problems_table(sources, {"p_0": 0.125, "p_1": 0.125})
    counted = accounting.counted(decisions, problems)
    in_pieces = accounting.total(accounting.counted(decisions.slice(start, 2), problems) for start in range(0, 10, 2))
    found = accounting.metrics(counted)
    assert accounting.metrics(in_pieces) == found and accounting.lengths(in_pieces) == accounting.lengths(counted)
    assert (found["num_traces"], found["num_rows"], found["num_problems"], found["num_tokens"]) == (9, 8, 4, 96)
    assert found["by_source"]["one"] == {"num_traces": 7, "num_rows": 6, "rejected": {"incorrect": 1}}
    assert found["difficulty_share"] == {"0.125": 0.5, "none": 0.5}
    assert found["tokens"] == {"min": 12, "median": 12, "p90": 12, "max": 12}
    assert sum(int(str(row["num_rows"])) for row in accounting.lengths(counted)) == 8


@pytest.mark.parametrize(
    ("difficulties", "shares"),
    [
        ([5.0, 5.0, 1.0, 3.0], {"1": 0.25, "3": 0.25, "5": 0.5}),
        ([0.875, 0.1, 0.125, None], {"0.1": 0.25, "0.125": 0.25, "0.875": 0.25, "none": 0.25}),
        ([-2.5, 1500.0, 0.0, 1 / 3], {"-2.5": 0.25, "0": 0.25, "0.333": 0.25, "1.5e+03": 0.25}),
    ],
    ids=["levels", "eighths and tenths", "any scale"],
)
def test_a_difficulty_is_shown_as_its_source_gives_it(
    difficulties: list[float | None], shares: dict[str, float]
) -> None:
    ids = [f"p_{number}" for number in range(4)]
    levels = {each: level for each, level in zip(ids, difficulties, strict=True) if level is not None}
    problems = problems_table(dict.fromkeys(ids, "s"), levels)
    found = accounting.metrics(accounting.counted(decided(candidates(*many(4, 1))), problems))
    assert found["difficulty_share"] == shares


def test_many_different_difficulties_are_counted_in_tenths_of_their_range() -> None:
    problems = problems_table({f"p_{number}": "s" for number in range(101)}, {f"p_{n}": n / 100 for n in range(101)})
    shares = accounting.metrics(accounting.counted(decided(candidates(*many(101, 1))), problems))["difficulty_share"]
    assert len(shares) == 10 and next(iter(shares)) == "0 to 0.1" and sum(shares.values()) == pytest.approx(1)


@given(st.lists(st.integers(1, 120), min_size=1, max_size=5), st.integers(1, 100))
@example([100, 15, 15], 70)
@example([100, 5, 5, 5], 85)
@example([29, 71, 1], 29)
def test_the_cap_is_the_highest_that_keeps_every_class_within_its_share(counts: list[int], percent: int) -> None:
    """By trying every cap, in whole numbers."""

    def is_within(cap: int) -> bool:
        left = [min(count, cap) for count in counts]
        return max(left) * 100 <= percent * sum(left)

    caps = [cap for cap in range(1, max(counts) + 1) if is_within(cap)]
    assert selection._cap(counts, percent / 100) == max(caps, default=min(counts))


def test_problems_are_set_apart_by_hash_so_that_others_stay_where_they_are() -> None:
    few, more = [f"p_{number}" for number in range(100)], [f"p_{number}" for number in range(110)]
    apart = held_out(few, 10, 42)
    assert len(apart) == 10 and apart == held_out(reversed(few), 10, 42) != held_out(few, 10, 43)
    assert len(apart - held_out(more, 10, 42)) <= 3
    assert held_out(few, 0, 42) == set()


@pytest.mark.parametrize(("num_problems", "num_apart"), [(1, 1), (12, 1), (59, 5), (60, 6), (500, 6)])
def test_of_a_few_problems_no_more_than_a_tenth_is_set_apart(num_problems: int, num_apart: int) -> None:
    assert len(held_out([f"p_{number}" for number in range(num_problems)], 6, 42)) == num_apart


# real transcripts


def real_candidates(rows: Iterable[tuple[str, str, str, str]]) -> pl.DataFrame:
    """Candidates from (model, problem, answer, raw response), judged by the cheap tiers, which decide all of these."""
    made = []
    labels = {}
    for number, (model, problem, gold, response) in enumerate(rows):
        text = f"<think>{response}" if "</think>" in response and "<think>" not in response else response
        content, reasoning = queries.split_reasoning(text, None)
        own_id = problem_id(problem)
        labels[own_id] = gold
        status = "stop" if content is not None else "length"
        made.append((model, "high", None, own_id, number % 1000, content, status, reasoning, problem))
    schema = pl.Schema({**table_of_answers.TRACES_IN, "reasoning": pl.String(), "prompt": pl.String()})
    table = pl.DataFrame(made, schema=schema, orient="row")
    known = pl.DataFrame(list(labels.items()), schema=LABELS, orient="row")
    prepared = judging.prepare(table_of_answers.read_answers(table.select(list(table_of_answers.TRACES_IN))), known)
    verdicts = judging.verdicts(prepared, dict.fromkeys(judging.undecided(prepared), "different"))
    joined = table.join(verdicts.select(*SFT_KEY, "answer", "verdict"), on=SFT_KEY)
    return joined.with_columns(majority=pl.lit(None, pl.String)).select(list(CANDIDATES)).cast(CANDIDATES)


EVERY_FILTER: dict[str, Any] = {
    "max_repeated_share": 0.3, "max_foreign_share": 0.01, "max_meta_phrases": 2, "min_tokens": 20, "max_tokens": 32768,
    "max_similarity": 0.8,
}  # fmt: skip


def lines(name: str) -> list[dict[str, Any]]:
    with (DATA / f"gen/{name}.jsonl").open(encoding="utf-8", newline="\n") as file:
        return [json.loads(line) for line in file]


@needs_data
def test_long_chains_of_four_models_fall_to_no_filter_that_they_do_not_deserve() -> None:
    """208 transcripts with the labels of MiP-Overthinking, all 208 looked at by their reason.

    The 14 that are judged wrong: ten are, three give a set where the gold has a plus-minus sign, one says E for east.
    """
    rows = lines("mip_math52_longcot_4models")
    table = real_candidates((row["model"], row["problem"], row["answer"], row["response"]) for row in rows)
    found = decided(table, mixture={"high": 1.0}, **EVERY_FILTER)
    assert Counter(found["reason"]) == {None: 194, "incorrect": 14}


@needs_data
def test_a_hundred_problems_with_eight_answers_each_fall_where_they_should() -> None:
    rows = lines("qwen25math_math100x8")
    table = real_candidates(("qwen", row["problem"], row["answer"], text) for row in rows for text in row["responses"])
    found = decided(table, mixture={"high": 1.0}, **EVERY_FILTER)
    # Three right answers end in words of ten other scripts; samples of an easy problem often differ in a few words only.
    assert Counter(found["reason"]) == {None: 555, "near_duplicate": 171, "incorrect": 71, "language": 3}


def test_the_bytes_depend_neither_on_the_order_of_the_rows_nor_on_other_problems() -> None:
    table = candidates(*many(30, 4))
    whole = decided(table, max_per_problem=2, max_similarity=0.9)
    assert decided(table.sample(fraction=1, shuffle=True, seed=1), max_per_problem=2, max_similarity=0.9).equals(whole)
    parts = [decided(part, max_per_problem=2, max_similarity=0.9) for part in table.partition_by("problem_id")]
    assert pl.concat(parts).sort(SFT_KEY).equals(whole)
    fewer = decided(table.filter(pl.col("problem_id") != "p_7"), max_per_problem=2, max_similarity=0.9)
    assert fewer.equals(whole.filter(pl.col("problem_id") != "p_7"))
