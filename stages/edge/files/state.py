"""What the pipeline's own files say of its state: which version of it this is, and what dvc.lock records of each stage.

DVC itself answers the same questions, but importing it takes longer than most stages.
"""

import hashlib
import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import yaml

WORKSPACE = "workspace"


class State(NamedTuple):
    """One state of the pipeline: what its parent run in MLflow stands for."""

    commit: str
    """HEAD, or "none" outside git or before the first commit."""
    dirty: bool
    """Whether files differ from `commit`, apart from those that the pipeline writes."""
    experiment: str
    """DVC's name of the experiment that runs, else `WORKSPACE`."""
    baseline: str
    """The commit that the experiment started from; empty without one."""
    digest: str
    """sha256 of dvc.yaml and params.yaml."""
    profile: str
    """The profile in force; empty if params.yaml names none."""

    @property
    def key(self) -> str:
        """Tells this state from all others. Hashed: an experiment's name may hold characters that a search refuses."""
        return hashlib.sha256("\0".join((self.commit, self.experiment, self.digest)).encode()).hexdigest()


class Stage(NamedTuple):
    """What dvc.lock records of a stage that ran: md5 by path, and values of its params by file and dotted key."""

    deps: dict[str, str]
    outs: dict[str, str]
    params: dict[str, dict[str, object]]


def current(folder: Path) -> State:
    """The state of the pipeline in `folder`."""
    texts = [path.read_bytes() if path.is_file() else b"" for path in (folder / "dvc.yaml", folder / "params.yaml")]
    settings = yaml.safe_load(texts[1])
    written = [
        f":(exclude){path}" for path in ("dvc.lock", *(path for s in locked(folder).values() for path in s.outs))
    ]
    return State(
        commit=_git(folder, "rev-parse", "--verify", "--quiet", "HEAD") or "none",
        dirty=bool(_git(folder, "status", "--porcelain", "--", ".", *written)),
        experiment=os.environ.get("DVC_EXP_NAME") or WORKSPACE,
        baseline=os.environ.get("DVC_EXP_BASELINE_REV", ""),
        digest=hashlib.sha256(b"\0".join(texts)).hexdigest(),
        profile=str(settings.get("profile", "")) if isinstance(settings, dict) else "",
    )


def locked(folder: Path) -> dict[str, Stage]:
    """What dvc.lock in `folder` records, by stage; nothing where there is none."""
    path = folder / "dvc.lock"
    return recorded(path.read_text(encoding="utf-8")) if path.is_file() else {}


def recorded(text: str) -> dict[str, Stage]:
    """What the text of a dvc.lock records, by stage."""
    document = yaml.safe_load(text) or {}
    return {
        name: Stage(_md5s(stage.get("deps", [])), _md5s(stage.get("outs", [])), stage.get("params", {}))
        for name, stage in document.get("stages", {}).items()
    }


def declared(folder: Path) -> set[str]:
    """Names of all stages of dvc.yaml in `folder`, those of a `foreach` each by itself."""
    document, settings = _yaml(folder / "dvc.yaml"), _yaml(folder / "params.yaml")
    stages = document.get("stages", {}) if isinstance(document, dict) else {}
    found: set[str] = set()
    for name, stage in stages.items():
        each = stage.get("foreach")
        if isinstance(each, str):
            each = _at(settings, each.strip("${} "))
        found |= {name} if each is None else {f"{name}@{item}" for item in each}
    return found


def upstream(stages: Mapping[str, Stage], name: str, arguments: Iterable[str]) -> dict[str, str]:
    """md5 of other stages' outs that the command line of the stage `name` spells, by path.

    A stage's own entry is written only after it ends, but its inputs are its arguments, or lie in folders that are.
    """
    spelled = {PurePosixPath(argument) for argument in arguments}
    outs = {path: md5 for other, stage in stages.items() if other != name for path, md5 in stage.outs.items()}
    return {path: md5 for path, md5 in outs.items() if spelled & {PurePosixPath(path), *PurePosixPath(path).parents}}


def stale(stages: Mapping[str, Stage], folder: Path) -> set[str]:
    """Stages whose record no longer describes `folder`: params, an input or a stage before them changed."""
    made = {path: (name, md5) for name, stage in stages.items() for path, md5 in stage.outs.items()}
    files = {file for stage in stages.values() for file in stage.params}
    settings = {file: _yaml(folder / file) for file in files}
    found = {name for name, stage in stages.items() if not _holds(stage, made, settings, folder)}
    while True:
        after = {name for name, s in stages.items() if any(path in made and made[path][0] in found for path in s.deps)}
        if after <= found:
            return found
        found |= after


def md5(path: Path) -> str:
    """A file's md5, as DVC writes it in dvc.lock."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _holds(stage: Stage, made: Mapping[str, tuple[str, str]], settings: Mapping[str, object], folder: Path) -> bool:
    for path, recorded in stage.deps.items():
        if path in made:
            if made[path][1] != recorded:
                return False
        elif (folder / path).is_file() and md5(folder / path) != recorded:
            return False
    values = ((_at(settings[file], key), value) for file, known in stage.params.items() for key, value in known.items())
    return all(_plain(now) == _plain(value) for now, value in values)


def _at(settings: object, key: str) -> object:
    for part in key.split("."):
        settings = settings.get(part) if isinstance(settings, dict) else None
    return settings


def _plain(value: object) -> object:
    """`value` with numbers as DVC reads them: `1e-04` is text to PyYAML."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _yaml(path: Path) -> object:
    return yaml.safe_load(path.read_bytes()) if path.is_file() else None


def _md5s(entries: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {entry["path"]: entry["md5"] for entry in entries if "md5" in entry}


def _git(folder: Path, *arguments: str) -> str:
    """What git prints; empty when it fails or is not there."""
    try:
        return subprocess.run(
            ["git", "--no-optional-locks", *arguments], cwd=folder, capture_output=True, text=True
        ).stdout.strip()
    except OSError:
        return ""
