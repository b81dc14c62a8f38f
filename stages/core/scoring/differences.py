"""Differences: how much one student is above another on the same problems, and what would resolve it."""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stages.core.estimation.bootstrap import DIFFERENCE_PRIOR, Interval, bayesian_bootstrap, share_above_zero
from stages.core.scoring.scoring import by_benchmark, only_one, shares


class Difference(NamedTuple):
    """How much one student is above another on the same problems, and how many problems or samples would resolve it.

    `probability` is that of its being above zero. `needed_problems` and `needed_samples` are None where the interval
    leaves out zero; `needed_samples`, of each problem, also where no number of samples of these problems would do.
    """

    interval: Interval
    probability: float
    needed_problems: int | None
    needed_samples: int | None


def paired_difference(first: pl.DataFrame, second: pl.DataFrame, num_resamples: int, seed: int) -> Difference | None:
    """How much the second student is above the first on the same problems, as a mean over benchmarks.

    Pairing takes the difficulty of the problems, most of the variance, out of the interval. A problem that is unscored
    for either is left out for both; None when a benchmark keeps none.

    Raises:
        ValueError: more than one student or effort in a table, or tables of different problems.
    """
    for table in (first, second):
        only_one(table, ["student", "effort"])
    both = first.join(second, on=["benchmark", "problem_id"], nulls_equal=True, suffix="_second")
    if not both.height == first.height == second.height:
        shared = f"{both.height} of {first.height} and {second.height}"
        raise ValueError(f"a paired difference needs the same problems, and these share {shared}")
    kept = (pl.col("num_samples") > 0) & (pl.col("num_samples_second") > 0)
    parts = [part.filter(kept) for part in by_benchmark(both)]
    differences = [shares(part, "_second") - shares(part) for part in parts]
    interval = bayesian_bootstrap(differences, DIFFERENCE_PRIOR, num_resamples, seed)
    above = share_above_zero(differences, DIFFERENCE_PRIOR, num_resamples, seed)
    if interval is None or above is None:
        return None
    return Difference(interval, above, *_needed(interval, parts, differences))


def gained_and_lost(first: pl.DataFrame, second: pl.DataFrame) -> tuple[list[str], list[str]]:
    """Problems that the second student solves more often than not and the first does not, and the other way round.

    A problem that is unscored for either counts for neither.
    """
    both = first.join(second, on=["benchmark", "problem_id"], nulls_equal=True, suffix="_second").sort("problem_id")
    both = both.filter((pl.col("num_samples") > 0) & (pl.col("num_samples_second") > 0))
    before, after = (pl.col(f"num_correct{name}") * 2 > pl.col(f"num_samples{name}") for name in ("", "_second"))
    return both.filter(~before & after)["problem_id"].to_list(), both.filter(before & ~after)["problem_id"].to_list()


def _needed(
    interval: Interval, parts: Sequence[pl.DataFrame], differences: Sequence[NDArray[np.float64]]
) -> tuple[int | None, int | None]:
    """(problems, samples of each) with which the interval of this difference would leave out zero.

    Its width goes with the root of the variance, which is that among problems plus that of the samples, p (1 - p) / k,
    for both students with the same k.
    """
    distance = abs(interval.value)
    width = interval.value - interval.low if interval.value > 0 else interval.high - interval.value
    if width < distance or not distance:
        return None, None
    num_problems = sum(part.height for part in parts)
    squared = (width / distance) ** 2
    total = sum(float(np.var(each)) / len(each) for each in differences)
    sampled = of_one_sample = 0.0
    for part in parts:
        for name in ("", "_second"):
            variance, counts = _sampling_variance(part, name), part[f"num_samples{name}"].to_numpy()
            sampled += float(variance.mean()) / part.height
            of_one_sample += float((variance * counts).mean()) / part.height
    room = total / squared - max(0.0, total - sampled)
    return ceil(num_problems * squared), ceil(of_one_sample / room) if room > 0 and of_one_sample else None


def _sampling_variance(part: pl.DataFrame, suffix: str) -> NDArray[np.float64]:
    """The variance of each problem's share of right samples from drawing them, unbiased: p (1 - p)/(k - 1)."""
    right, counts = shares(part, suffix), part[f"num_samples{suffix}"].to_numpy()
    return np.asarray(right * (1 - right) / np.maximum(1, counts - 1), dtype=np.float64)
