"""Differences over training seeds: what changes when the training is repeated, beside which problems were taken.

A difference between two trained students holds for their weights alone. Here each side was trained several times, with
another seed each time, and every run sat the same problems. The model is a crossed random one (Searle, Casella &
McCulloch, Variance Components, 1992): a share of right samples is a mean, plus an effect of the run, plus one of the
problem, plus what is left.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import t as student_t

from stages.core.estimation.bootstrap import LEVEL, Interval
from stages.core.scoring.scoring import by_benchmark, shares

FEWEST_RUNS = 3
"""Of each side. In simulated exams the intervals of five runs hold the truth in 94 to 97 % of cases, those of three in
92 (where seeds move scores by twelve points) to 98 %, and those of two in no more than 91 % there."""


class Repeated(NamedTuple):
    """A difference of means over runs and problems, and how far the runs of each side lie apart."""

    interval: Interval
    first_means: list[float]
    """The mean over benchmarks of each run of the first side."""
    second_means: list[float]


def difference(first: Sequence[pl.DataFrame], second: Sequence[pl.DataFrame]) -> Repeated | None:
    """How much the second student is above the first, over training runs and problems, as a mean over benchmarks.

    Args:
        first: the scores of one student, one table a training run.
        second: those of the other.

    The variance is the one of clustering in two ways (Cameron, Gelbach & Miller 2011): that of the means of runs, plus
    that of the problems' paired differences, less what is left of both, which the two count twice. The interval is
    Student's, with the degrees of freedom of Satterthwaite (1946). A problem that is unscored in any run is left out;
    None when a benchmark keeps none.

    Raises:
        ValueError: a side has fewer than three runs, or the runs have different problems.
    """
    if min(len(first), len(second)) < FEWEST_RUNS:
        raise ValueError(f"an interval over training seeds needs {FEWEST_RUNS} runs of each side")
    sides = _aligned([first, second])
    if sides is None:
        return None
    num_benchmarks = len(sides[0])
    means = [np.mean([runs.mean(axis=1) for runs in side], axis=0) for side in sides]
    of_runs = [(float(np.var(each, ddof=1)) / len(each), len(each) - 1) for each in means]
    of_problems, left = [], 0.0
    for before, after in zip(*sides, strict=True):
        paired = after.mean(axis=0) - before.mean(axis=0)
        if len(paired) > 1:
            of_problems.append((float(np.var(paired, ddof=1)) / len(paired) / num_benchmarks**2, len(paired) - 1))
        left += (_residual(before) + _residual(after)) / num_benchmarks**2
    parts = [*of_runs, *of_problems]
    total = sum(variance for variance, _ in parts)
    variance = max(total - left, sum(each for each, _ in of_runs), sum(each for each, _ in of_problems))
    value = float(means[1].mean() - means[0].mean())
    half = 0.0
    if variance > 0:
        freedom = total**2 / sum(each**2 / degrees for each, degrees in parts)
        half = float(student_t.ppf((1 + LEVEL) / 2, freedom)) * variance**0.5
    return Repeated(Interval(value, value - half, value + half), means[0].tolist(), means[1].tolist())


def spread(means: Sequence[float]) -> float:
    """The standard deviation between runs, unbiased in the square."""
    return float(np.std(means, ddof=1))


def run_mean(scores: pl.DataFrame) -> float | None:
    """The mean over benchmarks of one run; None where a benchmark has no scored sample."""
    parts = [part.filter(pl.col("num_samples") > 0) for part in by_benchmark(scores)]
    return fmean(float(shares(part).mean()) for part in parts) if parts and all(map(len, parts)) else None


def _residual(runs: NDArray[np.float64]) -> float:
    """The variance of the mean of this table from what neither its runs nor its problems explain.

    `runs` has a row a run and a column a problem.
    """
    num_runs, num_problems = runs.shape
    if min(num_runs, num_problems) < 2:
        return 0.0
    rest = runs - runs.mean(axis=1, keepdims=True) - runs.mean(axis=0, keepdims=True) + runs.mean()
    squares = np.square(rest).sum()
    return float(squares / ((num_runs - 1) * (num_problems - 1) * num_runs * num_problems))


def _aligned(sides: Sequence[Sequence[pl.DataFrame]]) -> list[list[NDArray[np.float64]]] | None:
    """For each side a table a benchmark, runs x problems, of the problems that every run has scored."""
    keys = ["benchmark", "problem_id"]
    tables = [table for side in sides for table in side]
    everywhere = tables[0].select(keys)
    for table in tables:
        if table.height != everywhere.height or table.join(everywhere, on=keys, how="anti").height:
            raise ValueError("the runs have different problems")
    for table in tables:
        everywhere = everywhere.join(table.filter(pl.col("num_samples") > 0), on=keys, how="semi")
    if everywhere["benchmark"].n_unique() < tables[0]["benchmark"].n_unique():
        return None
    found = []
    for side in sides:
        parts = [by_benchmark(table.join(everywhere, on=keys, how="semi")) for table in side]
        found.append([np.stack([shares(part) for part in of_one]) for of_one in zip(*parts, strict=True)])
    return found
