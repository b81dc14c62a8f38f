"""A large table worked on piece by piece in several processes, on this machine or on a Ray cluster, in its order.

Each worker reads its own piece, so that no process ever holds more than a few, and what comes back is the same however
many workers there are and wherever they run.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from stages.edge import tables
from stages.edge.paths import project_root

ROWS_PER_SHARD = 20_000
SHARDS_AHEAD = 2
"""Pieces that each worker may be ahead of what was taken."""

Work = Callable[[pl.DataFrame], pl.DataFrame]


class Shard(NamedTuple):
    """A piece of a table: rows of one file."""

    file: Path
    start: int
    num_rows: int


def shards(path: Path, num_rows: int | None = None) -> list[Shard]:
    """The pieces of a Parquet file, or of a directory of parts, of `num_rows` (or `ROWS_PER_SHARD`) each."""
    most = num_rows or ROWS_PER_SHARD
    found = []
    for file in tables.files(path):
        height = tables.height(file)
        found += [Shard(file, start, min(most, height - start)) for start in range(0, height, most)]
    return found


def mapped(
    path: Path, needs: pl.Schema, work: Work, num_workers: int, pool: str, num_rows: int | None = None
) -> Iterator[pl.DataFrame]:
    """What `work` makes of each piece of the table at `path`, in order; at least one, of no rows for an empty table.

    `work` and what it makes travel between processes. `pool` is "local" or "ray".

    Raises:
        InputError: as `tables.read`.
    """
    pieces = shards(path, num_rows)
    if len(pieces) < 2:
        yield work(tables.read(path, needs))
    elif pool == "ray":
        yield from _on_ray(pieces, needs, work)
    elif num_workers == 1:
        for piece in pieces:
            yield _run(piece, needs, work)
    else:
        yield from _here(pieces, needs, work, num_workers)


def _here(pieces: list[Shard], needs: pl.Schema, work: Work, num_workers: int) -> Iterator[pl.DataFrame]:
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(num_workers, context, initializer=_receive, initargs=(needs, work)) as executor:
        yield from _in_order(pieces, num_workers, lambda piece: executor.submit(_run_received, piece).result)


def _on_ray(pieces: list[Shard], needs: pl.Schema, work: Work) -> Iterator[pl.DataFrame]:
    ray = started_ray()
    remote, shared = ray.remote(_run), ray.put(work)

    def begin(piece: Shard) -> Callable[[], pl.DataFrame]:
        return partial(ray.get, remote.remote(piece._replace(file=piece.file.resolve()), needs, shared))

    yield from _in_order(pieces, int(ray.cluster_resources().get("CPU", 1)), begin)


def _in_order(
    pieces: list[Shard], num_workers: int, begin: Callable[[Shard], Callable[[], pl.DataFrame]]
) -> Iterator[pl.DataFrame]:
    running: deque[Callable[[], pl.DataFrame]] = deque()
    for piece in pieces:
        running.append(begin(piece))
        if len(running) >= SHARDS_AHEAD * num_workers:
            yield running.popleft()()
    while running:
        yield running.popleft()()


def started_ray() -> Any:  # noqa: ANN401
    """Ray, connected to the cluster at `RAY_ADDRESS`, or to one on this machine. Its tasks find our own modules."""
    import ray

    if not ray.is_initialized():
        here = {"env_vars": {"PYTHONPATH": str(project_root(Path.cwd()))}}
        ray.init(address=os.environ.get("RAY_ADDRESS"), runtime_env=here, log_to_driver=False, include_dashboard=False)
    return ray


def _run(piece: Shard, needs: pl.Schema, work: Work) -> pl.DataFrame:
    """Runs in a worker."""
    return work(tables.read(piece.file, needs, piece.start, piece.num_rows))


_received: tuple[pl.Schema, Work]


def _receive(needs: pl.Schema, work: Work) -> None:
    global _received
    _received = needs, work


def _run_received(piece: Shard) -> pl.DataFrame:
    return _run(piece, *_received)
