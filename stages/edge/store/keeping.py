"""Maintenance of the answer store: its contents, checks, export as Parquet, and sealing of parts."""

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from stages.core.sampling.queries import escape_surrogates
from stages.core.tables.traces import STATUSES
from stages.edge import store
from stages.edge.cli import claims
from stages.edge.errors import InputError
from stages.edge.store.segments import KEY_BYTES, SEGMENT, File, seal, segment_name

ROWS_PER_EXPORT = 50_000
EXPORT = pl.Schema(
    {
        "model": pl.String(),
        "part": pl.String(),
        "query_key": pl.String(),
        "created": pl.Float64(),
        "status": pl.Enum(STATUSES),
        "content": pl.String(),
        "reasoning": pl.String(),
        "prompt_tokens": pl.Int32(),
        "completion_tokens": pl.Int32(),
        "seed": pl.Int64(),
        "server": pl.String(),
    }
)


class Holding(NamedTuple):
    """What the store holds of one model and part."""

    model: str
    part: str
    num_answers: int
    num_bytes: int
    num_segments: int
    servers: tuple[str, ...] = ()
    """Names and versions of what answered, sorted; several: the answers are of mixed versions."""


@contextlib.contextmanager
def reading(path: Path) -> Iterator[File]:
    """A file of the store, closed at the end of the block."""
    with contextlib.closing(store.opened_by_reader(path)) as file:
        yield file


def files(model: str | None = None) -> list[Path]:
    """Every file of answers, of one model or of all."""
    return sorted(store.root().glob(f"{model or '*'}/*.sqlite"))


@contextlib.contextmanager
def all_open(model: str | None = None) -> Iterator[list[File]]:
    """Every file of answers, of one model or of all, open together: a part that is sealed meanwhile is read once."""
    with contextlib.ExitStack() as stack:
        while True:
            names = files(model)
            with contextlib.ExitStack() as some:
                try:
                    opened = [some.enter_context(reading(path)) for path in names]
                except InputError:
                    if files(model) == names:
                        raise
                    continue  # a part was made a segment, which has another name
                if files(model) == names:
                    stack.push(some.pop_all())
                    break
        yield opened


def holdings() -> list[Holding]:
    """Answers and bytes by model and part; a segment's bytes are shared out by its rows."""
    totals: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0, 0, 0])
    servers: dict[tuple[str, str], set[str]] = defaultdict(set)
    with all_open() as opened:
        for file in opened:
            counts = file.counts()
            for part, server in file.servers():
                servers[file.path.parent.name, part].add(server)
            for part, count in counts.items():
                row = totals[file.path.parent.name, part]
                row[0] += count
                row[1] += file.num_bytes() * count / max(sum(counts.values()), 1)
                row[2] += file.path.match(SEGMENT)
    return [
        Holding(model, part, int(n), round(size), int(segments), tuple(sorted(servers[model, part])))
        for (model, part), (n, size, segments) in sorted(totals.items())
    ]


def verify() -> Iterator[tuple[Path, str | None]]:
    """Each file and its defect, or None: a segment's hash, SQLite's own check, every key and answer."""
    seen: set[Path] = set()
    while new := [path for path in files() if path not in seen]:  # a part that is sealed meanwhile comes once more
        seen.update(new)
        for path in new:
            try:
                yield path, _defect(path)
            except (InputError, FileNotFoundError) as error:
                if path.exists():
                    yield path, str(error)


def _defect(path: Path) -> str | None:
    if path.match(SEGMENT) and segment_name(path) != path.name:
        return "its content does not have the hash that its name says"
    with reading(path) as file:
        if (report := file.integrity()) != "ok":
            return report
        for key, _, _, answer in file.answers():
            if len(key) != KEY_BYTES or answer.status not in STATUSES:
                return f"the row {key.hex()} is no answer"
    return None


def export(folder: Path, model: str | None) -> int:
    """Write the answers as Parquet files of a few columns to `folder`; the number of rows.

    Raises:
        InputError: there is nothing of that model.
    """
    if model is not None and not files(model):
        raise InputError(f"the store has no model {model!r}; `python -m stages.edge.store show` lists those it has")
    total = 0
    folder.mkdir(parents=True, exist_ok=True)
    for number, rows in enumerate(_batches(model)):
        frame = pl.DataFrame(rows, schema=EXPORT, orient="row")
        frame.write_parquet(folder / f"answers-{number:04d}.parquet", compression="zstd")
        total += frame.height
    return total


def _batches(model: str | None) -> Iterator[list[tuple[Any, ...]]]:
    rows: list[tuple[Any, ...]] = []
    with all_open(model) as opened:
        for file in opened:
            for key, part, created, answer in file.answers():
                texts = [text and escape_surrogates(text) for text in (answer.content, answer.reasoning)]
                tokens = (answer.prompt_tokens, answer.completion_tokens, answer.seed, answer.server)
                rows.append((file.path.parent.name, part, key.hex(), created, answer.status, *texts, *tokens))
                if len(rows) == ROWS_PER_EXPORT:
                    yield rows
                    rows = []
    if rows:
        yield rows


def seal_parts() -> list[Path]:
    """Seal every part that nobody is writing; return those that are being written, which are left alone."""
    busy = []
    for path in files():
        part = store.part_of(path)
        if part is None:
            continue
        with claims.held_if_free(store.claim_of(path.parent, part)) as ours:
            if not ours:
                busy.append(path)
                continue
            if not path.exists():
                continue  # its writer has just made it a segment
            # Opening also rolls back what a kill cut short.
            with contextlib.closing(File(path, write=True, create=False)) as file:
                is_empty = file.num_rows() == 0
            if is_empty:
                path.unlink()
            else:
                seal(path)
    return busy
