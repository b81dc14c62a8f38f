"""Small results that DVC shows: metrics as JSON, and rows for its plots as CSV."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from stages.edge.errors import writing


def write_text(text: str, path: Path) -> None:
    """Write a small file, with the folders that lead to it.

    Raises:
        InputError: the disk is full, or may not be written to.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def write_metrics(metrics: Mapping[str, object], path: Path) -> None:
    """Write a metrics file: strict JSON (NaN is a ValueError), stable layout. Raises as `write_text`."""
    write_text(json.dumps(metrics, indent=2, allow_nan=False) + "\n", path)


def read_metrics(path: Path) -> dict[str, Any]:
    """Read a metrics file."""
    metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return metrics


def write_csv(rows: pl.DataFrame | Sequence[Mapping[str, object]], path: Path) -> None:
    """Write rows for a DVC plot. Raises as `write_text`."""
    write_text(pl.DataFrame(rows, infer_schema_length=None).write_csv(), path)


def read_csv(path: Path, schema: pl.Schema) -> pl.DataFrame:
    """Some columns of a file that a stage wrote for a plot; types are set, as a file without rows has none."""
    return pl.read_csv(path, schema_overrides=schema).select(list(schema))
