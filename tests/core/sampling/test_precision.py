"""How many samples make an interval as narrow as asked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.estimation import bootstrap
from stages.core.sampling import precision
from stages.core.sampling.precision import Look, PrecisionTarget, look
from stages.core.scoring.scoring import Method, metrics
from tests.core.scoring.test_scoring import right, table, wrong

MOST = 256


def after(right: list[int], num_drawn: int, ci_width: float, most: int = MOST) -> Look:
    """With as many scored samples as drawn ones."""
    return look(np.array(right), np.full(len(right), num_drawn), num_drawn, PrecisionTarget(ci_width, most))


def exam(shares: np.ndarray, ci_width: float, draw: np.random.Generator) -> tuple[Look, int, np.ndarray]:
    """The last look at an exam of problems with these probabilities, its samples, and what was right."""
    num_drawn, right = 8, draw.binomial(8, shares)
    while (seen := after(right.tolist(), num_drawn, ci_width)).why is None:
        right = right + draw.binomial(seen.next_end - num_drawn, shares)
        num_drawn = seen.next_end
    return seen, num_drawn, right


def test_the_interval_is_the_printed_one_but_for_its_resampling() -> None:
    scores = table([[right()] * number + [wrong("5")] * (4 - number) for number in (0, 1, 4, 3, 2)])
    printed = metrics(scores, Method(4, 2, 10_000, 42, is_open=True))
    seen = look(scores["num_correct"].to_numpy(), scores["num_samples"].to_numpy(), 4, PrecisionTarget(0.01, MOST))
    assert seen.width == pytest.approx(printed["ci_high"] - printed["ci_low"], rel=0.03)


def test_it_ends_settled_as_soon_as_the_interval_is_narrow() -> None:
    narrow = after([4] * 30, 8, 0.5)
    assert narrow.why == "settled" and narrow.width is not None and narrow.width <= 0.5
    assert after([4] * 30, 8, narrow.width).why == "settled", "as narrow as asked is narrow enough"


def test_problems_that_differ_leave_it_wide_however_often_they_are_asked() -> None:
    seen = after([0] * 15 + [8] * 15, 8, 0.1)
    assert seen.why == "hopeless" and seen.limit == seen.width and seen.width > 0.3


def test_problems_alike_are_a_matter_of_samples_down_to_what_the_prior_leaves() -> None:
    endless = after([40_000] * 30, 80_000, 0.12)
    assert endless.why == "settled" and endless.width == pytest.approx(endless.limit, rel=0.01)
    draw = np.random.default_rng(2)
    seen = [after(draw.binomial(16, 0.5, size=30).tolist(), 16, 0.08) for _ in range(200)]
    assert {each.why for each in seen} == {None}
    squares = [each.limit**2 for each in seen if each.limit is not None]
    assert np.sqrt(np.mean(squares)) == pytest.approx(endless.width, rel=0.15)
    assert after([32] * 10 + [33] * 10 + [31] * 10, 64, 0.07, most=64).why == "exhausted"


@pytest.mark.parametrize(("num_problems", "share", "ci_width"), [(30, 0.95, 0.073), (30, 0.03, 0.06), (44, 0.95, 0.05)])
def test_what_the_prior_of_a_few_problems_leaves_is_not_sampled_away(
    num_problems: int, share: float, ci_width: float
) -> None:
    """All problems are equally hard, so that only the prior keeps the interval wider than asked."""
    draw = np.random.default_rng(3)
    assert after([round(share * 10**6)] * num_problems, 10**6, ci_width).width > ci_width
    seen, num_drawn, _ = exam(np.full(num_problems, share), ci_width, draw)
    assert seen.why == "hopeless" and num_drawn <= 64


def test_an_exam_that_all_failed_is_as_narrow_as_it_gets() -> None:
    seen = after([0] * 30, 8, 0.01)
    assert seen.why == "hopeless" and seen.limit == seen.width


def test_one_sample_of_each_problem_does_not_tell_what_more_would_do() -> None:
    one = after([0, 1] * 100, 1, 0.08)
    assert (one.why, one.next_end) == (None, 2)
    counts = np.array([8] * 9 + [1] * 9)
    some = look(np.array([4] * 9 + [0, 1] * 4 + [1]), counts, 8, PrecisionTarget(0.2, MOST))
    assert some.why is None, "a problem with one scored sample has the sampling variance of the others"


def test_without_a_scored_sample_there_is_nothing_to_wait_for() -> None:
    nothing = np.zeros(3, dtype=np.int64)
    assert look(nothing, nothing, 4, PrecisionTarget(0.1, MOST)) == Look(None, None, "hopeless", 4)
    some = look(np.array([2, 0, 1]), np.array([4, 0, 4]), 4, PrecisionTarget(0.9, MOST))
    assert some == look(np.array([2, 1]), np.array([4, 4]), 4, PrecisionTarget(0.9, MOST)), "it is left out"


@given(st.lists(st.integers(0, 6), min_size=1, max_size=8), st.floats(0.01, 0.9), st.integers(6, 40))
def test_each_round_has_more_samples_at_most_twice_as_many_and_never_more_than_allowed(
    right: list[int], ci_width: float, most: int
) -> None:
    seen = after(right, 6, ci_width, most)
    if seen.why is None:
        assert min(most, 8) <= seen.next_end <= min(12, most)
    else:
        assert seen.next_end == 6
    assert seen.width is not None and seen.limit is not None and 0 <= seen.limit <= seen.width


@pytest.mark.parametrize("ci_width", [0.08, 0.12])
def test_what_is_called_hopeless_stays_wide_and_what_goes_on_becomes_narrow(ci_width: float) -> None:
    """96 exams of 30 problems that are more or less alike, from Beta(2, 2) to Beta(13, 13); the limit is near 0.1."""
    draw = np.random.default_rng(5)
    stays_wide, ended = [], []
    for number in range(96):
        alike = 2.0 + number % 12
        shares = draw.beta(alike, alike, size=30)
        seen, num_drawn, right = exam(shares, ci_width, draw)
        ended.append(seen.why)
        assert (seen.width <= ci_width) == (seen.why == "settled")
        if seen.why == "hopeless":
            more = right + draw.binomial(4 * MOST - num_drawn, shares)
            stays_wide.append(after(more.tolist(), 4 * MOST, ci_width).width > ci_width)
    assert len(stays_wide) > 15 and np.mean(stays_wide) >= 0.95
    assert ended.count("exhausted") < 24, "most are told early"
    assert ended.count("settled") > 60 or ci_width < 0.12


def test_the_next_round_is_about_what_it_takes() -> None:
    """An exam that needs a little more is asked a quarter more, not one sample after the other."""
    right = [2, 3, 4, 5, 6] * 6
    wide = after(right, 8, 0.01).width
    assert wide is not None
    nearly, further = after(right, 8, 0.98 * wide), after(right, 8, 0.85 * wide)
    assert nearly.why is None and further.why is None
    assert nearly.next_end == 10 < further.next_end <= 16


def test_problems_weigh_what_they_weigh_in_the_results() -> None:
    assert precision.WEIGHT == bootstrap.WEIGHT and precision.LEVEL == bootstrap.LEVEL
    assert list(zip(precision.PSEUDO_SCORES, precision.PSEUDO_WEIGHTS, strict=True)) == list(bootstrap.SCORE_PRIOR)


@given(st.lists(st.integers(0, 8), min_size=1, max_size=40))
def test_the_width_is_that_of_the_bootstrap(right: list[int]) -> None:
    printed = bootstrap.bayesian_bootstrap(
        [np.array(right) / 8], bootstrap.SCORE_PRIOR, precision.NUM_RESAMPLES, precision.SEED
    )
    assert printed is not None
    width = after(right, 8, 0.01).width
    assert width == pytest.approx(printed.high - printed.low, rel=1e-9)
