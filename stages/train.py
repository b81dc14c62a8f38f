"""One SFT stage: a student's weights and an SFT set -> the next weights, on TRL's SFTTrainer (and DeepSpeed).

python -m stages.train --stage turbo --init models/base --sft data/sft/turbo --held-out data/held_out/turbo \
    --output models/turbo --losses data/train_log/turbo.csv --metrics metrics/train_turbo.json

`--check` looks at the rows and settings, shows what the run would do, and ends.
"""

import argparse
import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import polars as pl

from stages.core.tables.sft import SFT
from stages.core.training import batching, preflight
from stages.edge import params, track
from stages.edge.cli import running
from stages.edge.errors import EmptyError, SettingError
from stages.edge.files import tables
from stages.edge.files.paths import project_root
from stages.edge.models import weights
from stages.edge.training import checkpoint_exam, launch, resuming, token_file, watching

RECIPE_VERSION = 2
"""Raise it when a change of this file changes the trained weights: finished runs in the scratch folder are void."""

# Not the Trainer's count of tokens, which starts anew when a run goes on: a kill must not show in the log.
LOGGED = ("step", "epoch", "loss", "learning_rate", "grad_norm", "held_out_loss")


def main() -> None:
    """Train, going on from the last checkpoint of the same run, and write the weights at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", required=True, help="section of `train` in params.yaml")
    for name in ("init", "sft", "held-out", "output", "losses", "metrics"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--check", action="store_true", help="only show what a run would do")
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)  # of a run that was prepared, for its processes
    args = parser.parse_args()
    settings = params.load(params.Train, f"train.{args.stage}")
    limits = params.load(params.Symbolic, "symbolic")
    versions = params.load_shared(params.Versions, "versions")
    runtime = params.load(params.Runtime, "runtime")
    if settings.is_examined:
        params.check_versions(versions)
    key = _key(args, settings, f"{limits} {versions}" if settings.is_examined else "")
    scratch = project_root(Path.cwd()) / ".cache" / "training" / key
    is_prepared = args.scratch is not None
    if not is_prepared and (args.check or runtime.is_distributed):
        _prepare(args, settings, runtime, scratch)
        if args.check:
            return
        if not (scratch / "done").is_dir():
            raise running.Become(launch.command(runtime, ["stages.train", *sys.argv[1:], "--scratch", str(scratch)]))
        is_prepared = True
    with track.stage(f"train@{args.stage}", settings.model_dump()) as run, watching.failures(runtime):
        if not is_prepared:
            _prepare(args, settings, runtime, scratch)
        with resuming.claimed(scratch):
            if not (scratch / "done").is_dir():
                _train(args, settings, limits, runtime, scratch, run)
            if os.environ.get("RANK", "0") == "0":
                resuming.sweep(scratch)
        if os.environ.get("RANK", "0") == "0":
            figures = _publish(scratch / "done", args)
            run.metrics(figures)
            run.tags({"identity": weights.identity(args.output)})


def _key(args: argparse.Namespace, settings: params.Train, more: str) -> str:
    """What determines the trained weights. Machine settings are no part of it: a run may go on elsewhere."""
    parts = [str(RECIPE_VERSION), settings.model_dump_json(), more]
    for table in (args.sft, *([args.held_out] if settings.held_out_every else [])):
        parts += ["table", *(tables.content(file) for file in tables.files(table))]
    parts.append(weights.identity(args.init))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _prepare(args: argparse.Namespace, settings: params.Train, runtime: params.Runtime, scratch: Path) -> None:
    """Tokenise the rows, look at them, and show what the run will do.

    Raises:
        PipelineError: the run would go wrong.
    """
    if (scratch / "done").is_dir() and not args.check:
        return
    if not sum(map(tables.height, tables.files(args.sft))):
        raise EmptyError(
            f"{args.sft} holds no row to train on; loosen the filters of curate.{args.stage} in params.yaml"
        )
    if runtime.deepspeed and not Path(runtime.deepspeed).is_file():
        raise SettingError(f"params.yaml: runtime.deepspeed: {runtime.deepspeed} is no file")
    resuming.check_space(scratch, args.init, args.sft, settings.num_checkpoints)
    positions = settings.max_positions or weights.positions(args.init)
    budgets = {f"exam.overrides.{args.stage}": params.exam_budget(args.stage)}
    if settings.is_examined and settings.checkpoint_exam:
        budgets[f"train.{args.stage}.checkpoint_exam.sampling"] = settings.checkpoint_exam.sampling.max_tokens
    for section, budget in budgets.items():
        if positions is not None and budget is not None and budget >= positions:
            raise SettingError(
                f"params.yaml: an exam lets {args.stage} write {budget} tokens, but it is for {positions} positions: "
                f"set train.{args.stage}.max_positions, or lower {section}.max_tokens"
            )
    with resuming.claimed(scratch):
        if (scratch / "done").is_dir() and not args.check:
            return  # another experiment trained the same meanwhile
        tokens = token_file.write(args.sft, args.init, scratch / "tokens", runtime.num_workers, runtime.pool)
        files = [tokens]
        if settings.held_out_every:
            files.append(token_file.write(args.held_out, args.init, scratch / "held_out", 1, "local"))
            shutil.copyfile(tables.files(args.held_out)[0], scratch / "held_out.parquet")
            if not len(files[1].lengths):
                raise EmptyError(
                    f"{args.held_out} holds no row to measure a loss on: set train.{args.stage}.held_out_every to "
                    f"null, or curate.{args.stage}.num_held_out_problems higher"
                )
            if settings.is_examined:
                checkpoint_exam.problems(tables.read(scratch / "held_out.parquet", SFT))
    bounds = preflight.Bounds(settings.max_length, positions)
    wrong = [each for file in files for each in preflight.problems(file.lengths, file.num_prompt, bounds)]
    if wrong:
        raise SettingError(f"params.yaml: train.{args.stage}: {'; '.join(dict.fromkeys(wrong))}")
    longest = max(int(file.lengths.max()) for file in files)
    if longest > runtime.micro_batch_tokens:
        raise SettingError(
            f"params.yaml: runtime.micro_batch_tokens is {runtime.micro_batch_tokens}, but a row has {longest} tokens, "
            "and a trace is never cut: raise it, or lower curate's max_tokens"
        )
    resuming.check_machine(scratch, runtime)
    figures = preflight.summary(tokens.lengths, tokens.num_prompt, _plan(settings, len(tokens.lengths)))
    print(preflight.table(figures, preflight.histogram(tokens.lengths)), file=sys.stderr, flush=True)
    if not args.check:
        running.write_metrics(
            figures, args.metrics
        )  # what is known before the hours of training; the rest joins it then


def _plan(settings: params.Train, num_rows: int) -> batching.Plan:
    return batching.Plan(num_rows, settings.batch_size, settings.epochs, settings.seed)


def _train(
    args: argparse.Namespace,
    settings: params.Train,
    limits: params.Symbolic,
    runtime: params.Runtime,
    scratch: Path,
    run: track.Run,
) -> None:
    tokens = token_file.TokenFile(scratch / "tokens")
    plan = _plan(settings, len(tokens.lengths))
    if not (scratch / "learned").is_dir():
        from stages.edge.training import learning

        learning.learn(_arguments(settings, runtime, scratch), settings, runtime, args.init, scratch, plan, run)
    if os.environ.get("RANK", "0") != "0":
        return
    chosen, marks = _chosen(settings, limits, runtime, scratch, run)
    partial = scratch / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    weights.average(chosen, partial)
    told = running.read_metrics(scratch / "learned" / "history.json")
    history = _history(told["log"], plan)
    (partial / "history.json").unlink(missing_ok=True)
    history.write_csv(partial / "log.csv")
    running.write_metrics(told.get("libraries", {}), partial / "libraries.json")
    figures = preflight.summary(tokens.lengths, tokens.num_prompt, plan) | {"last_loss": history["loss"][-1]}
    if settings.held_out_every:
        figures["last_held_out_loss"] = history["held_out_loss"][-1]
        figures["lowest_held_out_loss"] = history["held_out_loss"].min()
        figures["kept_steps"] = [int(path.name) for path in chosen if path.name.isdigit()] or [plan.num_steps]
        figures |= {"checkpoint_exam": marks} if marks else {}
    running.write_metrics(figures, partial / "metrics.json")
    partial.replace(scratch / "done")


def _chosen(
    settings: params.Train, limits: params.Symbolic, runtime: params.Runtime, scratch: Path, run: track.Run
) -> tuple[list[Path], dict[str, dict[str, float | None]]]:
    """Folders of the weights whose mean is handed on, and the marks that they were chosen by."""
    kept = resuming.kept(scratch)
    if settings.keep == "last":
        return [scratch / "learned"], {}
    if not settings.is_examined or settings.checkpoint_exam is None:
        return kept, {}
    rows = tables.read(scratch / "held_out.parquet", SFT)
    found = checkpoint_exam.examine(kept, rows, settings.checkpoint_exam, limits, runtime, run.metrics)
    marks = {path.name: mark._asdict() for path, mark in zip(kept, found, strict=True)}
    column = 0 if settings.keep == "best_avg" else 1
    # Of equal ones the last, which has seen most.
    _, best = max((mark[column] or 0.0, place) for place, mark in enumerate(found))
    return [kept[best]], marks


def _history(log: list[dict[str, Any]], plan: batching.Plan) -> pl.DataFrame:
    """One row a step: what the Trainer logged, and the held-out loss of the steps that have one."""
    steps = pl.DataFrame([entry for entry in log if "loss" in entry])
    measured = {entry["step"]: entry["held_out_loss"] for entry in log if "held_out_loss" in entry}
    rows = steps.with_columns(
        epoch=pl.col("step") / plan.steps_per_epoch,
        held_out_loss=pl.col("step").replace_strict(measured, default=None, return_dtype=pl.Float64),
    )
    return rows.select(name for name in LOGGED if name in rows.columns)


def _arguments(settings: params.Train, runtime: params.Runtime, scratch: Path) -> dict[str, Any]:
    """SFTConfig's arguments. What is not a setting is fixed here on purpose."""
    import torch

    return {
        "output_dir": str(scratch),
        "num_train_epochs": 1,  # the plan's steps are those of all epochs, and each is one batch
        "per_device_train_batch_size": 1,
        "learning_rate": settings.learning_rate,
        "ddp_find_unused_parameters": False,
        "lr_scheduler_type": "cosine_with_min_lr",
        "lr_scheduler_kwargs": {"min_lr_rate": settings.min_lr_ratio},
        "warmup_steps": settings.warmup_ratio,  # below 1 transformers takes it as a share of all steps
        "max_grad_norm": settings.max_grad_norm,
        "weight_decay": settings.weight_decay,
        "bf16": settings.bf16,
        "gradient_checkpointing": runtime.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
        "seed": settings.seed,
        "max_length": None,
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "use_cpu": not torch.cuda.is_available(),
        "deepspeed": runtime.deepspeed,
        "save_strategy": "steps",
        "save_steps": runtime.save_steps,
        "save_total_limit": 2,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "disable_tqdm": True,
        "report_to": [],
    }


def _publish(done: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Copy a finished run's weights, loss curve and figures to the stage's outs, whole or not at all."""
    output: Path = args.output
    partial = output.with_name(f".{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(done, partial, ignore=shutil.ignore_patterns("log.csv", "metrics.json", "libraries.json"))
    figures, told = running.read_metrics(done / "metrics.json"), done / "libraries.json"
    libraries = running.read_metrics(told) if told.exists() else {}  # runs that were finished before they were recorded
    card = watching.model_card(args.stage, args.init, figures, libraries)
    (partial / "README.md").write_text(card, encoding="utf-8")
    shutil.rmtree(output, ignore_errors=True)
    partial.replace(output)
    args.losses.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(done / "log.csv", args.losses)
    running.write_metrics(figures, args.metrics)
    return figures


if __name__ == "__main__":
    running.run(main)
