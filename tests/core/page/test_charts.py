import json
from typing import Any

import polars as pl
import pytest

from stages.core.page import charts
from stages.core.scoring.scores import SCORES
from stages.edge import params

NOBODY = params.PublishedFigures(source=None, figures={})


def scores(num_benchmarks: int, num_samples: int) -> pl.DataFrame:
    rows = [
        {
            "student": "final", "benchmark": f"exam{number}", "problem_id": f"p{place}", "num_samples": num_samples,
            "avg_at": [0.1] * num_samples, "pass_at": [place / 7 + number / 11] * num_samples, "maj_at": [0.3] * num_samples,
        }
        for number in range(num_benchmarks)
        for place in range(3)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=SCORES)


def data(spec: dict[str, Any]) -> list[dict[str, Any]]:
    (rows,) = spec["datasets"].values()
    return list(rows)


def test_the_same_scores_make_the_same_chart() -> None:
    once = json.dumps(charts.by_k({"final": scores(7, 4)}))
    assert all(json.dumps(charts.by_k({"final": scores(7, 4)})) == once for _ in range(20))


def test_a_curve_over_very_many_samples_is_thinned_to_its_ends_and_some_between() -> None:
    rows = data(charts.by_k({f"student{number}": scores(2, 300) for number in range(17)}))
    ks = sorted({row["k"] for row in rows})
    assert len(ks) == charts.MAX_KS and (ks[0], ks[-1]) == (1, 300)


def test_a_problem_without_a_scored_sample_takes_no_k_from_the_others() -> None:
    unscored = scores(1, 4).head(1).with_columns(problem_id=pl.lit("x"), num_samples=pl.lit(0, pl.Int32))
    rows = data(charts.by_k({"final": pl.concat([scores(1, 4), unscored])}))
    assert {(row["k"], row["metric"]) for row in rows} == {
        (k, name) for k in range(1, 5) for name in ("pass@k", "maj@k")
    }


def test_a_loss_that_is_no_number_is_left_out() -> None:
    log = pl.DataFrame(
        {"step": [1, 2, 3], "loss": [2.0, float("nan"), float("inf")], "held_out_loss": [None, 1.5, None]}
    )
    rows = data(charts.losses({"turbo": log}))
    assert [(row["step"], row["loss"], row["rows"]) for row in rows] == [(1, 2.0, "training"), (2, 1.5, "held out")]


@pytest.mark.parametrize(
    "found", [{}, {"final": {"exam": {"num_problems": 0.0, "num_samples": 0.0, "unscored_share": 1.0}}}]
)
def test_without_a_scored_answer_the_charts_are_empty(found: Any) -> None:
    assert charts.accuracy(found, "avg_at_4", NOBODY)["height"] >= 0
    assert charts.tokens(found, "avg_at_4")["height"] > 0


def test_a_funnel_is_what_each_step_leaves() -> None:
    spec = charts.funnel("rows", 9, {"without copies": 3, "without proofs": 0, "without exam questions": 6})
    assert [(row["step"], row["num_rows"]) for row in data(spec)] == [
        ("rows", 9), ("without copies", 6), ("without proofs", 6), ("without exam questions", 0)
    ]  # fmt: skip
