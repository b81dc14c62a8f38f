"""A large table mapped piece by piece, in order, in several processes, on this machine or on a Ray cluster.

Each worker reads its own piece, so that no process ever holds more than a few. The result does not depend on the number
of workers, nor on where they run.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import polars as pl

from stages.edge.files import tables
from stages.edge.workers import cluster

ROWS_PER_SHARD = 20_000
SHARDS_AHEAD = 2
"""Pieces in work for each worker."""

Work = Callable[[pl.DataFrame], pl.DataFrame]


class Shard(NamedTuple):
    """Rows of one file."""

    file: Path
    start: int
    num_rows: int


Piece = tuple[Shard, ...]


def pieces(
    path: tables.Table, num_rows: int | None = None, whole: Sequence[str] = (), num_apart: int = 0
) -> list[Piece]:
    """The table in a file, in a directory of parts or in several, in pieces of `num_rows` (or `ROWS_PER_SHARD`).

    Rows next to each other that share the columns `whole` are in one piece, which may then be longer, and span files;
    the first `num_apart` of these columns are the same in all of a piece.
    """
    max_rows = num_rows or ROWS_PER_SHARD
    if not whole:
        return [
            (Shard(file, start, min(max_rows, height - start)),)
            for file in tables.files(path)
            for height in [tables.height(file)]
            for start in range(0, height, max_rows)
        ]
    groups: list[list[Shard]] = []
    size = 0
    last: tuple[object, ...] = ()
    for file in tables.files(path):
        for start, length, values in _runs(file, whole):
            may_join = values[:num_apart] == last[:num_apart]
            if groups and (values == last or (may_join and size + length <= max_rows)):
                shard = groups[-1][-1]
                if shard.file == file:
                    groups[-1][-1] = shard._replace(num_rows=shard.num_rows + length)
                else:
                    groups[-1].append(Shard(file, start, length))
                size += length
            else:
                groups.append([Shard(file, start, length)])
                size = length
            last = values
    return [tuple(piece) for piece in groups]


def _runs(file: Path, whole: Sequence[str]) -> Iterator[tuple[int, int, tuple[object, ...]]]:
    """(start, length, values) of each run of rows of a file that share the columns `whole`, which are text."""
    tables.read(file, pl.Schema(dict.fromkeys(whole, pl.String())), 0, 0)  # for its errors
    runs = pl.scan_parquet(file).select(pl.struct(whole).rle().alias("run")).collect().unnest("run")
    start = 0
    for length, values in runs.iter_rows():
        yield start, length, tuple(values.values())
        start += length


def in_order(parts: Sequence[Piece], columns: Sequence[str]) -> list[tuple[tuple[str, ...], Piece]]:
    """Pieces of several tables, each sorted by these columns of text, in the order of all rows together, with these
    columns of their first rows. No two tables may have the same values there."""
    needs = pl.Schema(dict.fromkeys(columns, pl.String()))
    firsts = [tables.read(piece[0].file, needs, piece[0].start, 1).row(0) for piece in parts]
    keyed = [(tuple(value or "" for value in first), piece) for first, piece in zip(firsts, parts, strict=True)]
    return sorted(keyed, key=lambda pair: pair[0])


def mapped(
    path: tables.Table, needs: pl.Schema, work: Work, num_workers: int, pool: str, num_rows: int | None = None
) -> Iterator[pl.DataFrame]:
    """What `work` makes of each piece of a table, in order; at least one, of no rows for an empty table.

    `work` and what it makes travel between processes. `pool` is "local" or "ray".

    Raises:
        InputError: as `tables.read`.
    """
    parts = pieces(path, num_rows)
    yield from each(parts, needs, work, num_workers, pool) if parts else iter([work(tables.read(path, needs))])


def each(parts: list[Piece], needs: pl.Schema, work: Work, num_workers: int, pool: str) -> Iterator[pl.DataFrame]:
    """As `mapped`, on pieces that are given."""
    if len(parts) < 2 or (pool == "local" and num_workers == 1):
        for piece in parts:
            yield work(read(piece, needs))
    elif pool == "ray":
        yield from _on_ray(parts, needs, work)
    else:
        yield from _here(parts, needs, work, num_workers)


def read(piece: Piece, needs: pl.Schema) -> pl.DataFrame:
    """The rows of a piece."""
    return pl.concat([tables.read(shard.file, needs, shard.start, shard.num_rows) for shard in piece])


def _here(parts: list[Piece], needs: pl.Schema, work: Work, num_workers: int) -> Iterator[pl.DataFrame]:
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(num_workers, context, initializer=_start_worker, initargs=(needs, work)) as executor:
        yield from _in_order(parts, num_workers, lambda piece: executor.submit(_run_job, piece).result)


def _on_ray(parts: list[Piece], needs: pl.Schema, work: Work) -> Iterator[pl.DataFrame]:
    ray = cluster.connected()
    remote, shared, here = ray.remote(_run_in_task), ray.put(work), Path.cwd()

    def begin(piece: Piece) -> Callable[[], pl.DataFrame]:
        return partial(cluster.fetched, remote.remote(here, piece, needs, shared))

    yield from _in_order(parts, cluster.num_cpus(), begin)


def _in_order(
    parts: list[Piece], num_workers: int, begin: Callable[[Piece], Callable[[], pl.DataFrame]]
) -> Iterator[pl.DataFrame]:
    running: deque[Callable[[], pl.DataFrame]] = deque()
    for piece in parts:
        running.append(begin(piece))
        if len(running) >= SHARDS_AHEAD * num_workers:
            yield running.popleft()()
    while running:
        yield running.popleft()()


def _run(piece: Piece, needs: pl.Schema, work: Work) -> pl.DataFrame:
    """Runs in a worker."""
    return work(read(piece, needs))


def _run_in_task(project: Path, piece: Piece, needs: pl.Schema, work: Work) -> pl.DataFrame:
    """Runs in a worker of Ray."""
    cluster.enter_project(project)
    return _run(piece, needs, work)


_job: tuple[pl.Schema, Work]


def _start_worker(needs: pl.Schema, work: Work) -> None:
    global _job
    os.environ.update(cluster.SINGLE_THREADED)
    _job = needs, work


def _run_job(piece: Piece) -> pl.DataFrame:
    return _run(piece, *_job)
