"""The candidates of a training, from which one is chosen: folders of whole models, and their origin."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from stages.edge.errors import InputError
from stages.edge.models import weights

HISTORY = "history.json"
"""Beside the last weights of a run: the Trainer's log and the versions of what trained."""
ORIGIN = "origin.json"
"""Beside the candidates: the folder and identity of the weights that the training began with, and its libraries."""


class Candidates(NamedTuple):
    """What lies in a folder of candidates."""

    folders: list[Path]
    """`last`, or those of steps in their order."""
    origin: dict[str, Any]


def read(folder: Path) -> Candidates:
    """What `stages.train` wrote.

    Raises:
        InputError: it is not there.
    """
    try:
        origin = json.loads((folder / ORIGIN).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: holds no candidates of a training; run `dvc repro`, or `dvc pull`") from error
    folders = [each for each in folder.iterdir() if each.is_dir()]
    return Candidates(sorted(folders, key=lambda each: int(each.name) if each.name.isdigit() else 0), origin)


def from_run(last: Path, kept: Sequence[Path], output: Path) -> None:
    """Link a run's candidates into a folder: the weights that it kept, or else the last."""
    for name, folder in [(each.name, each) for each in kept] or [("last", last)]:
        weights.share(folder, output / name)
        (output / name / HISTORY).unlink(missing_ok=True)
