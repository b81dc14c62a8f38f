"""Which stages `dvc repro` would run under a profile, asked of DVC itself; nothing is written but DVC's own state."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from dvc.exceptions import DvcException
from dvc.fs import LocalFileSystem
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.repo.reproduce import plan_repro
from dvc.stage.cache import RunCacheNotFoundError
from dvc_data.hashfile.hash_info import HashInfo

from stages.edge.errors import InputError


class Verdict(StrEnum):
    """What `dvc repro` does with a stage."""

    CACHED = "cached"
    """Nothing: its outs are there."""
    RESTORED = "restored"
    """It ran so before, and its outs come from DVC's cache."""
    RUNS = "runs"
    FOLLOWS = "follows"
    """A stage before it runs; it does too, unless what it reads comes out the same."""


class Stage(NamedTuple):
    """A stage of dvc.yaml."""

    verdict: Verdict
    changed: tuple[str, ...]
    """What DVC says is new or changed: settings by dotted key, files, the command."""
    outs: tuple[Path, ...]


class _OneFile(LocalFileSystem):
    """The disk, but for the text of one file."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__()
        self._path, self._text = path.resolve(), text

    def open(self, path: str, mode: str = "r", **how: Any) -> Any:  # noqa: ANN401
        if "r" in mode and Path(path).resolve() == self._path:
            return io.BytesIO(self._text.encode()) if "b" in mode else io.StringIO(self._text)
        return super().open(path, mode=mode, **how)


def stages(folder: Path, params: str) -> dict[str, Stage]:
    """Every stage in the order in which it would run, if params.yaml in `folder` had the text `params`.

    DVC reads that text in place of the file, so a profile can be looked at that is not the chosen one.

    Raises:
        InputError: `folder` is no DVC project, dvc.yaml does not resolve, or another process holds DVC's lock.
    """
    try:
        with _quiet(), Repo(str(folder), fs=_OneFile(folder / "params.yaml", params)) as repo:
            return _stages(repo)
    except LockError as error:
        raise InputError(f"{folder}: another dvc process is at work here; plan again when it has ended") from error
    except DvcException as error:
        raise InputError(f"{folder}: DVC cannot read the pipeline ({error}); mend dvc.yaml or params.yaml") from error


def _stages(repo: Any) -> dict[str, Stage]:  # noqa: ANN401
    graph = repo.index.graph
    status = repo.status()
    found: dict[str, Stage] = {}
    with repo.lock:
        for stage in plan_repro(graph):
            entries = status.get(stage.addressing, [])
            before = [found[each.addressing].verdict for each in graph.successors(stage)]
            outs = tuple(Path(out.fs_path) for out in stage.outs)
            found[stage.addressing] = Stage(_verdict(repo, stage, entries, before), tuple(_changed(entries)), outs)
    return found


def _verdict(repo: Any, stage: Any, entries: list[Any], before: list[Verdict]) -> Verdict:  # noqa: ANN401
    differs = any(set(each) != {"changed outs"} for each in entries if isinstance(each, dict)) or any(
        isinstance(each, str) for each in entries
    )
    if Verdict.RUNS in before or Verdict.FOLLOWS in before:
        return Verdict.RUNS if differs else Verdict.FOLLOWS
    if not entries:
        return Verdict.CACHED
    return Verdict.RESTORED if _is_restorable(repo, stage, differs) else Verdict.RUNS


def _is_restorable(repo: Any, stage: Any, differs: bool) -> bool:  # noqa: ANN401
    """Whether DVC finds the outs in its cache: those of dvc.lock, or of a run with the same inputs and settings."""
    try:
        if differs:
            # As a real run does before it looks: the run cache is asked by what the inputs are now.
            stage.save_deps()
            for out in stage.outs:
                out.hash_info = HashInfo()
        repo.stage_cache.restore(stage, dry=True)
    except (RunCacheNotFoundError, DvcException):
        return False
    return True


def _changed(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry, str):
            yield entry
            continue
        for kind, things in entry.items():
            if kind == "changed command":
                yield "command"
                continue
            for name, change in things.items():
                yield from change if isinstance(change, dict) else [f"{name} {change}"]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without DVC's own lines, such as that it would take outs from its cache."""
    logger = logging.getLogger("dvc")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
