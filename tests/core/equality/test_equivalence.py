"""`same` is an equivalence relation on what models answer to a benchmark: MATH-500 and 100 problems of MATH, 8 times."""

import json
import os
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path

import pytest

from stages.core.answers.reading import answer_of
from stages.core.equality.relations import same_cheaply, same_symbolically
from tests.core.equality.test_rewrites import KEEPING

pytestmark = pytest.mark.no_cover

FILES = ("qwen25math_math100x8", "llama31_8b_greedy_math500")


@pytest.fixture(scope="module")
def problems() -> list[list[str]]:
    """The different answers to each problem, its gold among them."""
    root = os.environ.get("REASONLITE_TEST_DATA")
    if not root:
        pytest.skip("REASONLITE_TEST_DATA names no folder of test data")
    rows = [
        json.loads(line)
        for name in FILES
        for line in Path(root, "gen", f"{name}.jsonl").read_text().split("\n")
        if line
    ]
    found = [dict.fromkeys([row["answer"], *map(answer_of, row["responses"])]) for row in rows]
    return [[answer for answer in answers if answer] for answers in found]


def classes(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The first member of the class of each answer that a pair joins to another."""
    first: dict[str, str] = {}

    def top(answer: str) -> str:
        while first.get(answer, answer) != answer:
            answer = first[answer]
        return answer

    for a, b in pairs:
        first[top(b)] = top(a)
    return {answer: top(answer) for answer in list(first)}


@pytest.mark.slow
def test_no_two_answers_to_a_benchmark_are_joined_by_a_third(problems: list[list[str]]) -> None:
    """All pairs of every second answer, by the tiers that decide without algebra."""
    answers = sorted({answer for each in problems for answer in each})[::2]
    assert len(answers) > 200, "hardly any are the same: most that can be one were joined by their keys"
    decided = {pair: same_cheaply(*pair).equal for pair in combinations(answers, 2)}
    members: dict[str, list[str]] = {}
    for answer, first in classes(pair for pair, equal in decided.items() if equal).items():
        members.setdefault(first, []).append(answer)
    joined = [pair for each in members.values() for pair in combinations(sorted(each), 2)]
    assert [pair for pair in joined if decided[pair] is False] == []
    assert [pair for pair in joined if same_cheaply(*reversed(pair)).equal is False] == []


def test_nor_are_spellings_of_the_answers_to_one_problem(problems: list[list[str]]) -> None:
    """Every fifth problem, each answer in up to twenty spellings."""
    for answers in problems[::5]:
        spellings = {text: None for each in answers for text in [each, *_spellings(each)[:20]]}
        decided = {pair: same_cheaply(*pair).equal for pair in combinations(spellings, 2)}
        found = classes(pair for pair, equal in decided.items() if equal)
        assert found
        assert [pair for pair, equal in decided.items() if equal is False and _is_joined(found, *pair)] == []


@pytest.mark.slow
def test_nor_are_answers_to_one_problem_where_algebra_decides(problems: list[list[str]]) -> None:
    for answers in problems:
        same = {pair: _same(*pair) for pair in combinations(answers, 2)}
        assert all(_same(b, a) == equal for (a, b), equal in same.items() if equal is not None)
        found = classes(pair for pair, equal in same.items() if equal)
        assert [pair for pair, equal in same.items() if equal is False and _is_joined(found, *pair)] == []


def _spellings(answer: str) -> list[str]:
    return [text for rewrite in KEEPING.values() if (text := rewrite(answer)) is not None]


def _is_joined(found: Mapping[str, str], a: str, b: str) -> bool:
    return a in found and found.get(b) == found[a]


def _same(a: str, b: str) -> bool | None:
    equal = same_cheaply(a, b).equal
    if equal is not None:
        return equal
    try:
        return same_symbolically(a, b)
    except (ValueError, TimeoutError):
        return None
