"""The teachers answer every problem several times, at one effort -> traces.

python -m stages.teach --effort medium --problems data/problems.parquet --model models/base --output data/traces/medium

With `--preview 20` it asks one sample of 20 problems, shows prompts, answers and the projected time, and ends.
"""

from pathlib import Path

import polars as pl

from stages.core.sampling import adaptive, queries
from stages.edge import params
from stages.edge.asking import jobs, stage
from stages.edge.cli import running
from stages.edge.engines import endpoints
from stages.edge.files import tables

GOLDS_IN = pl.Schema({"problem_id": pl.String(), "gold": pl.String(), "gradable": pl.Boolean()})


def main() -> None:
    """Ask each teacher, and once more with a larger budget for what was cut off if params.yaml has one."""
    args = stage.arguments(__doc__, "problems", "model", item="effort")
    effort = params.load(params.Teach, f"teach.{args.effort}")
    models = effort.models or params.load(list[params.TeacherModel], "teach.models")
    prompt = params.load(params.TeacherPrompt, f"prompts.{args.effort}")
    problems = tables.read(args.problems, queries.PROBLEMS_IN)
    rule = None
    if effort.adaptive and effort.num_samples:
        golds = _golds(args.problems) if effort.adaptive.until_right else None
        rule = adaptive.Rule(most=effort.num_samples, **effort.adaptive.model_dump(), golds=golds)
    larger = {"max_tokens": effort.max_tokens_when_cut_off} if effort.max_tokens_when_cut_off else None
    work = []
    for model in models:
        served = endpoints.from_settings("teacher", model.label, model, args.model)
        job, again = (
            jobs.made(model.label, args.effort, args.effort, served, problems, prompt, sampling, effort.num_samples)
            for sampling in (effort.sampling, effort.sampling.model_copy(update=larger))
        )
        work.append((served, [job._replace(rule=rule, again=again if larger else None)]))
    settings = {**prompt.model_dump(), **effort.model_dump(), "models": [model.model_dump() for model in models]}
    stage.run(f"teach@{args.effort}", settings, work, args.output, args.preview)


def _golds(path: Path) -> dict[str, str]:
    """The gradable golds by problem."""
    problems = tables.read(path, GOLDS_IN).filter(pl.col("gradable") & pl.col("gold").is_not_null())
    return dict(problems.select("problem_id", "gold").iter_rows())


if __name__ == "__main__":
    running.run(main)
