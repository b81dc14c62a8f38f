"""A verdict per trace. `labels` judges the teacher's answers, `exam` reads and marks a student's.

python -m stages.judge labels --answers data/answers/medium.parquet --votes data/votes/medium.parquet \
    --output data/verdicts/medium.parquet --metrics metrics/judge_medium.json
python -m stages.judge exam --traces data/exams/turbo --benchmarks data/benchmarks.parquet \
    --output data/marks/turbo.parquet
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

import polars as pl

from stages.core.answers import table
from stages.core.labelling import judging, llm_verdicts
from stages.core.tables.answers import ANSWERS, EXAM_VERDICTS, VERDICTS, VERDICTS_KEY
from stages.core.tables.benchmarks import GOLDS
from stages.core.tables.votes import LABELS
from stages.edge import params, track
from stages.edge.asking import llm_judge
from stages.edge.cli import running
from stages.edge.files import scratch, tables
from stages.edge.files.metrics import write_metrics
from stages.edge.workers import algebra, shards
from stages.edge.workers.algebra import Outcome
from stages.edge.workers.decisions import Pair


def labels(args: argparse.Namespace) -> None:
    """Judge the teacher's answers against the labels of the vote."""
    votes = tables.read(args.votes, LABELS)
    work = partial(judging.prepare, labels=votes)
    metrics = _judge(f"judge@{args.answers.stem}", args.answers, ANSWERS, work, args.output)
    write_metrics(metrics, args.metrics)


def exam(args: argparse.Namespace) -> None:
    """Mark an exam against the benchmarks' golds."""
    golds = tables.read(args.benchmarks, GOLDS).rename({"gold": "label"})
    _judge(f"mark@{args.traces.name}", args.traces, table.TRACES_IN, partial(_read, labels=golds), args.output)


def _read(traces: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    return judging.prepare(table.read_answers(traces), labels)


def _judge(
    stage: str, source: Path, needs: pl.Schema, work: Callable[[pl.DataFrame], pl.DataFrame], output: Path
) -> dict[str, int | float]:
    """Prepare the rows of `source` with `work`, decide the rest by algebra, and write verdicts or marks."""
    limits = params.load(params.SymbolicLimits, "symbolic")
    params.check_versions(params.load_shared(params.Versions, "versions"))
    runtime = params.load(params.Runtime, "runtime")
    finish, schema = (judging.verdicts, VERDICTS) if needs is ANSWERS else (judging.exam_verdicts, EXAM_VERDICTS)
    with track.stage(stage, limits.model_dump()) as run:
        prepared = shards.mapped(source, needs, work, runtime.num_workers, runtime.pool)
        with scratch.on_disk(prepared, output) as pieces:
            pairs = {pair for piece in pieces for pair in judging.undecided(piece)}
            num_missed = sum(int(piece["missed"].sum()) for piece in pieces)
            with algebra.symbolic(limits, runtime) as pool:
                outcomes = pool.decide(sorted(pairs), "accepts")
                llm_answers, agreement = _ask_llm_judge(outcomes, runtime, run)
            counts: Counter[str] = Counter()
            judged = (finish(piece, outcomes, llm_answers) for piece in pieces)
            tables.write_sorted(_counted(judged, counts), output, schema, VERDICTS_KEY)
        metrics = judging.metrics(counts, num_missed)
        run.metrics(metrics | pool.metrics() | agreement)
    return metrics


def _counted(judged: Iterable[pl.DataFrame], counts: Counter[str]) -> Iterator[pl.DataFrame]:
    for verdicts in judged:
        counts.update(judging.counted(verdicts))
        yield verdicts


def _ask_llm_judge(
    outcomes: Mapping[Pair, Outcome], runtime: params.Runtime, run: track.Run
) -> tuple[dict[Pair, bool], dict[str, float]]:
    """A language model's answers to the pairs that algebra left undecided, and its agreement with algebra on others."""
    settings = params.load(params.Judge, "judge").llm
    if settings is None:
        return {}, {}
    decided = {
        pair: outcome is Outcome.EQUAL
        for pair, outcome in outcomes.items()
        if outcome in (Outcome.EQUAL, Outcome.DIFFERENT)
    }
    both = llm_verdicts.overlap(decided, settings.num_overlap)
    answers = llm_judge.ask([*(outcomes.keys() - decided.keys()), *both], settings, runtime, run.metrics)
    common = [pair for pair in both if pair in answers]
    kappa = llm_verdicts.cohens_kappa([decided[pair] for pair in common], [answers[pair] for pair in common])
    figures = {"num_opinions": float(len(answers.keys() - decided.keys())), "num_overlap": float(len(common))}
    return answers, figures | ({} if kappa is None else {"cohens_kappa": kappa})


def main() -> None:
    """Dispatch to labels or exam."""
    parser = running.parser(__doc__)
    verbs = parser.add_subparsers(required=True)
    for verb, options in (
        (labels, ("answers", "votes", "output", "metrics")),
        (exam, ("traces", "benchmarks", "output")),
    ):
        command = verbs.add_parser(verb.__name__, help=verb.__doc__)
        command.set_defaults(verb=verb)
        for option in options:
            command.add_argument(f"--{option}", type=Path, required=True)
    args = parser.parse_args()
    args.verb(args)


if __name__ == "__main__":
    running.run(main)
