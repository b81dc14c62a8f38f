"""Judged traces -> the SFT set of one stage, and every reject with its reason.

python -m stages.curate --stage turbo --problems data/problems.parquet --traces data/traces --verdicts data/verdicts \
    --votes data/votes --student models/base --sft data/sft/turbo --held-out data/held_out/turbo \
    --rejects data/rejects/turbo.parquet --metrics metrics/curate_turbo.json --plot metrics/plots/funnel_turbo.csv \
    --lengths metrics/plots/lengths_turbo.csv
"""

import argparse
import time
from functools import partial
from pathlib import Path

import polars as pl

from stages.core import account, chat, curation, queries
from stages.edge import candidates, cli, params, shards, tables, track
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
    prompt = params.load(params.Prompt, "exam.prompt")
    runtime = params.load(params.Runtime, "runtime")
    with track.stage(f"curate@{args.stage}", settings.model_dump()) as run:
        efforts = list(settings.mixture)
        num_verdicts = candidates.num_verdicts(args.verdicts, efforts)
        if not num_verdicts:
            raise EmptyError(
                f"{args.verdicts} holds no verdict on the efforts {efforts}; see curate.{args.stage}.mixture in "
                "params.yaml"
            )
        problems = tables.read(args.problems, curation.PROBLEMS_IN)
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
                f"{args.verdicts}: only {decisions.height} of {num_verdicts} verdicts have a trace in {args.traces}; "
                "run `dvc repro`, which judges anew"
            )
        decisions = curation.select(decisions, problems, _selection(settings, problems))
        rejects = decisions.filter(pl.col("reason").is_not_null()).select(list(curation.REJECTS))
        tables.write(rejects, args.rejects, curation.REJECTS, curation.KEY)
        sources = account.metrics(decisions, problems)
        cli.write_metrics(sources, args.metrics)
        cli.write_csv(account.funnel(decisions), args.plot)
        cli.write_csv(account.lengths(decisions), args.lengths)
        run.metrics(sources)
        if decisions["reason"].null_count() == 0:
            reason, lost = max(curation.losses(decisions["reason"]), key=lambda loss: loss.num_rows)
            raise EmptyError(
                f"curate@{args.stage}: no trace is left of {decisions.height}; {lost} fell to the filter {reason!r}: "
                f"see curate.{args.stage} in params.yaml"
            )
        before = _before(problems, prompt)
        for path, wanted in ((args.held_out, pl.col("reason") == "held_out"), (args.sft, pl.col("reason").is_null())):
            rows = candidates.conversations(pieces, decisions, wanted, before)
            tables.write_sorted(rows, path, chat.SFT, chat.SFT_KEY)


def _rules(settings: params.Curate) -> curation.Rules:
    filters = curation.Filters(**settings.filters.model_dump())
    return curation.Rules(
        settings.mixture, settings.labels, filters, settings.pass_rate, settings.max_per_problem, settings.order,
        settings.seed,
    )  # fmt: skip


def _selection(settings: params.Curate, problems: pl.DataFrame) -> curation.Selection:
    balance, target = settings.balance, settings.target
    return curation.Selection(
        curation.chosen(problems["problem_id"], settings.num_held_out_problems, settings.seed),
        balance.by if balance else None,
        balance.max_share if balance else 1.0,
        target.num_rows,
        target.num_tokens,
    )


def _before(problems: pl.DataFrame, prompt: params.Prompt) -> pl.DataFrame:
    """The messages that come before the answer to each problem."""
    made = [queries.render(text, None, prompt.system, prompt.suffix, []) for text in problems["prompt"]]
    return problems.select("problem_id", before=pl.Series(made, dtype=chat.SFT["messages"]))


if __name__ == "__main__":
    cli.run(main)
