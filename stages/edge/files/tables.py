"""Reading and writing Parquet tables: checked against their schema, sorted, byte-identical, renamed into place."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from stages.edge.errors import InputError, writing
from stages.edge.files import scratch

ROWS_PER_PART = 50_000
"""Rows of one part of a table that is a directory, held in memory while it is written: 1 GB of traces of 20,000
characters, 200 MB in the file."""
Table = Path | Sequence[Path]
"""Where a table is: a Parquet file, a directory of parts, or several of these that are read as one."""
_WRITE_OPTIONS: dict[str, Any] = {"compression": "zstd", "compression_level": 6, "statistics": True}


def read(path: Table, needs: pl.Schema, start: int = 0, num_rows: int | None = None) -> pl.DataFrame:
    """The columns of `needs`, checked by name and type, of a file, a directory of parts (searched deep) or several.

    Of a file, `num_rows` from `start` on if they are given.

    Raises:
        InputError: the file is missing, is no Parquet, or lacks a column or has it with another type.
    """
    return pl.concat([_read_file(file, needs, start, num_rows) for file in files(path)])


def name(path: Path) -> str:
    """What a table is called: its file's name without the ending, or its folder's name."""
    return path.stem if path.suffix in (".parquet", ".csv") else path.name


def spoken(path: Table) -> str:
    """The paths of a table for a message."""
    return str(path) if isinstance(path, Path) else ", ".join(map(str, path))


def files(path: Table) -> list[Path]:
    """The Parquet files of a table, in the order of its rows; of several tables one after the other.

    Raises:
        InputError: there are none.
    """
    if not isinstance(path, Path):
        return [file for each in path for file in files(each)]
    parts = sorted(file for file in path.rglob("*.parquet") if not _is_hidden(file.relative_to(path)))
    paths = parts if path.is_dir() else [path]
    if not paths or not paths[0].exists():
        raise InputError(f"{path}: no table there; run `dvc repro` (or `dvc pull`) to make it")
    return paths


def _is_hidden(path: Path) -> bool:
    """Whether a killed process left it: tables are written under a name that begins with a dot."""
    return any(part.startswith(".") for part in path.parts)


def content_hash(file: Path) -> str:
    """Hex SHA-256 of a file of a table: the same rows give the same bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def height(file: Path) -> int:
    """Number of rows of a file, from its end alone.

    Raises:
        InputError: it is no Parquet.
    """
    try:
        return int(pl.scan_parquet(file).select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{file}: cannot be read as Parquet ({error})") from error


def _read_file(file: Path, needs: pl.Schema, start: int, num_rows: int | None) -> pl.DataFrame:
    try:
        have = pl.read_parquet_schema(file)
        wrong = [f"{name}: {kind} (found {have.get(name)})" for name, kind in needs.items() if have.get(name) != kind]
        if wrong:
            raise InputError(f"{file}: columns that are missing or of another type: {', '.join(wrong)}")
        return pl.scan_parquet(file).select(list(needs)).slice(start, num_rows).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{file}: cannot be read as Parquet ({error})") from error


def write(frame: pl.DataFrame, path: Path, schema: pl.Schema, key: Sequence[str]) -> None:
    """Write `frame` sorted by `key`: a file, or a directory of parts where `path` has no suffix.

    The bytes depend on the rows alone. A table is there whole or not at all.

    Raises:
        ValueError: another schema, or two rows with the same key (a programming error, not one of the input).
        InputError: the disk is full, or may not be written to.
    """
    if frame.schema != schema:
        raise ValueError(f"{path}: schema {frame.schema} is not the declared {schema}")
    frame = frame.sort(key, nulls_last=False)
    is_same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in key)
    if frame.select(is_same).to_series().slice(1).any():  # neighbours, not a hash table of all keys
        raise ValueError(f"{path}: two rows share a key {list(key)}")
    with scratch.replacing(path) as partial:
        if path.suffix:
            _write_file(frame, partial, path)
            return
        for index, start in enumerate(range(0, max(frame.height, 1), ROWS_PER_PART)):
            _write_file(frame.slice(start, ROWS_PER_PART), _part(partial, index), path)


def write_sorted(
    frames: Iterable[pl.DataFrame],
    path: Path,
    schema: pl.Schema,
    key: Sequence[str],
    beside: Callable[[Path], None] | None = None,
) -> int:
    """Write tables that follow one another in the order of `key`, never holding more than a part of the whole.

    As `write` in all else, to the byte, and however the rows come. Returns the number of rows. `beside` writes what
    else belongs into the folder of a directory of parts, when all rows are written.

    Raises:
        ValueError: another schema, rows out of order, or two with the same key.
        InputError: the disk is full, or may not be written to.
    """
    if path.suffix:
        with scratch.folder(path, "parts") as folder, scratch.replacing(path) as partial:
            num_rows = _write_parts(frames, folder, path, schema, key)
            with writing(path):
                parts = pl.scan_parquet(sorted(folder.iterdir()))
                parts.sink_parquet(partial, row_group_size=ROWS_PER_PART, **_WRITE_OPTIONS)
            return num_rows
    with scratch.replacing(path) as partial:
        num_rows = _write_parts(frames, partial, path, schema, key)
        if beside:
            with writing(path):
                beside(partial)
        return num_rows


def _write_parts(
    frames: Iterable[pl.DataFrame], folder: Path, path: Path, schema: pl.Schema, key: Sequence[str]
) -> int:
    num_rows = num_parts = 0
    waiting = pl.DataFrame(schema=schema)
    last = pl.DataFrame(schema=schema)
    for frame in frames:
        if frame.schema != schema:
            raise ValueError(f"{path}: schema {frame.schema} is not the declared {schema}")
        joint = pl.concat([last, frame]).select(key)
        if joint.is_duplicated().any() or not joint.sort(key, nulls_last=False).equals(joint):
            raise ValueError(f"{path}: rows are not in the order of {list(key)}, or two share one")
        last = frame.tail(1) if frame.height else last
        num_rows += frame.height
        waiting = pl.concat([waiting, frame])
        while waiting.height >= ROWS_PER_PART:
            _write_file(waiting.head(ROWS_PER_PART).rechunk(), _part(folder, num_parts), path)
            waiting, num_parts = waiting.slice(ROWS_PER_PART), num_parts + 1
    if waiting.height or not num_parts:
        _write_file(waiting.rechunk(), _part(folder, num_parts), path)
    return num_rows


def _part(folder: Path, number: int) -> Path:
    return folder / f"part-{number:04d}.parquet"


def _write_file(frame: pl.DataFrame, path: Path, out: Path) -> None:
    with writing(out):
        frame.write_parquet(path, row_group_size=ROWS_PER_PART, **_WRITE_OPTIONS)
