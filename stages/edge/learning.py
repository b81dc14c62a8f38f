"""The training itself: a student, tokenised rows and a plan -> the weights of the last step, and of some before it."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.core import batching
from stages.edge import cli, libraries, params, token_file, track, training


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

    It holds the last weights with their tokenizer, and `history.json`, the Trainer's log. `recipe` are arguments of
    SFTConfig. Every process of a run calls this; the first writes.

    Raises:
        SettingError: out of memory, or the loss is no number.
        InputError: the disk is full.
    """
    libraries.settle()
    import torch

    from stages.edge import attention, held_out, trainer

    if not torch.cuda.is_available():
        training.keep_freed_memory()
    if runtime.deepspeed:
        import deepspeed

        deepspeed.init_distributed()  # a sharded model (ZeRO-3) needs to know its peers before it is loaded
    from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback

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
    own = runtime.padding and runtime.attention == "auto"
    named = {} if own else {"attn_implementation": attention.choose(runtime.attention)}
    model = AutoModelForCausalLM.from_pretrained(init, dtype=torch.float32, **named)
    if settings.max_positions:
        model.config.max_position_embeddings = settings.max_positions
    if settings.bf16:
        trainer.in_bfloat16(model)
    if runtime.compile:
        trainer.compile_layers(model)
    if not trainer.is_sharded():
        trainer.rehearse(model, steps, arguments)
    callbacks: list[Any] = [training.live(run)]
    watch = None
    if settings.held_out_every:
        rows = token_file.TokenFile(scratch / "held_out")
        watch = held_out.HeldOut(rows, settings.held_out_every, settings.keep, settings.num_checkpoints, scratch)
        callbacks.insert(0, watch)
    learner = trainer.Trainer(model, steps, arguments, processing_class=tokenizer, callbacks=callbacks)
    if watch:
        watch.learner = learner
    learner.remove_callback(PrinterCallback)
    newest = training.last_checkpoint(scratch)
    if learner.is_world_process_zero():
        training.say_how(learner.accelerator, named.get("attn_implementation"), newest)
        training.record_machine(scratch, runtime)
    learner.train(resume_from_checkpoint=newest)
    partial = scratch / "learned.partial"
    if learner.is_world_process_zero():
        shutil.rmtree(partial, ignore_errors=True)
    learner.write_weights(partial)
    if learner.is_world_process_zero():
        log = [entry for entry in learner.state.log_history if "step" in entry]
        cli.write_metrics({"log": log}, partial / "history.json")
        os.replace(partial, scratch / "learned")
    if torch.distributed.is_initialized():
        # Together and by themselves: a process that ends while another's threads still talk to it may bring it down.
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
