import random
import re
from itertools import combinations_with_replacement

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stages.core.problems.arithmetic import ADDENDS, SETTINGS, Topic, pairs, problem, problems

TOPICS: tuple[Topic, ...] = ("one_step", "two_steps")
bounds = st.tuples(st.integers(0, 15), st.integers(1, 8)).map(lambda drawn: (drawn[0], drawn[0] + drawn[1]))


def unordered(ordered: list[tuple[int, int]]) -> set[frozenset[int]]:
    return {frozenset(pair) for pair in ordered}


# the split


@given(bounds, st.integers(1, 40), st.integers())
def test_an_unordered_pair_of_factors_belongs_to_one_side_only_and_none_is_lost(
    limits: tuple[int, int], num_exam_pairs: int, seed: int
) -> None:
    width = limits[1] - limits[0] + 1
    assume(num_exam_pairs <= width * (width - 1) // 2)
    train, exam = (pairs(*limits, num_exam_pairs, seed, split) for split in ("train", "exam"))
    assert not unordered(train) & unordered(exam)
    everything = {frozenset(pair) for pair in combinations_with_replacement(range(limits[0], limits[1] + 1), 2)}
    assert unordered(train) | unordered(exam) == everything
    assert len(unordered(exam)) == num_exam_pairs


@given(bounds, st.integers())
def test_pairs_are_sorted_and_come_in_both_orders_and_only_training_has_squares(
    limits: tuple[int, int], seed: int
) -> None:
    for split in ("train", "exam"):
        found = pairs(*limits, 1, seed, split)
        assert found == sorted(set(found))
        assert {(b, a) for a, b in found} == set(found)
        assert split == "train" or all(a != b for a, b in found)


def test_the_split_is_drawn_by_the_seed_alone() -> None:
    random.seed(1)
    first = pairs(2, 12, 22, 1, "exam")
    random.seed(2)
    assert pairs(2, 12, 22, 1, "exam") == first
    assert pairs(2, 12, 22, 2, "exam") != first
    assert len(first) == 44


@pytest.mark.parametrize("num_exam_pairs", [1, 3])
def test_the_exams_may_take_every_pair_of_different_factors(num_exam_pairs: int) -> None:
    train = pairs(2, 4, num_exam_pairs, 1, "train")
    assert {(2, 2), (3, 3), (4, 4)} <= set(train)


@pytest.mark.parametrize(
    ("lowest", "highest", "num_exam_pairs"), [(2, 4, 4), (2, 4, 100), (2, 2, 1), (5, 4, 1), (5, 4, 0)]
)
def test_an_impossible_split_is_refused_and_says_why(lowest: int, highest: int, num_exam_pairs: int) -> None:
    for split in ("train", "exam"):
        with pytest.raises(ValueError, match=rf"num_exam_pairs: {num_exam_pairs} .* factors {lowest}\.\.{highest}"):
            pairs(lowest, highest, num_exam_pairs, 1, split)


# the problems


def test_one_step_asks_for_a_product() -> None:
    assert problem("one_step", 7, 12, 9, SETTINGS[0]) == (
        "Anna has 7 bags with 12 apples in each. How many apples does Anna have?",
        "84",
    )


def test_two_steps_ask_for_a_product_and_a_sum() -> None:
    assert problem("two_steps", 7, 12, 9, SETTINGS[3]) == (
        "David has 7 shelves with 12 books in each, and 9 more books. How many books does David have?",
        "93",
    )


@given(st.sampled_from(TOPICS), st.integers(0, 999), st.integers(0, 999), st.integers())
def test_the_gold_is_what_the_numbers_of_the_prompt_make(topic: Topic, a: int, b: int, seed: int) -> None:
    ((prompt, gold),) = problems(topic, [(a, b)], seed)
    numbers = [int(number) for number in re.findall(r"\d+", prompt)]
    assert numbers[:2] == [a, b]
    assert len(numbers) == (2 if topic == "one_step" else 3)
    addend = sum(numbers[2:])
    assert topic == "one_step" or addend in ADDENDS
    assert int(gold) == a * b + addend


@given(st.sampled_from(TOPICS), st.lists(st.tuples(st.integers(2, 12), st.integers(2, 12)), unique=True), st.randoms())
def test_a_problem_does_not_depend_on_those_before_it(
    topic: Topic, chosen: list[tuple[int, int]], shuffler: random.Random
) -> None:
    whole = dict(zip(chosen, problems(topic, chosen, 1), strict=True))
    shuffled = list(chosen)
    shuffler.shuffle(shuffled)
    assert problems(topic, shuffled, 1) == [whole[pair] for pair in shuffled]


def test_problems_are_different_texts_in_many_settings_drawn_by_the_seed() -> None:
    every = pairs(2, 12, 22, 1, "train")
    for topic in TOPICS:
        made = problems(topic, every, 1)
        assert len({prompt for prompt, _ in made}) == len(every)
        assert {prompt.split()[0] for prompt, _ in made} == {setting.name for setting in SETTINGS}
        assert problems(topic, every, 2) != made
