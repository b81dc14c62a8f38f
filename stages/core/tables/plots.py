"""What stages leave for plots, and the same of all stages together, which `report` writes."""

from collections.abc import Mapping

import polars as pl

FUNNEL = pl.Schema({"step": pl.String(), "num_rows": pl.Int64()})
LENGTHS = pl.Schema({"tokens": pl.Int64(), "num_rows": pl.Int64()})
LOSSES = pl.Schema({"step": pl.Int64(), "loss": pl.Float64(), "held_out_loss": pl.Float64()})
VOTES = pl.Schema({"bin": pl.Float64(), "num_problems": pl.Int64(), "accuracy": pl.Float64()})

STAGE, EFFORT = "stage", "effort"
"""Columns that say whose rows they are: an SFT stage's, or an effort's."""


def together(column: str, schema: pl.Schema, parts: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The rows of several tables of one schema, with their names in `column`, before the others."""
    named = [rows.select(pl.lit(name).alias(column), *schema) for name, rows in parts.items()]
    return pl.concat([pl.DataFrame(schema={column: pl.String(), **schema}), *named])
