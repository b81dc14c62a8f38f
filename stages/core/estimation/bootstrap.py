"""Intervals: how far a mean over a few problems can be trusted."""

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
Prior = Sequence[tuple[float, float]]
WEIGHT = 1.03
"""Of a problem, where Rubin's bootstrap has 1. With these weights and priors the intervals of simulated exams of thirty
problems with sixteen samples each hold the truth in 94 to 96% of cases, for difficulties uniform, mostly near 0, near 1
and near both (Beta distributions of seventeen shapes)."""
LEAST_WEIGHT = 0.5
"""Of a problem in one of very many strata with few problems. With 1 - 2 / n, n of them spread as their mean does, where
no pseudo-problem widens the spread."""
SCORE_PRIOR: Prior = ((0.0, 0.6), (1.0, 0.6))
"""(score, weight) of the pseudo-problems: about the halves of Jeffreys' prior for a share."""
DIFFERENCE_PRIOR: Prior = ((-1.0, 0.3), (0.0, 0.6), (1.0, 0.3))
"""The same for a difference in score: that of two independent students with `SCORE_PRIOR`."""


class Interval(NamedTuple):
    """An estimate and its 95% interval, which always holds the estimate."""

    value: float
    low: float
    high: float


def bayesian_bootstrap(
    strata: Sequence[NDArray[np.float64]], prior: Prior, num_resamples: int, seed: int
) -> Interval | None:
    """The mean over strata of their mean, with a Bayesian bootstrap (Rubin 1981) over the values in each stratum.

    Args:
        strata: one array a benchmark, one value a problem. The order of values matters to the last digits: sort them.
        prior: pseudo-problems, resampled with the real ones; each stratum has its part of their weight.
        num_resamples: how often to resample.
        seed: of the resampling.

    A plain bootstrap over thirty problems that all failed has no width, and where nearly all failed it covers the truth
    in under 80% of cases instead of 95%. The pseudo-problems mend both. They widen the interval and leave the estimate
    alone; should it lie outside, the interval is stretched to it. None without strata, or with an empty one.
    """
    draws = _draws(strata, prior, num_resamples, seed)
    if draws is None:
        return None
    value = fmean([fmean(values.tolist()) for values in strata])
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, min(value, float(low)), max(value, float(high)))


def share_above_zero(
    strata: Sequence[NDArray[np.float64]], prior: Prior, num_resamples: int, seed: int
) -> float | None:
    """How probable it is that what `bayesian_bootstrap` estimates is above zero: the share of its resamples."""
    draws = _draws(strata, prior, num_resamples, seed)
    return None if draws is None else float(np.mean(draws > 0))


def _draws(
    strata: Sequence[NDArray[np.float64]], prior: Prior, num_resamples: int, seed: int
) -> NDArray[np.float64] | None:
    if not strata or not all(map(len, strata)):
        return None
    rng = np.random.default_rng(seed)
    pseudo, pseudo_weights = np.array(prior).T
    # Shared by the strata: given whole to each of several, they would pull the mean further than it spreads.
    pseudo_weights = pseudo_weights / len(strata)
    alone = 1 / len(strata)
    draws = np.zeros(num_resamples)
    for values in strata:
        # Gamma variates over their sum are Dirichlet weights; that of a pseudo-problem has a smaller shape than 1.
        real = alone * WEIGHT + (1 - alone) * max(LEAST_WEIGHT, 1 - 2 / len(values))
        shape = np.concatenate([np.full(len(values), real), pseudo_weights])
        weights = rng.standard_gamma(shape, size=(num_resamples, len(shape)))
        draws += weights @ np.concatenate([values, pseudo]) / weights.sum(axis=1) / len(strata)
    return draws
