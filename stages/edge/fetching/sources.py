"""Fetching the rows of a source (files, hub data set, generator), which `core/problems/intake.py` makes problems."""

import codecs
import csv
import io
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import polars as pl

from stages.core.problems import arithmetic, intake
from stages.core.problems.intake import PRESETS, Raw
from stages.edge.errors import InputError, SettingError, raised_by
from stages.edge.fetching import hub
from stages.edge.files import json_lines
from stages.edge.params import AnyColumns, FilesSource, GeneratedSource, Generator, HubSource, Source

SECONDS_BETWEEN_LINES = 10.0
COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
FIX_SETTING, FIX_ARGUMENT = "correct `path` or the file", "mend it, or name another file"
"""What to do about a file that cannot be read: one named in params.yaml, one on the command line."""
GENERATED = intake.Columns("prompt", "gold", topic="topic")


def columns_of(columns: AnyColumns) -> intake.Columns:
    """The column names of a setting.

    Raises:
        SettingError: it names no known data set.
    """
    if not isinstance(columns, str):
        return intake.Columns(**columns.model_dump())
    if columns not in PRESETS:
        raise SettingError(
            f"params.yaml: collect: columns {columns!r} is none of {', '.join(PRESETS)}; name a column for each of ours"
        )
    return PRESETS[columns]


def take(source: Source, folder: Path, generator: Generator, revision: str | None) -> intake.Intake:
    """The problems of any source. Relative paths of files start at `folder`; `revision` is a hub data set's commit.

    Raises:
        InputError: it cannot be read, or holds an invalid row; the message names file, line and column.
    """
    if isinstance(source, GeneratedSource):
        return intake.take(source.name, _generated(source, generator), GENERATED, {})
    columns = columns_of(source.columns)
    needed = intake.needed(columns, source.where)
    rows = _files(source, folder, needed) if isinstance(source, FilesSource) else hub.rows(source, revision, needed)
    try:
        taken = intake.take(source.name, _with_progress(source, rows), columns, source.where)
    except ValueError as error:
        raise InputError(f"source {source.name}: {error}; correct its rows or its `columns`") from error
    if not taken.num_rows:
        raise InputError(f"source {source.name}: {_where(source, folder)} holds no rows")
    if taken.num_filtered == taken.num_rows:
        raise InputError(
            f"source {source.name}: none of its {taken.num_rows} rows has what `where` asks for; correct it"
        )
    return taken


def _where(source: FilesSource | HubSource, folder: Path) -> str:
    return str(folder / source.path) if isinstance(source, FilesSource) else source.dataset


def _with_progress(source: FilesSource | HubSource, rows: Iterator[Raw]) -> Iterator[Raw]:
    """The rows, with a progress line now and then: millions of them take hours."""
    last = time.monotonic()
    for number, row in enumerate(rows, 1):
        yield row
        if time.monotonic() - last > SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"source {source.name}: {number:,} rows read", file=sys.stderr, flush=True)


def _generated(source: GeneratedSource, generator: Generator) -> Iterator[Raw]:
    try:
        pairs = arithmetic.pairs(
            generator.lowest, generator.highest, generator.num_exam_pairs, generator.seed, source.split
        )
    except ValueError as error:
        raise InputError(f"source {source.name}: {error}; correct collect.generator in params.yaml") from error
    for number, (prompt, gold) in enumerate(arithmetic.problems(source.topic, pairs, generator.seed)):
        yield f"problem {number}", {"prompt": prompt, "gold": gold, "topic": source.topic}


def _files(source: FilesSource, folder: Path, needed: list[str]) -> Iterator[Raw]:
    from fsspec.core import url_to_fs

    location = source.path if "://" in source.path else str(folder / source.path)
    with _read_errors(location, FIX_SETTING):
        system, path = url_to_fs(location)
        paths = sorted(system.glob(path)) if any(mark in path for mark in "*?[") else [path]
        if not paths:
            raise InputError(f"{location}: there is no such file")
    for file in paths:
        name = location if len(paths) == 1 else file
        yield from _records(system, file, name, needed, FIX_SETTING)


def records(path: Path, otherwise: str = "") -> Iterator[Raw]:
    """(place, row) for each record of a JSON Lines, JSON, CSV or Parquet file, told apart by its suffix.

    `otherwise` is the suffix whose reader takes a file with another one.

    Raises:
        InputError: it cannot be read; the message names the line.
    """
    from fsspec.core import url_to_fs

    if not path.exists():
        raise InputError(f"{path}: there is no such file; name another")
    system, inner = url_to_fs(str(path))
    yield from _records(system, inner, str(path), [], FIX_ARGUMENT, otherwise)


def _records(
    system: Any,  # noqa: ANN401
    path: str,
    shown: str,
    needed: list[str],
    step: str,
    otherwise: str = "",
) -> Iterator[Raw]:
    """As `records`; `step` is what to do if the file cannot be read."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(path).suffixes]
    compression = suffixes.pop() if suffixes and suffixes[-1] in COMPRESSED else None
    readers = {".jsonl": _json_lines, ".json": _json_list, ".csv": _csv_rows, ".parquet": _parquet_rows}
    read = readers.get(suffixes[-1] if suffixes else "") or readers.get(otherwise)
    if read is None:
        raise InputError(f"{shown}: is none of .jsonl, .json, .csv, .parquet (or these with .gz, .bz2, .xz, .zst)")
    with _read_errors(shown, step), system.open(path, "rb", compression="infer" if compression else None) as stream:
        # zstandard's own reader knows no lines.
        yield from read(cast("IO[bytes]", io.BufferedReader(stream)) if compression else stream, shown, needed)


@contextmanager
def _read_errors(name: str, step: str) -> Iterator[None]:
    """Errors of a disk, a network, a decompressor or a Parquet reader, as one sentence."""
    try:
        yield
    except (OSError, EOFError, ImportError, pl.exceptions.PolarsError, csv.Error) as error:
        raise InputError(f"{name}: cannot be read ({type(error).__name__}: {error}); {step}") from error
    except Exception as error:
        # S3 without credentials, a truncated .zst: their libraries have exceptions of their own.
        if not raised_by(error, "botocore", "aiobotocore", "zstandard", "lzma", "zlib"):
            raise
        raise InputError(f"{name}: cannot be read ({type(error).__name__}: {error})") from error


def _json_lines(stream: IO[bytes], path: str, _: list[str]) -> Iterator[Raw]:
    for place, line in json_lines.lines(stream, path):
        if line.strip():
            with _located(place):
                row = json_lines.parsed_object(line)
            yield place, row


def _json_list(stream: IO[bytes], path: str, _: list[str]) -> Iterator[Raw]:
    with _located(path):
        document = json_lines.parsed(stream.read().removeprefix(codecs.BOM_UTF8))
    if not isinstance(document, list):
        raise InputError(f"{path}: is no list of records")
    for index, record in enumerate(document):
        if not isinstance(record, dict):
            raise InputError(f"{path}: record {index}: is no JSON object")
        yield f"{path}: record {index}", record


def _csv_rows(stream: IO[bytes], path: str, _: list[str]) -> Iterator[Raw]:
    csv.field_size_limit(json_lines.MAX_LINE)
    place = ""

    def texts() -> Iterator[str]:
        nonlocal place
        for place, line in json_lines.lines(stream, path, "CSV"):
            with _located(place):
                text = json_lines.decoded(line)
            yield text

    for record in csv.DictReader(texts()):
        if None in record or None in record.values():
            raise InputError(f"{place}: has {'more' if None in record else 'fewer'} fields than the header")
        yield place, record


def _parquet_rows(stream: IO[bytes], path: str, needed: list[str]) -> Iterator[Raw]:
    have = pl.read_parquet_schema(stream)
    if missing := [name for name in needed if name not in have]:
        raise InputError(f"{path}: no column {missing[0]!r} (it has {', '.join(have)}); correct `columns`")
    stream.seek(0)
    table = pl.read_parquet(stream, columns=needed or None)
    yield from ((f"{path}: row {index}", record) for index, record in enumerate(table.iter_rows(named=True)))


@contextmanager
def _located(place: str) -> Iterator[None]:
    """A ValueError about a text, with the place of the text."""
    try:
        yield
    except ValueError as error:
        raise InputError(f"{place}: {error}") from error
