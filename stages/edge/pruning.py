"""Dropping stored answers that nothing uses any more: no dvc.lock of any branch, tag or experiment."""

import contextlib
import time
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from stages.edge import claims, store, storekeeping
from stages.edge.errors import InputError
from stages.edge.segments import SEGMENT, File, seal

SECONDS_PER_DAY = 86_400


class Pruned(NamedTuple):
    """Answers that a prune kept and dropped, the bytes that it freed, and the models that it left alone."""

    num_kept: int
    num_dropped: int
    num_bytes: int
    busy: list[str]


def prune(used: set[bytes], keep_days: float) -> Pruned:
    """Drop every answer that is older than `keep_days` and whose key is not in `used`.

    A model of which any part is being written is left alone: its run has no dvc.lock yet to tell what it uses. Those of
    a run that was cut short are spared by their age.
    """
    storekeeping.seal_parts()
    found = Pruned(0, 0, 0, [])
    for folder in sorted({path.parent for path in storekeeping.files()}):
        with contextlib.ExitStack() as stack:
            locks = {path.stem for pattern in ("*.lock", "*.lease") for path in folder.glob(pattern)}
            if all(stack.enter_context(claims.held_if_free(store.claim_of(folder, part))) for part in sorted(locks)):
                kept, dropped, freed = _prune(folder, used, time.time() - keep_days * SECONDS_PER_DAY)
                found = Pruned(found.num_kept + kept, found.num_dropped + dropped, found.num_bytes + freed, found.busy)
            else:
                found.busy.append(folder.name)
    return found


def _prune(folder: Path, used: set[bytes], since: float) -> tuple[int, int, int]:
    kept = dropped = freed = 0
    for path in sorted(folder.glob(SEGMENT)):
        with storekeeping.reading(path) as file:
            rows = [row for row in file.rows() if row[0] in used or row[2] >= since]
            num_rows = file.num_rows()
        kept, dropped = kept + len(rows), dropped + num_rows - len(rows)
        if len(rows) == num_rows:
            continue
        freed += path.stat().st_size
        if rows:
            smaller = path.with_name(f"pruned-{uuid.uuid4().hex[:8]}.sqlite")
            with contextlib.closing(File(smaller, write=True)) as file:
                file.put_rows(rows)
            freed -= seal(smaller).stat().st_size
        path.unlink()
    return kept, dropped, freed


def used_keys(project: Path, ignore_missing: bool) -> set[bytes]:
    """Keys in the traces that the dvc.lock of the working tree, or of any branch, tag or experiment, names.

    Raises:
        InputError: a table of traces is neither in DVC's cache nor in its remote, so what it uses cannot be told.
    """
    from dvc.api import DVCFileSystem
    from git import Repo

    revisions = [None, *(reference.commit.hexsha for reference in Repo(project).references), *_experiments(project)]
    seen: set[str] = set()
    keys: set[bytes] = set()
    for revision in dict.fromkeys(revisions):
        disk = DVCFileSystem(url=str(project), rev=revision)
        for path, info in disk.find("/", detail=True, dvc_only=True).items():
            digest = (info.get("dvc_info") or {}).get("md5")
            if not path.endswith(".parquet") or digest is None or digest in seen:
                continue
            seen.add(digest)
            try:
                with disk.open(path, "rb") as stream:
                    keys |= _keys_in(stream)
            except (OSError, pl.exceptions.PolarsError) as error:
                if not ignore_missing:
                    raise InputError(
                        f"{path} of {revision or 'the working tree'} cannot be read ({error}), so what it uses cannot "
                        "be told: `dvc fetch --all-branches --all-tags`, or drop what only such tables use with "
                        "--ignore-missing"
                    ) from error
    return keys


def _keys_in(stream: Any) -> set[bytes]:  # noqa: ANN401
    table = stream.read()
    if "query_key" not in pl.read_parquet_schema(table):
        return set()
    return {bytes.fromhex(key) for key in pl.read_parquet(table, columns=["query_key"])["query_key"]}


def _experiments(project: Path) -> list[str]:
    """Commits of DVC's experiments, which stand below refs/exps and are no branches."""
    from git import Repo

    said = Repo(project).git.for_each_ref("refs/exps", format="%(objectname)")
    return str(said).split()
