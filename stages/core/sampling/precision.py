"""Precision: how many samples of each problem make an exam's interval as narrow as asked, if any number of them does.

The interval is one over problems, and two things widen it: that problems differ, which more samples of the same
problems do not change, and that each problem's share of right samples is an estimate, p (1 - p) / k. So its variance is
taken as A + B / k. B is estimated from the samples without bias; A, with the prior's part in it, is the rest.

The interval is that of the results, a Bayesian bootstrap (`estimation.bootstrap`). It stands here too, so that no exam
depends on how results are computed; a test compares both.
"""

from math import ceil, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
WEIGHT = 1.03
PSEUDO_SCORES, PSEUDO_WEIGHTS = np.array([0.0, 1.0]), np.array([0.6, 0.6])
"""Weight of a problem, scores and weights of the pseudo-problems, as `estimation.bootstrap` has and explains them."""
MARGIN = 2.0
"""Standard errors by which the interval must stay too wide before an exam is given up."""
GROWTH = 0.25
"""Of the samples there are, that a round adds at least: each waits for its longest answer."""
NUM_RESAMPLES, SEED = 10_000, 1
"""Of the interval looked at. The printed one is another resampling: the same to about a hundredth of its width."""


class PrecisionTarget(NamedTuple):
    """`ci_width`, in (0, 1), is the width wanted; `max_samples` of each problem may be drawn."""

    ci_width: float
    max_samples: int


class Look(NamedTuple):
    """What an exam's interval is like after some samples of each problem.

    `width` is its own, `limit` that with endless samples of the same problems; None without a scored sample. `why` ends
    the exam (one of `traces.STOPS`), or is None where `next_end` samples of each problem are to be drawn in all.
    """

    width: float | None
    limit: float | None
    why: str | None
    next_end: int


def look(right: NDArray[np.integer], scored: NDArray[np.integer], num_drawn: int, target: PrecisionTarget) -> Look:
    """Whether an exam goes on after `num_drawn` samples of each problem, and how far.

    It ends *settled* when the interval is as narrow as asked, *exhausted* with `target.max_samples` samples, and
    *hopeless* when even endless samples would almost surely leave it wider, or no problem has a scored one. It goes on
    to as many samples as should do, yet never to more than twice those that there are: the estimate is better then.

    Args:
        right: right samples by problem, in an order that does not depend on them.
        scored: scored samples of the same problems.
        num_drawn: samples that were drawn of each, scored or not.
        target: what is asked.
    """
    right, scored = right[scored > 0], scored[scored > 0]
    if not len(scored):
        return Look(None, None, "hopeless", num_drawn)
    shares = right / scored
    values = np.concatenate([shares, PSEUDO_SCORES])
    weights = np.concatenate([np.full(len(shares), WEIGHT), PSEUDO_WEIGHTS])
    width = _width(values, weights, float(shares.mean()))
    squares = (values - np.average(values, weights=weights)) ** 2
    variance = float(np.sum(weights * squares)) / (WEIGHT * len(shares))
    sampling = _sampling_variances(shares, scored)
    between = variance - float(np.mean(sampling)) if sampling.size else 0.0
    # The standard error of `between` from the choice of samples, for normal errors of those variances.
    error = float(np.sqrt(np.sum(4 * squares[: len(sampling)] * sampling + 2 * sampling**2))) / len(shares)
    limit, lowest_limit = (width * sqrt(max(0.0, part) / variance) for part in (between, between - MARGIN * error))
    if width <= target.ci_width:
        return Look(width, limit, "settled", num_drawn)
    if lowest_limit > target.ci_width:
        return Look(width, limit, "hopeless", num_drawn)
    if num_drawn >= target.max_samples:
        return Look(width, limit, "exhausted", num_drawn)
    room = variance * (target.ci_width / width) ** 2 - max(0.0, between)
    num_needed = ceil(num_drawn * (variance - max(0.0, between)) / room) if room > 0 else target.max_samples
    more = max(num_needed, num_drawn + ceil(GROWTH * num_drawn))
    return Look(width, limit, None, min(target.max_samples, 2 * num_drawn, more))


def _width(values: NDArray[np.float64], weights: NDArray[np.float64], estimate: float) -> float:
    """Of the 95% interval of a mean under Dirichlet weights, stretched to `estimate` should it lie outside."""
    drawn = np.random.default_rng(SEED).standard_gamma(weights, size=(NUM_RESAMPLES, len(weights)))
    low, high = np.quantile(drawn @ values / drawn.sum(axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return max(estimate, float(high)) - min(estimate, float(low))


def _sampling_variances(shares: NDArray[np.float64], scored: NDArray[np.integer]) -> NDArray[np.float64]:
    """The variance of each problem's share from drawing its samples, p (1 - p)/(k - 1).

    One sample does not show it: such a problem has the mean of the others'. Empty where no problem has two.
    """
    has_several = scored > 1
    if not has_several.any():
        return np.empty(0)
    variances = shares * (1 - shares) / np.maximum(1, scored - 1)
    return np.where(has_several, variances, variances[has_several].mean())
