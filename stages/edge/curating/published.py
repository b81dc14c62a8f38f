"""An SFT set that somebody published, such as `amd/ReasonLite-Dataset`, in place of one made of traces.

It is streamed once, row by row, into buckets by problem in a scratch folder, for it may be larger than memory; then
each bucket is sorted and its tokens are counted, in several processes.
"""

import sys
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import polars as pl

from stages.core.curation import filtering, published
from stages.core.curation.published import ROWS, Conversation
from stages.core.tables.sft import SFT, SFT_KEY
from stages.edge import params
from stages.edge.curating import candidates
from stages.edge.errors import InputError
from stages.edge.fetching import hub
from stages.edge.files import scratch, tables
from stages.edge.workers import shards
from stages.edge.workers.shards import Shard

ROWS_IN_MEMORY = 100_000
SECONDS_BETWEEN_LINES = 10.0


def decide(
    settings: params.PublishedSet, rules: filtering.Rules, student: Path, runtime: params.Runtime, texts: Path
) -> Iterator[pl.DataFrame]:
    """`filtering.DECISIONS` on every row, whose texts are then in the folder `texts`, for `rows`.

    Raises:
        InputError: the data set cannot be read, or holds a row that is no conversation.
    """
    buckets = _fetch(settings, texts)
    pieces = [tuple(Shard(file, 0, tables.height(file)) for file in files) for files in buckets]
    work = partial(_count, settings=settings, rules=rules, student=student, run=time.time_ns(), texts=texts)
    yield from shards.each(pieces, ROWS, work, runtime.num_workers, runtime.pool)


def rows(texts: Path, decisions: Iterable[pl.DataFrame], wanted: pl.Expr) -> Iterator[pl.DataFrame]:
    """The wanted rows in the order of their key; `decisions` has all that `decide` made, in their order."""
    files = sorted((texts / "rows").glob("*.parquet"))
    yield pl.DataFrame(schema=SFT)
    for file, decided in zip(files, scratch.cut(decisions, map(tables.height, files)), strict=True):
        yield tables.read(file, SFT).filter(decided.select(wanted).to_series())


def _fetch(settings: params.PublishedSet, texts: Path) -> list[list[Path]]:
    """Files by bucket: all rows of a problem are in one."""
    commits = hub.Commits([settings], None)
    waiting: dict[str, list[Conversation]] = {}
    num_rows, num_flushed, last = 0, 0, time.monotonic()
    for place, row in hub.rows(settings, commits.of(settings), [settings.messages]):
        try:
            found = published.conversation(row.get(settings.messages))
        except ValueError as error:
            raise InputError(f"{place}, column {settings.messages!r}: {error}; correct `messages`") from error
        waiting.setdefault(found.problem_id[:2], []).append(found)
        num_rows += 1
        if num_rows - num_flushed >= ROWS_IN_MEMORY:
            _flush(waiting, texts, num_rows)
            num_flushed = num_rows
        if time.monotonic() - last > SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"{settings.dataset}: {num_rows:,} rows read", file=sys.stderr, flush=True)
    _flush(waiting, texts, num_rows)
    commits.remember()
    if not num_rows:
        raise InputError(f"{settings.dataset}: holds no row; check config and split")
    return [sorted(folder.glob("*.parquet")) for folder in sorted((texts / "buckets").iterdir())]


def _flush(waiting: dict[str, list[Conversation]], texts: Path, number: int) -> None:
    for bucket, entries in waiting.items():
        folder = texts / "buckets" / bucket
        folder.mkdir(parents=True, exist_ok=True)
        pl.DataFrame(entries, schema=ROWS, orient="row").write_parquet(folder / f"{number:012d}.parquet")
    waiting.clear()


def _count(
    table: pl.DataFrame,
    settings: params.PublishedSet,
    rules: filtering.Rules,
    student: Path,
    run: int,
    texts: Path,
) -> pl.DataFrame:
    """Write a bucket's SFT rows and decide on them. Runs in a worker."""
    tokeniser = candidates.tokeniser(student, run)
    sft = published.numbered(table, settings.dataset, settings.config)
    for messages in sft["messages"]:
        tokeniser.count(messages)
    sft = pl.concat([sft, tokeniser.taken()], how="horizontal").select(list(SFT))
    tables.write(sft, texts / "rows" / f"{sft['problem_id'][0][:2]}.parquet", SFT, SFT_KEY)
    return published.decisions(sft, rules)
