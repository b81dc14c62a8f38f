"""What dvc.lock records of a finished run: settings, small results and models by stage, checked to belong together.

A stage's outs are found by their kind (a folder, JSON that holds a key), so that nothing here knows a path.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stages.edge.cli import running
from stages.edge.errors import InputError
from stages.edge.files import state

FOLDER = ".dir"
"""End of the md5 that DVC gives to a folder."""


class Record:
    """The stages that ran in a project."""

    def __init__(self, folder: Path) -> None:
        """Read dvc.lock.

        Raises:
            InputError: no stage ran.
        """
        self._folder, self._stages = folder, state.locked(folder)
        self._made = {path: (name, md5) for name, stage in self._stages.items() for path, md5 in stage.outs.items()}
        if not self._stages:
            raise InputError("dvc.lock names no stage that ran: run `dvc repro`, or `dvc pull`")

    def names(self, verb: str) -> list[str]:
        """Items of a stage that runs for several."""
        return [name.partition("@")[2] for name in self._stages if name.startswith(f"{verb}@")]

    def settings(self, stage: str) -> dict[str, Any]:
        """The settings that a stage ran with, by section of its profile.

        Raises:
            InputError: it did not run.
        """
        found: dict[str, Any] = {}
        for values in self._stage(stage).params.values():
            for key, value in values.items():
                found["".join(key.split(".", 2)[2:]) if key.startswith("profiles.") else key] = value
        return found

    def document(self, stage: str, key: str) -> dict[str, Any]:
        """The JSON among a stage's outs that has `key`.

        Raises:
            InputError: none has, or one is missing or is not what the stage wrote.
        """
        for path, md5 in self._stage(stage).outs.items():
            if not path.endswith(".json"):
                continue
            self._checked(path, md5)
            found = running.read_metrics(self._folder / path)
            if key in found:
                return found
        raise InputError(f"no result of {stage} has {key!r}: run `dvc repro`")

    def model(self, stage: str) -> Path:
        """The folder of a stage's weights.

        Raises:
            InputError: it is missing, or is not what the stage wrote.
        """
        for path, md5 in self._stage(stage).outs.items():
            if md5.endswith(FOLDER):
                self._checked(path, md5)
                return self._folder / path
        raise InputError(f"{stage} made no folder: run `dvc repro`")

    def before(self, stage: str, verb: str) -> str | None:
        """The stage of a verb whose out this one starts from."""
        makers = [self._made[path][0] for path in self._stage(stage).deps if path in self._made]
        return next((name for name in makers if name.partition("@")[0] == verb), None)

    def hashes(self, stages: Iterable[str]) -> dict[str, str]:
        """md5 of the outs of stages, by path."""
        return {path: md5 for stage in stages for path, md5 in self._stage(stage).outs.items()}

    def check(self, stages: Iterable[str]) -> None:
        """See that each of the stages, and each that these rest on, had what the others before it wrote.

        Code and settings may have changed since: what the stages ran with is recorded.

        Raises:
            InputError: one ran on what another has made anew since.
        """
        waiting, seen = list(stages), set()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            for path, md5 in self._stage(name).deps.items():
                below = {out: self._made[out] for out in self._made if out == path or out.startswith(f"{path}/")}
                waiting += [maker for maker, _ in below.values()]
                wanted = _md5(path, {out: each for out, (_, each) in below.items()})
                if wanted not in (None, md5):
                    raise InputError(f"{name} ran before {path} was made anew: run `dvc repro`")

    def _stage(self, name: str) -> state.Stage:
        if name not in self._stages:
            raise InputError(f"{name}: dvc.lock records no such stage: run `dvc repro`")
        return self._stages[name]

    def _checked(self, path: str, md5: str) -> None:
        place = self._folder / path
        if not place.exists():
            raise InputError(f"{path}: is not there; run `dvc repro`, `dvc pull` or `dvc checkout`")
        if place.is_dir():
            files = sorted(file for file in place.rglob("*") if file.is_file())
            found = folder_md5({file.relative_to(place).as_posix(): state.md5(file) for file in files})
        else:
            found = state.md5(place)
        if found != md5:
            raise InputError(f"{path}: is not what dvc.lock records; run `dvc repro`, or `dvc checkout` it")


def folder_md5(files: Mapping[str, str]) -> str:
    """What DVC calls the md5 of a folder, from those of its files by path within it: that of their sorted list."""
    listed = [{"md5": md5, "relpath": path} for path, md5 in sorted(files.items())]
    return hashlib.md5(json.dumps(listed, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + FOLDER


def _md5(path: str, outs: Mapping[str, str]) -> str | None:
    """The md5 of a dependency as its makers' outs have it: one of them, or a folder of files; None for what is none."""
    if path in outs:
        return outs[path]
    if not outs or any(md5.endswith(FOLDER) for md5 in outs.values()):
        return None
    return folder_md5({out.removeprefix(f"{path}/"): md5 for out, md5 in outs.items()})
