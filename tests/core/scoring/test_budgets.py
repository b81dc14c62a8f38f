import polars as pl
import pytest

from stages.core.scoring.budgets import at_budgets
from stages.core.scoring.scoring import TRACES_IN, VERDICTS_IN

Samples = list[tuple[str, str, int | None]]
"""Verdict, status and tokens."""


def curve(problems: list[Samples], max_tokens: int = 64, benchmark: str = "aime24") -> dict[int, float]:
    """Accuracy by budget."""
    marks, traces = [], []
    for place, samples in enumerate(problems):
        for index, (verdict, status, tokens) in enumerate(samples):
            key = ("final", None, benchmark, f"p{place}", index)
            marks.append((*key, verdict, "7", "7", False))
            traces.append((*key, status, tokens, False))
    tables = pl.DataFrame(marks, schema=VERDICTS_IN, orient="row"), pl.DataFrame(traces, schema=TRACES_IN, orient="row")
    return {row["budget"]: row["accuracy"] for row in at_budgets(*tables, max_tokens, 200, 1).iter_rows(named=True)}


def test_an_answer_counts_from_the_budget_on_that_it_fits_into() -> None:
    found = curve(
        [[("correct", "stop", 16), ("correct", "stop", 17)], [("incorrect", "stop", 4), ("correct", "stop", 64)]]
    )
    assert found == {1: 0, 2: 0, 4: 0, 8: 0, 16: 0.25, 32: 0.5, 64: 0.75}


def test_at_the_whole_budget_a_truncated_answer_that_was_right_is_right() -> None:
    assert curve([[("correct", "length", 64)]])[64] == 1
    assert curve([[("correct", "length", 64)]])[32] == 0


def test_what_no_model_answered_and_what_no_server_counted_is_unscored() -> None:
    lost: Samples = [("unscored", "failed", None), ("correct", "stop", None)]
    assert curve([[*lost, ("correct", "stop", 10)]])[64] == 1
    assert curve([lost]) == {}


def test_more_tokens_never_score_less() -> None:
    found = curve([[("correct", "stop", n), ("incorrect", "stop", n)] for n in range(1, 100, 7)], max_tokens=100)
    assert list(found) == [1, 3, 6, 12, 25, 50, 100]
    accuracies = list(found.values())
    assert accuracies == sorted(accuracies) and accuracies[-1] == pytest.approx(0.5)
