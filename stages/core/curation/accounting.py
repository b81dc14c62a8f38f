"""Counts of what curation kept and rejected: by filter, source, difficulty and length."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from stages.core.tables.rejects import REASONS

NUM_BINS = 30
MAX_DIFFICULTIES = 20
"""More different ones, such as shares of many samples, are counted in tenths of their range."""


class Loss(NamedTuple):
    """A filter and the number of rows that it rejected."""

    reason: str
    num_rows: int


class Account(NamedTuple):
    """Counts of decisions; those of pieces add up to those of the whole (`total`)."""

    reasons: pl.DataFrame
    """source, reason (null: a row), number"""
    lengths: pl.DataFrame
    """num_tokens of the rows, number"""
    difficulties: pl.DataFrame
    """difficulty of the rows, null where the source has none, number"""
    problems: pl.DataFrame
    """problem_id of the rows"""

    @property
    def num_traces(self) -> int:
        """Rows and rejects."""
        return int(self.reasons["number"].sum())

    @property
    def num_rows(self) -> int:
        """Rows alone."""
        return int(self.lengths["number"].sum())

    @property
    def losses(self) -> list[Loss]:
        """The rejects of each filter, in the order of the filters."""
        taken = self.reasons.drop_nulls("reason").group_by("reason").agg(pl.col("number").sum())
        counts = dict(taken.iter_rows())
        return [Loss(reason, counts.get(reason, 0)) for reason in REASONS]


def counted(decisions: pl.DataFrame, problems: pl.DataFrame) -> Account:
    """The account of `curation.DECISIONS`; `problems` has the columns of `curation.PROBLEMS_IN`."""
    sources = problems.select("problem_id", "source", "difficulty")
    joined = decisions.select("problem_id", "reason", "num_tokens").join(sources, on="problem_id", how="left")
    kept = joined.filter(pl.col("reason").is_null())
    return Account(
        _number(joined.select(pl.col("source").fill_null("published"), "reason")),
        _number(kept.select("num_tokens")),
        _number(kept.select("difficulty")),
        kept.select("problem_id").unique(),
    )


def total(accounts: Iterable[Account]) -> Account:
    """The account of all pieces together.

    Raises:
        ValueError: there are none.
    """
    reasons, lengths, difficulties, problems = (pl.concat(parts) for parts in zip(*accounts, strict=True))
    return Account(_sum(reasons), _sum(lengths), _sum(difficulties), problems.unique())


def _number(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.group_by(rows.columns).agg(number=pl.len().cast(pl.Int64))


def _sum(counts: pl.DataFrame) -> pl.DataFrame:
    return counts.group_by(counts.columns[:-1]).agg(pl.col("number").sum())


def metrics(account: Account) -> dict[str, Any]:
    """Counts of rows, problems, tokens and rejects, also by source, and the share of rows by difficulty."""
    counts: dict[str, dict[str | None, int]] = {}
    for source, reason, number in account.reasons.sort("source").iter_rows():
        counts.setdefault(source, {})[reason] = number
    by_source = {
        source: {
            "num_traces": sum(numbers.values()),
            "num_rows": numbers.get(None, 0),
            "rejected": {reason: numbers[reason] for reason in REASONS if reason in numbers},
        }
        for source, numbers in counts.items()
    }
    return {
        "num_traces": account.num_traces,
        "num_rows": account.num_rows,
        "num_problems": account.problems.height,
        "num_tokens": int((account.lengths["num_tokens"].cast(pl.Int64) * account.lengths["number"]).sum()),
        "tokens": _quantiles(account.lengths),
        "rejected": {each.reason: each.num_rows for each in account.losses},
        "difficulty_share": {
            label: number / account.num_rows for label, number in _by_difficulty(account.difficulties).items()
        },
        "by_source": by_source,
    }


def _by_difficulty(counts: pl.DataFrame) -> dict[str, int]:
    """Numbers of rows by difficulty as the source gives it, to three digits, from the lowest to the highest."""
    known = counts.drop_nulls("difficulty").sort("difficulty")
    values = known["difficulty"].to_list()
    labels = [f"{value:.3g}" for value in values]
    if len(set(labels)) > MAX_DIFFICULTIES:
        low, high = values[0], values[-1]
        edges = [f"{low + (high - low) * tenth / 10:.3g}" for tenth in range(11)]
        tenths = [min(9, int((value - low) / (high - low) * 10)) for value in values]
        labels = [f"{edges[tenth]} to {edges[tenth + 1]}" for tenth in tenths]
    labels += ["none"] * (counts.height - known.height)
    by_label: dict[str, int] = {}
    numbers = [*known["number"], *counts.filter(pl.col("difficulty").is_null())["number"]]
    for label, number in zip(labels, numbers, strict=True):
        by_label[label] = by_label.get(label, 0) + number
    return by_label


def _quantiles(lengths: pl.DataFrame) -> dict[str, int]:
    if lengths.is_empty():
        return {}
    each = pl.Series(np.repeat(lengths["num_tokens"].to_numpy(), lengths["number"].to_numpy()))
    named = {"min": 0.0, "median": 0.5, "p90": 0.9, "max": 1.0}
    return {name: int(each.quantile(share, "nearest") or 0) for name, share in named.items()}


def funnel(account: Account) -> list[Mapping[str, object]]:
    """Rows left after each filter, for a plot: all filters are listed, so that the stages' funnels line up."""
    left = account.num_traces
    steps: list[Mapping[str, object]] = [{"step": "all traces", "num_rows": left}]
    for each in account.losses:
        left -= each.num_rows
        steps.append({"step": f"not {each.reason}", "num_rows": left})
    return steps


def lengths(account: Account) -> list[Mapping[str, object]]:
    """A histogram of the tokens of the rows that stay, for a plot."""
    if not account.num_rows:
        return [{"tokens": 0, "num_rows": 0}]
    longest = int(pl.select(account.lengths["num_tokens"].max()).item())
    width = max(1, -(-(longest + 1) // NUM_BINS))
    binned = account.lengths.group_by(pl.col("num_tokens") // width).agg(pl.col("number").sum())
    counts = dict(binned.iter_rows())
    return [{"tokens": width * number, "num_rows": counts.get(number, 0)} for number in range(NUM_BINS)]
