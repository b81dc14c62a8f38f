"""Voting: the answers of a problem's traces, counted and grouped into classes of equal ones.

Equality of formulas is not transitive (10, 10% and 0.1), so classes are not its connected components: an answer is
compared only with the first one of each class. Splitting a class costs a label and joining two makes a wrong one, so
doubtful pairs stay apart. The gold takes no part. From classes to labels: `stages.core.labelling.labels`.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import polars as pl

from stages.core.equality.relations import Decision, Pair, same_cheaply
from stages.core.tables.traces import UNANSWERED

COUNTED = pl.Schema(
    {"problem_id": pl.String(), "answer": pl.String(), "answer_key": pl.String(), "num_traces": pl.Int64()}
)
"""How many traces that came back give an answer, null where they have none; several rows of one add up."""

Outcomes = Mapping[Pair, str]
"""Outcomes of the symbolic tier by pair of answers: "equal", or anything else for one that is not equal."""


class Candidate(NamedTuple):
    """An answer in its most frequent spelling, its canonical key, and how many traces give it."""

    answer: str
    key: str
    votes: int


class Tally(NamedTuple):
    """The answers to one problem, one candidate a key, most votes first.

    Traces without an answer only count in `num_traces`.
    """

    num_traces: int
    candidates: tuple[Candidate, ...]


NO_TRACES = Tally(0, ())


class Vote(NamedTuple):
    """The result of one problem: its classes, most votes first, and the answer of the first.

    `answer` is None when no trace has an answer, or when two classes are tied for the most votes.
    """

    classes: tuple[Candidate, ...]
    answer: str | None
    tied: bool

    @property
    def votes(self) -> int:
        """Votes of the top class."""
        return self.classes[0].votes if self.classes else 0

    @property
    def num_answered(self) -> int:
        """Traces with an answer."""
        return sum(candidate.votes for candidate in self.classes)

    @property
    def share(self) -> float:
        """Votes of the top class over the traces with an answer; 0 when there are none."""
        return self.votes / self.num_answered if self.classes else 0.0


def counted(answers: pl.DataFrame, models: Sequence[str] | None) -> pl.DataFrame:
    """`COUNTED` of the traces that came back, of some models or all, from `ANSWERS`."""
    if models is not None:
        answers = answers.filter(pl.col("model").is_in(list(models)))
    each = answers.filter(~pl.col("status").is_in(UNANSWERED)).group_by(list(COUNTED)[:-1], maintain_order=True)
    return each.agg(num_traces=pl.len().cast(pl.Int64))


def tallies(answers: pl.DataFrame) -> dict[str, Tally]:
    """`COUNTED` by problem_id; the order of rows does not matter."""
    return {str(problem_id): tally for (problem_id,), tally in tallies_by(answers, ["problem_id"]).items()}


def tallies_by(answers: pl.DataFrame, group: Sequence[str]) -> dict[tuple[str | None, ...], Tally]:
    """The tally of each group of rows with the same values in the columns `group`, by these values.

    `answers` has these columns and those of `COUNTED`. The order of rows does not matter.
    """
    key = [*group, "answer", "answer_key"]
    by_answer = answers.group_by(key).agg(votes=pl.col("num_traces").sum()).sort(key)
    by_group = by_answer.group_by(list(group), maintain_order=True).agg("answer", "answer_key", "votes")
    return {
        tuple(values): Tally(sum(votes), _candidates(zip(spellings, keys, votes, strict=True)))
        for *values, spellings, keys, votes in by_group.iter_rows()
    }


def _candidates(answers: Iterable[tuple[str | None, str | None, int]]) -> tuple[Candidate, ...]:
    by_key: dict[str, list[tuple[int, int, str]]] = {}
    for answer, key, votes in answers:
        if answer is not None and key:
            by_key.setdefault(key, []).append((-votes, len(answer), answer))
    candidates = [Candidate(min(each)[2], key, -sum(votes for votes, *_ in each)) for key, each in by_key.items()]
    return tuple(sorted(candidates, key=_order))


def _order(candidate: Candidate) -> tuple[int, int, str]:
    """Most votes first, then the shortest key, then code points: independent of the order of traces."""
    return -candidate.votes, len(candidate.key), candidate.key


def pairs_to_decide(tallies: Iterable[Tally]) -> list[Pair]:
    """The distinct pairs for the symbolic tier of `same`: what a vote may need and the cheap tiers cannot decide."""
    pairs = {_pair(a, b) for tally in tallies for a, b in combinations(tally.candidates, 2)}
    return sorted(pair for pair in pairs if same_cheaply(*pair).equal is None)


def grouped(tally: Tally, same: Outcomes) -> list[list[Candidate]]:
    """The candidates of one problem in classes, from the one with the most votes to the rarest, in that order.

    A candidate joins the class whose first answer it equals; when it equals those of two classes it joins neither, for
    it would join different answers. `same` holds the outcomes of `pairs_to_decide`.

    Raises:
        ValueError: a pair is missing there.
    """
    classes: list[list[Candidate]] = []
    for candidate in tally.candidates:
        pairs = [_pair(members[0], candidate) for members in classes]
        equal = [place for place, pair in enumerate(pairs) if resolve(same_cheaply(*pair), pair, same)]
        if len(equal) == 1:
            classes[equal[0]].append(candidate)
        else:
            classes.append([candidate])
    return classes


def vote(tally: Tally, same: Outcomes) -> Vote:
    """The vote of one problem over its classes (`grouped`), each under its first answer with the votes of all.

    Raises:
        ValueError: as `grouped`.
    """
    classes = [members[0]._replace(votes=sum(each.votes for each in members)) for members in grouped(tally, same)]
    classes.sort(key=_order)
    tied = len(classes) > 1 and classes[0].votes == classes[1].votes
    return Vote(tuple(classes), classes[0].answer if classes and not tied else None, tied)


def resolve(cheap: Decision, pair: Pair, outcomes: Outcomes) -> bool:
    """Whether a pair is equal by the cheap tiers' decision, or else by the outcome of the symbolic tier.

    Raises:
        ValueError: the cheap tiers could not decide and there is no outcome.
    """
    if cheap.equal is not None:
        return cheap.equal
    if pair not in outcomes:
        raise ValueError(f"no outcome for the pair {pair}, which the cheap tiers cannot decide")
    return outcomes[pair] == "equal"


def _pair(a: Candidate, b: Candidate) -> Pair:
    return min(a.answer, b.answer), max(a.answer, b.answer)
