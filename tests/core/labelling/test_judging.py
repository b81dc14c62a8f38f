from collections import Counter
from collections.abc import Mapping, Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.answers.reading import answer_of
from stages.core.answers.table import TRACES_IN, read_answers
from stages.core.labelling.judging import (
    counted,
    metrics,
    undecided,
    verdicts,
)
from stages.core.labelling.judging import (
    prepare as prepare_answers,
)
from stages.core.tables.answers import TIERS, VERDICT, VERDICTS, VERDICTS_KEY
from stages.core.tables.benchmarks import GOLDS
from stages.core.tables.traces import STATUSES
from stages.core.tables.votes import LABELS

SUMS = (r"\sum_{k=1}^{3} k^2", r"\sum_{k=0}^{3} k^2")
"""Equal by algebra only."""


def prepare(table: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The answers of these traces, prepared."""
    return prepare_answers(read_answers(table), known)


def traces(*rows: tuple[str | None, str], problems: Sequence[str] | None = None) -> pl.DataFrame:
    """Traces of (content, status), all of problem "p" unless told otherwise."""
    names = problems or ["p"] * len(rows)
    return pl.DataFrame(
        [
            ("teacher", "medium", None, name, sample, content, status)
            for sample, (name, (content, status)) in enumerate(zip(names, rows, strict=True))
        ],
        schema=TRACES_IN,
        orient="row",
    )


def labels(**by_problem: str | None) -> pl.DataFrame:
    return pl.DataFrame(list(by_problem.items()), schema=LABELS, orient="row")


def judged(content: str | None, label: str | None, status: str = "stop") -> tuple[str | None, str | None, str | None]:
    """(answer, verdict, decided_by) of one trace by the cheap tiers."""
    prepared = prepare(traces((content, status)), labels(p=label))
    (row,) = prepared.select("answer", "verdict", "decided_by").rows()
    return row


@pytest.mark.parametrize(
    ("content", "label", "verdict"),
    [
        (r"so \boxed{10! + 1}", "10! - 1", "incorrect"),
        (r"so \boxed{10! - 1}", "10! - 1", "correct"),
        (r"\boxed{\text{Alice is 6 and Bob is 7}}", "7", "incorrect"),
        ("\\boxed{(1,\n2)}", "(3,2)", "incorrect"),
        (r"so \boxed{7}", r"We add, so it is \boxed{7}.", "correct"),
    ],
)
def test_the_whole_answer_is_judged(content: str, label: str, verdict: str) -> None:
    assert judged(content, label)[1] == verdict


# the answer of a trace


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (r"So \boxed{42}.", "42"),
        (r"\boxed{41}, no: \boxed{42}", "42"),
        ("The answer is 42.", "42"),
        (None, None),
        ("", None),
        ("I do not know.", None),
        (r"\boxed{}", None),
        (r"\boxed{ }", None),
        (r"\boxed{.}", None),
        (r"\boxed{42", None),
    ],
    ids=["box", "last box", "stated", "no content", "empty", "prose", "empty box", "blank box", "dot", "cut off"],
)
def test_an_answer_is_the_last_that_the_content_gives(content: str | None, answer: str | None) -> None:
    assert answer_of(content) == answer


def test_a_box_of_the_prompt_is_no_answer_of_the_trace() -> None:
    # A server that echoes its prompt must not make the instruction's own box an answer.
    assert answer_of(r"Put your final answer within \boxed{}. I could not find it") is None


# what needs no algebra


@pytest.mark.parametrize("status", ["refused", "failed"])
@pytest.mark.parametrize("label", ["42", None])
@pytest.mark.parametrize("content", [None, r"\boxed{42}"])
def test_a_trace_that_was_never_answered_is_unscored_not_wrong(
    status: str, label: str | None, content: str | None
) -> None:
    assert judged(content, label, status)[1:] == ("unscored", None)


@pytest.mark.parametrize("content", [r"\boxed{42}", None])
def test_without_a_label_there_is_nothing_to_judge_against(content: str | None) -> None:
    assert judged(content, None)[1:] == ("no_label", None)


def test_a_problem_without_a_row_in_the_labels_has_no_label() -> None:
    prepared = prepare(traces((r"\boxed{42}", "stop"), problems=["stranger"]), labels(p="42"))
    assert prepared.select("answer", "verdict").rows() == [("42", "no_label")]


@pytest.mark.parametrize("content", [None, "", "No idea.", r"\boxed{}", r"\boxed{4"])
@pytest.mark.parametrize("status", ["stop", "length"])
def test_a_trace_that_gives_no_answer_abstains_whether_it_ended_or_not(content: str | None, status: str) -> None:
    assert judged(content, "42", status) == (None, "no_answer", None)


@pytest.mark.parametrize(
    ("answer", "label", "verdict", "tier"),
    [
        ("odd", r"\text{Odd}", "correct", "text"),
        ("even", "odd", "incorrect", "text"),
        (r"\sqrt 2", r"\sqrt{2}", "correct", "text"),
        ("42", "42", "correct", "number"),
        ("0.5", r"\frac{1}{2}", "correct", "number"),
        ("33", "033", "correct", "number"),
        ("43", "42", "incorrect", "number"),
        ("4100626", "4100625", "incorrect", "number"),
    ],
)
def test_spelling_and_exact_values_decide_what_they_can_and_say_which(
    answer: str, label: str, verdict: str, tier: str
) -> None:
    assert judged(rf"So it is \boxed{{{answer}}}.", label) == (answer, verdict, tier)


def test_a_trace_that_was_cut_off_is_never_right_whatever_stands_before_the_cut() -> None:
    assert judged(r"\boxed{42} and on and on", "42", "length") == (None, "no_answer", None)


def test_in_an_exam_whose_protocol_counts_it_an_answer_before_the_cut_is_judged() -> None:
    answers = read_answers(traces((r"\boxed{42} and on and on", "length")), answer_before_cut=True)
    assert prepare_answers(answers, labels(p="42"))["verdict"].to_list() == ["correct"]


def test_benchmarks_are_labelled_by_their_name_and_problem_for_one_question_may_stand_in_two() -> None:
    golds = pl.DataFrame([("one", "p_1", "1"), ("two", "p_1", "2")], schema=GOLDS, orient="row")
    rows = [("turbo", None, name, "p_1", 0, r"\boxed{2}", "stop") for name in ("one", "two", "three")]
    prepared = prepare(pl.DataFrame(rows, schema=TRACES_IN, orient="row"), golds.rename({"gold": "label"}))
    assert dict(prepared.select("benchmark", "verdict").rows()) == {
        "one": "incorrect",
        "two": "correct",
        "three": "no_label",
    }


def test_ids_are_opaque_whatever_signs_they_hold() -> None:
    names = ["openmath_reasoning:12", "openmath_reasoning", "12", "a/b", "é"]
    found = prepare(traces(*[(r"\boxed{1}", "stop")] * 5, problems=names), labels(**dict.fromkeys(names, "1")))
    assert sorted(found["problem_id"]) == sorted(names)
    assert set(found["verdict"]) == {"correct"}


# what needs algebra


def test_pairs_that_need_algebra_are_listed_once_sorted_label_first() -> None:
    first, second = SUMS
    table = traces(
        *[(rf"\boxed{{{answer}}}", "stop") for answer in (second, second, r"\sum_{k=1}^{4} k^2", "42", "1")],
        (None, "failed"),
        problems=["p", "p", "p", "p", "q", "p"],
    )
    prepared = prepare(table, labels(p=first, q=r"\log_2 4"))
    pairs = undecided(prepared)
    assert pairs == sorted(set(pairs))
    assert (first, second) in pairs
    assert {label for label, _ in pairs} <= {first, r"\log_2 4"}
    assert undecided(prepare(traces((r"\boxed{42}", "stop")), labels(p="42"))) == []


@pytest.mark.parametrize(
    ("outcome", "verdict", "tier"),
    [
        ("equal", "correct", "symbolic"),
        ("different", "incorrect", "symbolic"),
        ("unparsable", "unparsable", None),
        ("timeout", "timeout", None),
    ],
)
def test_an_outcome_of_algebra_becomes_a_verdict_and_one_without_a_decision_is_not_wrong(
    outcome: str, verdict: str, tier: str | None
) -> None:
    prepared = prepare(traces((rf"\boxed{{{SUMS[1]}}}", "stop")), labels(p=SUMS[0]))
    assert prepared.select("verdict", "decided_by").rows() == [(None, None)]
    table = verdicts(prepared, {SUMS: outcome})
    assert table.schema == VERDICTS
    assert table.rows() == [("teacher", "medium", None, "p", 0, SUMS[1], "box", verdict, tier)]


def test_what_was_decided_cheaply_stays_whatever_algebra_says() -> None:
    prepared = prepare(
        traces((r"\boxed{43}", "stop"), (None, "failed"), ("No idea.", "stop")),
        labels(p="42"),
    )
    table = verdicts(prepared, {("42", "43"): "equal"})
    assert table.sort("sample").select("verdict", "decided_by").rows() == [
        ("incorrect", "number"),
        ("unscored", None),
        ("no_answer", None),
    ]


def test_a_pair_without_an_outcome_is_an_error_never_a_verdict() -> None:
    prepared = prepare(traces((rf"\boxed{{{SUMS[1]}}}", "stop")), labels(p=SUMS[0]))
    for outcomes in ({}, {SUMS[::-1]: "equal"}):
        with pytest.raises(KeyError):
            verdicts(prepared, outcomes)


def test_an_outcome_that_is_none_of_the_four_is_an_error_never_a_verdict() -> None:
    prepared = prepare(traces((rf"\boxed{{{SUMS[1]}}}", "stop")), labels(p=SUMS[0]))
    with pytest.raises(KeyError, match="true"):
        verdicts(prepared, {SUMS: "not true"})


contents = st.sampled_from([None, "No idea.", *(rf"\boxed{{{x}}}" for x in ("42", "42.0", "43", *SUMS, "x+1"))])
drawn_traces = st.lists(st.tuples(contents, st.sampled_from(STATUSES)), max_size=12)
drawn_labels = st.sampled_from([None, "42", *SUMS])
drawn_outcomes = st.sampled_from(["equal", "different", "unparsable", "timeout"])


@given(drawn_traces, drawn_labels, drawn_outcomes)
def test_each_trace_gets_exactly_one_verdict_and_the_metrics_add_up(
    rows: list[tuple[str | None, str]], label: str | None, outcome: str
) -> None:
    table = traces(*rows)
    prepared = prepare(table, labels(p=label))
    found = verdicts(prepared, dict.fromkeys(undecided(prepared), outcome))
    assert found.schema == VERDICTS
    assert sorted(found["sample"]) == sorted(table["sample"])
    assert found["verdict"].null_count() == 0
    decided = found["verdict"].is_in(["correct", "incorrect"])
    assert (found["decided_by"].is_not_null() == decided).all()
    told = metrics(counted(found), 0)
    assert told["num_traces"] == len(rows) == sum(told[f"num_{verdict}"] for verdict in VERDICT)
    assert sum(told[f"num_by_{tier}"] for tier in TIERS) == int(decided.sum())
    scored = len(rows) - told["num_no_label"] - told["num_unscored"]
    assert told["correct_share"] == pytest.approx(told["num_correct"] / scored if scored else 0.0)


def test_each_answer_says_which_rule_found_it_and_right_ones_that_none_found_are_counted() -> None:
    table = traces(
        (r"so \boxed{42}", "stop"),
        ("The answer is 42.", "stop"),
        ("We add. Therefore, there are 42 ways.", "stop"),
        ("We add. Therefore, there are 43 ways.", "stop"),
        (None, "failed"),
    )
    prepared = prepare(table, labels(p="42"))
    assert prepared["extracted_by"].to_list() == ["box", "stated", "none", "none", "none"]
    assert prepared["missed"].to_list() == [False, False, True, False, False]
    told = metrics(counted(verdicts(prepared, {})), int(prepared["missed"].sum()))
    assert [told[f"num_{name}"] for name in ("box", "stated", "right_but_not_extracted")] == [1, 1, 1]


def test_the_share_of_right_traces_is_of_those_that_could_be_scored() -> None:
    def table(counts: Mapping[str, int]) -> pl.DataFrame:
        rows = [verdict for verdict, count in counts.items() for _ in range(count)]
        keys = [
            ("teacher", None, None, "p", sample, None, "none", verdict, None) for sample, verdict in enumerate(rows)
        ]
        return pl.DataFrame(keys, schema=VERDICTS, orient="row")

    def measured(counts: Mapping[str, int]) -> Counter[str]:
        return counted(table(counts))

    found = metrics(measured({"correct": 3, "incorrect": 2, "no_answer": 1, "no_label": 10, "unscored": 10}), 1)
    assert found["num_right_but_not_extracted"] == 1
    assert found["correct_share"] == 0.5
    assert metrics(measured({"unparsable": 1, "timeout": 1, "correct": 2}), 0)["correct_share"] == 0.5
    assert metrics(measured({"unscored": 4}), 0)["correct_share"] == 0.0
    assert metrics(measured({}), 0)["correct_share"] == 0.0
    assert all(isinstance(value, int | float) for value in found.values())


def test_the_key_of_a_verdict_is_the_key_of_its_trace() -> None:
    assert list(VERDICTS)[:5] == VERDICTS_KEY == list(TRACES_IN)[:5]
