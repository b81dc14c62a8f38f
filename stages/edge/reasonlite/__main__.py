"""The experiment folders of AMD-AGI/ReasonLite, read into our store and tables, and written from them.

python -m stages.edge.reasonlite import datas/example --effort medium --model teacher --output data/imported
python -m stages.edge.reasonlite export datas/ours --effort medium --model teacher --problems data/problems.parquet \
    --traces data/traces/medium --votes data/votes/medium.parquet --verdicts data/verdicts/medium.parquet

`import` puts the answers where `teach` looks for them: what was paid for once is not asked again. The profile in
params.yaml has to say how they were made: the model called MODEL, its sampling, and the effort. The prompt and the
reasoning effort, which the rows name, are compared; an import with others is refused. `info.jsonl` itself is a source
of `collect`: `{kind: files, name: mine, path: .../info.jsonl, columns: reasonlite, ...}`.
"""

import argparse
from pathlib import Path

import polars as pl

from stages.core.sampling import queries
from stages.edge import params
from stages.edge.asking import jobs
from stages.edge.cli import running
from stages.edge.engines import endpoints
from stages.edge.errors import SettingError
from stages.edge.reasonlite import exporting, importing
from stages.edge.reasonlite.importing import PART, AnswerTarget


def main() -> None:
    """Dispatch to import or export."""
    parser = argparse.ArgumentParser(
        "python -m stages.edge.reasonlite", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(required=True)
    for name, verb, options in (
        ("import", importing.read, ("output",)),
        ("export", exporting.write, ("problems", "traces", "votes", "verdicts")),
    ):
        command = verbs.add_parser(name, help=verb.__doc__)
        command.set_defaults(verb=verb)
        command.add_argument("folder", type=Path, help="the experiment")
        command.add_argument("--effort", required=True, help="section of `teach` in params.yaml")
        command.add_argument("--model", required=True, help="label of one of `teach.models`")
        command.add_argument("--weights", type=Path, help="their folder, if the teacher is a student of the graph")
        for option in options:
            command.add_argument(f"--{option}", type=Path, required=True)
    args = parser.parse_args()
    args.verb(args, _target(args))


def _target(args: argparse.Namespace) -> AnswerTarget:
    effort = params.load(params.Teach, f"teach.{args.effort}")
    models = {model.label: model for model in params.load(params.Teacher, "teach").models_of(args.effort)}
    if args.model not in models:
        raise SettingError(
            f"params.yaml: teach.models has no {args.model!r}, only {', '.join(models)}; name one of them"
        )
    prompt = params.load(params.TeacherPrompt, f"prompts.{args.effort}")
    if prompt.examples or prompt.system:
        raise SettingError(
            f"params.yaml: prompts.{args.effort}: the original's rows know neither `system` nor `examples`: a profile "
            f"that has them asks something else; choose one whose prompts.{args.effort} has neither, such as "
            "`profile: gpu` or `profile: reasonlite`"
        )
    own = models[args.model].name
    if own in params.graph().chain and (args.weights is None or args.weights.name != own):
        raise SettingError(f"{args.model} is the student {own}: name the folder {own} of its weights with --weights")
    served = endpoints.from_settings("teacher", args.model, models[args.model], args.weights or Path())
    none = pl.DataFrame(schema=queries.PROBLEMS_IN)
    job = jobs.made(args.model, args.effort, PART, served, none, prompt, effort.sampling, effort.num_samples)
    return AnswerTarget(job, served.collection)


if __name__ == "__main__":
    running.run(main, is_stage=False)
