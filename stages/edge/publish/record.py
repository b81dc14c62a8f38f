"""The record of a finished run in dvc.lock: settings, small results and models by stage, checked for consistency.

A stage's outs are found by their kind (a folder, JSON that holds a key), so no path is written here.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stages.edge.errors import InputError
from stages.edge.files import lockfile
from stages.edge.files.lockfile import FOLDER_SUFFIX, folder_md5
from stages.edge.files.metrics import read_metrics


class RunRecord:
    """The stages that ran in a project."""

    def __init__(self, folder: Path) -> None:
        """Read dvc.lock.

        Raises:
            InputError: no stage ran.
        """
        self._lock = lockfile.Lock(folder)
        self._makers = lockfile.makers(self._lock.stages)

    def names(self, verb: str) -> list[str]:
        """Items of a stage that runs for several."""
        return self._lock.names(verb)

    def settings(self, stage: str) -> dict[str, Any]:
        """The settings that a stage ran with, by section of its profile.

        Raises:
            InputError: it did not run.
        """
        settings: dict[str, Any] = {}
        for values in self._lock.stage(stage).params.values():
            for key, value in values.items():
                settings["".join(key.split(".", 2)[2:]) if key.startswith("profiles.") else key] = value
        return settings

    def document(self, stage: str, key: str) -> dict[str, Any]:
        """The JSON among a stage's outs that has `key`.

        Raises:
            InputError: none has, or one is missing or is not what the stage wrote.
        """
        for path, md5 in self._lock.stage(stage).outs.items():
            if not path.endswith(".json"):
                continue
            document = read_metrics(self._lock.out(path, md5))
            if key in document:
                return document
        raise InputError(f"no result of {stage} has {key!r}: run `dvc repro`")

    def model(self, stage: str) -> Path:
        """The folder of a stage's weights.

        Raises:
            InputError: it is missing, or is not what the stage wrote.
        """
        for path, md5 in self._lock.stage(stage).outs.items():
            if md5.endswith(FOLDER_SUFFIX):
                return self._lock.out(path, md5)
        raise InputError(f"{stage} made no folder: run `dvc repro`")

    def before(self, stage: str, verb: str) -> str | None:
        """The stage of a verb whose out this one starts from."""
        return self._lock.before(stage, verb)

    def hashes(self, stages: Iterable[str]) -> dict[str, str]:
        """md5 of the outs of stages, by path."""
        return {path: md5 for stage in stages for path, md5 in self._lock.stage(stage).outs.items()}

    def check(self, stages: Iterable[str]) -> None:
        """Check that each of the stages, and each before it, read what the stages before it wrote last.

        Code and settings may have changed since: what the stages ran with is recorded.

        Raises:
            InputError: a stage ran before one of its inputs was made again.
        """
        waiting, seen = list(stages), set()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            for path, md5 in self._lock.stage(name).deps.items():
                below = {out: self._makers[out] for out in self._makers if out == path or out.startswith(f"{path}/")}
                waiting += [maker for maker, _ in below.values()]
                wanted = _md5(path, {out: each for out, (_, each) in below.items()})
                if wanted not in (None, md5):
                    raise InputError(f"{name} ran before {path} was made anew: run `dvc repro`")


def _md5(path: str, outs: Mapping[str, str]) -> str | None:
    """The md5 of a dependency as its makers' outs have it: one of them, or a folder of files; None for what is none."""
    if path in outs:
        return outs[path]
    if not outs or any(md5.endswith(FOLDER_SUFFIX) for md5 in outs.values()):
        return None
    return folder_md5({out.removeprefix(f"{path}/"): md5 for out, md5 in outs.items()})
