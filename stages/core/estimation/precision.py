"""Precision: how many samples of each problem make an exam's interval as narrow as asked, if any number of them does.

The interval is one over problems, and two things widen it: that problems differ, which no sample of the same problems
mends, and that each problem's share of right samples is itself a guess, p (1 - p) / k. So its variance is taken as
A + B / k; from the samples there are, B is estimated without bias, and A, the prior's part in it, is the rest.
"""

from math import ceil, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.core.estimation.bootstrap import SCORE_PRIOR, WEIGHT, bayesian_bootstrap

SURE = 2.0
"""Standard errors by which the interval must stay too wide before an exam is given up."""
GROWTH = 0.25
"""Of the samples there are, that a round adds at least: each waits for its longest answer."""
NUM_RESAMPLES, SEED = 10_000, 1
"""Of the interval looked at. The printed one is another resampling: the same to about a hundredth of its width."""


class Target(NamedTuple):
    """`ci_width`, in (0, 1), is asked of the interval; `most` samples of each problem may be drawn."""

    ci_width: float
    most: int


class Look(NamedTuple):
    """What an exam's interval is like after some samples of each problem.

    `width` is its own, `limit` that with endless samples of the same problems; None without a scored sample. `why` ends
    the exam (one of `queries.STOPS`), or is None where `next_end` samples of each problem are to be drawn in all.
    """

    width: float | None
    limit: float | None
    why: str | None
    next_end: int


def look(right: NDArray[np.integer], scored: NDArray[np.integer], num_drawn: int, target: Target) -> Look:
    """Whether an exam goes on after `num_drawn` samples of each problem, and how far.

    It ends *settled* when the interval is as narrow as asked, *exhausted* with `target.most` samples, and *hopeless*
    when even endless samples would almost surely leave it wider, or no problem has a scored one. It goes on to as many
    samples as should do, yet never to more than twice those that there are: the guess is better then.

    Args:
        right: right samples by problem, in an order that does not depend on them.
        scored: scored samples of the same problems.
        num_drawn: samples that were drawn of each, scored or not.
        target: what is asked.
    """
    right, scored = right[scored > 0], scored[scored > 0]
    shares = right / scored
    interval = bayesian_bootstrap([shares], SCORE_PRIOR, NUM_RESAMPLES, SEED)
    if interval is None:
        return Look(None, None, "hopeless", num_drawn)
    width = interval.high - interval.low
    pseudo, pseudo_weights = np.array(SCORE_PRIOR).T
    values = np.concatenate([shares, pseudo])
    weights = np.concatenate([np.full(len(shares), WEIGHT), pseudo_weights])
    squares = (values - np.average(values, weights=weights)) ** 2
    total = float(np.sum(weights * squares)) / (WEIGHT * len(shares))
    sampled = _sampling_variances(shares, scored)
    among = total - float(np.mean(sampled)) if sampled.size else 0.0
    # What chance in the samples does to `total`: its standard error, for normal errors of those variances.
    doubt = float(np.sqrt(np.sum(4 * squares[: len(sampled)] * sampled + 2 * sampled**2))) / len(shares)
    limit, at_least = (width * sqrt(max(0.0, part) / total) for part in (among, among - SURE * doubt))
    if width <= target.ci_width:
        return Look(width, limit, "settled", num_drawn)
    if at_least > target.ci_width:
        return Look(width, limit, "hopeless", num_drawn)
    if num_drawn >= target.most:
        return Look(width, limit, "exhausted", num_drawn)
    room = total * (target.ci_width / width) ** 2 - max(0.0, among)
    wanted = ceil(num_drawn * (total - max(0.0, among)) / room) if room > 0 else target.most
    more = max(wanted, num_drawn + ceil(GROWTH * num_drawn))
    return Look(width, limit, None, min(target.most, 2 * num_drawn, more))


def _sampling_variances(shares: NDArray[np.float64], scored: NDArray[np.integer]) -> NDArray[np.float64]:
    """The variance of each problem's share from drawing its samples, p (1 - p)/(k - 1).

    One sample does not tell it: such a problem has the mean of the others'. Empty where no problem has two.
    """
    tells = scored > 1
    if not tells.any():
        return np.empty(0)
    found = shares * (1 - shares) / np.maximum(1, scored - 1)
    return np.where(tells, found, found[tells].mean())
