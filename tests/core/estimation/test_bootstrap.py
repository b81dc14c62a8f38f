from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.core.estimation.bootstrap import DIFFERENCE_PRIOR, SCORE_PRIOR, bayesian_bootstrap

NUM_PROBLEMS, NUM_SAMPLES, NUM_EXAMS, NUM_RESAMPLES = 30, 16, 400, 500
SHARES = st.lists(st.integers(0, 16).map(lambda right: right / 16), min_size=1, max_size=40).map(np.array)


def uniform(rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.uniform(size=NUM_PROBLEMS)


def many_near_0(rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.beta(0.1, 2.0, size=NUM_PROBLEMS)


def a_rare_easy_one(rng: np.random.Generator) -> NDArray[np.float64]:
    return np.where(rng.uniform(size=NUM_PROBLEMS) < 0.05, 0.6, 0.005)


def many_near_1(rng: np.random.Generator) -> NDArray[np.float64]:
    return 1 - rng.beta(0.5, 10.0, size=NUM_PROBLEMS)


def bimodal(rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.beta(0.1, 0.23, size=NUM_PROBLEMS)


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.2, 2.0), (0.1, 0.23), (0.3, 0.3)])
def test_the_interval_holds_the_truth_in_95_of_100_exams(alpha: float, beta: float) -> None:
    """Difficulties that are uniform, mostly near 0, and (twice) near 0 or near 1; thirty problems, 16 samples of each."""
    rng = np.random.default_rng(5)
    held = 0
    for exam in range(2_000):
        shares = rng.binomial(NUM_SAMPLES, rng.beta(alpha, beta, size=NUM_PROBLEMS)) / NUM_SAMPLES
        interval = bayesian_bootstrap([shares], SCORE_PRIOR, 1_000, seed=exam)
        held += interval.low <= alpha / (alpha + beta) <= interval.high
    assert 0.935 <= held / 2_000 <= 0.965


@pytest.mark.parametrize(
    ("difficulties", "truth"),
    [
        (uniform, 0.5),
        (many_near_0, 0.1 / 2.1),
        (a_rare_easy_one, 0.05 * 0.6 + 0.95 * 0.005),
        (many_near_1, 1 - 0.5 / 10.5),
        (bimodal, 0.1 / 0.33),
    ],
)
def test_the_interval_holds_the_truth_in_nine_of_ten_exams_whatever_the_mix_of_difficulties(
    difficulties: Callable[[np.random.Generator], NDArray[np.float64]], truth: float
) -> None:
    rng = np.random.default_rng(7)
    held = 0
    for exam in range(NUM_EXAMS):
        shares = rng.binomial(NUM_SAMPLES, difficulties(rng)) / NUM_SAMPLES
        interval = bayesian_bootstrap([shares], SCORE_PRIOR, NUM_RESAMPLES, seed=exam)
        held += interval.low <= truth <= interval.high
    assert held / NUM_EXAMS >= 0.90


def test_a_difference_of_nothing_is_found_to_be_one_in_at_most_a_tenth_of_the_comparisons() -> None:
    rng = np.random.default_rng(8)
    held = 0
    for exam in range(NUM_EXAMS):
        chance = many_near_0(rng)
        first, second = rng.binomial(NUM_SAMPLES, chance, size=(2, NUM_PROBLEMS)) / NUM_SAMPLES
        interval = bayesian_bootstrap([second - first], DIFFERENCE_PRIOR, NUM_RESAMPLES, seed=exam)
        held += interval.low <= 0 <= interval.high
    assert held / NUM_EXAMS >= 0.90


LOW, MIDDLE, NEAR_1 = (0.3, 5.7), (0.5, 1.5), (3.0, 0.3)


@pytest.mark.parametrize(
    "mix",
    [[(1.0, 1.0)] * 2, [LOW] * 3, [LOW] * 5, [MIDDLE, *[LOW] * 4], [NEAR_1] * 5, [(0.1, 0.23)] * 5],
    ids=["uniform", "three hard", "five hard", "one easier", "five easy", "near both ends"],
)
def test_the_interval_of_a_mean_over_exams_holds_the_truth_in_95_of_100_cases(mix: list[tuple[float, float]]) -> None:
    """Several exams together are surer than each, and pseudo-problems must not weigh more for that."""
    rng = np.random.default_rng(11)
    truth, held = float(np.mean([a / (a + b) for a, b in mix])), 0
    for exam in range(600):
        strata = [rng.binomial(NUM_SAMPLES, rng.beta(a, b, size=NUM_PROBLEMS)) / NUM_SAMPLES for a, b in mix]
        interval = bayesian_bootstrap(strata, SCORE_PRIOR, NUM_RESAMPLES, seed=exam)
        held += interval.low <= truth <= interval.high
    assert 0.91 <= held / 600 <= 0.985


@pytest.mark.parametrize("num_exams", [1, 2, 5])
@pytest.mark.parametrize("gain", [0.0, 0.5, 0.9])
def test_the_interval_of_a_difference_over_exams_holds_the_truth_in_nine_of_ten_cases(
    num_exams: int, gain: float
) -> None:
    """The second student solves of what the first does not a share of `gain`."""
    rng = np.random.default_rng(12)
    truth, held = gain * (1 - 0.05), 0
    for exam in range(NUM_EXAMS):
        first = rng.beta(*LOW, size=(num_exams, NUM_PROBLEMS))
        second = first + gain * (1 - first)
        strata = list((rng.binomial(NUM_SAMPLES, second) - rng.binomial(NUM_SAMPLES, first)) / NUM_SAMPLES)
        interval = bayesian_bootstrap(strata, DIFFERENCE_PRIOR, NUM_RESAMPLES, seed=exam)
        held += interval.low <= truth <= interval.high
    assert held / NUM_EXAMS >= 0.90


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_thirty_problems_all_failed_or_all_solved_leave_a_doubt_of_some_points(score: float) -> None:
    interval = bayesian_bootstrap([np.full(30, score)], SCORE_PRIOR, 2000, seed=0)
    assert interval is not None
    value, low, high = interval
    assert value == score
    assert 0.02 < high - low < 0.15
    assert 0 <= low <= high <= 1


def test_more_problems_narrow_the_interval_and_more_resamples_do_not() -> None:
    def width(num_problems: int, num_resamples: int) -> float:
        interval = bayesian_bootstrap([np.linspace(0, 1, num_problems)], SCORE_PRIOR, num_resamples, seed=0)
        return interval.high - interval.low

    assert width(120, 2000) == pytest.approx(width(30, 2000) / 2, rel=0.15)
    assert width(30, 8000) == pytest.approx(width(30, 2000), rel=0.1)


def test_strata_weigh_the_same_whatever_their_size() -> None:
    interval = bayesian_bootstrap([np.zeros(10), np.ones(300)], SCORE_PRIOR, 2000, seed=0)
    assert interval is not None
    value, low, high = interval
    assert value == 0.5
    assert low < 0.5 < high


def test_nothing_is_said_about_no_problems() -> None:
    assert bayesian_bootstrap([], SCORE_PRIOR, 100, seed=0) is None
    assert bayesian_bootstrap([np.ones(3), np.array([])], SCORE_PRIOR, 100, seed=0) is None


@given(shares=SHARES, seed=st.integers(0, 2**32 - 1))
def test_the_interval_holds_the_mean_stays_among_the_scores_and_is_set_by_its_seed(
    shares: NDArray[np.float64], seed: int
) -> None:
    interval = bayesian_bootstrap([shares], SCORE_PRIOR, 50, seed)
    assert interval.value == pytest.approx(shares.mean())
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert interval == bayesian_bootstrap([shares], SCORE_PRIOR, 50, seed)
