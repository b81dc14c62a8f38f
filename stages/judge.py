"""A verdict per trace. `labels` judges the teacher's traces, `exam` marks a student's; both do the same to their rows.

python -m stages.judge labels --traces data/traces/medium --votes data/votes/medium.parquet \
    --output data/verdicts/medium.parquet --metrics metrics/judge_medium.json
python -m stages.judge exam --traces data/exams/turbo --benchmarks data/benchmarks.parquet \
    --output data/marks/turbo.parquet
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

import polars as pl

from stages.core import judging, opinions
from stages.edge import cli, params, scratch, shards, tables, track, workers
from stages.edge.asking import llm_judge
from stages.edge.workers import Outcome


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
        prepared = shards.mapped(traces, judging.TRACES_IN, work, runtime.num_workers, runtime.pool)
        with scratch.on_disk(prepared, output) as pieces:
            pairs = {pair for piece in pieces for pair in judging.undecided(piece)}
            num_missed = sum(int(piece["missed"].sum()) for piece in pieces)
            with workers.symbolic(limits, runtime) as pool:
                outcomes = pool.decide(sorted(pairs), "accepts")
                said, agreement = _opinions(outcomes, runtime, run)
            counts: Counter[str] = Counter()
            judged = (judging.verdicts(piece, outcomes, said) for piece in pieces)
            tables.write_sorted(_counted(judged, counts), output, judging.VERDICTS, judging.KEY)
        metrics = judging.metrics(counts, num_missed)
        run.metrics(metrics | pool.metrics() | agreement)
    return metrics


def _counted(judged: Iterable[pl.DataFrame], counts: Counter[str]) -> Iterator[pl.DataFrame]:
    for verdicts in judged:
        counts.update(judging.counted(verdicts))
        yield verdicts


def _opinions(
    outcomes: Mapping[workers.Pair, workers.Outcome], runtime: params.Runtime, run: track.Run
) -> tuple[dict[workers.Pair, bool], dict[str, float]]:
    """What a language model says of the pairs that algebra left, and how far it agrees with algebra on the others."""
    settings = params.load(params.Judge, "judge").llm
    if settings is None:
        return {}, {}
    decided = {
        pair: outcome is Outcome.EQUAL
        for pair, outcome in outcomes.items()
        if outcome in (Outcome.EQUAL, Outcome.DIFFERENT)
    }
    both = opinions.overlap(decided, settings.num_overlap)
    found = llm_judge.ask([*(outcomes.keys() - decided.keys()), *both], settings, runtime, run.metrics)
    common = [pair for pair in both if pair in found]
    kappa = opinions.cohens_kappa([decided[pair] for pair in common], [found[pair] for pair in common])
    figures = {"num_opinions": float(len(found.keys() - decided.keys())), "num_overlap": float(len(common))}
    return found, figures | ({} if kappa is None else {"cohens_kappa": kappa})


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
