"""Judged traces -> the SFT set of one stage, and every reject with its reason.

python -m stages.curate --stage turbo --problems data/problems.parquet --traces data/traces/medium \
    --verdicts data/verdicts/medium.parquet --votes data/votes/medium.parquet \
    --student models/base --sft data/sft/turbo --held-out data/held_out/turbo \
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
    """Filter, mix, cap and weigh the traces of the effort, or pool of efforts, that the stage learns from."""
    read, written = ("problems", "traces", "verdicts", "votes", "student"), ("sft", "held-out", "rejects")
    parser = running.parser(__doc__, *read, *written, "metrics", "plot", "lengths")
    parser.add_argument("--stage", required=True, help="section of `curate` in params.yaml")
    args = parser.parse_args()
    settings = params.load(params.Curate, f"curate.{args.stage}")
    with track.stage(f"curate@{args.stage}", settings.model_dump()) as run, contextlib.ExitStack() as stack:
        _curate(args, settings, run, stack)


def _curate(args: argparse.Namespace, settings: params.Curate, run: track.Run, stack: contextlib.ExitStack) -> None:
    """Decisions are kept on the disk until the `stack` ends: those on all traces may not fit in memory."""
    problems = tables.read(args.problems, filtering.PROBLEMS_IN)
    texts = stack.enter_context(scratch.folder(args.sft, "texts"))
    source = (
        _from_published(args, settings, texts) if settings.published else _from_traces(args, settings, problems, texts)
    )
    pieces = stack.enter_context(scratch.on_disk(source.decisions, args.sft))
    ids = set(problems["problem_id"])
    if settings.published:
        ids = {name for piece in pieces for name in piece["problem_id"].unique()}
    held_out_ids = filtering.held_out(ids, settings.num_held_out_problems, settings.seed)
    selected = selection.select(pieces, problems, held_out_ids, settings.balance, settings.target)
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
        losses = sorted((loss for loss in counted.losses if loss.num_rows), key=lambda loss: -loss.num_rows)
        listed = ", ".join(
            f"{lost} were set apart for validation" if reason == "held_out" else f"{lost} fell to {reason!r}"
            for reason, lost in losses
        )
        raise EmptyError(
            f"curate@{args.stage}: no trace is left of {counted.num_traces}: {listed or 'there was none'}; see "
            f"curate.{args.stage} in params.yaml"
        )
    is_held_out = pl.col("reason").eq_missing(pl.lit("held_out", pl.Enum(REASONS)))
    for path, condition in ((args.held_out, is_held_out), (args.sft, pl.col("reason").is_null())):
        tables.write_sorted(source.rows(decisions, condition), path, SFT, SFT_KEY)


class _Source(NamedTuple):
    """The decision on each row by itself, and a function that gives the rows of selected decisions."""

    decisions: Iterator[pl.DataFrame]
    rows: Callable[[Iterable[pl.DataFrame], pl.Expr], Iterator[pl.DataFrame]]


def _from_traces(args: argparse.Namespace, settings: params.Curate, problems: pl.DataFrame, texts: Path) -> _Source:
    prompt = params.load(params.Prompt, "exam.prompt")
    # A student is trained in the form in which it is examined: without the teacher's examples.
    prompt_parts = prompt.system, prompt.suffix
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
        prompt=prompt_parts,
    )
    decided = shards.each(pieces, filtering.TRACES_IN, work, runtime.num_workers, runtime.pool)
    decisions = _complete(decided, num_verdicts, args)
    return _Source(
        decisions,
        lambda selected, wanted: candidates.conversations(pieces, selected, wanted, problems, prompt_parts, texts),
    )


def _complete(decided: Iterator[pl.DataFrame], num_verdicts: int, args: argparse.Namespace) -> Iterator[pl.DataFrame]:
    """The same decisions; an InputError at the end if a verdict has none."""
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


def _from_published(args: argparse.Namespace, settings: params.Curate, texts: Path) -> _Source:
    runtime = params.load(params.Runtime, "runtime")
    assert settings.published
    decisions = published.decide(settings.published, settings, args.student, runtime, texts)
    return _Source(decisions, partial(published.rows, texts))


if __name__ == "__main__":
    running.run(main)
