"""What is shown of a training run: its figures as they come, and its failures as messages."""

import contextlib
import errno
import logging
import math
import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from stages.edge import params, track
from stages.edge.errors import InputError, SettingError

SECONDS_BETWEEN_LINES = 10.0
SHOWN = ("loss", "held_out_loss", "learning_rate", "grad_norm", "padding_share", "peak_gib")
TIED_HEAD = "missing keys in the checkpoint model loaded: ['lm_head.weight']"
GIB = 2**30
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
WRITE_ERRORS = re.compile(r"No space left|Disk quota exceeded|File too large|failed writing|unexpected pos \d+ vs")
PEAK_FLOPS = {
    "H100 PCIe": 756e12, "H100 NVL": 835e12, "H100": 989e12, "H200": 989e12, "B200": 2_250e12, "A100": 312e12,
    "L40S": 362e12, "MI300X": 1_307e12, "MI325X": 1_307e12, "RTX 4090": 165e12, "RTX 3090": 71e12,
}  # fmt: skip
"""Dense bfloat16, from the makers' data sheets; the more special name first."""


def check_finite(name: str, value: float, step: int) -> None:
    """Stop where a figure of the training is not finite.

    Raises:
        SettingError: it is NaN or infinite. No checkpoint of this step is written.
    """
    if not math.isfinite(value):
        raise SettingError(
            f"{name} of step {step} is {value}: lower train's learning_rate or max_grad_norm in params.yaml, which "
            "begins a new run"
        )


@contextlib.contextmanager
def failures(runtime: params.Runtime) -> Iterator[None]:
    """Turn the failures that a setting or a larger disk mends into messages; faults of the program pass."""
    note = "the last checkpoint is kept, and the next run goes on from it"
    try:
        yield
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        text = str(error)
        if type(error).__name__ == "OutOfMemoryError":
            advice = (
                "lower runtime.micro_batch_tokens"
                if runtime.gradient_checkpointing
                else "set runtime.gradient_checkpointing: true"
            )
            raise SettingError(
                f"out of memory in a forward or backward pass of {runtime.micro_batch_tokens} tokens: {advice} in "
                f"params.yaml; {note}"
            ) from error
        if _is_full(error):
            raise InputError(f"the disk is full, or takes no more: make room; {note}") from error
        if "runtime.padding" in text:
            raise SettingError(f"params.yaml: {text}") from error
        raise


def _is_full(error: BaseException | None) -> bool:
    """Whether a write failed for want of room, in any library: safetensors and torch say so only in their message."""
    while error is not None:
        if getattr(error, "errno", None) in NO_ROOM or WRITE_ERRORS.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def print_setup(accelerator: Any, attention: str | None, checkpoint: str | None) -> None:  # noqa: ANN401
    """One line: on how many devices of which kind, how they share the work, and from where a run goes on."""
    kind = str(accelerator.distributed_type.value)
    sharing = f", sharing by {kind}" if accelerator.num_processes > 1 or kind == "DEEPSPEED" else ""
    resumed = f"; going on from {Path(checkpoint).name}" if checkpoint else ""
    if checkpoint:
        logging.getLogger("transformers.trainer").addFilter(_is_news)
    print(
        f"training on {accelerator.num_processes} x {accelerator.device.type}{sharing}, attention: "
        f"{attention or 'own'}{resumed}",
        file=sys.stderr,
        flush=True,
    )


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of the Trainer's log says something: a tied head is missing in every checkpoint."""
    return TIED_HEAD not in record.getMessage()


class TrainingProgress:
    """Sends each step's figures to tracking and shows a line now and then: loss, tokens a second, time left."""

    def __init__(self, run: track.Run, peak_flops: float | None) -> None:
        """`run` is the stage's run; `peak_flops` are a device's per second, where they are known."""
        self._run, self._peak = run, peak_flops
        self._flops = 0.0
        self._first: tuple[int, float, float] | None = None
        self._shown = time.monotonic()

    def logged(self, step: int, num_steps: int, logs: Mapping[str, float]) -> None:
        """Take the Trainer's log of one step. Rates count from this process' first step, so a resume is no jump."""
        now, tokens = time.monotonic(), float(logs.get("num_tokens", 0))
        first_step, started, first_tokens = self._first = self._first or (step, now, tokens)
        seconds = max(now - started, 1e-3)
        rate = (tokens - first_tokens) / seconds
        figures = {name: float(logs[name]) for name in SHOWN if name in logs}
        for name in ("loss", "grad_norm"):
            if name in figures:
                check_finite(f"the {name.replace('_norm', 'ient norm')}", figures[name], step)
        figures["tokens_per_second"] = rate
        if step > first_step:
            self._flops += float(logs.get("tera_flops", 0)) * 1e12
            if self._peak:
                figures["mfu"] = self._flops / seconds / self._peak
        self._run.metrics(figures, step=step)
        if step > first_step and (now - self._shown > SECONDS_BETWEEN_LINES or step == num_steps):
            self._shown = now
            left = (num_steps - step) * seconds / (step - first_step)
            line = f"step {step}/{num_steps}, loss {figures['loss']:.3f}, {rate:.0f} tok/s, {left:.0f} s left"
            print(line, file=sys.stderr, flush=True)


def peak_flops(device: str) -> float | None:
    """Dense bfloat16 FLOPs a second of a GPU by its name, None for one that is not listed."""
    return next((peak for part, peak in PEAK_FLOPS.items() if part in device), None)


def progress_callback(run: track.Run) -> Any:  # noqa: ANN401
    """A Trainer callback that feeds `TrainingProgress` from the main process."""
    # Imported here, because transformers takes seconds and a finished run that is only copied never needs it.
    import torch
    from transformers import TrainerCallback

    progress = TrainingProgress(run, peak_flops(torch.cuda.get_device_name()) if torch.cuda.is_available() else None)

    class Callback(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ANN401
            if logs and "loss" in logs and state.is_world_process_zero:
                if torch.cuda.is_available():
                    logs["peak_gib"] = torch.cuda.max_memory_allocated() / GIB
                for entry in state.log_history[-2:]:
                    if entry.get("step") == state.global_step and "held_out_loss" in entry:
                        logs["held_out_loss"] = entry["held_out_loss"]
                progress.logged(state.global_step, state.max_steps, logs)

    return Callback()
