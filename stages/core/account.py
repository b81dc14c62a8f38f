"""What curation kept and dropped, in numbers: by filter, source, difficulty and length."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from stages.core.curation import REASONS, losses

NUM_BINS = 30


def metrics(decisions: pl.DataFrame, problems: pl.DataFrame) -> dict[str, Any]:
    """Counts of rows, problems, tokens and rejects, also by source, and the share of rows by difficulty.

    `decisions` is `curation.DECISIONS`, `problems` has the columns of `curation.PROBLEMS_IN`.
    """
    # Only what is counted: there are as many decisions as traces.
    sources = problems.select("problem_id", "source", "difficulty")
    joined = decisions.select("problem_id", "reason", "num_tokens").join(sources, on="problem_id", how="left")
    counts: dict[str, dict[str | None, int]] = {}
    each = pl.col("source").fill_null("published")
    for source, reason, number in joined.group_by(each, "reason").len().sort("source").iter_rows():
        counts.setdefault(source, {})[reason] = number
    by_source = {
        source: {
            "num_traces": sum(numbers.values()),
            "num_rows": numbers.get(None, 0),
            "rejected": {reason: numbers[reason] for reason in REASONS if reason in numbers},
        }
        for source, numbers in counts.items()
    }
    kept = joined.filter(pl.col("reason").is_null())
    lengths = kept["num_tokens"]
    return {
        "num_traces": decisions.height,
        "num_rows": kept.height,
        "num_problems": kept["problem_id"].n_unique(),
        "num_tokens": int(lengths.sum()),
        "tokens": _quantiles(lengths),
        "rejected": {loss.reason: loss.num_rows for loss in losses(decisions["reason"])},
        "difficulty_share": _shares(kept["difficulty"]),
        "by_source": by_source,
    }


def _quantiles(lengths: pl.Series) -> dict[str, int]:
    if lengths.is_empty():
        return {}
    named = {"min": 0.0, "median": 0.5, "p90": 0.9, "max": 1.0}
    return {name: int(lengths.quantile(share, "nearest") or 0) for name, share in named.items()}


def _shares(difficulties: pl.Series) -> dict[str, float]:
    """The share of rows of each eighth of difficulty, and of those without one."""
    if difficulties.is_empty():
        return {}
    labels = ((difficulties * 8).round(0).cast(pl.Int32).cast(pl.String) + "/8").fill_null("none")
    counts = labels.value_counts().sort(labels.name)
    return {str(label): number / difficulties.len() for label, number in counts.iter_rows()}


def funnel(decisions: pl.DataFrame) -> list[Mapping[str, object]]:
    """Rows left after each filter, for a plot: every filter stands there, so that the stages' funnels line up."""
    left = decisions.height
    steps: list[Mapping[str, object]] = [{"step": "all traces", "num_rows": left}]
    for loss in losses(decisions["reason"]):
        left -= loss.num_rows
        steps.append({"step": f"not {loss.reason}", "num_rows": left})
    return steps


def lengths(decisions: pl.DataFrame) -> list[Mapping[str, object]]:
    """A histogram of the tokens of the rows that stay, for a plot."""
    kept = decisions.filter(pl.col("reason").is_null())["num_tokens"]
    if kept.is_empty():
        return [{"tokens": 0, "num_rows": 0}]
    longest = int(pl.select(kept.max()).item())
    width = max(1, -(-(longest + 1) // NUM_BINS))
    counts = dict((kept // width).value_counts().iter_rows())
    return [{"tokens": width * number, "num_rows": counts.get(number, 0)} for number in range(NUM_BINS)]
