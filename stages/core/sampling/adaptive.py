"""Adaptive sampling: how many answers a problem needs before its vote is settled, or is not worth more.

Answers are drawn in rounds. After each round the votes are counted. A problem stops when the posterior is clear:

- *settled*: P(the leading answer is more frequent than the runner-up) >= `confidence`. With a uniform prior and v1, v2
  votes that is the upper half of Beta(v1 + 1, v2 + 1), the stopping rule of Adaptive-Consistency (Aggarwal et al.,
  "Let's Sample Step by Step", EMNLP 2023, section 3).
- *hopeless*: P(the leading answer has at least `hopeless_share` of all answers) <= 1 - `confidence`, with Beta(v1 + 1,
  n - v1 + 1) for v1 of n answers: no vote will ever choose one.
- *exhausted*: `most` answers are drawn.

With `until_right`, a problem whose gold can be graded has another aim: so many right samples, to learn from. It is
*settled* when they are there. A leading answer that is right no longer settles it before that; one that is wrong does,
for then right ones are not to be expected and the vote has spoken against the gold. *hopeless* and *exhausted* are as
above. An answer is right where it has the key of the gold or is the same number.

Two answers are one where they have the same key (`core.answers.keys`): what only algebra finds equal counts as two.
The replays of perf/adaptive.py draw as many samples by keys as by comparisons, and have the same labels.

A round counts the samples below its end by their index, whatever order they came in, so a store gives one decision.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from scipy.special import betainc

from stages.core.answers.reading import Reading, read
from stages.core.sampling import grading


class Rule(NamedTuple):
    """`start` answers first, then `step` more a round, never more than `most`.

    `until_right` right ones are enough where `golds`, by problem, has a gold; None goes by the votes alone.
    """

    start: int
    step: int
    most: int
    confidence: float
    hopeless_share: float
    until_right: int | None = None
    golds: Mapping[str, str] | None = None

    def next_end(self, num_drawn: int) -> int:
        """Number of answers after the next round, when `num_drawn` were counted."""
        return min(self.most, self.start if num_drawn < self.start else num_drawn + self.step)

    def gold(self, problem_id: str) -> str | None:
        """The gold by which samples of a problem are right; None where only votes count."""
        return self.golds.get(problem_id) if self.golds is not None and self.until_right is not None else None


class Stop(NamedTuple):
    """Where and why a problem stops: `why` is one of `traces.STOPS`.

    `doubt` is P(the leading answer is not more frequent than the runner-up) at that point, in [0, 1/2].
    """

    num_drawn: int
    why: str
    doubt: float


def stop(contents: Sequence[str | None], rule: Rule, gold: str | None = None) -> str | None:
    """Why the problem with these answers stops (one of `traces.STOPS`), or None when another round is due.

    `contents` are the answers of whole rounds, None where an answer was cut off, refused or failed. `gold` is that of
    the problem, as `Rule.gold` gives it.
    """
    readings = [read(content) for content in contents]
    first, second = _leaders(readings)
    is_clear = first > 0 and probability_more_frequent(first, second) >= rule.confidence
    if gold is not None and rule.until_right is not None:
        right = {each.key for each in readings if grading.is_right(gold, each.answer)}
        if sum(each.key in right for each in readings) >= rule.until_right:
            return "settled"
        votes = _votes(readings)
        is_clear = is_clear and max(votes, key=lambda key: votes[key]) not in right
    if is_clear:
        return "settled"
    if len(contents) >= rule.most:
        return "exhausted"
    if 1 - betainc(first + 1, len(contents) - first + 1, rule.hopeless_share) <= 1 - rule.confidence:
        return "hopeless"
    return None


def drawn(contents: Sequence[str | None], rule: Rule, gold: str | None = None) -> Stop:
    """How many of a problem's answers were drawn and why no more, from all answers that there are, by index."""
    end = 0
    while True:
        end = rule.next_end(end)
        why = stop(contents[:end], rule, gold)
        if why:
            return Stop(end, why, 1 - probability_more_frequent(*_leaders([read(each) for each in contents[:end]])))


def _votes(readings: Sequence[Reading]) -> Counter[str]:
    return Counter(each.key for each in readings if each.key is not None)


def _leaders(readings: Sequence[Reading]) -> tuple[int, int]:
    """Votes of the most and the second most frequent answer."""
    first, second = ([*sorted(_votes(readings).values(), reverse=True), 0, 0])[:2]
    return first, second


def probability_more_frequent(first: int, second: int) -> float:
    """P(p > 1/2) for p ~ Beta(first + 1, second + 1)."""
    return float(1 - betainc(first + 1, second + 1, 0.5))
