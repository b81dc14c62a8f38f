"""What is still to be asked: each missing query once, in order, problem by problem, and no more than the rule wants."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stages.core.sampling import adaptive, sample_selection
from stages.core.sampling.adaptive import Rule
from stages.core.sampling.queries import Answer, Query
from stages.edge import store
from stages.edge.asking import backlog
from stages.edge.asking.backlog import Backlog
from stages.edge.asking.progress import Progress
from tests.edge.asking.test_sampler import request

RULE = Rule(start=4, step=2, most=10, confidence=0.95, hopeless_share=0.25)


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REASONLITE_STORE", str(tmp_path))


def problems(num_problems: int, num_samples: int) -> Iterator[list[Query]]:
    for number in range(num_problems):
        messages = ({"role": "user", "content": f"question {number}"},)
        yield [
            Query(request().key(messages, sample), None, f"p{number}", sample, messages)
            for sample in range(num_samples)
        ]


def progress() -> Progress:
    return Progress("test", 0, lambda figures: None)


def drain(source: Backlog, most: int = 1) -> list[list[Query]]:
    groups = []
    while group := source.take(most):
        groups.append(group)
    return groups


@pytest.mark.parametrize("most", [1, 3, 100])
def test_every_missing_query_comes_once_in_order(most: int) -> None:
    with store.opened("model", "high") as answers:
        queries = [query for each in problems(50, 4) for query in each]
        known = random.Random(0).sample(queries, 77)
        answers.put([(query.key, Answer("stop", "4", None, 1, 1, None)) for query in known])
        groups = drain(backlog.Fixed(problems(50, 4), answers, progress()), most)
    assert [query for group in groups for query in group] == [query for query in queries if query not in known]
    assert all(len(group) <= most and len({query.problem_id for query in group}) == 1 for group in groups)


def test_many_more_problems_than_are_looked_up_at_once_all_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "QUERIES_AT_ONCE", 10)
    with store.opened("model", "high") as answers:
        assert len(drain(backlog.Fixed(problems(100, 3), answers, progress()))) == 300


@pytest.mark.parametrize("rule", [None, RULE], ids=["fixed", "adaptive"])
def test_a_question_that_stands_there_twice_is_asked_once_however_far_apart(
    rule: Rule | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "QUERIES_AT_ONCE", 10)
    both = [*problems(30, RULE.most), *(each for each in problems(30, RULE.most))]
    twice = [
        [query._replace(problem_id=f"{place} {query.problem_id}") for query in each] for place, each in enumerate(both)
    ]
    with store.opened("model", "high") as answers:
        source = (
            backlog.Adaptive(twice, answers, progress(), rule) if rule else backlog.Fixed(twice, answers, progress())
        )
        keys = [query.key for group in drain(source) for query in group]
    assert len(keys) == len(set(keys)) == 30 * (RULE.start if rule else RULE.most)


def test_problems_are_made_only_as_they_are_taken() -> None:
    counts = Counter[str]()

    def counted() -> Iterator[list[Query]]:
        for each in problems(10**9, 2):
            counts["problems"] += 1
            yield each

    with store.opened("model", "high") as answers:
        source = backlog.Fixed(counted(), answers, progress())
        for _ in range(10):
            source.take(1)
    assert counts["problems"] <= backlog.QUERIES_AT_ONCE


def test_a_peek_loses_nothing_and_tells_whether_there_is_anything() -> None:
    with store.opened("model", "high") as answers:
        peeked = backlog.Peeked(backlog.Fixed(problems(2, 2), answers, progress()), 4)
        assert peeked
        assert sum(map(len, drain(peeked, 4))) == 4
        assert not backlog.Peeked(backlog.Fixed(iter([]), answers, progress()), 4)


def answer_to(query: Query) -> Answer:
    """Problem p0 is easy, p1 is contested, p2 is hopeless, p3 fails."""
    kinds = {"p0": "4", "p1": str(4 + query.sample % 2), "p2": str(query.sample)}
    if query.problem_id == "p3":
        return Answer("failed", None, None, None, None, "broken")
    return Answer("stop", f"\\boxed{{{kinds[query.problem_id]}}}", None, 1, 1, None)


def ask_all(source: Backlog, answers: store.Store, most: int, in_flight: int, seed: int) -> list[Query]:
    """Ask with several requests in flight whose answers come in an order of chance."""
    draw = random.Random(seed)
    queries: list[Any] = []
    waiting: list[Any] = []
    while True:
        while len(waiting) < in_flight and (group := source.take(most)):
            queries += group
            waiting += group
        if not waiting:
            return queries
        query = waiting.pop(draw.randrange(len(waiting)))
        answer = answer_to(query)
        if answer.status != "failed":
            answers.put([(query.key, answer)])
        source.answered(query, answer)


@pytest.mark.parametrize("seed", range(5))
def test_adaptive_rounds_ask_as_much_as_each_problem_needs_in_whatever_order_answers_come(seed: int) -> None:
    with store.opened("model", f"part{seed}") as answers:
        source = backlog.Adaptive(problems(4, RULE.most), answers, progress(), RULE)
        queries = ask_all(source, answers, 1 + seed, 7, seed)
        drawn = Counter(query.problem_id for query in queries)
        assert drawn == {"p0": 4, "p1": 10, "p2": 10, "p3": 10}
        assert len({query.key for query in queries}) == len(queries)
        for each in problems(4, RULE.most):
            stored = answers.get([query.key for query in each])
            assert adaptive.drawn(sample_selection.contents(each, stored), RULE)[0] == drawn[each[0].problem_id]


def test_a_second_adaptive_run_asks_only_what_failed() -> None:
    with store.opened("model", "high") as answers:
        ask_all(backlog.Adaptive(problems(4, RULE.most), answers, progress(), RULE), answers, 2, 5, 0)
        again = ask_all(backlog.Adaptive(problems(4, RULE.most), answers, progress(), RULE), answers, 2, 5, 0)
    assert {query.problem_id for query in again} == {"p3"}


def test_what_was_asked_with_a_fixed_number_is_used_by_an_adaptive_run() -> None:
    with store.opened("model", "high") as answers:
        answers.put([(query.key, answer_to(query)) for each in problems(3, 4) for query in each])
        queries = ask_all(backlog.Adaptive(problems(3, RULE.most), answers, progress(), RULE), answers, 1, 3, 0)
    assert Counter(query.problem_id for query in queries) == {"p1": 6, "p2": 6}


def test_reasoning_that_the_server_left_in_the_content_is_no_answer() -> None:
    (samples,) = problems(1, 1)
    stored = {samples[0].key: Answer("stop", "<think>is it \\boxed{3}?</think>\\boxed{4}", None, 1, 1, None)}
    assert sample_selection.contents(samples, stored) == ["\\boxed{4}"]


def test_a_question_of_two_benchmarks_is_asked_once() -> None:
    (queries,) = problems(1, 3)
    with store.opened("model", "exam") as answers:
        twice = [queries, [query._replace(benchmark="other") for query in queries]]
        assert len(drain(backlog.Fixed(twice, answers, progress()))) == 3
