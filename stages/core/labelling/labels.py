"""Labels: from the votes and the golds to one label a problem, and how far those labels can be trusted."""

from collections.abc import Mapping
from typing import Literal, Protocol

import polars as pl
from scipy.special import betainc

from stages.core.equality.relations import Pair, accepts_extracted
from stages.core.labelling.voting import NO_TRACES, Outcomes, Tally, Vote, resolve, vote
from stages.core.tables.votes import CHANGED, VOTES

PROBLEMS_IN = pl.Schema({"problem_id": pl.String(), "gold": pl.String(), "gradable": pl.Boolean()})
COMPARED = pl.Schema({"problem_id": pl.String(), "num_right": pl.Int32(), "majority_right": pl.Boolean()})
"""Problems with a gradable gold: how many traces are right by it, and whether the vote is (null without one)."""
SHARE_HISTOGRAM = pl.Schema({"bin": pl.Float64(), "num_problems": pl.Int32(), "accuracy": pl.Float64()})
NUM_BINS = 10


Policy = Literal["reasonlite", "all_disagree", "posterior", "never"]


class Rule(Protocol):
    """When a vote labels: the section `vote` of params.yaml.

    A vote is clear with `min_votes` votes and `min_share` of the traces with an answer.

    - `reasonlite` (AMD-AGI/ReasonLite): a clear vote labels.
    - `all_disagree`: a clear vote labels where no answer at all agrees with the gold.
    - `posterior`: a vote labels where its answer has at least `min_votes` votes and, with the probability
      `credibility`, at least `min_share` of all answers that the teacher would ever give: Beta(v + 1, n - v + 1) for v
      of n answers, from a uniform prior.
    - `never`: votes are counted, and label nothing.
    """

    policy: Policy
    min_share: float
    min_votes: int
    credibility: float


def _is_clear(result: Vote, rule: Rule) -> bool:
    """Whether the vote is clear; under `posterior`, credibly so."""
    if result.answer is None or result.votes < rule.min_votes:
        return False
    if rule.policy == "posterior":
        rest = result.num_answered - result.votes
        return bool(betainc(result.votes + 1, rest + 1, rule.min_share) <= 1 - rule.credibility)
    return result.share >= rule.min_share


def gold_pairs_to_decide(tallies: Mapping[str, Tally], problems: pl.DataFrame) -> list[Pair]:
    """The distinct pairs (gold, answer) for the symbolic tier of `accepts`, of the problems with a gradable gold."""
    pairs = {
        (gold, candidate.answer)
        for problem_id, gold in _gradable(problems).items()
        for candidate in tallies.get(problem_id, NO_TRACES).candidates
    }
    return sorted(pair for pair in pairs if accepts_extracted(*pair, rounded=False).equal is None)


def votes(
    tallies: Mapping[str, Tally],
    problems: pl.DataFrame,
    *,
    same: Outcomes,
    accepted: Outcomes,
    rule: Rule,
) -> pl.DataFrame:
    """The `VOTES` table, one row a problem of `PROBLEMS_IN`, those without a trace among them.

    The label is the vote's answer where the rule has it so, otherwise the gold if it is gradable, otherwise none. Where
    the vote agrees with a gradable gold, the label is the gold's spelling.

    Args:
        tallies: what `voting.tallies` made of the answers.
        problems: all problems, in any order.
        same: outcomes of `voting.pairs_to_decide`.
        accepted: outcomes of `gold_pairs_to_decide`.
        rule: when a vote labels.

    Raises:
        ValueError: answers to a problem that is not among `problems`, or an outcome is missing.
    """
    if unknown := tallies.keys() - set(problems["problem_id"]):
        raise ValueError(f"{len(unknown)} problems have traces but are not in the table of problems: {min(unknown)}")
    golds = _gradable(problems)
    rows = []
    for problem_id in problems["problem_id"].sort():
        tally, gold = tallies.get(problem_id, NO_TRACES), golds.get(problem_id)
        result, label, source = vote(tally, same), gold, "none" if gold is None else "gold"
        if rule.policy != "never" and _is_clear(result, rule) and not _agrees(gold, result, accepted):
            keeps_gold = rule.policy == "all_disagree" and _any_agrees(gold, tally, accepted)
            label, source = (label, source) if keeps_gold else (result.answer, "vote")
        histogram = [{"answer": one.answer, "votes": one.votes} for one in result.classes]
        counts = (tally.num_traces, result.num_answered, result.answer, result.votes, result.share, result.tied)
        rows.append((problem_id, *counts, histogram, label, source))
    return pl.DataFrame(rows, schema=VOTES, orient="row")


def changed(voted: pl.DataFrame, problems: pl.DataFrame) -> pl.DataFrame:
    """`CHANGED`: of a `VOTES` table, the problems with a gradable gold that have another label."""
    golds = problems.filter("gradable").select("problem_id", "gold")
    return voted.filter(pl.col("label_source") == "vote").join(golds, on="problem_id").select(list(CHANGED))


def compare_with_gold(
    voted: pl.DataFrame, tallies: Mapping[str, Tally], problems: pl.DataFrame, accepted: Outcomes
) -> pl.DataFrame:
    """`COMPARED`: every answer and every vote judged by the gold, where that is gradable."""
    answers = dict(voted.select("problem_id", "answer").iter_rows())
    rows = []
    for problem_id, gold in _gradable(problems).items():
        right = {
            candidate.answer: candidate.votes
            for candidate in tallies.get(problem_id, NO_TRACES).candidates
            if accepts(gold, candidate.answer, accepted)
        }
        answer = answers[problem_id]
        rows.append((problem_id, sum(right.values()), None if answer is None else answer in right))
    return pl.DataFrame(rows, schema=COMPARED, orient="row").sort("problem_id")


def accepts(gold: str, answer: str, accepted: Outcomes) -> bool:
    """Whether the answer is right by this gold; in doubt it is not.

    Raises:
        ValueError: only the symbolic tier can decide, and its outcome is missing.
    """
    return resolve(accepts_extracted(gold, answer, rounded=False), (gold, answer), accepted)


def vote_metrics(voted: pl.DataFrame, compared: pl.DataFrame, rule: Rule) -> dict[str, float]:
    """Counts and shares of a `VOTES` table; a share of nothing is left out.

    `num_changed_labels` counts labels by vote where there is a gradable gold. By such golds, `sample_accuracy` is the
    share of traces that are right (no answer is not right), `majority_accuracy` the share of right votes among the
    problems with one answer ahead of all others, `label_by_vote_accuracy` the same among those clear by the
    rule's `min_share` and `min_votes`: how right the labels by vote would be were there no gold at all.
    """
    source = voted["label_source"].cast(pl.String)
    graded = voted.join(compared, on="problem_id")
    decided = graded.drop_nulls("majority_right")
    clear = decided.filter((pl.col("votes") >= rule.min_votes) & (pl.col("share") >= rule.min_share))
    counts = {
        "num_problems": voted.height,
        "num_labelled_by_vote": int((source == "vote").sum()),
        "num_labelled_by_gold": int((source == "gold").sum()),
        "num_unlabelled": int((source == "none").sum()),
        "num_tied": int(voted["tied"].sum()),
        "num_changed_labels": graded.filter(pl.col("label_source") == "vote").height,
    }
    shares = {
        "answered_share": (voted["num_answered"].sum(), voted["num_traces"].sum()),
        "sample_accuracy": (graded["num_right"].sum(), graded["num_traces"].sum()),
        "majority_accuracy": (decided["majority_right"].sum(), decided.height),
        "label_by_vote_accuracy": (clear["majority_right"].sum(), clear.height),
    }
    return counts | {name: int(part) / int(whole) for name, (part, whole) in shares.items() if whole}


def share_histogram(voted: pl.DataFrame, compared: pl.DataFrame) -> pl.DataFrame:
    """`SHARE_HISTOGRAM`: problems with an answer by the vote's share, in bins of a tenth named by their lower end.

    `accuracy` is the share of right votes, null where no problem of the bin has a vote and a gradable gold. Bins
    without a problem are left out; a share of 1 is in the last one.
    """
    place = (pl.col("votes") * NUM_BINS // pl.col("num_answered")).clip(upper_bound=NUM_BINS - 1)
    return (
        voted.filter(pl.col("num_answered") > 0)
        .join(compared, on="problem_id", how="left")
        .group_by(bin=(place / NUM_BINS).round(2))
        .agg(num_problems=pl.len(), accuracy=pl.col("majority_right").mean())
        .cast(SHARE_HISTOGRAM)
        .sort("bin")
    )


def _gradable(problems: pl.DataFrame) -> dict[str, str]:
    return dict(problems.filter("gradable").select("problem_id", "gold").iter_rows())


def _any_agrees(gold: str | None, tally: Tally, accepted: Outcomes) -> bool:
    return gold is not None and any(accepts(gold, one.answer, accepted) for one in tally.candidates)


def _agrees(gold: str | None, result: Vote, accepted: Outcomes) -> bool:
    return gold is not None and result.answer is not None and accepts(gold, result.answer, accepted)
