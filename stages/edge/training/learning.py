"""The training itself: a student, tokenised rows and a plan -> the weights of the last step, and of some before it."""

import contextlib
import ctypes
import os
import shutil
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.training import arguments, batching, keeping
from stages.edge import params, track
from stages.edge.files.metrics import write_metrics
from stages.edge.models import libraries
from stages.edge.training import candidates, resuming, token_file, watching

if TYPE_CHECKING:
    from stages.core.training import batches, trainer

LIBRARIES = ("torch", "transformers", "trl", "accelerate", "deepspeed")
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
LARGEST_INT = 2**31 - 1


def learn(
    settings: params.Training, runtime: params.Runtime, init: Path, scratch: Path, plan: batching.Plan, run: track.Run
) -> None:
    """Train on the rows below `scratch`, from its last checkpoint on, and leave the folder `learned` there.

    It holds the last weights with their tokenizer, and `history.json`, the Trainer's log and the versions that trained.
    Every process of a run calls this; the first writes.

    Raises:
        SettingError: out of memory, the loss is no number, or the model needs another `runtime`.
        InputError: the disk is full.
    """
    libraries.settle()
    import torch

    from stages.edge.training import held_out, students

    callbacks: list[Any] = [watching.progress_callback(run)]
    measure = None
    if settings.held_out_every:
        rows = token_file.TokenFile(scratch / "held_out")
        keep = keeping.kept_by(settings.keep)
        measure = held_out.HeldOut(rows, settings.held_out_every, keep, settings.num_checkpoints, scratch)
        callbacks.insert(0, measure)
    learner, attention = _learner(
        settings, runtime, init, token_file.TokenFile(scratch / "tokens"), plan, scratch, callbacks
    )
    if measure:
        measure.learner = learner
    checkpoint = resuming.last_checkpoint(scratch)
    if learner.is_world_process_zero():
        watching.print_setup(learner.accelerator, attention, checkpoint)
        resuming.record_machine(scratch, runtime)
    learner.train(resume_from_checkpoint=checkpoint)
    partial = scratch / "learned.partial"
    if learner.is_world_process_zero():
        shutil.rmtree(partial, ignore_errors=True)
    students.write(learner, partial)
    if learner.is_world_process_zero():
        log = [entry for entry in learner.state.log_history if "step" in entry]
        versions = {name: metadata.version(name) for name in LIBRARIES}
        write_metrics({"log": log, "libraries": versions}, partial / candidates.HISTORY)
        os.replace(partial, scratch / "learned")
    if torch.distributed.is_initialized():
        # Together and by themselves: a process that ends while another's threads still talk to it may bring it down.
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def first_steps(
    settings: params.Training,
    runtime: params.Runtime,
    init: Path,
    rows: "batches.Traces",
    plan: batching.Plan,
    num_steps: int,
    folder: Path,
) -> list[dict[str, float]]:
    """The Trainer's log of the first steps of a plan, which is not trained to its end.

    `folder` is for what the Trainer writes.

    Raises:
        SettingError: as `learn`.
    """
    libraries.settle()
    from transformers import TrainerCallback

    class StopAfterSteps(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
            control.should_training_stop = state.global_step >= num_steps

    with watching.failures(runtime):
        learner, _ = _learner(settings, runtime, init, rows, plan, folder, [StopAfterSteps()])
        learner.train()
    return [entry for entry in learner.state.log_history if "loss" in entry]


def _learner(
    settings: params.Training,
    runtime: params.Runtime,
    init: Path,
    rows: "batches.Traces",
    plan: batching.Plan,
    folder: Path,
    callbacks: list[Any],
) -> "tuple[trainer.Trainer, str | None]":
    """(the Trainer of a student on the steps of a plan, the name of its attention or None for its own)."""
    import torch

    if runtime.deepspeed:
        import deepspeed

        deepspeed.init_distributed()  # a sharded model (ZeRO-3) needs to know its peers before it is loaded
    if not torch.cuda.is_available():
        _keep_freed_memory()
    from transformers import AutoTokenizer, PrinterCallback

    from stages.core.training import student, trainer
    from stages.edge.training import rehearsal, students

    limit = batching.Limit(runtime.micro_batch_tokens, runtime.micro_batch_size, runtime.padding)
    tokenizer = AutoTokenizer.from_pretrained(init)
    config = trainer.SFTConfig(**_arguments(settings, runtime, folder))
    pad = tokenizer.pad_token_id or 0
    steps = trainer.Steps(rows, plan, limit, config.process_index, config.world_size, pad)
    model, attention = students.load(init, settings, runtime)
    if not trainer.is_sharded():
        model.to(config.device)
        if not runtime.padding:
            student.check_apart(model, config.device, settings.bf16)
    if runtime.compile:
        student.compile_layers(model)
    if not trainer.is_sharded():
        rehearsal.rehearse(model, steps, config)
    learner = trainer.Trainer(model, steps, config, processing_class=tokenizer, callbacks=callbacks)
    learner.remove_callback(PrinterCallback)
    return learner, attention


def _arguments(settings: params.Training, runtime: params.Runtime, folder: Path) -> dict[str, Any]:
    """SFTConfig's arguments: those of the recipe, and those of this machine."""
    import torch

    recipe = arguments.Optimisation(**settings.model_dump(include=set(arguments.Optimisation._fields)))
    return {
        **arguments.of(recipe),
        "output_dir": str(folder),
        "ddp_find_unused_parameters": False,
        "gradient_checkpointing": runtime.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
        "use_cpu": not torch.cuda.is_available(),
        "deepspeed": runtime.deepspeed,
        "save_strategy": "steps",
        "save_steps": runtime.save_steps,
        "save_total_limit": 2,
        "disable_tqdm": True,
        "report_to": [],
    }


def _keep_freed_memory() -> None:
    """Let glibc keep freed memory instead of giving it back to the kernel, for training on a CPU.

    Each step frees and takes again the same hundreds of megabytes; the page faults took half of the time of a small
    model's step. Nothing happens with another C library.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, LARGEST_INT)
