"""The log of a training as a table, and the figures that sum it up."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from stages.core.training.batching import Plan

# Not the Trainer's count of tokens, which starts anew when a run goes on: a kill must not show in the log.
COLUMNS = ("step", "epoch", "loss", "learning_rate", "grad_norm", "held_out_loss")


def table(log: Sequence[Mapping[str, Any]], plan: Plan) -> pl.DataFrame:
    """One row a step: what the Trainer logged, and the held-out loss of the steps that have one."""
    steps = pl.DataFrame([entry for entry in log if "loss" in entry])
    measured = {entry["step"]: entry["held_out_loss"] for entry in log if "held_out_loss" in entry}
    rows = steps.with_columns(
        epoch=pl.col("step") / plan.steps_per_epoch,
        held_out_loss=pl.col("step").replace_strict(measured, default=None, return_dtype=pl.Float64),
    )
    return rows.select(name for name in COLUMNS if name in rows.columns)


def figures(rows: pl.DataFrame) -> dict[str, Any]:
    """The last loss of a `table`, and the last and the lowest held-out loss where they were measured."""
    found = {"last_loss": rows["loss"][-1]}
    if rows["held_out_loss"].null_count() < rows.height:
        found["last_held_out_loss"] = rows["held_out_loss"][-1]
        found["lowest_held_out_loss"] = rows["held_out_loss"].min()
    return found
