"""The training itself: a student, tokenised rows and a plan -> the weights of the last step, and of some before it."""

import contextlib
import ctypes
import gc
import os
import shutil
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from stages.core.training import batching
from stages.edge import params, track
from stages.edge.cli import running
from stages.edge.models import libraries
from stages.edge.training import resuming, token_file, watching

LIBRARIES = ("torch", "transformers", "trl", "accelerate", "deepspeed")
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
LARGEST_INT = 2**31 - 1


@contextlib.contextmanager
def _memory_given_back() -> Iterator[None]:
    """Around a function: what it held is free when it has returned."""
    yield
    import torch

    gc.collect()  # the Trainer, its callbacks and the model know each other
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@_memory_given_back()
def learn(
    recipe: Mapping[str, Any],
    settings: params.Train,
    runtime: params.Runtime,
    init: Path,
    scratch: Path,
    plan: batching.Plan,
    run: track.Run,
) -> None:
    """Train on the rows below `scratch`, from its last checkpoint on, and leave the folder `learned` there.

    It holds the last weights with their tokenizer, and `history.json`, the Trainer's log and the versions that trained.
    `recipe` are arguments of SFTConfig. Every process of a run calls this; the first writes. When it returns, the
    device's memory is free for what comes next: an engine that examines checkpoints asks for nearly all of it.

    Raises:
        SettingError: out of memory, the loss is no number, or the model needs another `runtime`.
        InputError: the disk is full.
    """
    libraries.settle()
    import torch

    from stages.edge.training import held_out, students, trainer

    if not torch.cuda.is_available():
        _keep_freed_memory()
    if runtime.deepspeed:
        import deepspeed

        deepspeed.init_distributed()  # a sharded model (ZeRO-3) needs to know its peers before it is loaded
    from transformers import AutoTokenizer, PrinterCallback

    limit = batching.Limit(runtime.micro_batch_tokens, runtime.micro_batch_size, runtime.padding)
    tokenizer = AutoTokenizer.from_pretrained(init)
    arguments = trainer.SFTConfig(**recipe)
    steps = trainer.Steps(
        token_file.TokenFile(scratch / "tokens"),
        plan,
        limit,
        arguments.process_index,
        arguments.world_size,
        tokenizer.pad_token_id or 0,
    )
    model, named = students.loaded(init, settings, runtime)
    if not trainer.is_sharded():
        model.to(arguments.device)
        if not runtime.padding:
            students.check_apart(model, arguments.device, settings.bf16)
    if runtime.compile:
        trainer.compile_layers(model)
    if not trainer.is_sharded():
        trainer.rehearse(model, steps, arguments)
    callbacks: list[Any] = [watching.live(run)]
    watch = None
    if settings.held_out_every:
        rows = token_file.TokenFile(scratch / "held_out")
        watch = held_out.HeldOut(rows, settings.held_out_every, settings.keep, settings.num_checkpoints, scratch)
        callbacks.insert(0, watch)
    learner = trainer.Trainer(model, steps, arguments, processing_class=tokenizer, callbacks=callbacks)
    if watch:
        watch.learner = learner
    learner.remove_callback(PrinterCallback)
    newest = resuming.last_checkpoint(scratch)
    if learner.is_world_process_zero():
        watching.say_how(learner.accelerator, named, newest)
        resuming.record_machine(scratch, runtime)
    learner.train(resume_from_checkpoint=newest)
    partial = scratch / "learned.partial"
    if learner.is_world_process_zero():
        shutil.rmtree(partial, ignore_errors=True)
    learner.write_weights(partial)
    if learner.is_world_process_zero():
        log = [entry for entry in learner.state.log_history if "step" in entry]
        versions = {name: metadata.version(name) for name in LIBRARIES}
        running.write_metrics({"log": log, "libraries": versions}, partial / "history.json")
        os.replace(partial, scratch / "learned")
    if torch.distributed.is_initialized():
        # Together and by themselves: a process that ends while another's threads still talk to it may bring it down.
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def _keep_freed_memory() -> None:
    """Let glibc keep freed memory instead of giving it back to the kernel, for training on a CPU.

    Each step frees and takes again the same hundreds of megabytes; the page faults took half of the time of a small
    model's step. Nothing happens with another C library.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, LARGEST_INT)
