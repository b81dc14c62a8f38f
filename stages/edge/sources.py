"""Fetching the rows of a source: a file, a hub dataset, or the generator. What a row becomes is `core/problems.py`."""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from stages.core import arithmetic
from stages.edge.errors import InputError
from stages.edge.params import Columns, FilesSource, GeneratedSource, Generator, HubSource

Row = Mapping[str, object]


def rows(source: GeneratedSource | FilesSource | HubSource, folder: Path, generator: Generator) -> Iterator[Row]:
    """Rows with `prompt`, `gold`, `topic` and `difficulty` of any source. Relative file paths start at `folder`.

    Raises:
        InputError: it cannot be read; the message names file, line and column.
    """
    if isinstance(source, GeneratedSource):
        pairs = arithmetic.pairs(
            generator.lowest, generator.highest, generator.num_exam_pairs, generator.seed, source.split
        )
        for prompt, gold in arithmetic.problems(source.topic, pairs, generator.seed):
            yield {"prompt": prompt, "gold": gold, "topic": source.topic, "difficulty": None}
    elif isinstance(source, FilesSource):
        path = folder / source.path
        for place, row in _file_rows(path):
            yield _mapped(row, source.columns, f"{path}: {place}")
    else:
        for index, row in enumerate(_hub_rows(source)):
            yield _mapped(row, source.columns, f"{source.dataset}: row {index}")


def _mapped(row: Row, columns: Columns, place: str) -> Row:
    mapped = {}
    for ours, theirs in columns:
        if theirs is not None and theirs not in row:
            raise InputError(f"{place}: no column {theirs!r} (it has {', '.join(map(str, row))}); correct `columns`")
        mapped[ours] = row[theirs] if theirs is not None else None
    return mapped


def _file_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """(place, row) for each record of a file, told apart by its suffix."""
    try:
        match path.suffix:
            case ".jsonl":
                with path.open(encoding="utf-8", newline="\n") as lines:
                    for number, line in enumerate(lines, 1):
                        if line.strip():
                            yield f"line {number}", _json_row(line, f"{path}: line {number}")
            case ".json":
                document = json.loads(path.read_text(encoding="utf-8"))
                if not isinstance(document, list):
                    raise InputError(f"{path}: is no list of records")
                for index, record in enumerate(document):
                    yield f"record {index}", _object(record, f"{path}: record {index}")
            case ".csv":
                with path.open(encoding="utf-8", newline="") as stream:
                    yield from ((f"row {index}", record) for index, record in enumerate(csv.DictReader(stream), 1))
            case ".parquet":
                table = pl.read_parquet(path)
                yield from ((f"row {index}", record) for index, record in enumerate(table.iter_rows(named=True)))
            case _:
                raise InputError(f"{path}: is none of .jsonl, .json, .csv, .parquet")
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error


def _json_row(line: str, place: str) -> Row:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{place}: is no JSON ({error})") from error
    return _object(row, place)


def _object(row: object, place: str) -> Row:
    if not isinstance(row, dict):
        raise InputError(f"{place}: is no JSON object")
    return row


def _hub_rows(source: HubSource) -> Iterator[Row]:
    import datasets

    try:
        stream = datasets.load_dataset(
            source.dataset, source.config, split=source.split, revision=source.revision, streaming=True
        )
        yield from stream.select_columns([name for _, name in source.columns if name is not None])
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise InputError(
            f"{source.dataset}: cannot be read from the hub ({error}); check name and network, or download it and "
            "use a source of kind `files`"
        ) from error
