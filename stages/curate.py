"""Judged traces -> the SFT set of one stage, and every reject with its reason.

python -m stages.curate --stage turbo --problems data/problems.parquet --traces data/traces --verdicts data/verdicts \
    --votes data/votes --student models/base --sft data/sft/turbo --held-out data/held_out/turbo \
    --rejects data/rejects/turbo.parquet --metrics metrics/curate_turbo.json --plot metrics/plots/funnel_turbo.csv \
    --lengths metrics/plots/lengths_turbo.csv
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from stages.core import account, chat, curation, queries, selection
from stages.edge import candidates, cli, params, published, shards, tables, track
from stages.edge.errors import EmptyError, InputError


def main() -> None:
    """Filter, mix, cap and weigh the traces of the efforts that the stage learns from."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", required=True, help="section of `curate` in params.yaml")
    for name in ("problems", "traces", "verdicts", "votes", "student", "sft", "held-out", "rejects"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("metrics", "plot", "lengths"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="file to write")
    args = parser.parse_args()
    settings = params.load(params.Curate, f"curate.{args.stage}")
    with track.stage(f"curate@{args.stage}", settings.model_dump()) as run:
        problems = tables.read(args.problems, curation.PROBLEMS_IN)
        args.sft.absolute().parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".curate-", dir=args.sft.absolute().parent) as scratch:
            made = _of_published(args, settings, Path(scratch)) if settings.published else _of_traces(args, settings)
            decisions = selection.select(made.decisions, problems, _selection(settings, made.decisions, problems))
            rejects = decisions.filter(pl.col("reason").is_not_null()).select(list(curation.REJECTS))
            tables.write(rejects, args.rejects, curation.REJECTS, curation.KEY)
            metrics = account.metrics(decisions, problems)
            cli.write_metrics(metrics, args.metrics)
            cli.write_csv(account.funnel(decisions), args.plot)
            cli.write_csv(account.lengths(decisions), args.lengths)
            run.metrics(metrics)
            if decisions["reason"].null_count() == 0:
                reason, lost = max(curation.losses(decisions["reason"]), key=lambda loss: loss.num_rows)
                raise EmptyError(
                    f"curate@{args.stage}: no trace is left of {decisions.height}; {lost} fell to the filter {reason!r}"
                    f": see curate.{args.stage} in params.yaml"
                )
            is_held_out = pl.col("reason").eq_missing(pl.lit("held_out", pl.Enum(curation.REASONS)))
            for path, wanted in ((args.held_out, is_held_out), (args.sft, pl.col("reason").is_null())):
                tables.write_sorted(made.rows(decisions, wanted), path, chat.SFT, chat.SFT_KEY)


class _Made(NamedTuple):
    """Decisions that each row got by itself, and what writes the rows of those that are wanted."""

    decisions: pl.DataFrame
    rows: Callable[[pl.DataFrame, pl.Expr], Iterator[pl.DataFrame]]


def _of_traces(args: argparse.Namespace, settings: params.Curate) -> _Made:
    prompt = params.load(params.Prompt, "exam.prompt")
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
        rules=_rules(settings),
        places=candidates.Places(args.verdicts, args.votes, args.problems, args.student, time.time_ns()),
        # A student is trained in the form in which it is examined: without the teacher's examples.
        prompt=(prompt.system, prompt.suffix),
    )
    decided = shards.each(pieces, curation.TRACES_IN, work, runtime.num_workers, runtime.pool)
    decisions = pl.concat([pl.DataFrame(schema=curation.DECISIONS), *decided])
    if decisions.height != num_verdicts:
        raise InputError(
            f"{args.verdicts}: only {decisions.height} of {num_verdicts} verdicts have a trace in {args.traces}; run "
            "`dvc repro`, which judges anew"
        )
    problems = tables.read(args.problems, curation.PROBLEMS_IN)
    made = [queries.render(text, None, prompt.system, prompt.suffix, []) for text in problems["prompt"]]
    before = problems.select("problem_id", before=pl.Series(made, dtype=chat.SFT["messages"]))
    return _Made(decisions, lambda decided, wanted: candidates.conversations(pieces, decided, wanted, before))


def _of_published(args: argparse.Namespace, settings: params.Curate, scratch: Path) -> _Made:
    runtime = params.load(params.Runtime, "runtime")
    assert settings.published
    decisions, files = published.decide(settings.published, _rules(settings), args.student, runtime, scratch)
    return _Made(decisions, partial(published.rows, files))


def _rules(settings: params.Curate) -> curation.Rules:
    filters = curation.Filters(**settings.filters.model_dump())
    return curation.Rules(
        settings.mixture, settings.labels, filters, settings.pass_rate, settings.max_per_problem, settings.order,
        settings.seed,
    )  # fmt: skip


def _selection(settings: params.Curate, decisions: pl.DataFrame, problems: pl.DataFrame) -> selection.Selection:
    balance, target = settings.balance, settings.target
    ids = decisions["problem_id"].unique() if settings.published else problems["problem_id"]
    return selection.Selection(
        curation.chosen(ids, settings.num_held_out_problems, settings.seed),
        balance.by if balance else None,
        balance.max_share if balance else 1.0,
        target.num_rows,
        target.num_tokens,
    )


if __name__ == "__main__":
    cli.run(main)
