"""A verdict per trace. `labels` judges the teacher's traces, `exam` marks a student's; both do the same to their rows.

python -m stages.judge labels --traces data/traces/medium --votes data/votes/medium.parquet \
    --output data/verdicts/medium.parquet --metrics metrics/judge_medium.json
python -m stages.judge exam --traces data/exams/turbo --benchmarks data/benchmarks.parquet \
    --output data/marks/turbo.parquet
"""

import argparse
from functools import partial
from pathlib import Path

import polars as pl

from stages.core import judging
from stages.edge import cli, params, shards, tables, track, workers


def labels(args: argparse.Namespace) -> None:
    """Judge the teacher's traces against the labels of the vote."""
    found = tables.read(args.votes, judging.VOTES_IN)
    metrics = _judge(f"judge@{args.traces.name}", args.traces, found, args.output)
    cli.write_metrics(metrics, args.metrics)


def exam(args: argparse.Namespace) -> None:
    """Mark an exam against the benchmarks' golds."""
    golds = tables.read(args.benchmarks, judging.BENCHMARKS_IN).rename({"gold": "label"})
    _judge(f"mark@{args.traces.name}", args.traces, golds, args.output)


def _judge(stage: str, traces: Path, found: pl.DataFrame, output: Path) -> dict[str, int | float]:
    limits = params.load(params.Symbolic, "symbolic")
    params.check_versions(params.load_shared(params.Versions, "versions"))
    runtime = params.load(params.Runtime, "runtime")
    with track.stage(stage, limits.model_dump()) as run:
        work = partial(judging.prepare, labels=found)
        prepared = pl.concat(shards.mapped(traces, judging.TRACES_IN, work, runtime.num_workers, runtime.pool))
        with workers.symbolic(limits, runtime) as pool:
            outcomes = pool.decide(judging.undecided(prepared), "accepts")
        verdicts = judging.verdicts(prepared, outcomes)
        tables.write(verdicts, output, judging.VERDICTS, judging.KEY)
        metrics = judging.metrics(verdicts, int(prepared["missed"].sum()))
        run.metrics(metrics | pool.metrics())
    return metrics


def main() -> None:
    """Dispatch to labels or exam."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    for verb, options in (
        (labels, ("traces", "votes", "output", "metrics")),
        (exam, ("traces", "benchmarks", "output")),
    ):
        command = verbs.add_parser(verb.__name__, help=verb.__doc__)
        command.set_defaults(verb=verb)
        for option in options:
            command.add_argument(f"--{option}", type=Path, required=True)
    args = parser.parse_args()
    args.verb(args)


if __name__ == "__main__":
    cli.run(main)
