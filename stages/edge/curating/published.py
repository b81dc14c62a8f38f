"""An SFT set that somebody published, such as `amd/ReasonLite-Dataset`, in place of one made of traces.

It is streamed once, row by row, into buckets by problem in a scratch folder, for it may be larger than memory; then
each bucket is sorted and its tokens are counted, in several processes.
"""

import hashlib
import sys
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import polars as pl

from stages.core.curation import filtering
from stages.core.tables.sft import SFT, SFT_KEY
from stages.core.text.identity import problem_id
from stages.edge import params
from stages.edge.curating import candidates
from stages.edge.errors import InputError
from stages.edge.fetching import hub
from stages.edge.files import scratch, tables
from stages.edge.workers import shards
from stages.edge.workers.shards import Shard

ROWS_IN_MEMORY = 100_000
SECONDS_BETWEEN_LINES = 10.0
BUCKET = pl.Schema({"problem_id": pl.String(), "digest": pl.String(), "messages": SFT["messages"]})


def decide(
    settings: params.PublishedSet, rules: filtering.Rules, student: Path, runtime: params.Runtime, texts: Path
) -> Iterator[pl.DataFrame]:
    """`filtering.DECISIONS` on every row, whose texts are then in the folder `texts`, for `rows`.

    Of the rules only those on length and the random draw apply: published rows are judged already.

    Raises:
        InputError: the data set cannot be read, or holds a row that is no conversation.
    """
    buckets = _fetch(settings, texts)
    pieces = [tuple(Shard(file, 0, tables.height(file)) for file in files) for files in buckets]
    work = partial(_count, settings=settings, rules=rules, student=student, run=time.time_ns(), texts=texts)
    yield from shards.each(pieces, BUCKET, work, runtime.num_workers, runtime.pool)


def rows(texts: Path, decisions: Iterable[pl.DataFrame], wanted: pl.Expr) -> Iterator[pl.DataFrame]:
    """The wanted rows in the order of their key; `decisions` has all that `decide` made, in their order."""
    files = sorted((texts / "rows").glob("*.parquet"))
    yield pl.DataFrame(schema=SFT)
    for file, decided in zip(files, scratch.cut(decisions, map(tables.height, files)), strict=True):
        yield tables.read(file, SFT).filter(decided.select(wanted).to_series())


def _fetch(settings: params.PublishedSet, texts: Path) -> list[list[Path]]:
    """Files by bucket: all rows of a problem are in one."""
    commits = hub.Commits([settings], None)
    waiting: dict[str, list[tuple[str, str, object]]] = {}
    num_rows, num_flushed, last = 0, 0, time.monotonic()
    for place, row in hub.rows(settings, commits.of(settings), [settings.messages]):
        question, answer, messages = _conversation(row.get(settings.messages), f"{place}, column {settings.messages!r}")
        problem = problem_id(question)
        digest = hashlib.sha256(answer.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        waiting.setdefault(problem[:2], []).append((problem, digest, messages))
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


def _conversation(value: object, place: str) -> tuple[str, str, list[dict[str, str]]]:
    """(last question, its answer, all messages).

    Raises:
        InputError: it is no conversation that ends in an answer.
    """
    messages = value if isinstance(value, list) else []
    if len(messages) < 2 or not all(
        isinstance(each, dict) and isinstance(each.get("role"), str) and isinstance(each.get("content"), str)
        for each in messages
    ):
        raise InputError(f"{place}: is no list of messages with role and content; correct `messages`")
    if messages[-1]["role"] != "assistant" or messages[-2]["role"] != "user":
        raise InputError(f"{place}: does not end in a user's question and an assistant's answer")
    kept = [{"role": each["role"], "content": each["content"]} for each in messages]
    return kept[-2]["content"], kept[-1]["content"], kept


def _flush(waiting: dict[str, list[tuple[str, str, object]]], texts: Path, number: int) -> None:
    for bucket, entries in waiting.items():
        folder = texts / "buckets" / bucket
        folder.mkdir(parents=True, exist_ok=True)
        pl.DataFrame(entries, schema=BUCKET, orient="row").write_parquet(folder / f"{number:012d}.parquet")
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
    effort = settings.config or "default"
    # The samples of a problem are numbered by their text, in whatever order they came; duplicates count once.
    ordered = table.unique(["problem_id", "digest"], keep="any").sort("problem_id", "digest")
    for messages in ordered["messages"]:
        tokeniser.count(messages)
    sft = ordered.select(
        model=pl.lit(settings.dataset),
        effort=pl.lit(effort),
        problem_id="problem_id",
        sample=pl.int_range(pl.len(), dtype=pl.Int16).over("problem_id"),
        messages="messages",
    )
    sft = pl.concat([sft, tokeniser.taken()], how="horizontal").select(list(SFT))
    tables.write(sft, texts / "rows" / f"{ordered['problem_id'][0][:2]}.parquet", SFT, SFT_KEY)
    decisions = [
        (*key, filtering.length_reason(length, rules.filters), length, filtering.draw(rules.seed, key))
        for *key_list, length in sft.select(*SFT_KEY, "num_tokens").iter_rows()
        for key in [tuple(key_list)]
    ]
    return pl.DataFrame(decisions, schema=filtering.DECISIONS, orient="row")
