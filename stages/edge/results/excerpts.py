"""All traces of some problems: an excerpt, for reading, of tables too large for a page."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from stages.core.page import excerpt
from stages.edge.files import tables


def problem_ids(folders: Sequence[Path], num_traces: int) -> pl.Series:
    """Problems that have about so many traces in these tables, or all; the same in every run.

    Raises:
        InputError: as `tables.read`.
    """
    needs = pl.Schema({"problem_id": pl.String()})
    by_file = [
        tables.read(file, needs).group_by("problem_id").len() for folder in folders for file in tables.files(folder)
    ]
    counts = pl.concat([pl.DataFrame(schema={**needs, "len": pl.UInt32()}), *by_file])
    share = min(1.0, num_traces / max(1, int(counts["len"].sum())))
    return pl.Series("problem_id", excerpt.chosen(counts["problem_id"].unique().to_list(), share), pl.String)


def of(path: Path, needs: pl.Schema, ids: pl.Series) -> pl.DataFrame:
    """The rows of some problems, file by file: a table of texts may be larger than the memory.

    Raises:
        InputError: as `tables.read`.
    """
    parts = [pl.DataFrame(schema=needs)]
    for file in tables.files(path):
        tables.read(file, needs, 0, 0)  # for its errors
        wanted = pl.col("problem_id").is_in(ids.implode())
        parts.append(pl.scan_parquet(file).filter(wanted).select(list(needs)).collect())
    return pl.concat(parts)
