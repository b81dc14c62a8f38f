"""Files beside an out while it is made: under a hidden name, and removed when they are no longer needed.

An out is there whole or not at all, and what a stage has to know of every trace is kept here instead of in memory.
"""

import contextlib
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from stages.edge.errors import writing

ROWS_AT_ONCE = 50_000
"""Least number of rows of a table on the disk: a worker gives about a tenth of it."""


class Pieces:
    """Tables on the disk, read anew each time they are iterated over."""

    def __init__(self, folder: Path) -> None:
        """Of the tables that are in the folder."""
        self._folder = folder

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """In the order in which they were written."""
        return map(pl.read_parquet, sorted(self._folder.iterdir()))


@contextlib.contextmanager
def on_disk(frames: Iterable[pl.DataFrame], beside: Path) -> Iterator[Pieces]:
    """Keep the rows of some tables on the disk while they are worked on, in a folder beside the out `beside`.

    Small tables are joined, so those read back have other borders. At least one must be given.

    Raises:
        InputError: the disk is full, or may not be written to.
    """
    with folder(beside, "pieces") as place:
        for number, frame in enumerate(_together(frames)):
            with writing(beside):
                frame.write_parquet(place / f"{number:08d}")
        yield Pieces(place)


def _together(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same rows in tables of at least `ROWS_AT_ONCE` rows each, the last one apart."""
    waiting: list[pl.DataFrame] = []
    for frame in frames:
        waiting.append(frame)
        if sum(each.height for each in waiting) >= ROWS_AT_ONCE:
            yield pl.concat(waiting)
            waiting = []
    if waiting:
        yield pl.concat(waiting)


def cut(frames: Iterable[pl.DataFrame], num_rows: Iterable[int]) -> Iterator[pl.DataFrame]:
    """The rows of some tables, in their order, as tables with the given numbers of rows.

    Raises:
        ValueError: there are not so many rows.
    """
    source = iter(frames)
    waiting = next(source)
    for wanted in num_rows:
        while waiting.height < wanted:
            more = next(source, None)
            if more is None:
                raise ValueError(f"{wanted} more rows are wanted, and {waiting.height} are left")
            waiting = pl.concat([waiting, more])
        yield waiting.head(wanted)
        waiting = waiting.slice(wanted)


@contextlib.contextmanager
def folder(path: Path, ending: str) -> Iterator[Path]:
    """A folder beside `path` that is there as long as it is used.

    Raises:
        InputError: as `errors.writing`.
    """
    place = _beside(path, ending)
    try:
        with writing(path):
            place.mkdir()
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _beside(path: Path, ending: str) -> Path:
    """A free hidden name beside `path`. Leftovers of a killed process are removed: a stage runs once at a time.

    Raises:
        InputError: as `errors.writing`.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".{path.name}.*.{ending}"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.{ending}")


@contextlib.contextmanager
def replacing(path: Path, is_folder: bool | None = None) -> Iterator[Path]:
    """A place to write to, renamed to `path` at the end; by default a folder where `path` has no suffix.

    Raises:
        InputError: as `errors.writing`.
    """
    is_folder = not path.suffix if is_folder is None else is_folder
    partial = _beside(path, "partial")
    try:
        if is_folder:
            with writing(path):
                partial.mkdir()
        yield partial
        with writing(path):
            if is_folder:
                shutil.rmtree(path, ignore_errors=True)
            partial.replace(path)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
