"""A short exam of a training's candidates on problems that curation held out, answered by an engine."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from stages.core.answers import table
from stages.core.checkpoints import scores
from stages.core.checkpoints.scores import CheckpointScore
from stages.core.labelling import judging
from stages.core.sampling import queries
from stages.edge import params
from stages.edge.asking import jobs
from stages.edge.asking.progress import Log
from stages.edge.engines import endpoints
from stages.edge.errors import EmptyError
from stages.edge.workers import algebra

PART = "checkpoint"


def examine(
    folders: Sequence[Path],
    held_out: pl.DataFrame,
    settings: params.CheckpointExam,
    limits: params.SymbolicLimits,
    runtime: params.Runtime,
    log: Log,
) -> list[CheckpointScore]:
    """The score of the model in each folder, in their order. Answers are stored: a run that goes on asks none twice.

    A text that was cut off has no answer here, so that a checkpoint which ends its texts is the better one.

    Raises:
        ServerError: no engine starts, or calls fail too often.
        EmptyError: no held-out row states an answer.
    """
    try:
        problems, system = scores.problems(held_out)  # the prompts have their suffix already
    except ValueError as error:
        raise EmptyError(str(error)) from error
    results = []
    with algebra.symbolic(limits, runtime) as pool:
        for folder in folders:
            served = endpoints.from_folder(
                "student", f"checkpoint-{folder.name}", folder, settings.dtype, None, settings.reasoning_parser
            )
            job = jobs.made(
                f"checkpoint {folder.name}", None, PART, served, problems.select(list(queries.PROBLEMS_IN)),
                params.Prompt(system=system, suffix=None), settings.sampling, settings.num_samples,
            )  # fmt: skip
            failures: jobs.Failures = {}
            jobs.ask(served, [job], runtime, log, failures)
            traces = pl.concat(jobs.traces(served, job, failures, {}))
            prepared = judging.prepare(
                table.read_answers(traces.select(list(table.TRACES_IN))), problems.select("problem_id", "label")
            )
            verdicts = judging.verdicts(prepared, pool.decide(judging.undecided(prepared), "accepts"))
            results.append(scores.score(verdicts, settings.pass_k))
    return results
