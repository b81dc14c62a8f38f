"""Which of a problem's stored answers become its traces."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import polars as pl

from stages.core.sampling import adaptive
from stages.core.sampling.channels import split_reasoning
from stages.core.sampling.queries import Answer, Query


class Drawn(NamedTuple):
    """Queries whose answers are traces.

    `stopped` has for each of them why no more samples of its problem were drawn, `doubts` for each settled problem the
    probability that its leading answer is not the more frequent one after all.
    """

    queries: list[Query]
    stopped: list[str]
    doubts: list[float]


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
    selection = Drawn([], [], [])
    for place, samples in enumerate(problems):
        stop = _stop(samples, stored, rule)
        second = again[place] if again else [None] * len(samples)
        drawn = zip(samples[: stop.num_drawn], second, strict=False)
        selection.queries.extend(_better(one, other, stored) for one, other in drawn)
        selection.stopped.extend([stop.why] * stop.num_drawn)
        if stop.why == "settled":
            selection.doubts.append(stop.doubt)
    return selection


def longer(
    problems: Sequence[Sequence[Query]],
    again: Sequence[Sequence[Query]],
    stored: Mapping[str, Answer],
    rule: adaptive.Rule | None,
) -> list[list[Query]]:
    """Of `again`, the queries that stand in for samples that were drawn and cut off, by problem."""
    selection = []
    for samples, second in zip(problems, again, strict=True):
        drawn = zip(samples[: _stop(samples, stored, rule).num_drawn], second, strict=False)
        selection.append([other for one, other in drawn if _is_cut_off(one, stored)])
    return selection


def counts(traces: pl.DataFrame) -> dict[str, float]:
    """Rows, tokens, rows of each status, and problems of each reason to stop."""
    problems = traces.unique(["problem_id", "benchmark"])
    return {
        "num_traces": traces.height,
        "num_tokens": int(traces["completion_tokens"].sum()),
        **{f"num_{status}": number for status, number in traces["status"].value_counts().iter_rows()},
        **{f"num_problems_{why}": number for why, number in problems["stopped"].value_counts().iter_rows()},
    }


def saved(traces: pl.DataFrame, doubts: Sequence[float], most: int) -> dict[str, float]:
    """What a rule saved of `most` samples a problem, and what that may have cost.

    A sample that was not drawn is taken to have as many tokens as the mean of its problem's. `settled_leaders_in_doubt`
    is the sum of `doubts`: how many settled problems are to be expected to have a leading answer that more samples
    would have overtaken.
    """
    problems = traces.group_by("problem_id").agg(
        (most - pl.len().cast(pl.Int64)).alias("undrawn"), pl.col("completion_tokens").mean().fill_null(0).alias("mean")
    )
    return {
        "num_samples_saved": int(problems["undrawn"].sum()),
        "num_tokens_saved": round((problems["undrawn"] * problems["mean"]).sum()),
        "settled_leaders_in_doubt": sum(doubts),
    }


def _stop(samples: Sequence[Query], stored: Mapping[str, Answer], rule: adaptive.Rule | None) -> adaptive.Stop:
    if rule is None:
        return adaptive.Stop(len(samples), "fixed", 0.0)
    return adaptive.drawn(contents(samples, stored), rule, rule.gold(samples[0].problem_id) if samples else None)


def _is_cut_off(query: Query, stored: Mapping[str, Answer]) -> bool:
    return query.key in stored and stored[query.key].status == "length"


def _better(one: Query, other: Query | None, stored: Mapping[str, Answer]) -> Query:
    return other if other is not None and _is_cut_off(one, stored) and other.key in stored else one


def contents(samples: Iterable[Query], stored: Mapping[str, Answer]) -> list[str | None]:
    """What each query's answer says after its reasoning; None where there is none, or the text was cut off."""
    answers = [stored.get(query.key) for query in samples]
    return [
        split_reasoning(each.content, each.reasoning)[0] if each and each.status == "stop" else None for each in answers
    ]
