"""Judged traces -> the SFT set of one stage, and every reject with its reason.

python -m stages.curate --stage turbo --problems data/problems.parquet --traces data/traces --verdicts data/verdicts \
    --votes data/votes --student models/base --sft data/sft/turbo --held-out data/held_out/turbo \
    --rejects data/rejects/turbo.parquet --metrics metrics/curate_turbo.json --plot metrics/plots/funnel_turbo.csv \
    --lengths metrics/plots/lengths_turbo.csv
"""

import argparse
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from stages.core.curation import accounting, filtering, selection
from stages.core.tables.rejects import REASONS, REJECTS
from stages.core.tables.sft import SFT, SFT_KEY
from stages.edge import params, track
from stages.edge.cli import running
from stages.edge.curating import candidates, published
from stages.edge.errors import EmptyError, InputError
from stages.edge.files import scratch, tables
from stages.edge.files.metrics import write_csv, write_metrics
from stages.edge.workers import shards


def main() -> None:
    """Filter, mix, cap and weigh the traces of the efforts that the stage learns from."""
    read, written = ("problems", "traces", "verdicts", "votes", "student"), ("sft", "held-out", "rejects")
    parser = running.parser(__doc__, *read, *written, "metrics", "plot", "lengths")
    parser.add_argument("--stage", required=True, help="section of `curate` in params.yaml")
    args = parser.parse_args()
    settings = params.load(params.Curate, f"curate.{args.stage}")
    with track.stage(f"curate@{args.stage}", settings.model_dump()) as run, contextlib.ExitStack() as stack:
        _curate(args, settings, run, stack)


def _curate(args: argparse.Namespace, settings: params.Curate, run: track.Run, stack: contextlib.ExitStack) -> None:
    """No row of every trace is in memory: decisions wait on the disk until the `stack` ends."""
    problems = tables.read(args.problems, filtering.PROBLEMS_IN)
    texts = stack.enter_context(scratch.folder(args.sft, "texts"))
    made = _of_published(args, settings, texts) if settings.published else _of_traces(args, settings, problems, texts)
    each = stack.enter_context(scratch.on_disk(made.decisions, args.sft))
    ids = set(problems["problem_id"])
    if settings.published:
        ids = {name for piece in each for name in piece["problem_id"].unique()}
    apart = filtering.held_out(ids, settings.num_held_out_problems, settings.seed)
    selected = selection.select(each, problems, apart, settings.balance, settings.target)
    decisions = stack.enter_context(scratch.on_disk(selected, args.rejects))
    rejects = (piece.filter(pl.col("reason").is_not_null()).select(list(REJECTS)) for piece in decisions)
    tables.write_sorted(rejects, args.rejects, REJECTS, SFT_KEY)
    counted = accounting.total(accounting.counted(piece, problems) for piece in decisions)
    metrics = accounting.metrics(counted)
    write_metrics(metrics, args.metrics)
    write_csv(accounting.funnel(counted), args.plot)
    write_csv(accounting.lengths(counted), args.lengths)
    run.metrics(metrics)
    if not counted.num_rows:
        reason, lost = max(counted.losses, key=lambda loss: loss.num_rows)
        raise EmptyError(
            f"curate@{args.stage}: no trace is left of {counted.num_traces}; {lost} fell to the filter {reason!r}: see "
            f"curate.{args.stage} in params.yaml"
        )
    is_held_out = pl.col("reason").eq_missing(pl.lit("held_out", pl.Enum(REASONS)))
    for path, wanted in ((args.held_out, is_held_out), (args.sft, pl.col("reason").is_null())):
        tables.write_sorted(made.rows(decisions, wanted), path, SFT, SFT_KEY)


class _Made(NamedTuple):
    """Decisions that each row got by itself, and what writes the rows of those that are wanted."""

    decisions: Iterator[pl.DataFrame]
    rows: Callable[[Iterable[pl.DataFrame], pl.Expr], Iterator[pl.DataFrame]]


def _of_traces(args: argparse.Namespace, settings: params.Curate, problems: pl.DataFrame, texts: Path) -> _Made:
    prompt = params.load(params.Prompt, "exam.prompt")
    # A student is trained in the form in which it is examined: without the teacher's examples.
    asked = prompt.system, prompt.suffix
    runtime = params.load(params.Runtime, "runtime")
    efforts = list(settings.mixture)
    num_verdicts = candidates.num_verdicts(args.verdicts, efforts)
    if not num_verdicts:
        raise EmptyError(
            f"{args.verdicts} holds no verdict on the efforts {efforts}; see curate.{args.stage}.mixture in params.yaml"
        )
    pieces = candidates.pieces(args.traces, efforts)
    work = partial(
        candidates.decide,
        rules=settings,
        places=candidates.Places(args.verdicts, args.votes, args.problems, args.student, texts, time.time_ns()),
        prompt=asked,
    )
    decided = shards.each(pieces, filtering.TRACES_IN, work, runtime.num_workers, runtime.pool)
    decisions = _all(decided, num_verdicts, args)
    return _Made(
        decisions, lambda selected, wanted: candidates.conversations(pieces, selected, wanted, problems, asked, texts)
    )


def _all(decided: Iterator[pl.DataFrame], num_verdicts: int, args: argparse.Namespace) -> Iterator[pl.DataFrame]:
    """The decisions, if there is one for each verdict."""
    yield pl.DataFrame(schema=filtering.DECISIONS)
    num_rows = 0
    for piece in decided:
        num_rows += piece.height
        yield piece
    if num_rows != num_verdicts:
        raise InputError(
            f"{args.verdicts}: only {num_rows} of {num_verdicts} verdicts have a trace in {args.traces}; run "
            "`dvc repro`, which judges anew"
        )


def _of_published(args: argparse.Namespace, settings: params.Curate, texts: Path) -> _Made:
    runtime = params.load(params.Runtime, "runtime")
    assert settings.published
    decisions = published.decide(settings.published, settings, args.student, runtime, texts)
    return _Made(decisions, partial(published.rows, texts))


if __name__ == "__main__":
    running.run(main)
