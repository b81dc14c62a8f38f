"""Traces of some problems, whole: what a person may want to read of a table that no page could hold."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from stages.core import browser
from stages.edge import tables


def share(folders: Iterable[Path], num_traces: int) -> float:
    """Which share of the problems has about that many traces in these tables."""
    total = sum(tables.height(file) for folder in folders for file in tables.files(folder))
    return min(1.0, num_traces / max(1, total))


def of(path: Path, needs: pl.Schema, problem_ids: pl.Series) -> pl.DataFrame:
    """The rows of some problems.

    Raises:
        InputError: as `tables.read`.
    """
    found = [tables.read(file, needs, 0, 0) for file in tables.files(path)]
    wanted = pl.col("problem_id").is_in(problem_ids.implode())
    return pl.concat(
        [*found, *(pl.scan_parquet(file).filter(wanted).select(list(needs)).collect() for file in tables.files(path))]
    )


def read(path: Path, needs: pl.Schema, chosen: float) -> pl.DataFrame:
    """The rows of the chosen share of problems, file by file: a table of texts may be larger than the memory.

    Raises:
        InputError: as `tables.read`.
    """
    if chosen == 1:
        return tables.read(path, needs)
    found = [pl.DataFrame(schema=needs)]
    for file in tables.files(path):
        tables.read(file, needs, 0, 0)  # for its errors
        ids = tables.read(file, pl.Schema({"problem_id": pl.String()})).to_series().unique()
        wanted = [name for name in ids if browser.is_chosen(name, chosen)]
        found.append(pl.scan_parquet(file).filter(pl.col("problem_id").is_in(wanted)).select(list(needs)).collect())
    return pl.concat(found)
