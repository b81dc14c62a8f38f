"""Asking a language model about pairs of answers, through the sampler and its store like any other question."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stages.core.labelling import llm_verdicts
from stages.core.labelling.llm_verdicts import Pair
from stages.core.sampling import queries
from stages.edge import params
from stages.edge.asking import jobs
from stages.edge.asking.jobs import Job
from stages.edge.asking.requests import Request
from stages.edge.engines import endpoints

LABEL = "judge"


def ask(
    pairs: Sequence[Pair],
    settings: params.LlmJudge,
    runtime: params.Runtime,
    log: Callable[[Mapping[str, float]], None],
) -> dict[Pair, bool]:
    """What the model says of each pair, both orders agreeing; pairs without an opinion are left out.

    Raises:
        ServerError: as `jobs.ask`.
    """
    asked = llm_verdicts.questions(pairs)
    if asked.is_empty():
        return {}
    served = endpoints.from_settings("judge", LABEL, settings, Path())
    extra = {**served.extra_body, "response_format": llm_verdicts.RESPONSE_FORMAT}
    sampling = settings.sampling.model_dump()
    asking = queries.Asking(
        identity=served.identity, sampling={**sampling, "reasoning_effort": settings.reasoning_effort, **extra},
        effort=None, num_samples=1, system=llm_verdicts.SYSTEM, suffix=None, examples=[],
    )  # fmt: skip
    request = Request(served.name, sampling, settings.reasoning_effort, extra, served.may_say_nothing)
    job = Job(LABEL, None, LABEL, asked, asking, request, None, None)
    failures: jobs.Failures = {}
    jobs.ask(served, [job], runtime, log, failures)
    contents: dict[str, str | None] = {}
    for traces in jobs.traces(served, job, failures, {}):
        contents |= dict(traces.select("problem_id", "content").iter_rows())
    return llm_verdicts.opinions(pairs, contents)
