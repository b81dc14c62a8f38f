"""Dropping stored answers that nothing uses any more: no dvc.lock of any branch, tag or experiment."""

import contextlib
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from stages.edge import store
from stages.edge.asking import llm_judge
from stages.edge.cli import claims
from stages.edge.errors import InputError
from stages.edge.store import keeping
from stages.edge.store.segments import SEGMENT, File, seal, unpack
from stages.edge.training import checkpoint_exam

SECONDS_PER_DAY = 86_400
UNRECORDED_PARTS = (llm_judge.LABEL, checkpoint_exam.PART)
"""Parts whose answers are in no table of traces: which of them are used is recorded nowhere. They are few."""


class Pruned(NamedTuple):
    """Answers that a prune kept and dropped, the bytes that it freed, and the models that it left alone."""

    num_kept: int
    num_dropped: int
    num_bytes: int
    busy: list[str]


def prune(used: set[bytes], keep_days: float) -> Pruned:
    """Drop every answer that is older than `keep_days` and whose key is not in `used`.

    Two kinds are spared, as no table names them although a run looks them up: those of `UNRECORDED_PARTS`, and answers
    that were cut off, of a model that is used: a trace with a longer one in its place names the longer one alone.

    A model of which any part is being written is left alone: its run has no dvc.lock yet that names them. Those of
    a run that was cut short are spared by their age.
    """
    keeping.seal_parts()
    total = Pruned(0, 0, 0, [])
    for folder in sorted({path.parent for path in keeping.files()}):
        with contextlib.ExitStack() as stack:
            locks = {path.stem for pattern in ("*.lock", "*.lease") for path in folder.glob(pattern)}
            if all(stack.enter_context(claims.held_if_free(store.claim_of(folder, part))) for part in sorted(locks)):
                kept, dropped, freed = _prune(folder, used, time.time() - keep_days * SECONDS_PER_DAY)
                total = Pruned(total.num_kept + kept, total.num_dropped + dropped, total.num_bytes + freed, total.busy)
            else:
                total.busy.append(folder.name)
    return total


def _prune(folder: Path, used: set[bytes], since: float) -> tuple[int, int, int]:
    kept = dropped = freed = 0
    segments = sorted(folder.glob(SEGMENT))
    is_used = any(_uses(path, used) for path in segments)
    for path in segments:
        with keeping.reading(path) as file:
            rows = [row for row in file.rows() if row[0] in used or row[2] >= since or _is_spared(row, is_used)]
            num_rows, servers = file.num_rows(), file.servers()
        kept, dropped = kept + len(rows), dropped + num_rows - len(rows)
        if len(rows) == num_rows:
            continue
        freed += path.stat().st_size
        if rows:
            smaller = path.with_name(f"pruned-{uuid.uuid4().hex[:8]}.sqlite")
            with contextlib.closing(File(smaller, write=True)) as file:
                file.put_rows(rows, servers)
            freed -= seal(smaller).stat().st_size
        path.unlink()
    return kept, dropped, freed


def _uses(path: Path, used: set[bytes]) -> bool:
    with keeping.reading(path) as file:
        return any(row[0] in used for row in file.rows())


def _is_spared(row: tuple[bytes, str, float, bytes], is_used: bool) -> bool:
    _, part, _, packed = row
    return part in UNRECORDED_PARTS or (is_used and unpack(packed).status == "length")


def used_keys(project: Path, ignore_missing: bool) -> set[bytes]:
    """Keys in the traces that the dvc.lock of the working tree, or of any branch, tag or experiment, names.

    Raises:
        InputError: a table of traces is neither in DVC's cache nor in its remote, so its answers are unknown.
    """
    from dvc.api import DVCFileSystem

    revisions = [None, *_commits(project)]
    seen: set[str] = set()
    keys: set[bytes] = set()
    for revision in dict.fromkeys(revisions):
        disk = DVCFileSystem(url=str(project), rev=revision)
        for path, digest in _tables(disk, revision, ignore_missing):
            if digest in seen:
                continue
            seen.add(digest)
            with _read_errors(path, revision, ignore_missing), disk.open(path, "rb") as stream:
                keys |= _keys_in(stream)
    return keys


def _commits(project: Path) -> list[str]:
    """The commits of all branches, tags and experiments of DVC.

    A tag may point to something else than a commit, and the name of a remote's main branch to one that is gone.
    """
    columns = "%(objecttype) %(objectname) %(*objecttype) %(*objectname)"
    listing = subprocess.run(
        ["git", "for-each-ref", f"--format={columns}", "refs/heads", "refs/remotes", "refs/tags", "refs/exps"],
        cwd=project, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    words = [line.split() for line in listing.splitlines()]
    return [name for line in words for kind, name in zip(line[::2], line[1::2], strict=True) if kind == "commit"]


def _tables(disk: Any, revision: str | None, ignore_missing: bool) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    """Path and hash of each Parquet file that DVC tracks. For a missing folder DVC does not even have the names."""
    waiting = ["/"]
    while waiting:
        folder, entries = waiting.pop(), list[dict[str, Any]]()
        with _read_errors(folder, revision, ignore_missing):
            entries = disk.ls(folder, detail=True, dvc_only=True)
        for entry in entries:
            digest = (entry.get("dvc_info") or {}).get("md5")
            if entry["type"] == "directory":
                waiting.append(entry["name"])
            elif entry["name"].endswith(".parquet") and digest is not None:
                yield entry["name"], digest


@contextlib.contextmanager
def _read_errors(path: str, revision: str | None, ignore_missing: bool) -> Iterator[None]:
    """Errors of reading an out, as one sentence; skipped with `ignore_missing`."""
    from dvc_data.index import DataIndexDirError

    try:
        yield
    except (OSError, pl.exceptions.PolarsError, DataIndexDirError) as error:
        if not ignore_missing:
            raise InputError(
                f"{path} of {revision or 'the working tree'} cannot be read ({error}), so the answers that "
                "it uses are unknown: `dvc fetch --all-branches --all-tags`, or drop what only such tables use with "
                "--ignore-missing"
            ) from error


def _keys_in(stream: Any) -> set[bytes]:  # noqa: ANN401
    table = stream.read()
    if "query_key" not in pl.read_parquet_schema(table):
        return set()
    return {bytes.fromhex(key) for key in pl.read_parquet(table, columns=["query_key"])["query_key"]}
