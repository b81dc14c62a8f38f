import json
import os
import random
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.answers.keys import canonical
from stages.core.equality.relations import Pair, same_symbolically
from stages.core.labelling.voting import (
    COUNTED,
    NO_TRACES,
    Outcomes,
    Tally,
    Vote,
    pairs_to_decide,
    tallies,
    vote,
)

DATA = Path(os.environ.get("REASONLITE_TEST_DATA", "")) / "gen"
needs_data = pytest.mark.skipif(
    "REASONLITE_TEST_DATA" not in os.environ, reason="REASONLITE_TEST_DATA names no folder of real transcripts"
)
FIRST, SECOND, THIRD = r"\sum_{k=0}^{3} k^2", r"\sum_{k=1}^{3} k^2", r"\sum_{n=1}^{3} n^2"


def tally(answers: Sequence[str | None]) -> Tally:
    rows = [("p", answer, answer and canonical(answer), 1) for answer in answers]
    frame = pl.DataFrame(rows, schema=COUNTED, orient="row")
    return tallies(frame).get("p", NO_TRACES)


def outcomes(tallied: Tally, equal: Sequence[Pair] = (), otherwise: str = "different") -> Outcomes:
    """An outcome for each pair that is asked for; no order is meant in `equal`."""
    wanted = {frozenset(pair) for pair in equal}
    return {pair: "equal" if frozenset(pair) in wanted else otherwise for pair in pairs_to_decide([tallied])}


def elect(answers: Sequence[str | None], equal: Sequence[Pair] = (), otherwise: str = "different") -> Vote:
    counted = tally(answers)
    return vote(counted, outcomes(counted, equal, otherwise))


def classes(voted: Vote) -> list[tuple[str, int]]:
    return [(one.answer, one.votes) for one in voted.classes]


# counting


def test_spellings_of_one_answer_are_one_candidate_in_its_most_frequent_spelling() -> None:
    counted = tally([r"\dfrac12", r"\frac{1}{2}", r"\frac{1}{2}", "0.5", "42"])
    assert [(one.answer, one.votes) for one in counted.candidates] == [(r"\frac{1}{2}", 4), ("42", 1)]


def test_of_spellings_as_frequent_the_shortest_stands_for_the_candidate() -> None:
    assert [one.answer for one in tally(["0.5", "1/2", r"\frac12"]).candidates] == ["0.5"]


@pytest.mark.parametrize("nothing", [None, "", "  ", "."])
def test_a_trace_without_an_answer_abstains(nothing: str | None) -> None:
    counted = tally(["7", nothing, nothing, "7", nothing])
    voted = vote(counted, {})
    assert (counted.num_traces, voted.num_answered, voted.votes, voted.share) == (5, 2, 2, 1.0)


def test_candidates_are_in_order_of_votes_then_of_length_then_of_code_points() -> None:
    counted = tally(["10", "9", "8", "100", "100"])
    assert [one.answer for one in counted.candidates] == ["100", "8", "9", "10"]


def test_problems_are_counted_apart_and_in_order() -> None:
    rows = [("b", "1", "1", 1), ("a", "2", "2", 1), ("b", None, None, 1), ("b", "1", "1", 3)]
    frame = pl.DataFrame(rows, schema=COUNTED, orient="row")
    counted = tallies(frame)
    assert list(counted) == ["a", "b"]
    assert [one.num_traces for one in counted.values()] == [1, 5]
    assert [one.votes for one in counted["b"].candidates] == [4]
    assert tallies(frame.clear()) == {}


# which pairs need algebra


def test_numbers_words_and_equal_spellings_need_no_algebra() -> None:
    assert pairs_to_decide([tally(["7", "7.0", "8", "1/3", "odd", "even", "10%"])]) == []


def test_formulas_need_algebra_once_a_pair_over_all_problems_in_a_fixed_order() -> None:
    first, second = tally([FIRST, SECOND, THIRD]), tally([THIRD, FIRST])
    pairs = pairs_to_decide([first, second])
    assert pairs == sorted(tuple(sorted(pair)) for pair in combinations([FIRST, SECOND, THIRD], 2))
    assert pairs == pairs_to_decide([second, first])


def test_answers_of_different_problems_are_never_compared() -> None:
    assert pairs_to_decide([tally([FIRST]), tally([SECOND])]) == []


def test_a_vote_without_the_outcome_of_a_pair_it_needs_is_refused() -> None:
    with pytest.raises(ValueError, match="no outcome for the pair"):
        vote(tally([FIRST, SECOND]), {})


# classes


def test_equal_formulas_are_one_class_under_the_most_frequent_one() -> None:
    voted = elect([SECOND, FIRST, FIRST, "7"], equal=[(FIRST, SECOND)])
    assert classes(voted) == [(FIRST, 3), ("7", 1)]
    assert (voted.answer, voted.votes, voted.share, voted.tied) == (FIRST, 3, 0.75, False)


@pytest.mark.parametrize("doubt", ["different", "unparsable", "timeout"])
def test_what_is_not_found_equal_stays_apart(doubt: str) -> None:
    assert classes(elect([FIRST, FIRST, SECOND], otherwise=doubt)) == [(FIRST, 2), (SECOND, 1)]


def test_an_answer_is_compared_only_with_the_first_of_a_class_so_that_no_chain_joins() -> None:
    # FIRST ~ SECOND ~ THIRD, but FIRST and THIRD differ.
    chain = [(FIRST, SECOND), (SECOND, THIRD)]
    assert classes(elect([FIRST] * 3 + [SECOND] * 2 + [THIRD], equal=chain)) == [(FIRST, 5), (THIRD, 1)]


def test_an_answer_that_equals_two_classes_joins_neither() -> None:
    bridge = [(FIRST, SECOND), (THIRD, SECOND)]
    assert classes(elect([FIRST] * 3 + [THIRD] * 2 + [SECOND], equal=bridge)) == [(FIRST, 3), (THIRD, 2), (SECOND, 1)]


def test_classes_are_ordered_by_all_their_votes() -> None:
    assert classes(elect(["7"] * 3 + [FIRST] * 2 + [SECOND] * 2, equal=[(FIRST, SECOND)])) == [(FIRST, 4), ("7", 3)]


@pytest.mark.parametrize(
    ("prediction", "other"), [("10", r"10\%"), ("(1,2)", r"\{1,2\}"), ("(1,2)", "(2,1)"), ("0.333333", "1/3")]
)
def test_a_percentage_a_set_an_order_and_a_rounding_are_other_answers(prediction: str, other: str) -> None:
    assert len(elect([prediction, other]).classes) == 2


def test_algebra_itself_joins_the_sums_and_keeps_the_number() -> None:
    counted = tally([FIRST, SECOND, THIRD, "1.4"])
    same = {pair: "equal" if same_symbolically(*pair) else "different" for pair in pairs_to_decide([counted])}
    assert classes(vote(counted, same)) == [(FIRST, 3), ("1.4", 1)]


# the winner


def test_a_tie_for_the_most_votes_has_no_winner() -> None:
    voted = elect(["7", "7", "8", "8", "9"])
    assert (voted.answer, voted.votes, voted.share, voted.tied) == (None, 2, 0.4, True)


def test_a_tie_below_the_top_does_not_matter() -> None:
    voted = elect(["7", "7", "8", "9"])
    assert (voted.answer, voted.tied) == ("7", False)


@pytest.mark.parametrize("answers", [[], [None, ""]])
def test_without_an_answer_there_is_neither_a_winner_nor_a_tie(answers: list[str | None]) -> None:
    voted = elect(answers)
    assert (voted.classes, voted.answer, voted.votes, voted.share, voted.tied) == ((), None, 0, 0.0, False)


ANSWERS = st.lists(st.sampled_from(["7", "7.0", "14/2", "8", FIRST, SECOND, THIRD, "x+1", "", None]), max_size=12)
FORMULAS = [*combinations([FIRST, SECOND, THIRD, "x+1"], 2)]


@given(ANSWERS, st.lists(st.sampled_from(FORMULAS)), st.randoms(use_true_random=False))
def test_the_order_of_traces_changes_nothing_whatever_is_equal(
    answers: list[str | None], equal: list[Pair], rng: random.Random
) -> None:
    assert elect(rng.sample(answers, len(answers)), equal) == elect(answers, equal)


@given(ANSWERS, st.lists(st.sampled_from(FORMULAS)))
def test_every_answer_is_in_one_class_and_a_winner_has_more_votes_than_any_other(
    answers: list[str | None], equal: list[Pair]
) -> None:
    voted = elect(answers, equal)
    counts = [votes for _, votes in classes(voted)]
    assert sum(counts) == voted.num_answered == sum(bool(answer) for answer in answers)
    assert counts == sorted(counts, reverse=True)
    assert 0 <= voted.share <= 1
    assert voted.tied == (counts.count(voted.votes) > 1)
    assert (voted.answer is None) == (voted.tied or not counts)


@needs_data
def test_votes_on_a_hundred_real_problems_have_the_ties_and_the_right_winners_of_the_labels() -> None:
    tied = won_right = 0
    for line in (DATA / "qwen25math_math100x8.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        right = {answer for answer, is_right in zip(row["preds"], row["correct"], strict=True) if is_right}
        voted = elect(row["preds"], equal=[*combinations(sorted(right), 2)])
        tied += voted.tied
        won_right += voted.answer in right
    assert (tied, won_right) == (4, 91)
