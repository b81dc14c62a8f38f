"""At which steps the held-out loss is measured, and which of the weights at these steps a run keeps."""

import math
from collections.abc import Sequence
from typing import Literal

Keep = Literal["last", "best_loss", "latest"]


def kept_by(choice: str) -> Keep:
    """What a run has to keep for a choice of params.yaml: an exam and a mean take theirs from the latest weights."""
    return "last" if choice == "last" else "best_loss" if choice == "best_loss" else "latest"


def num_candidates(choice: str, num_checkpoints: int) -> int:
    """How many weights a run hands to a choice of params.yaml, at most."""
    return num_checkpoints if kept_by(choice) == "latest" else 1


def is_measured(step: int, every: int, num_steps: int) -> bool:
    """Whether the held-out loss is measured after a step: each `every` steps, and after the last."""
    return step % every == 0 or step == num_steps


def is_kept(keep: Keep, loss: float, before: Sequence[float]) -> bool:
    """Whether the weights with this held-out loss are kept; `before` are the losses that were measured earlier."""
    return keep == "latest" or (keep == "best_loss" and loss < min(before, default=math.inf))


def superseded(keep: Keep, steps: Sequence[int], num: int) -> Sequence[int]:
    """Of the steps whose weights are kept, in their order, those that newer ones replace; `num` are to stay."""
    return steps[: -1 if keep == "best_loss" else -num]
