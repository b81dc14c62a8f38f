"""Grading by keys alone: which samples of an exam are right as far as keys show it, without comparing two answers.

It decides only how many samples are drawn. Verdicts are made of the traces, by a stage that asks nothing. Of 500 greedy
answers to MATH by a model of 8B, 224 are right by comparison and 222 of these by key; of 2,240 to OTIS Mock AIME and
MATH by three others, all 1,012 that are right.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stages.core.answers.keys import agree
from stages.core.answers.reading import answer_of
from stages.core.tables.traces import TRACES, UNANSWERED

GOLDS_IN = pl.Schema(dict.fromkeys(("benchmark", "problem_id", "gold"), pl.String()))
TRACES_IN = pl.Schema({name: TRACES[name] for name in ("benchmark", "problem_id", "content", "status")})


def is_right(gold: str, answer: str | None) -> bool:
    """Whether an answer has the key of the gold, or is the same number (`keys.agree`).

    A gold that is a whole solution is read by its box or its statement.
    """
    return answer is not None and agree(answer_of(gold) or gold, answer)


def counts(traces: pl.DataFrame, golds: pl.DataFrame) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Right and graded samples of each problem of one exam, by problem id.

    A sample is right by `is_right`. It is graded where a model answered and the problem has a gold; one without an
    answer is graded, and wrong.

    Args:
        traces: columns of `TRACES_IN`.
        golds: columns of `GOLDS_IN`.
    """
    golds_by_problem = {row[:2]: row[2] for row in golds.iter_rows()}
    rows = []
    for benchmark, problem_id, content, status in traces.select(TRACES_IN.names()).iter_rows():
        gold = golds_by_problem.get((benchmark, problem_id))
        is_graded = gold is not None and status not in UNANSWERED
        rows.append((problem_id, is_graded and gold is not None and is_right(gold, answer_of(content)), is_graded))
    table = pl.DataFrame(rows, schema={"problem_id": pl.String, "right": pl.Int64, "graded": pl.Int64}, orient="row")
    problems = table.group_by("problem_id").sum().sort("problem_id")
    return problems["right"].to_numpy(), problems["graded"].to_numpy()
