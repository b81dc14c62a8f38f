"""What a card tells of a checkpoint."""

from typing import Any

import pytest

from stages.core.publishing import model_card
from stages.core.publishing.model_card import (
    Checkpoint,
    ExamResults,
    Provenance,
    Teaching,
    TrainingStage,
    body,
    results,
)

HOSTILE = "x|y\n# <b>`z`"
SAMPLING = {"temperature": 0.6, "max_tokens": 96}
NUMBERS: dict[str, Any] = {
    "num_problems": 30, "num_samples": 120, "avg_at_4": 0.7525, "ci_low": 0.6512, "ci_high": 0.8248, "pass_at_2": 0.9,
    "maj_at_4": 0.8, "truncated_share": 0.025, "no_answer_share": 0.0,
}  # fmt: skip
SFT = {
    "num_traces": 9, "num_rows": 4, "num_problems": 3, "num_tokens": 40, "tokens": {"median": 10},
    "rejected": {"incorrect": 5, "empty": 0},
}  # fmt: skip


def exam(**changed: Any) -> ExamResults:
    found = {
        "num_samples": 4, "is_open": False, "pass_k": 2, "system": None, "suffix": "Box it.", "sampling": SAMPLING,
        "numbers": {"base": {"aime24": {"num_problems": 30}}, "final": {"aime24": NUMBERS}},
        "means": {"final": {"value": 0.7525, "ci_low": 0.6512, "ci_high": 0.8248}},
    }  # fmt: skip
    return ExamResults(**{**found, **changed})


def checkpoint(name: str = "final", **changed: Any) -> Checkpoint:
    stages = [
        TrainingStage(each, {"learning_rate": 1e-4, "seed": 1}, {"num_steps": 3, "kept_steps": [2, 3]}, SFT)
        for each in ("turbo", name)
    ]
    asked = {"num_samples": 8, "reasoning_effort": "high", "examples": [], "sampling": SAMPLING}
    found = {
        "title": "tiny", "student": "final", "base": "org/base", "stages": stages,
        "teaching": [Teaching("high", "org/teacher", "abc", asked, {"vllm 0.11.0": 4})], "sources": {"polaris": "somewhere"},
        "exam": exam(), "record": Provenance("c0ffee", False, "1dea", None, {"models/final": "5d"}),
    }  # fmt: skip
    return Checkpoint(**{**found, **changed})


def test_results_are_percent_with_the_interval_and_the_protocol_beside_the_average() -> None:
    average, passed, majority = results(exam(), "final")
    assert (average.benchmark, average.metric, average.percent) == ("aime24", "avg@4", 75.25)
    assert average.notes == "avg@4, 95% interval [65.1, 82.5]; 30 problems; temperature 0.6, max_tokens 96"
    assert (passed.metric, passed.percent, majority.metric, majority.percent) == ("pass@2", 90.0, "maj@4", 80.0)


def test_what_was_not_scored_is_no_result_and_a_dash_in_the_table() -> None:
    assert results(exam(), "base") == []
    assert "| base | - | - |" in body(checkpoint())
    assert "| aime24 | 30 | - | - | - | - | - | - |" in body(checkpoint(student="base"))


def test_the_card_tells_exams_protocol_training_data_teacher_and_record() -> None:
    text = body(checkpoint())
    for line in (
        "# tiny",
        "| aime24 | 30 | 75.2 | [65.1, 82.5] | 90.0 | 80.0 | 2.5 | 0.0 |",
        "| final | 75.2 [65.1, 82.5] | 75.2 [65.1, 82.5] |",
        "```\nBox it.\n```",
        "asked 4 times, each time with another seed, and with temperature 0.6, max_tokens 96.",
        "| learning rate | 0.0001 | 0.0001 |",
        "| kept steps | 2, 3 | 2, 3 |",
        "| high | org/teacher at abc | 8 | high | 0 | temperature 0.6, max_tokens 96 |",
        "- problems of polaris: somewhere",
        "| incorrect | -5 | -5 |",
        "- git: c0ffee\n",
        "| models/final | 5d |",
    ):
        assert line in text, line
    assert "| empty |" not in text and "MLflow" not in text


def test_a_system_message_stands_there_too_and_an_uncommitted_change_is_told() -> None:
    record = Provenance("c0ffee", True, "1dea", "a1b2", {})
    text = body(checkpoint(exam=exam(system="Be brief."), record=record))
    assert "```\nBe brief.\n```" in text
    assert "with changes that are not committed" in text and "- MLflow run: a1b2" in text


def named(name: str) -> Checkpoint:
    """A checkpoint of which everything that has a name is called `name`."""
    means = {name: {"value": 0.5, "ci_low": 0.4, "ci_high": 0.6}}
    asked = {"num_samples": 1, "reasoning_effort": name, "examples": [], "sampling": {name: name}}
    return checkpoint(
        name, title=name, student=name, base=name, sources={name: "generated"},
        teaching=[Teaching(name, name, name, asked, {name: 1})],
        exam=exam(numbers={name: {name: NUMBERS}}, means=means, sampling={name: name}),
        record=Provenance(name, False, name, name, {name: name}),
    )  # fmt: skip


def test_a_hostile_name_changes_nothing_but_the_name() -> None:
    shown = r"x\|y \# \<b\>\`z\`"
    assert body(named(HOSTILE)).replace(shown, "plain") == body(named("plain"))


def test_published_sets_need_no_teacher() -> None:
    assert "published reasoning traces" in body(checkpoint(teaching=[]))


def test_shares_are_rounded_to_two_digits_of_percent() -> None:
    assert model_card.percent(0.7670454545454546) == 76.7
    assert model_card.percent(1 / 3) == 33.33


def test_an_exam_that_went_on_says_how_often_each_problem_was_asked() -> None:
    numbers = {**NUMBERS, "avg": NUMBERS["avg_at_4"], "samples_drawn": 24}
    del numbers["avg_at_4"]
    found = exam(
        is_open=True,
        numbers={"base": {"aime24": {"num_problems": 30, "samples_drawn": 4}}, "final": {"aime24": numbers}},
    )
    average, passed, majority = results(found, "final")
    assert average.metric == "avg" and "30 problems x 24 samples" in average.notes
    assert passed.metric == "pass@2" and "30 problems x 24 samples" in passed.notes
    assert majority.metric == "maj@4" and "x" not in majority.notes.partition(";")[0], "it is of the first four"
    text = body(checkpoint(exam=found))
    assert "| samples of each |" in text and "| 24 |" in text
    assert "asked 4 times, or more often until the interval is narrow or more would not help" in text


@pytest.mark.parametrize(("counts", "rule"), [(True, "counts"), (False, "does not count")])
def test_the_card_says_what_an_answer_before_the_cut_is_worth_and_who_answered(counts: bool, rule: str) -> None:
    text = body(checkpoint(exam=exam(answer_before_cut=counts)))
    assert f"An answer that stands before the cut of a text that was cut off {rule}." in text
    assert "Answered at high by vllm 0.11.0 (4 answers)." in text
