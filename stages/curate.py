"""Judged traces -> the SFT set of one stage, and every reject with its reason.

python -m stages.curate --stage turbo --problems data/problems.parquet --traces data/traces --verdicts data/verdicts \
    --student models/base --sft data/sft/turbo --held-out data/held_out/turbo --rejects data/rejects/turbo.parquet \
    --metrics metrics/curate_turbo.json --plot metrics/plots/funnel_turbo.csv
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import polars as pl

from stages.core import chat, curation, queries
from stages.edge import cli, params, tables, track
from stages.edge.errors import EmptyError, InputError


def main() -> None:
    """Filter, mix and cap the traces of the efforts that the stage learns from."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", required=True, help="section of `curate` in params.yaml")
    for name in ("problems", "traces", "verdicts", "student", "sft", "held-out", "rejects", "metrics", "plot"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    settings = params.load(params.Curate, f"curate.{args.stage}")
    prompt = params.load(params.Prompt, "exam.prompt")
    with track.stage(f"curate@{args.stage}", settings.model_dump()) as run:
        problems, candidates = _candidates(args, list(settings.mixture))
        count_tokens = _counter(args.student)
        sft, held_out, rejects = curation.curate(
            candidates,
            mixture=settings.mixture,
            any_verdict=settings.verdicts == "any",
            max_tokens=settings.max_tokens,
            max_per_problem=settings.max_per_problem,
            set_apart=curation.chosen(problems["problem_id"], settings.num_held_out_problems, settings.seed),
            seed=settings.seed,
            # A student is trained in the form in which it is examined: without the teacher's examples.
            render=lambda problem: list(queries.render(problem, None, prompt.system, prompt.suffix, [])),
            count_tokens=count_tokens,
        )
        tables.write(rejects, args.rejects, curation.REJECTS, curation.KEY)
        metrics = _metrics(candidates, sft, rejects)
        cli.write_metrics(metrics, args.metrics)
        cli.write_csv(_funnel(candidates.height, rejects), args.plot)
        run.metrics(metrics)
        if sft.is_empty():
            reason, lost = max(curation.losses(rejects), key=lambda loss: loss.num_rows)
            raise EmptyError(
                f"curate@{args.stage}: no trace is left of {candidates.height}; {lost} fell to the filter {reason!r}: "
                f"see curate.{args.stage} in params.yaml"
            )
        tables.write(held_out, args.held_out, chat.SFT, chat.SFT_KEY)
        tables.write(sft, args.sft, chat.SFT, chat.SFT_KEY)


def _candidates(args: argparse.Namespace, efforts: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The problems, and the judged traces of the efforts with their problem's prompt."""
    verdicts = tables.read(args.verdicts, curation.VERDICTS_IN).filter(pl.col("effort").is_in(efforts))
    traces = tables.read(args.traces, curation.TRACES_IN)
    problems = tables.read(args.problems, curation.PROBLEMS_IN)
    if verdicts.is_empty():
        raise EmptyError(
            f"{args.verdicts} holds no verdict on the efforts {efforts}; see curate.{args.stage}.mixture in params.yaml"
        )
    joined = verdicts.join(traces, on=curation.KEY).join(problems, on="problem_id")
    if joined.height != verdicts.height:
        raise InputError(
            f"{args.verdicts}: only {joined.height} of {verdicts.height} verdicts have a trace in {args.traces} and a "
            f"problem in {args.problems}; run `dvc repro`, which judges anew"
        )
    return problems, joined


def _metrics(candidates: pl.DataFrame, sft: pl.DataFrame, rejects: pl.DataFrame) -> dict[str, object]:
    return {
        "num_traces": candidates.height,
        "num_rows": sft.height,
        "num_problems": sft["problem_id"].n_unique(),
        "num_tokens": int(sft["num_tokens"].sum()),
        "rejected": {loss.reason: loss.num_rows for loss in curation.losses(rejects)},
    }


def _funnel(left: int, rejects: pl.DataFrame) -> list[dict[str, object]]:
    """Rows left after each filter, for a plot: every filter stands there, so that the stages' funnels line up."""
    steps: list[dict[str, object]] = [{"step": "all traces", "num_rows": left}]
    for loss in curation.losses(rejects):
        left -= loss.num_rows
        steps.append({"step": f"not {loss.reason}", "num_rows": left})
    return steps


def _counter(folder: Path) -> Callable[[curation.Messages], int]:
    """What counts a conversation's tokens with the student's tokenizer."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder}: holds no tokenizer that transformers can read ({error}); run `dvc repro base`"
        ) from error

    def count(messages: curation.Messages) -> int:
        try:
            return len(chat.tokenise(messages, tokenizer).input_ids)
        except ValueError as error:
            raise InputError(f"{folder}: its tokenizer cannot be trained with: {error}") from error

    return count


if __name__ == "__main__":
    cli.run(main)
