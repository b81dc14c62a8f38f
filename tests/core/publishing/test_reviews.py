"""What a sample that a person looked at says of all rows."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.publishing import reviews
from stages.core.publishing.reviews import Stratum


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 5.
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0, 0.1684),
        (1, 29, 0.0009, 0.1776),
        (20, 20, 1 - 0.1684, 1.0),
    ],
)
def test_the_interval_of_a_share_is_the_published_one(successes: int, trials: int, low: float, high: float) -> None:
    assert reviews.exact_interval(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_an_interval_needs_a_trial() -> None:
    for successes, trials in ((0, 0), (2, 1), (-1, 3)):
        with pytest.raises(ValueError, match="an interval needs"):
            reviews.exact_interval(successes, trials)


def test_strata_are_weighted_by_their_rows() -> None:
    """9,000 rows of which none of 50 is wrong, and 1,000 of which half of 10 are: 5 in a hundred, not 5 of 60."""
    found = reviews.error_rate([Stratum(9000, 50, 0, 0), Stratum(1000, 5, 5, 0)])
    assert found is not None and found.value == pytest.approx(0.05)
    # The exact interval of 0 of 50 ends at 0.0711, that of 5 of 10 is [0.1871, 0.8129]; few rows were looked at.
    assert found.low == pytest.approx(0.05 - 0.1 * (0.5 - 0.1871) * (1 - 0.01) ** 0.5, abs=1e-4)
    above = (0.9 * 0.0711) ** 2 * (1 - 50 / 9000) + (0.1 * 0.3129) ** 2 * (1 - 0.01)
    assert found.high == pytest.approx(0.05 + above**0.5, abs=1e-4)


def test_with_one_stratum_it_is_the_exact_interval_and_with_all_rows_it_has_no_width() -> None:
    assert reviews.error_rate([Stratum(10**9, 29, 1, 0)]) == pytest.approx(
        (1 / 30, *reviews.exact_interval(1, 30)), abs=1e-6
    )
    assert reviews.error_rate([Stratum(4, 3, 1, 0)]) == (0.25, 0.25, 0.25)


def test_what_is_unsure_counts_neither_way_or_as_wrong_and_a_kind_without_an_opinion_may_be_anything() -> None:
    strata = [Stratum(100, 8, 1, 1)]
    sure, worst = reviews.error_rate(strata), reviews.error_rate(strata, unsure_is_wrong=True)
    assert sure is not None and worst is not None
    assert (sure.value, worst.value) == pytest.approx((1 / 9, 2 / 10))
    open_kind = reviews.error_rate([Stratum(50, 10, 0, 0), Stratum(50, 0, 0, 3)])
    assert open_kind is not None and open_kind.value == 0 and open_kind.high > 0.5
    assert reviews.error_rate([Stratum(50, 0, 0, 3)]) is None


def test_the_interval_holds_the_truth_in_nineteen_of_twenty_draws() -> None:
    draw = random.Random(0)
    strata, truths = ((800, 0.02), (150, 0.1), (50, 0.5)), 0
    rows = [[draw.random() < share for _ in range(size)] for size, share in strata]
    truth = sum(map(sum, rows)) / 1000
    for _ in range(1000):
        counts = reviews.shares({str(place): len(each) for place, each in enumerate(rows)}, 80)
        made = []
        for place, each in enumerate(rows):
            some = draw.sample(each, counts[str(place)])
            made.append(Stratum(len(each), len(some) - sum(some), sum(some), 0))
        found = reviews.error_rate(made)
        assert found is not None
        truths += found.low <= truth <= found.high
    assert truths >= 940


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 60), min_size=1, max_size=6), st.integers(1, 200))
def test_a_draw_has_as_many_rows_as_asked_and_some_of_each_kind(sizes: dict[str, int], number: int) -> None:
    counts = reviews.shares(sizes, number)
    assert sum(counts.values()) == min(number, sum(sizes.values()))
    kinds = [name for name in sizes if sizes[name]]
    for name in kinds:
        assert min(reviews.LEAST, number // len(kinds), sizes[name]) <= counts[name] <= sizes[name]


def test_a_draw_is_the_same_again_and_most_of_it_stays_when_rows_come() -> None:
    strata = {"a": [f"a{n}" for n in range(200)], "b": [f"b{n}" for n in range(20)]}
    first = reviews.draw(strata, 40, 1)
    assert first == reviews.draw({"b": strata["b"][::-1], "a": strata["a"][::-1]}, 40, 1)
    assert len(set(first)) == 40 and reviews.draw(strata, 40, 2) != first
    more = {**strata, "a": [f"a{n}" for n in range(210)]}
    assert len(set(first) & set(reviews.draw(more, 40, 1))) > 32
