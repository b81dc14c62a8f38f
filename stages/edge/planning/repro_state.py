"""Which stages `dvc repro` would run under a profile and why, asked of DVC itself; only DVC's own state is written."""

import io
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from dvc.dependency.param import ParamsDependency
from dvc.exceptions import DvcException
from dvc.fs import LocalFileSystem
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.repo.reproduce import plan_repro
from dvc.stage.cache import RunCacheNotFoundError
from dvc_data.hashfile.hash_info import HashInfo

from stages.core.planning.reasons import Reasons
from stages.edge.errors import InputError
from stages.edge.files import lockfile
from stages.edge.planning import code_changes

PROGRAM = __name__.partition(".")[0]
"""The folder of the program: a dependency in it is code."""
LOCK_PATH, LOCK_HASH = "path", "md5"
"""Keys of an out in DVC's run cache."""
NOT_IN_CACHE = "not in cache"
"""What DVC says of an out that its cache lacks, whatever lies in the workspace."""


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
    deps: tuple[Path, ...] = ()
    """Files and folders that it reads, code among them; no settings."""
    command: str = ""
    reasons: Reasons = Reasons()
    can_be_accepted: bool = False
    """Only code changed since it ran, and nothing of which it reads the outs runs for another reason: `dvc commit`
    takes its outs for those of the present code."""


class _OneFile(LocalFileSystem):
    """The disk, but for the text of one file.

    DVC reads the chosen profile from params.yaml, and only from there. Every other way to look at another one is worse:
    to write the file and put it back changes the project under those who work in it; in a temporary copy, whose paths
    are others, DVC hashes all data again, tens of gigabytes; to resolve dvc.yaml here would be a second DVC. A file
    system of the caller's is a parameter of `Repo`, by which DVC itself reads other commits.
    """

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
            return _stages(repo, folder)
    except LockError as error:
        raise InputError(f"{folder}: another dvc process is at work here; plan again when it has ended") from error
    except DvcException as error:
        raise InputError(f"{folder}: DVC cannot read the pipeline ({error}); mend dvc.yaml or params.yaml") from error


def _stages(repo: Any, folder: Path) -> dict[str, Stage]:  # noqa: ANN401
    graph = repo.index.graph
    status = repo.status()
    locked = lockfile.read(folder)
    result: dict[str, Stage] = {}
    staying = set[str]()  # stages whose outs stay as they lie here, once what can be accepted is accepted
    arriving = dict[str, HashInfo]()  # by path, outs that come from the cache in place of those that lie here
    with repo.lock:
        for stage in plan_repro(graph):
            entries = status.get(stage.addressing, [])
            before = {each.addressing for each in graph.successors(stage)}
            new = {
                dep: arriving[dep.fs_path]
                for dep in stage.deps
                if dep.fs_path in arriving and arriving[dep.fs_path] != dep.hash_info
            }
            verdict = _verdict(repo, stage, entries, {result[name].verdict for name in before}, new)
            if verdict is Verdict.RESTORED:
                arriving |= {out.fs_path: out.hash_info for out in stage.outs}
            reasons = _reasons(stage, entries, locked, folder)
            can_be_accepted = verdict is Verdict.RUNS and reasons.is_code_alone and before <= staying and not new
            follows = verdict is Verdict.FOLLOWS and not reasons.outs and before <= staying
            if can_be_accepted or follows or verdict is Verdict.CACHED:
                staying.add(stage.addressing)
            result[stage.addressing] = Stage(
                verdict,
                tuple(_changed(entries)),
                tuple(Path(out.fs_path) for out in stage.outs),
                tuple(Path(dep.fs_path) for dep in stage.deps if not isinstance(dep, ParamsDependency)),
                stage.cmd,
                reasons,
                can_be_accepted,
            )
    return result


def _verdict(
    repo: Any,  # noqa: ANN401
    stage: Any,  # noqa: ANN401
    entries: list[Any],
    before: set[Verdict],
    new: Mapping[Any, HashInfo],
) -> Verdict:
    """What happens to a stage with these entries in `dvc status`; `new` are deps that come from the cache, changed."""
    differs = (
        bool(new)
        or any(set(each) != {"changed outs"} for each in entries if isinstance(each, dict))
        or any(isinstance(each, str) for each in entries)
    )
    if before & {Verdict.RUNS, Verdict.FOLLOWS}:
        return Verdict.RUNS if differs else Verdict.FOLLOWS
    if not entries and not new:
        return Verdict.CACHED
    return Verdict.RESTORED if _is_restorable(repo, stage, differs, new) else Verdict.RUNS


def _is_restorable(repo: Any, stage: Any, differs: bool, new: Mapping[Any, HashInfo]) -> bool:  # noqa: ANN401
    """Whether DVC finds the outs in its cache: those of dvc.lock, or of a run with the same inputs and settings.

    If so, the stage's outs get the hashes of what is there.
    """
    try:
        if differs:
            # As a real run does before it looks: the run cache is asked by what the inputs are now.
            stage.save_deps()
            for dep, info in new.items():
                dep.hash_info = info
            for out in stage.outs:
                out.hash_info = HashInfo()
        repo.stage_cache.restore(stage, dry=True)
        if differs:
            hashes = {each[LOCK_PATH]: each[LOCK_HASH] for each in repo.stage_cache._load(stage)["outs"]}
            for out in stage.outs:
                out.hash_info = HashInfo(LOCK_HASH, hashes[out.def_path])
    except (RunCacheNotFoundError, DvcException):
        return False
    return True


def _reasons(stage: Any, entries: list[Any], locked: Mapping[str, lockfile.LockedStage], folder: Path) -> Reasons:  # noqa: ANN401
    if stage.addressing not in locked:
        return Reasons(is_new=True)
    recorded, makers = locked[stage.addressing], lockfile.makers(locked)
    status = {kind: things for entry in entries if isinstance(entry, dict) for kind, things in entry.items()}
    changed = status.get("changed deps", {})
    paths = [path for path, change in changed.items() if not isinstance(change, dict)]
    code = [path for path in paths if Path(path).parts[0] == PROGRAM]
    has_settings = len(paths) < len(changed)
    settings = _settings(stage, recorded) if has_settings else {}
    return Reasons(
        definition="changed command" in status or (has_settings and not settings),
        settings=settings,
        data={path: makers.get(path, ("", ""))[0] for path in paths if path not in code},
        code={path: code_changes.changed_files(folder, path, recorded.deps.get(path)) for path in code},
        outs={
            path: word
            for path, word in status.get("changed outs", {}).items()
            if not (word == NOT_IN_CACHE and _lies_there(folder / path, recorded.outs.get(path)))
        },
    )


def _lies_there(path: Path, md5: str | None) -> bool:
    """Whether an out is as dvc.lock records it: `dvc commit` puts it into the cache."""
    return path.exists() and lockfile.path_md5(path) == md5


def _settings(stage: Any, recorded: lockfile.LockedStage) -> dict[str, tuple[object, object]]:  # noqa: ANN401
    """Old and new value of each setting that changed, by dotted key within its profile."""
    old, new = dict[str, object](), dict[str, object]()
    for values in recorded.params.values():
        for key, value in values.items():
            old |= lockfile.flat(value, _in_profile(key))
    for dep in stage.deps:
        for key, value in dep.read_params().items() if isinstance(dep, ParamsDependency) else ():
            new |= lockfile.flat(value, _in_profile(key))
    keys = [key for key in [*new, *(old.keys() - new.keys())] if old.get(key) != new.get(key)]
    return {key: (old.get(key), new.get(key)) for key in keys}


def _in_profile(key: str) -> str:
    return key.split(".", 2)[2] if key.startswith("profiles.") and key.count(".") > 1 else key


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
