"""A short exam of a training run's checkpoints, on problems that curate set apart: never on a benchmark.

A held-out row is a trace that was judged right, so its answer is its problem's label, and its messages before the
answer are what the student is asked.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from stages.core.answers import table
from stages.core.answers.reading import answer_of
from stages.core.estimation.estimators import pass_at_k
from stages.core.labelling import judging
from stages.core.sampling import queries
from stages.edge import params
from stages.edge.asking import jobs
from stages.edge.engines import endpoints
from stages.edge.errors import EmptyError
from stages.edge.workers import algebra

PART = "checkpoint"


class Mark(NamedTuple):
    """Means over the problems; None where too few samples were scored."""

    avg: float | None
    pass_at_k: float | None


def problems(held_out: pl.DataFrame) -> tuple[pl.DataFrame, str | None]:
    """(problem_id, topic, prompt, label) of the problems whose held-out trace states an answer, and the system prompt.

    Raises:
        EmptyError: there is none.
    """
    rows, system = {}, None
    for problem_id, messages in held_out.select("problem_id", "messages").iter_rows():
        label = answer_of(messages[-1]["content"].rpartition("</think>")[2])
        if label is not None and problem_id not in rows:
            system = messages[0]["content"] if messages[0]["role"] == "system" else None
            rows[problem_id] = (problem_id, None, messages[-2]["content"], label)
    if not rows:
        raise EmptyError("no held-out row states an answer: keep the last weights, or hold more problems out in curate")
    schema = {**queries.PROBLEMS_IN, "label": pl.String()}
    return pl.DataFrame([rows[each] for each in sorted(rows)], schema=schema, orient="row"), system


def examine(
    folders: Sequence[Path],
    held_out: pl.DataFrame,
    settings: params.CheckpointExam,
    limits: params.Symbolic,
    runtime: params.Runtime,
    log: Callable[[Mapping[str, float]], None],
) -> list[Mark]:
    """The mark of the model in each folder, in their order. Answers are stored: a run that goes on asks none twice.

    Raises:
        ServerError: no engine starts, or calls fail too often.
        EmptyError: as `problems`.
    """
    asked, system = problems(held_out)  # the prompts have their suffix already
    marks = []
    with algebra.symbolic(limits, runtime) as pool:
        for folder in folders:
            served = endpoints.from_folder(
                "student", f"checkpoint-{folder.name}", folder, settings.dtype, None, settings.reasoning_parser
            )
            job = jobs.made(
                f"checkpoint {folder.name}", None, PART, served, asked.select(list(queries.PROBLEMS_IN)),
                params.Prompt(system=system, suffix=None), settings.sampling, settings.num_samples,
            )  # fmt: skip
            failures: jobs.Failures = {}
            jobs.ask(served, [job], runtime, log, failures)
            traces = pl.concat(jobs.traces(served, job, failures, {}))
            prepared = judging.prepare(
                table.read_answers(traces.select(list(table.TRACES_IN))), asked.select("problem_id", "label")
            )
            verdicts = judging.verdicts(prepared, pool.decide(judging.undecided(prepared), "accepts"))
            marks.append(mark(verdicts, settings.pass_k))
    return marks


def mark(verdicts: pl.DataFrame, pass_k: int) -> Mark:
    """avg and pass@k of a verdicts table, as means over its problems; what was not answered is not counted."""
    scored = verdicts.filter(pl.col("verdict") != "unscored")
    by_problem = scored.group_by("problem_id").agg(pl.len(), (pl.col("verdict") == "correct").sum().alias("right"))
    shares = [right / num for _, num, right in by_problem.iter_rows()]
    passed = [pass_at_k(num, right, pass_k) for _, num, right in by_problem.iter_rows()]
    whole = [each for each in passed if each is not None]
    return Mark(sum(shares) / len(shares) if shares else None, sum(whole) / len(whole) if whole else None)
