"""What each stage of training adds: every student against the one before it, on the same problems."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import polars as pl

from stages.core.scoring import results
from stages.core.scoring.scoring import Method

MEAN = "mean"


class Gain(NamedTuple):
    """How much `after` is above `before` on one exam, or on the mean of all; `numbers` as of `results.difference`."""

    after: str
    before: str
    exam: str
    num_problems: int
    num_samples: int
    """Scored ones of both students together."""
    numbers: dict[str, float]


def of_stages(scores: Mapping[str, pl.DataFrame], order: Sequence[str], method: Method) -> list[Gain]:
    """The paired gain of each of these students over the one before it: the mean over the exams, then each exam.

    `scores` is a `scoring.SCORES` of each student; one without scores is skipped. An exam without a problem that both
    have scored answers to is left out, and so is then the mean.

    Raises:
        ValueError: as `differences.paired_difference`.
    """
    gains = []
    for before, after in pairwise(name for name in order if name in scores):
        names = sorted(set(scores[before]["benchmark"]) | set(scores[after]["benchmark"]))
        for name, parts in ((MEAN, names), *((name, [name]) for name in names)):
            first, second = (scores[each].filter(pl.col("benchmark").is_in(parts)) for each in (before, after))
            if numbers := results.difference(first, second, method):
                gains.append(Gain(after, before, name, *_counts(first, second), numbers))
    return gains


def _counts(first: pl.DataFrame, second: pl.DataFrame) -> tuple[int, int]:
    """Problems with scored answers of both, and these answers."""
    both = first.join(second, on=["benchmark", "problem_id"], suffix="_second")
    kept = both.filter((pl.col("num_samples") > 0) & (pl.col("num_samples_second") > 0))
    return kept.height, int(kept.select(pl.col("num_samples") + pl.col("num_samples_second")).sum().item())


def means(gains: Sequence[Gain]) -> dict[str, dict[str, float]]:
    """The numbers of the means, named as in the summary's `difference`."""
    return {f"{gain.after}_over_{gain.before}": gain.numbers for gain in gains if gain.exam == MEAN}
