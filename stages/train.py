"""One SFT stage: a student's weights and an SFT set -> the next weights, on TRL's SFTTrainer (and DeepSpeed).

python -m stages.train --stage turbo --init models/base --sft data/sft/turbo --output models/turbo \
    --losses data/train_log/turbo.csv
"""

import argparse
import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import polars as pl

from stages.core import chat
from stages.edge import cli, libraries, params, tables, track, training, weights
from stages.edge.errors import EmptyError, InputError, SettingError
from stages.edge.paths import project_root

RECIPE_VERSION = 1
"""Raise it when a change of this file changes the trained weights: finished runs in the scratch folder are void."""

# Not the Trainer's count of tokens, which starts anew when a run goes on: a kill must not show in the log.
LOGGED = ("step", "epoch", "loss", "learning_rate", "grad_norm")


def main() -> None:
    """Train, going on from the last checkpoint of the same run, and write the weights at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", required=True, help="section of `train` in params.yaml")
    for name in ("init", "sft", "output", "losses"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    settings = params.load(params.Train, f"train.{args.stage}")
    runtime = params.load(params.Runtime, "runtime")
    rows = tables.read(args.sft, chat.SFT)
    if rows.is_empty():
        raise EmptyError(
            f"{args.sft} holds no row to train on; loosen the filters of curate.{args.stage} in params.yaml"
        )
    # DeepSpeed finds its peers by what torchrun says, even where there are none.
    if (runtime.num_processes > 1 or runtime.deepspeed) and "RANK" not in os.environ:
        # Checked here too: what is wrong is said once, not by each process and by torchrun.
        _accumulation(settings, runtime)
        _tokenise(rows.bottom_k(1, by=-pl.col("num_tokens")), args.init, settings.max_length)
        _launch(runtime.num_processes)
    scratch = project_root(Path.cwd()) / ".cache" / "training" / _key(settings, rows, args.init)
    with track.stage(f"train@{args.stage}", settings.model_dump()) as run:
        if not (scratch / "done").is_dir():
            _train(settings, runtime, rows, args.init, scratch, run)
        if os.environ.get("RANK", "0") == "0":
            _publish(scratch / "done", args.output, args.losses)
            run.tags({"identity": weights.identity(args.output)})


def _launch(num_processes: int) -> None:
    """Replace this process by torchrun with as many of it."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={num_processes}"]
    os.execv(sys.executable, [*torchrun, "-m", "stages.train", *sys.argv[1:]])


def _key(settings: params.Train, rows: pl.DataFrame, init: Path) -> str:
    """What determines the trained weights. Machine settings are no part of it: a run may go on elsewhere."""
    parts = [str(RECIPE_VERSION), settings.model_dump_json(), weights.identity(init)]
    digest = hashlib.sha256("\n".join(parts).encode())
    for row in rows.select("problem_id", "sample", "messages").iter_rows():
        digest.update(repr(row).encode())
    return digest.hexdigest()[:24]


def _train(
    settings: params.Train, runtime: params.Runtime, rows: pl.DataFrame, init: Path, scratch: Path, run: track.Run
) -> None:
    libraries.settle()
    import torch

    if not torch.cuda.is_available():
        training.keep_freed_memory()
    from datasets import Dataset
    from transformers import AutoTokenizer, PrinterCallback
    from trl import SFTConfig, SFTTrainer

    data = Dataset.from_list(_tokenise(rows, init, settings.max_length))
    tokenizer = AutoTokenizer.from_pretrained(init)
    trainer = SFTTrainer(
        model=str(init),
        args=SFTConfig(**_arguments(settings, runtime, scratch)),
        train_dataset=data,
        processing_class=tokenizer,
        callbacks=[training.live(run)],
    )
    trainer.remove_callback(PrinterCallback)
    newest = training.last_checkpoint(scratch)
    if newest and trainer.is_world_process_zero():
        print(f"going on from {Path(newest).name}", file=sys.stderr, flush=True)
    trainer.train(resume_from_checkpoint=newest)
    if not trainer.is_world_process_zero():
        return
    partial = scratch / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    model: Any = trainer.accelerator.unwrap_model(trainer.model)
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    pl.DataFrame(history).select(name for name in LOGGED if name in history[0]).write_csv(partial / "log.csv")
    partial.replace(scratch / "done")
    for checkpoint in scratch.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)


def _tokenise(rows: pl.DataFrame, init: Path, max_length: int) -> list[dict[str, list[int]]]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(init)
    try:
        tokenised = [chat.tokenise(messages, tokenizer) for messages in rows["messages"].to_list()]
    except ValueError as error:
        raise InputError(f"the student's tokenizer cannot be trained with: {error}") from error
    longest = max(len(row.input_ids) for row in tokenised)
    if longest > max_length:
        raise SettingError(
            f"params.yaml: train: max_length is {max_length}, but a row has {longest} tokens and would be cut: raise "
            "it, or lower curate's max_tokens, which drops such rows"
        )
    return [row._asdict() for row in tokenised]


def _accumulation(settings: params.Train, runtime: params.Runtime) -> int:
    """Forward passes of a device per optimiser step."""
    at_once = runtime.micro_batch_size * runtime.num_processes
    if settings.batch_size % at_once:
        raise SettingError(
            f"params.yaml: train: batch_size {settings.batch_size} is no multiple of micro_batch_size x "
            f"num_processes = {at_once}"
        )
    return settings.batch_size // at_once


def _arguments(settings: params.Train, runtime: params.Runtime, scratch: Path) -> dict[str, Any]:
    """SFTConfig's arguments. What is not a setting is fixed here on purpose."""
    import torch

    return {
        "output_dir": str(scratch),
        "num_train_epochs": settings.epochs,
        "per_device_train_batch_size": runtime.micro_batch_size,
        "gradient_accumulation_steps": _accumulation(settings, runtime),
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "cosine_with_min_lr",
        "lr_scheduler_kwargs": {"min_lr_rate": settings.min_lr_ratio},
        "warmup_steps": settings.warmup_ratio,  # below 1 transformers takes it as a share of all steps
        "max_grad_norm": settings.max_grad_norm,
        "weight_decay": settings.weight_decay,
        "bf16": settings.bf16,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "max_length": None,
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "model_init_kwargs": {"dtype": "float32"},
        "use_cpu": not torch.cuda.is_available(),
        "deepspeed": runtime.deepspeed,
        "save_strategy": "steps",
        "save_steps": runtime.save_steps,
        "save_total_limit": 2,
        "logging_steps": 1,
        "disable_tqdm": True,
        "report_to": [],
    }


def _publish(done: Path, output: Path, log: Path) -> None:
    """Copy a finished run's weights and loss curve to the stage's outs, whole or not at all."""
    partial = output.with_name(f".{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(done, partial, ignore=shutil.ignore_patterns("log.csv"))
    shutil.rmtree(output, ignore_errors=True)
    partial.replace(output)
    log.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(done / "log.csv", log)


if __name__ == "__main__":
    cli.run(main)
