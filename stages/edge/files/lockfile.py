"""The reader of dvc.lock and dvc.yaml: what is recorded of each stage that ran, and whether it still holds.

DVC itself answers the same questions, but importing it takes longer than most stages.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import polars as pl

from stages.edge.errors import InputError
from stages.edge.files import tables, yaml_text

FOLDER_SUFFIX = ".dir"
"""End of the md5 that DVC gives to a folder."""
REPEATED = ("efforts", "students", "marked")
"""Keys of params.yaml that are made of `teachers`, `pools` and `sft`."""


class LockedStage(NamedTuple):
    """What dvc.lock records of a stage that ran: md5 by path, and values of its params by file and dotted key."""

    deps: dict[str, str]
    outs: dict[str, str]
    params: dict[str, dict[str, object]]


class Lock:
    """The stages that ran in a project, and their outs there."""

    def __init__(self, folder: Path) -> None:
        """Read dvc.lock in `folder`.

        Raises:
            InputError: no stage ran.
        """
        self.folder, self.stages = folder, read(folder)
        if not self.stages:
            raise InputError("dvc.lock names no stage that ran: run `dvc repro`, or `dvc pull`")

    def names(self, verb: str) -> list[str]:
        """Items of a stage that runs for several."""
        return [name.partition("@")[2] for name in self.stages if name.startswith(f"{verb}@")]

    def stage(self, name: str) -> LockedStage:
        """A stage.

        Raises:
            InputError: it did not run.
        """
        if name not in self.stages:
            raise InputError(f"{name}: dvc.lock records no such stage: run `dvc repro`")
        return self.stages[name]

    def before(self, name: str, verb: str) -> str | None:
        """The stage of a verb of which a stage reads an out.

        Raises:
            InputError: it did not run.
        """
        made_by = makers(self.stages)
        names = [made_by[path][0] for path in self.stage(name).deps if path in made_by]
        return next((each for each in names if each.partition("@")[0] == verb), None)

    def out(self, path: str, md5: str | None = None) -> Path:
        """Where an out lies.

        Raises:
            InputError: it is missing, or `md5` is given and it has another.
        """
        place = self.folder / path
        if not place.exists():
            raise InputError(f"{path}: is not there; run `dvc repro`, `dvc pull` or `dvc checkout`")
        if md5 is not None and path_md5(place) != md5:
            raise InputError(f"{path}: is not what dvc.lock records; run `dvc repro`, or `dvc checkout` it")
        return place

    def table(self, name: str, schema: pl.Schema) -> list[Path]:
        """The files of the table with this schema among the outs of a stage; none if the stage never ran.

        Raises:
            InputError: an out of the stage is not there, or none is that table.
        """
        if name not in self.stages:
            return []
        places = [self.out(path) for path in self.stages[name].outs if PurePosixPath(path).suffix in ("", ".parquet")]
        files = [file for place in places for file in tables.files(place) if pl.read_parquet_schema(file) == schema]
        if not files:
            raise InputError(f"no out of {name} is the table of this version of the program: run `dvc repro`")
        return files


def read(folder: Path) -> dict[str, LockedStage]:
    """What dvc.lock in `folder` records, by stage; nothing where there is none."""
    path = folder / "dvc.lock"
    return parse(path.read_text(encoding="utf-8")) if path.is_file() else {}


def parse(text: str) -> dict[str, LockedStage]:
    """What the text of a dvc.lock records, by stage."""
    document = yaml_text.parsed(text) or {}
    return {
        name: LockedStage(_md5s(stage.get("deps", [])), _md5s(stage.get("outs", [])), stage.get("params", {}))
        for name, stage in document.get("stages", {}).items()
    }


def declared(folder: Path) -> set[str]:
    """Names of all stages of dvc.yaml in `folder`, those of a `foreach` each by itself."""
    document, settings = _yaml(folder / "dvc.yaml"), _yaml(folder / "params.yaml")
    stages = document.get("stages", {}) if isinstance(document, dict) else {}
    names: set[str] = set()
    for name, stage in stages.items():
        each = stage.get("foreach")
        if isinstance(each, str):
            each = _at(settings, each.strip("${} "))
        names |= {name} if each is None else {f"{name}@{item}" for item in each}
    return names


def upstream(stages: Mapping[str, LockedStage], name: str, arguments: Iterable[str]) -> dict[str, str]:
    """md5 of other stages' outs that the command line of the stage `name` spells, by path.

    A stage's own entry is written only after it ends, but its inputs are its arguments, or lie in folders that are.
    """
    spelled = {PurePosixPath(argument) for argument in arguments}
    outs = {path: md5 for other, stage in stages.items() if other != name for path, md5 in stage.outs.items()}
    return {path: md5 for path, md5 in outs.items() if spelled & {PurePosixPath(path), *PurePosixPath(path).parents}}


def makers(stages: Mapping[str, LockedStage]) -> dict[str, tuple[str, str]]:
    """The stage that made each out, and the out's md5, by path."""
    return {path: (name, md5) for name, stage in stages.items() for path, md5 in stage.outs.items()}


def stale(stages: Mapping[str, LockedStage], folder: Path) -> set[str]:
    """Stages whose record no longer describes `folder`: params, an input or a stage before them changed."""
    made_by = makers(stages)
    files = {file for stage in stages.values() for file in stage.params}
    settings = {file: _yaml(folder / file) for file in files}
    changed = {name for name, stage in stages.items() if not _holds(stage, made_by, settings, folder)}
    while True:
        dependent = {name for name, s in stages.items() if {made_by[p][0] for p in s.deps if p in made_by} & changed}
        if dependent <= changed:
            return changed
        changed |= dependent


def path_md5(path: Path) -> str:
    """The md5 of a file or of a folder, as DVC writes it in dvc.lock."""
    if not path.is_dir():
        return md5(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return folder_md5({file.relative_to(path).as_posix(): md5(file) for file in files})


def md5(path: Path) -> str:
    """The md5 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def bytes_md5(content: bytes) -> str:
    """The md5 of a file with this content."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def folder_md5(files: Mapping[str, str]) -> str:
    """What DVC calls the md5 of a folder, from those of its files by path within it: that of their sorted list."""
    listed = [{"md5": md5, "relpath": path} for path, md5 in sorted(files.items())]
    return bytes_md5(json.dumps(listed, sort_keys=True).encode()) + FOLDER_SUFFIX


def settings(text: str) -> dict[str, object]:
    """The settings in the text of a params.yaml by dotted key, those of its profile alone; numbers as DVC reads them.

    The lists of names that dvc.yaml needs are left out, since they repeat what other settings say.
    """
    document = yaml_text.parsed(text) or {}
    rest = {key: value for key, value in document.items() if key not in ("profiles", *REPEATED)}
    profile = (document.get("profiles") or {}).get(document.get("profile")) or {}
    return flat({**rest, **profile})


def flat(values: object, key: str = "") -> dict[str, object]:
    """Settings by dotted key, numbers as DVC reads them; a list is one value."""
    if not isinstance(values, dict) or not values:
        return {key: _plain(values)}
    result: dict[str, object] = {}
    for name, value in values.items():
        result |= flat(value, f"{key}.{name}" if key else str(name))
    return result


def _holds(
    stage: LockedStage, outs: Mapping[str, tuple[str, str]], settings: Mapping[str, object], folder: Path
) -> bool:
    for path, recorded in stage.deps.items():
        if path in outs:
            if outs[path][1] != recorded:
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


"""Ten times as fast, where PyYAML was built with it."""


def _yaml(path: Path) -> object:
    return yaml_text.parsed(path.read_bytes()) if path.is_file() else None


def _md5s(entries: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {entry["path"]: entry["md5"] for entry in entries if "md5" in entry}
