"""Watching and resuming a transformers Trainer."""

import contextlib
import ctypes
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.edge import track

SECONDS_BETWEEN_LINES = 10.0


M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
LARGEST_INT = 2**31 - 1


def keep_freed_memory() -> None:
    """Let glibc keep freed memory instead of giving it back to the kernel, for training on a CPU.

    Each step frees and takes again the same hundreds of megabytes; the page faults took half of the time of a small
    model's step. Nothing happens with another C library.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, LARGEST_INT)


def last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end; the Trainer writes `trainer_state.json` last."""
    whole = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json") if _is_whole(path)]
    return str(max(whole, key=lambda path: int(path.name.rpartition("-")[2]))) if whole else None


def _is_whole(state: Path) -> bool:
    """Whether a kill did not come in the middle of this JSON file, which the Trainer writes in place."""
    try:
        json.loads(state.read_bytes())
    except ValueError:
        return False
    return True


class Steps:
    """Sends each step's figures to tracking and shows a line now and then: loss, tokens a second, time left."""

    def __init__(self, run: track.Run) -> None:
        """`run` is the stage's run."""
        self._run = run
        self._first: tuple[int, float, float] | None = None
        self._shown = time.monotonic()

    def logged(self, step: int, num_steps: int, logs: Mapping[str, float]) -> None:
        """Take the Trainer's log of one step. Rates count from this process' first step, so a resume is no jump."""
        now, tokens = time.monotonic(), float(logs.get("num_tokens", 0))
        first_step, started, first_tokens = self._first = self._first or (step, now, tokens)
        seconds = max(now - started, 1e-3)
        rate = (tokens - first_tokens) / seconds
        figures = {name: float(logs[name]) for name in ("loss", "learning_rate", "grad_norm") if name in logs}
        self._run.metrics({**figures, "tokens_per_second": rate}, step=step)
        if step > first_step and (now - self._shown > SECONDS_BETWEEN_LINES or step == num_steps):
            self._shown = now
            left = (num_steps - step) * seconds / (step - first_step)
            line = f"step {step}/{num_steps}, loss {figures['loss']:.3f}, {rate:.0f} tok/s, {left:.0f} s left"
            print(line, file=sys.stderr, flush=True)


def live(run: track.Run) -> Any:  # noqa: ANN401
    """A Trainer callback that feeds `Steps` from the main process."""
    # Imported here, because transformers takes seconds and a finished run that is only copied never needs it.
    from transformers import TrainerCallback

    steps = Steps(run)

    class Live(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ANN401
            if logs and "loss" in logs and state.is_world_process_zero:
                steps.logged(state.global_step, state.max_steps, logs)

    return Live()
