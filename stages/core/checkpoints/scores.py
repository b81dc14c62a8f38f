"""Scores of a training's candidates in a short exam, and the best of them.

The exam is held on problems that curation held out, never on a benchmark. A held-out row is a trace that was judged
right, so its answer is its problem's label, and its messages before the answer are what the student is asked.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

import polars as pl

from stages.core.answers.reading import answer_of
from stages.core.estimation.estimators import pass_at_k
from stages.core.sampling import queries
from stages.core.tables.sft import SFT

HELD_OUT_IN = pl.Schema({name: SFT[name] for name in ("problem_id", "messages")})


class CheckpointScore(NamedTuple):
    """Means over the problems; None where too few samples were scored."""

    avg: float | None
    pass_at_k: float | None


def problems(held_out: pl.DataFrame) -> tuple[pl.DataFrame, str | None]:
    """(problem_id, topic, prompt, label) of the problems whose held-out trace states an answer, and the system prompt.

    Raises:
        ValueError: there is none.
    """
    rows, system = {}, None
    for problem_id, messages in held_out.select("problem_id", "messages").iter_rows():
        label = answer_of(messages[-1]["content"].rpartition("</think>")[2])
        if label is not None and problem_id not in rows:
            system = messages[0]["content"] if messages[0]["role"] == "system" else None
            rows[problem_id] = (problem_id, None, messages[-2]["content"], label)
    if not rows:
        raise ValueError("no held-out row states an answer: set keep to average, or hold more problems out in curate")
    schema = {**queries.PROBLEMS_IN, "label": pl.String()}
    return pl.DataFrame([rows[each] for each in sorted(rows)], schema=schema, orient="row"), system


def score(verdicts: pl.DataFrame, pass_k: int) -> CheckpointScore:
    """avg and pass@k of a verdicts table, as means over its problems; unscored answers do not count."""
    scored = verdicts.filter(pl.col("verdict") != "unscored")
    by_problem = scored.group_by("problem_id").agg(pl.len(), (pl.col("verdict") == "correct").sum().alias("right"))
    by_problem = by_problem.sort("problem_id")  # the last digits of a mean depend on the order
    shares = [right / num for _, num, right in by_problem.iter_rows()]
    passed = [pass_at_k(num, right, pass_k) for _, num, right in by_problem.iter_rows()]
    return CheckpointScore(_mean(shares), _mean([each for each in passed if each is not None]))


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def best(scores: Sequence[CheckpointScore], by_pass: bool) -> int:
    """The place of the best score by its avg, or by its pass@k; of equal ones the last, which was trained longest."""
    return max((each[by_pass] or 0.0, place) for place, each in enumerate(scores))[1]
