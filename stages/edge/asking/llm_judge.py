"""Asking a language model about pairs of answers, through the sampler and its store like any other question."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from stages.core.equality.relations import Pair
from stages.core.labelling import llm_verdicts
from stages.edge import params
from stages.edge.asking import jobs
from stages.edge.asking.progress import Log
from stages.edge.engines import endpoints

LABEL = "judge"


def ask(pairs: Sequence[Pair], settings: params.LlmJudge, runtime: params.Runtime, log: Log) -> dict[Pair, bool]:
    """The model's verdict on each pair, where both orders agree; other pairs are left out.

    Raises:
        ServerError: as `jobs.ask`.
    """
    questions = llm_verdicts.questions(pairs)
    if questions.is_empty():
        return {}
    served = endpoints.from_settings("judge", LABEL, settings, Path())
    fields = {"reasoning_effort": settings.reasoning_effort, "response_format": llm_verdicts.RESPONSE_FORMAT}
    served = served._replace(extra_body=served.extra_body | fields)
    prompt = params.Prompt(system=llm_verdicts.SYSTEM, suffix=None)
    job = jobs.made(LABEL, None, LABEL, served, questions, prompt, settings.sampling, 1)
    failures: jobs.Failures = {}
    jobs.ask(served, [job], runtime, log, failures)
    contents: dict[str, str | None] = {}
    for traces in jobs.traces(served, job, failures, {}):
        whole = traces.filter(pl.col("status") == "stop")
        contents |= dict(whole.select("problem_id", "content").iter_rows())
    return llm_verdicts.agreed_verdicts(pairs, contents)
