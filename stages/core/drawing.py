"""Which of a problem's stored answers become its traces."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from stages.core import adaptive, queries
from stages.core.queries import Answer, Query


class Drawn(NamedTuple):
    """Queries whose answers are traces, and for each why no more samples of its problem were drawn."""

    asked: list[Query]
    stopped: list[str]


def drawn(
    problems: Sequence[Sequence[Query]],
    again: Sequence[Sequence[Query]] | None,
    stored: Mapping[str, Answer],
    rule: adaptive.Rule | None,
) -> Drawn:
    """The samples of each problem up to where the rule stops it, or all of them without a rule.

    Args:
        problems: all queries that each problem may get, by sample.
        again: the same with a larger budget; such a query stands in for one whose answer was cut off, where it has an
            answer. None: cut off is cut off.
        stored: answers by key.
        rule: when a problem stops; it counts the first answers only, never those with the larger budget.
    """
    found = Drawn([], [])
    for place, asked in enumerate(problems):
        number, why = len(asked), "fixed"
        if rule:
            number, why = adaptive.drawn(contents(asked, by_sample(asked, stored)), rule)
        second = again[place] if again else [None] * len(asked)
        found.asked.extend(_better(one, other, stored) for one, other in zip(asked[:number], second, strict=False))
        found.stopped.extend([why] * number)
    return found


def is_cut_off(query: Query, stored: Mapping[str, Answer]) -> bool:
    """Whether the answer came to the end of its budget."""
    return query.key in stored and stored[query.key].status == "length"


def _better(one: Query, other: Query | None, stored: Mapping[str, Answer]) -> Query:
    return other if other is not None and is_cut_off(one, stored) and other.key in stored else one


def by_sample(asked: Iterable[Query], stored: Mapping[str, Answer]) -> dict[int, Answer]:
    """The stored answers of one problem's queries by the index of the sample."""
    return {query.sample: stored[query.key] for query in asked if query.key in stored}


def contents(asked: Iterable[Query], answers: Mapping[int, Answer]) -> list[str | None]:
    """What each query's answer says after its reasoning; None where there is none."""
    found = [answers.get(query.sample) for query in asked]
    return [queries.split_reasoning(each.content, each.reasoning)[0] if each else None for each in found]
