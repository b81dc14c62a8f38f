"""Contamination: training problems that are also in a benchmark, with the evidence of each rule.

`exact` and `unordered` compare whole prompts. `ngram` asks which share of a question's word n-grams a problem holds, as
open-r1 and others do with n = 8; `masked` asks the same with every number masked, which finds a question whose numbers
were changed; `embedding` compares vectors of meaning. Time is linear in the number of problems.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import polars as pl

from stages.core.problems.dropped import EVIDENCE
from stages.core.text.normalisation import prose, template, words

COMMON = 4
"""An n-gram of so many questions is a stock phrase ("where m and n are relatively prime positive integers")."""
BLOCK = 8_192

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float32]]


class Grams(Protocol):
    """A rule on n-grams: their length in words, and from which share on a problem counts as the question."""

    size: int
    min_share: float


class Embedded(NamedTuple):
    """Vectors of length 1 of the problems' and the questions' prompts, and the cosine that makes them the same."""

    problems: Matrix
    benchmarks: Matrix
    min_similarity: float


class DecontaminationRules(Protocol):
    """The rules in force, `collect.decontaminate` in params.yaml; False or None is off."""

    exact: bool
    unordered: bool
    keep: list[str]
    """Problems that a person has checked and that are no copies."""

    @property
    def ngram(self) -> Grams | None:
        """On words."""

    @property
    def masked(self) -> Grams | None:
        """On words with every number masked."""


Hit = tuple[int, int, float]
"""Row of the problem, row of the question, score."""


def evidence(
    problems: pl.DataFrame, benchmarks: pl.DataFrame, rules: DecontaminationRules, embedded: Embedded | None = None
) -> pl.DataFrame:
    """One row for each problem, benchmark question and rule by which they are the same.

    Args:
        problems: `problem_id` and `prompt`.
        benchmarks: `benchmark`, `problem_id` and `prompt`.
        rules: which are in force.
        embedded: the vectors, where the rule on them is in force too.
    """
    ours, theirs = problems["prompt"].to_list(), benchmarks["prompt"].to_list()
    hits: list[tuple[str, Hit]] = []
    if rules.exact:
        hits += [("exact", hit) for hit in _equal(ours, theirs, lambda prompt: " ".join(words(prompt)))]
    if rules.unordered:
        hits += [("unordered", hit) for hit in _equal(ours, theirs, lambda prompt: " ".join(sorted(words(prompt))))]
    if rules.ngram:
        hits += [("ngram", hit) for hit in _sharing(ours, theirs, prose, rules.ngram, both_ways=False)]
    if rules.masked:
        hits += [("masked", hit) for hit in _sharing(ours, theirs, template, rules.masked, both_ways=True)]
    if embedded:
        hits += [("embedding", hit) for hit in _near(embedded)]
    keep = set(rules.keep)
    ids, exams, exam_ids = problems["problem_id"], benchmarks["benchmark"], benchmarks["problem_id"]
    rows = [
        (ids[our], exams[their], exam_ids[their], rule, score, ours[our], theirs[their], ids[our] in keep)
        for rule, (our, their, score) in hits
    ]
    return pl.DataFrame(rows, schema=EVIDENCE, orient="row")


def _equal(ours: Sequence[str], theirs: Sequence[str], normal_form: Callable[[str], str]) -> Iterator[Hit]:
    """Prompts with the same normal form; one without a word has none."""
    questions: dict[str, list[int]] = defaultdict(list)
    for row, prompt in enumerate(theirs):
        questions[normal_form(prompt)].append(row)
    questions.pop("", None)
    for row, prompt in enumerate(ours):
        yield from ((row, other, 1.0) for other in questions.get(normal_form(prompt), ()))


def _sharing(
    ours: Sequence[str], theirs: Sequence[str], tokens: Callable[[str], list[str]], rule: Grams, both_ways: bool
) -> Iterator[Hit]:
    """Problems that share enough n-grams with a question.

    The share is that of the question's n-grams which the problem holds, for it may say more; `both_ways`, that of the
    n-grams of either (Jaccard). Fewer than `rule.size` shared ones do not count: a short question is made of phrases,
    and the rules on whole prompts find its copies.
    """
    grams = [_grams(tokens(prompt), rule.size) for prompt in theirs]
    spread = Counter(gram for each in grams for gram in each)
    questions: dict[str, list[int]] = defaultdict(list)
    for row, each in enumerate(grams):
        for gram in each:
            if spread[gram] < COMMON:
                questions[gram].append(row)
    num_rare = [sum(spread[gram] < COMMON for gram in each) for each in grams]
    for row, prompt in enumerate(ours):
        held = _grams(tokens(prompt), rule.size)
        shared = Counter(other for gram in held for other in questions.get(gram, ()))
        for other, number in shared.items():
            share = number / (num_rare[other] + (len(held) - number if both_ways else 0))
            if share >= rule.min_share and number >= rule.size:
                yield row, other, share


def _grams(tokens: list[str], size: int) -> set[str]:
    return {" ".join(tokens[start : start + size]) for start in range(len(tokens) - size + 1)}


def _near(rule: Embedded) -> Iterator[Hit]:
    for start in range(0, len(rule.problems), BLOCK):
        cosines = rule.problems[start : start + BLOCK] @ rule.benchmarks.T
        for row, other in np.argwhere(cosines >= rule.min_similarity):
            yield int(start + row), int(other), float(cosines[row, other])
