"""The runs of this checkout: scores and settings of each, kept beside DVC so that two can be compared without a commit.

After `dvc exp run` the workspace is the experiment, and the run before it lies nowhere that git can name. So `report`
keeps what it wrote in `.cache/runs`, and `compare` finds it there.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import polars as pl

from stages.edge.errors import writing
from stages.edge.files import lockfile, scratch, state
from stages.edge.files.paths import project_root
from stages.edge.results import revisions

TRAINING_SEED = re.compile(r"train\.[^.]+\.seed")
"""Settings that repeat a training without changing what it is meant to be."""
NAME_CHARS = 8


class KeptRun(NamedTuple):
    """A finished run: where it lies, when its scores were written, its settings by dotted key."""

    folder: Path
    name: str
    """The first characters of the hash of settings and scores."""
    experiment: str
    """DVC's name of the experiment; `workspace` without one."""
    time: float
    """Seconds since 1970."""
    settings: Mapping[str, object]

    @property
    def label(self) -> str:
        """How a message calls it: by the experiment's name, if it has one, and by the time."""
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.time))
        return f"{self.name if self.experiment == state.WORKSPACE else self.experiment} ({when})"

    @property
    def recipe(self) -> dict[str, object]:
        """Its settings without the seeds of training."""
        return {key: value for key, value in self.settings.items() if not TRAINING_SEED.fullmatch(key)}

    @property
    def seeds(self) -> dict[str, object]:
        """The seeds of training."""
        return {key: value for key, value in self.settings.items() if TRAINING_SEED.fullmatch(key)}

    def scores(self, schema: pl.Schema) -> pl.DataFrame | None:
        """Its table; None if another version of the program wrote it."""
        table = pl.read_parquet(self.folder / "scores.parquet")
        return table if table.schema == schema else None


def keep(scores: Path, folder: Path) -> str:
    """Keep the scores of the pipeline in `folder` with its settings; the name of the run. A known run is kept once."""
    params = (folder / "params.yaml").read_text(encoding="utf-8")
    content = scores.read_bytes()
    settings = json.dumps(lockfile.settings(params), sort_keys=True, default=str).encode()
    name = hashlib.sha256(settings + b"\0" + content).hexdigest()[:NAME_CHARS]
    place = project_root(folder) / revisions.KEPT / name
    if (place / "run.json").is_file():
        os.utime(place / "run.json")
        return name
    about = {"experiment": state.current(folder).experiment, "md5": lockfile.bytes_md5(content)}
    with writing(place), scratch.replacing(place, is_folder=True) as made:
        (made / "scores.parquet").write_bytes(content)
        (made / "params.yaml").write_text(params, encoding="utf-8")
        (made / "run.json").write_text(json.dumps(about), encoding="utf-8")
    return name


def runs(folder: Path) -> list[KeptRun]:
    """The runs that were kept, the newest first."""
    found = []
    for about in (project_root(folder) / revisions.KEPT).glob("*/run.json"):
        experiment = str(json.loads(about.read_text(encoding="utf-8"))["experiment"])
        settings = lockfile.settings((about.parent / "params.yaml").read_text(encoding="utf-8"))
        found.append(KeptRun(about.parent, about.parent.name, experiment, about.stat().st_mtime, settings))
    return sorted(found, key=lambda run: run.time, reverse=True)


def baseline(kept: list[KeptRun], current: KeptRun, committed: Mapping[str, object]) -> KeptRun | None:
    """What `current` is compared with when nobody names a run.

    The newest other run of the committed settings: after an experiment that is the run before it, after an edit of the
    code the run before the edit. Without one, where the committed settings are those of `current`, the newest other
    run of the same profile.
    """
    others = [run for run in kept if run.name != current.name]
    same = [run for run in others if run.settings == committed]
    if not same and current.settings == committed:
        same = [run for run in others if run.settings.get("profile") == current.settings.get("profile")]
    return same[0] if same else None


def repeated(kept: list[KeptRun], run: KeptRun) -> list[KeptRun]:
    """The runs that differ from this one in the seeds of training alone, itself among them, the newest of each seed."""
    found: dict[str, KeptRun] = {json.dumps(run.seeds, sort_keys=True, default=str): run}
    for other in kept:
        if other.recipe == run.recipe:
            found.setdefault(json.dumps(other.seeds, sort_keys=True, default=str), other)
    return list(found.values())
