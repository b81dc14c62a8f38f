"""When a vote is settled: the rule at its borders, against closed forms."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.sampling import adaptive
from stages.core.sampling.adaptive import Rule

RULE = Rule(start=4, step=2, most=16, confidence=0.95, hopeless_share=0.25)


def boxed(*answers: str | None) -> list[str | None]:
    return [None if answer is None else f"So it is \\boxed{{{answer}}}." for answer in answers]


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        (boxed("4", "4", "4", "4"), "settled"),  # 1 - 2^-5 = 0.969
        (boxed("4", "4", "4", None), None),  # 1 - 2^-4 = 0.938
        (boxed("4", "4", "4", "5"), None),
        (boxed("4", "4", "4", "4", "4", "5"), None),  # 0.9375
        (boxed("4", "4", "4", "4", "4", "4", "5"), "settled"),  # 0.965
        (boxed(*["4"] * 8, *["5"] * 8), "exhausted"),
        (boxed(None, None, None, None), None),
        (boxed(*[None] * 10), "hopeless"),  # 0.75^11 = 0.042
        (boxed(*[None] * 9), None),  # 0.75^10 = 0.056
        (boxed(*map(str, range(15))), None),  # 0.064 with one vote
        (boxed("7", *[None] * 14), None),
        (boxed("7", *[None] * 14, "8"), "exhausted"),
        (boxed("1/2", "0.5", "\\frac{1}{2}", "\\dfrac12"), "settled"),  # one value, four spellings
        (["no answer at all"] * 4, None),
    ],
)
def test_a_problem_stops_when_the_posterior_says_enough(answers: list[str | None], why: str | None) -> None:
    assert adaptive.stop(answers, RULE) == why


RIGHT = RULE._replace(until_right=3, golds={"p": "4"})


@pytest.mark.parametrize(
    ("answers", "gold", "why"),
    [
        (boxed("4", "5", "4", "4.0"), "4", "settled"),  # three right ones, though the vote is not clear
        (boxed("4", "5", "4", "6"), "4", None),
        (boxed("0.5", "\\frac12", "x = 0.5", "1"), "$\\frac{1}{2}$", "settled"),
        (boxed("7", "7", "7", "7"), "4", "settled"),  # the vote is against the gold: no right ones are to be expected
        (boxed("7", "7", "7", "8"), "4", None),
        (boxed(*[None] * 10), "4", "hopeless"),
        (boxed(*["4", "5"] * 2), None, None),  # without a gold the votes count, and they are even
        (boxed("4", "4", "4", "4"), None, "settled"),
        (boxed("4", "4", *["5"] * 8, *["6"] * 6), "4", "exhausted"),
    ],
)
def test_a_problem_with_a_gold_stops_at_so_many_right_ones(
    answers: list[str | None], gold: str | None, why: str | None
) -> None:
    assert adaptive.stop(answers, RIGHT, gold) == why


def test_a_right_answer_that_leads_does_not_end_a_problem_before_there_are_enough_of_it() -> None:
    many = RIGHT._replace(until_right=8)
    assert adaptive.drawn(boxed(*["4"] * 16), RULE)[:2] == (4, "settled")
    assert adaptive.drawn(boxed(*["4"] * 16), many, "4")[:2] == (8, "settled")
    assert adaptive.drawn(boxed(*["7"] * 16), many, "4")[:2] == (4, "settled")


def test_the_gold_of_a_problem_counts_only_where_right_ones_are_wanted() -> None:
    assert RIGHT.gold("p") == "4" and RIGHT.gold("q") is None
    assert RIGHT._replace(until_right=None).gold("p") is None and RULE.gold("p") is None


@given(st.lists(st.sampled_from(["4", "5", "6", None]), min_size=16, max_size=16), st.integers(1, 16))
def test_no_more_are_drawn_than_are_needed_for_the_right_ones(answers: list[str | None], until_right: int) -> None:
    rule = RIGHT._replace(until_right=until_right)
    number, why, _ = adaptive.drawn(boxed(*answers), rule, "4")
    right = answers[:number].count("4")
    if why == "settled" and right >= until_right:
        assert number == rule.start or answers[: number - rule.step].count("4") < until_right


@pytest.mark.parametrize(("drawn", "end"), [(0, 4), (4, 6), (14, 16), (15, 16)])
def test_rounds_end_where_the_rule_says(drawn: int, end: int) -> None:
    assert RULE.next_end(drawn) == end


def test_only_whole_rounds_are_counted_and_the_rest_of_the_store_is_ignored() -> None:
    assert adaptive.drawn(boxed("4", "4", "4", "4", *["5"] * 12), RULE)[:2] == (4, "settled")
    assert adaptive.drawn(boxed("4", "4", "4", "5", *["4"] * 12), RULE)[:2] == (8, "settled")  # 7 to 1
    assert adaptive.drawn(boxed(*["4", "5"] * 8), RULE)[:2] == (16, "exhausted")


@given(st.integers(0, 30), st.integers(0, 30))
def test_being_more_frequent_is_certain_for_nobody_and_symmetric(first: int, second: int) -> None:
    probability = adaptive.probability_more_frequent(first, second)
    assert 0 < probability < 1
    assert probability + adaptive.probability_more_frequent(second, first) == pytest.approx(1)
    assert (probability > 0.5) == (first > second) or first == second


@pytest.mark.parametrize("votes", [600, 5_000, 32_767])
def test_no_number_of_votes_that_may_be_set_is_too_large(votes: int) -> None:
    assert adaptive.probability_more_frequent(votes, votes) == pytest.approx(0.5)
    assert adaptive.probability_more_frequent(votes, 0) == pytest.approx(1)
    rule = RULE._replace(start=2 * votes, most=2 * votes, confidence=0.999)
    assert adaptive.stop(boxed(*["4", "5"] * votes), rule) == "exhausted"
    assert adaptive.stop(boxed(*[None] * (2 * votes - 1), "5"), rule._replace(most=2 * votes + 1)) == "hopeless"


@pytest.mark.parametrize("first", range(0, 34, 3))
@pytest.mark.parametrize("second", range(0, 34, 3))
def test_the_probability_is_that_of_the_binomial_sum_to_twelve_digits(first: int, second: int) -> None:
    """P(p <= 1/2) for p ~ Beta(a, b) with whole a, b is that of at least a successes in a + b - 1 trials."""
    trials = first + second + 1
    below = Fraction(sum(math.comb(trials, k) for k in range(first + 1, trials + 1)), 2**trials)
    assert adaptive.probability_more_frequent(first, second) == pytest.approx(float(1 - below), abs=1e-12)
