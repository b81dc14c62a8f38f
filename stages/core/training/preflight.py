"""What a training run will do, from the lengths of its rows, before it costs anything."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stages.core.training.batching import Plan

Lengths = npt.NDArray[np.int64]
QUANTILES = (0.5, 0.9, 0.99)


class Bounds(NamedTuple):
    """Lengths that rows must not be longer than, in tokens."""

    max_length: int
    positions: int | None
    """Of the student, None where its configuration names no limit."""


def problems(lengths: Lengths, num_prompt: Lengths, bounds: Bounds) -> list[str]:
    """Each reason not to start, as a sentence that says what to change; none where all is well."""
    found = []
    too_long = int((lengths > bounds.max_length).sum())
    if too_long:
        found.append(
            f"max_length is {bounds.max_length}, but {too_long} of {len(lengths)} rows are longer (the longest has "
            f"{int(lengths.max())} tokens) and would be cut: raise it, or lower curate's max_tokens, which drops them"
        )
    silent = int((lengths <= num_prompt).sum())
    if silent:
        found.append(f"{silent} of {len(lengths)} rows have no trained token: curate must not keep empty answers")
    if bounds.positions is not None and bounds.max_length > bounds.positions:
        found.append(
            f"max_length is {bounds.max_length}, but the student's weights are for {bounds.positions} positions: lower "
            "it, or set max_positions, which stretches the student to positions that it has never seen"
        )
    return found


def summary(lengths: Lengths, num_prompt: Lengths, plan: Plan) -> dict[str, Any]:
    """Rows, tokens and steps of a run, for people and for the metrics file."""
    middle, most, nearly = (int(each) for each in np.quantile(lengths, QUANTILES, method="lower"))
    return {
        "num_rows": len(lengths),
        "num_tokens": int(lengths.sum()),
        "num_trained_tokens": int((lengths - num_prompt).sum()),
        "median_tokens": middle,
        "p90_tokens": most,
        "p99_tokens": nearly,
        "longest_tokens": int(lengths.max()),
        "epochs": plan.epochs,
        "steps_per_epoch": plan.steps_per_epoch,
        "num_steps": plan.num_steps,
        "tokens_per_step": int(lengths.sum()) // plan.steps_per_epoch,
    }


def histogram(lengths: Lengths, num_bars: int = 10) -> list[tuple[int, int]]:
    """Bars of equal width from 0 to the longest row: upper bound in tokens, and rows that long and no longer."""
    counts, edges = np.histogram(lengths, bins=num_bars, range=(0, int(lengths.max())))
    return [(round(edge), int(count)) for edge, count in zip(edges[1:], counts, strict=True)]


def table(figures: dict[str, Any], bars: Sequence[tuple[int, int]]) -> str:
    """The figures and the histogram, for a terminal."""
    lines = [f"  {name.replace('_', ' '):20}{value:>15,}" for name, value in figures.items()]
    most = max(count for _, count in bars) or 1
    lines += [f"  up to {bound:>7,} tokens {'█' * round(30 * count / most):30} {count:,}" for bound, count in bars]
    return "\n".join(lines)
