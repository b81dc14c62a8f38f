"""An out as a stage left it, and as it was made anew: where the two differ."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from stages.core.planning.reasons import shortened
from stages.edge.files import lockfile, tables

ROW_NAMES = ("student", "benchmark", "model", "effort", "source", "row", "problem_id", "sample")
"""Columns that tell one row from another, as far as a table has them."""
MOST_COLUMNS, VALUE_WIDTH = 6, 60


class Compared(NamedTuple):
    """What was compared of an out."""

    num_rows: int | None
    """Rows of a table; None for other files, which are compared by their bytes."""
    differences: list[str]
    """One sentence each; none where both are equal."""


def is_table(path: Path) -> bool:
    """Whether a file, or a folder of parts, is a table; a folder of folders may hold several."""
    return path.suffix == ".parquet" or (path.is_dir() and any(path.glob("*.parquet")))


def rows_of(path: Path, ids: Collection[str] | None) -> pl.DataFrame:
    """The rows of a table; with `ids` those of these problems alone."""
    scan = pl.scan_parquet(tables.files(path))
    return (scan if ids is None else scan.filter(pl.col("problem_id").is_in(list(ids)))).collect()


def compare(old: Path, new: Path, ids: Collection[str] | None) -> Compared:
    """Compare an out with what was made anew; `ids` are the problems that it was made of, None all."""
    if not new.exists():
        return Compared(None, ["is not made any more"])
    if ids is None and lockfile.path_md5(old) == lockfile.path_md5(new):
        return Compared(sum(map(tables.height, tables.files(old))) if is_table(old) else None, [])
    if is_table(old) and is_table(new):
        table = rows_of(old, ids)
        return Compared(table.height, list(_different_tables(table, rows_of(new, None))))
    return Compared(None, list(_different_files(old, new)))


def _different_files(old: Path, new: Path) -> Iterator[str]:
    if not (old.is_dir() and new.is_dir()):
        if old.is_dir() or new.is_dir() or lockfile.md5(old) != lockfile.md5(new):
            yield "has another content"
        return
    names = {path.relative_to(top) for top in (old, new) for path in top.rglob("*") if path.is_file()}
    for name in sorted(names):
        if not ((old / name).is_file() and (new / name).is_file()):
            yield f"{name} is {'new' if (new / name).is_file() else 'not made any more'}"
        elif lockfile.md5(old / name) != lockfile.md5(new / name):
            yield f"{name} has another content"


def _different_tables(old: pl.DataFrame, new: pl.DataFrame) -> Iterator[str]:
    for name in dict.fromkeys([*old.columns, *new.columns]):
        kinds = old.schema.get(name), new.schema.get(name)
        if kinds[0] != kinds[1]:
            yield f"column {name} is {kinds[1] or 'missing'}, was {kinds[0] or 'not there'}"
    common = [name for name in old.columns if old.schema[name] == new.schema.get(name)]
    names = [name for name in ROW_NAMES if name in common]
    if not old.select(names).equals(new.select(names)):
        yield from _other_rows(old, new, names)
        return
    is_other = {name: ~old[name].eq_missing(new[name]) for name in common}
    if changed := [name for name, rows in is_other.items() if rows.any()]:
        rows = pl.DataFrame(is_other).select(pl.any_horizontal(changed)).to_series()
        place = int(rows.arg_max() or 0)
        column = next(name for name in changed if is_other[name][place])
        was, now = (table.row(place, named=True)[column] for table in (old, new))
        yield (
            f"{rows.sum()} of {old.height} rows differ, in {shortened(changed, MOST_COLUMNS)}; the first, "
            f"{_called(old, names, place)}: {column} is {_short(now)}, was {_short(was)}"
        )


def _other_rows(old: pl.DataFrame, new: pl.DataFrame, names: Sequence[str]) -> Iterator[str]:
    """Rows that only one of two tables has."""
    for one, other, word in ((old, new, "not made any more"), (new, old, "new")):
        rest = one.select(names).join(other.select(names), on=names, how="anti", nulls_equal=True) if names else one
        if rest.height:
            yield f"{rest.height} of {one.height} rows are {word}, such as {_called(rest, names, 0)}"
    if old.height == new.height and old.select(names).sort(names).equals(new.select(names).sort(names)):
        yield "the rows are in another order"


def _called(table: pl.DataFrame, names: Sequence[str], place: int) -> str:
    row = table.row(place, named=True)
    return " ".join(f"{name}={_short(row[name])}" for name in names if row[name] is not None) or f"row {place}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= VALUE_WIDTH else f"{text[:VALUE_WIDTH]}..."
