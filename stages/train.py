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
from typing import TYPE_CHECKING, Any

import polars as pl

from stages.core import batching, chat, preflight
from stages.edge import (
    checkpoint_exam,
    cli,
    launch,
    libraries,
    params,
    shards,
    tables,
    token_file,
    track,
    training,
    weights,
)
from stages.edge.errors import EmptyError, SettingError
from stages.edge.paths import project_root

if TYPE_CHECKING:
    from stages.edge import trainer

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
    runtime = params.load(params.Runtime, "runtime")
    if args.scratch is None and (args.check or runtime.is_distributed):
        args.scratch = _prepared(args, settings, runtime)
        if args.check:
            return
        if not (args.scratch / "done").is_dir():
            launch.processes(runtime, ["stages.train", *sys.argv[1:], "--scratch", str(args.scratch)])
    with track.stage(f"train@{args.stage}", settings.model_dump()) as run:
        scratch = args.scratch or _prepared(args, settings, runtime)
        if not (scratch / "done").is_dir():
            _train(settings, runtime, args.init, scratch, run)
        if os.environ.get("RANK", "0") == "0":
            figures = _publish(scratch / "done", args)
            run.metrics(figures)
            run.tags({"identity": weights.identity(args.output)})


def _prepared(args: argparse.Namespace, settings: params.Train, runtime: params.Runtime) -> Path:
    """The scratch folder of the run, with its rows tokenised and looked at."""
    pieces = [*shards.shards(args.sft), *(shards.shards(args.held_out) if settings.held_out_every else [])]
    key = hashlib.sha256(f"{RECIPE_VERSION}\n{settings.model_dump_json()}\n{weights.identity(args.init)}".encode())
    num_rows = 0
    for file, start, height in pieces:
        rows = tables.read(file, chat.SFT, start, height)
        num_rows += rows.height * (args.sft in (file, *file.parents))
        for row in rows.select("problem_id", "sample", "messages").iter_rows():
            key.update(repr(row).encode())
    if not num_rows:
        raise EmptyError(
            f"{args.sft} holds no row to train on; loosen the filters of curate.{args.stage} in params.yaml"
        )
    scratch = project_root(Path.cwd()) / ".cache" / "training" / key.hexdigest()[:24]
    if (scratch / "done").is_dir() and not args.check:
        return scratch
    tokens = token_file.write(args.sft, args.init, scratch / "tokens", runtime.num_workers, runtime.pool)
    if settings.held_out_every:
        held_out = token_file.write(args.held_out, args.init, scratch / "held_out", 1, "local")
        shutil.copyfile(tables.files(args.held_out)[0], scratch / "held_out.parquet")
        if not len(held_out.lengths):
            raise EmptyError(
                f"{args.held_out} holds no row to measure a loss on: set train.{args.stage}.held_out_every to null, or "
                f"curate.{args.stage}.num_held_out_problems higher"
            )
    positions = settings.max_positions or weights.positions(args.init)
    wrong = preflight.problems(tokens.lengths, tokens.num_prompt, preflight.Bounds(settings.max_length, positions))
    if wrong:
        raise SettingError(f"params.yaml: train.{args.stage}: {'; '.join(wrong)}")
    longest = int(tokens.lengths.max())
    if longest > runtime.micro_batch_tokens:
        raise SettingError(
            f"params.yaml: runtime.micro_batch_tokens is {runtime.micro_batch_tokens}, but a row has {longest} tokens, "
            "and a trace is never cut: raise it, or lower curate's max_tokens"
        )
    training.check_space(scratch, args.init)
    plan = _plan(settings, num_rows)
    figures = preflight.summary(tokens.lengths, tokens.num_prompt, plan)
    print(preflight.table(figures, preflight.histogram(tokens.lengths)), file=sys.stderr, flush=True)
    return scratch


def _plan(settings: params.Train, num_rows: int) -> batching.Plan:
    return batching.Plan(num_rows, settings.batch_size, settings.epochs, settings.seed)


def _train(settings: params.Train, runtime: params.Runtime, init: Path, scratch: Path, run: track.Run) -> None:
    libraries.settle()
    import torch

    from stages.edge import attention, trainer

    if not torch.cuda.is_available():
        training.keep_freed_memory()
    from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback

    tokens = token_file.TokenFile(scratch / "tokens")
    plan = _plan(settings, len(tokens.lengths))
    limit = batching.Limit(runtime.micro_batch_tokens, runtime.micro_batch_size, runtime.padding)
    tokenizer = AutoTokenizer.from_pretrained(init)
    if runtime.deepspeed:
        import deepspeed

        deepspeed.init_distributed()  # a sharded model (ZeRO-3) needs to know its peers before it is loaded
    arguments = trainer.SFTConfig(**_arguments(settings, runtime, scratch))
    steps = trainer.Steps(
        tokens, plan, limit, arguments.process_index, arguments.world_size, tokenizer.pad_token_id or 0
    )
    named = (
        {}
        if runtime.padding and runtime.attention == "auto"
        else {"attn_implementation": attention.choose(runtime.attention)}
    )
    model = AutoModelForCausalLM.from_pretrained(init, dtype=torch.float32, **named)
    if settings.max_positions:
        model.config.max_position_embeddings = settings.max_positions
    if settings.bf16:
        trainer.in_bfloat16(model)
    with training.failures(runtime):
        if torch.cuda.is_available() and not trainer.is_sharded():
            trainer.rehearse(model, steps, arguments)
        if runtime.compile:
            trainer.compile_layers(model)
        watch = _held_out(settings, scratch)
        callbacks = [*([watch] if watch else []), training.live(run)]
        learner = trainer.Trainer(model, steps, arguments, processing_class=tokenizer, callbacks=callbacks)
        if watch:
            watch.learner = learner
        learner.remove_callback(PrinterCallback)
        newest = training.last_checkpoint(scratch)
        if learner.is_world_process_zero():
            training.say_how(learner.accelerator, named.get("attn_implementation"), newest)
        learner.train(resume_from_checkpoint=newest)
        whole, state = learner.gathered()
    if not learner.is_world_process_zero():
        return
    partial = scratch / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    chosen, marks = _chosen(settings, runtime, watch, learner, scratch, run)
    if chosen:
        trainer.average(chosen, partial)
    else:
        whole.save_pretrained(partial, state_dict=state)
        tokenizer.save_pretrained(partial)
    history = _history(learner.state.log_history, plan)
    history.write_csv(partial / "log.csv")
    figures = preflight.summary(tokens.lengths, tokens.num_prompt, plan) | {"last_loss": history["loss"][-1]}
    if watch:
        figures["last_held_out_loss"] = history["held_out_loss"][-1]
        figures["lowest_held_out_loss"] = history["held_out_loss"].min()
        figures["kept_steps"] = [int(path.name) for path in chosen] or [plan.num_steps]
        figures |= {"checkpoint_exam": marks} if marks else {}
    cli.write_metrics(figures, partial / "metrics.json")
    partial.replace(scratch / "done")
    for leftover in (scratch / "tokens", scratch / "held_out", scratch / "kept", *scratch.glob("checkpoint-*")):
        shutil.rmtree(leftover, ignore_errors=True)


def _held_out(settings: params.Train, scratch: Path) -> "trainer.HeldOut | None":
    from stages.edge import trainer

    if settings.held_out_every is None:
        return None
    traces = token_file.TokenFile(scratch / "held_out")
    return trainer.HeldOut(traces, settings.held_out_every, settings.keep, settings.num_checkpoints, scratch / "kept")


def _chosen(
    settings: params.Train,
    runtime: params.Runtime,
    watch: "trainer.HeldOut | None",
    learner: "trainer.Trainer",
    scratch: Path,
    run: track.Run,
) -> tuple[list[Path], dict[str, dict[str, float | None]]]:
    """Folders of the weights whose mean is handed on (none: the last step's), and the marks of all that sat an exam."""
    limits = params.load(params.Symbolic, "symbolic")
    params.check_versions(params.load_shared(params.Versions, "versions"))
    kept = watch.kept() if watch else []
    if not settings.is_examined or settings.checkpoint_exam is None:
        return kept, {}
    learner.release()  # the engine needs the memory
    rows = tables.read(scratch / "held_out.parquet", chat.SFT)
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
    shutil.copytree(done, partial, ignore=shutil.ignore_patterns("log.csv", "metrics.json"))
    figures = cli.read_metrics(done / "metrics.json")
    (partial / "README.md").write_text(training.model_card(args.stage, args.init, figures), encoding="utf-8")
    shutil.rmtree(output, ignore_errors=True)
    partial.replace(output)
    args.losses.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(done / "log.csv", args.losses)
    cli.write_metrics(figures, args.metrics)
    return figures


if __name__ == "__main__":
    cli.run(main)
