"""What is said of a training run before it starts."""

import numpy as np

from stages.core.training import preflight
from stages.core.training.batching import Plan

LENGTHS = np.array([100, 200, 300, 400])
PROMPTS = np.array([10, 10, 10, 10])


def test_sound_rows_have_no_problem() -> None:
    assert preflight.problems(LENGTHS, PROMPTS, preflight.Bounds(400, 400)) == []
    assert preflight.problems(LENGTHS, PROMPTS, preflight.Bounds(400, None)) == []


def test_each_problem_says_what_to_change() -> None:
    silent = np.array([10, 10, 300, 10])
    found = preflight.problems(LENGTHS, silent, preflight.Bounds(350, 349))
    assert [sentence.split(":")[0] for sentence in found] == [
        "max_length is 350, but 1 of 4 rows are longer (the longest has 400 tokens) and would be cut",
        "1 of 4 rows have no trained token",
        "max_length is 350, but the student's weights are for 349 positions",
    ]
    assert "curate's max_tokens" in found[0] and "max_positions" in found[2]


def test_the_summary_counts_rows_tokens_and_steps() -> None:
    found = preflight.summary(LENGTHS, PROMPTS, Plan(4, 3, 8, 0))
    assert found == {
        "num_rows": 4, "num_tokens": 1000, "num_trained_tokens": 960, "median_tokens": 200, "p90_tokens": 300,
        "p99_tokens": 300, "longest_tokens": 400, "epochs": 8, "steps_per_epoch": 2, "num_steps": 16,
        "tokens_per_step": 500,
    }  # fmt: skip


def test_the_histogram_has_every_row_in_one_bar() -> None:
    bars = preflight.histogram(LENGTHS, num_bars=4)
    assert bars == [(100, 0), (200, 1), (300, 1), (400, 2)]
    shown = preflight.table({"num_rows": 4, "num_tokens": 1_000}, bars).splitlines()
    assert shown[1].split() == ["num", "tokens", "1,000"]
    assert shown[-1].split() == ["up", "to", "400", "tokens", "█" * 30, "2"]
    assert len({line.index("tokens ") for line in shown[2:]}) == 1, "the bars begin in one column"
