"""What `gather` brought together of all students: their exams and marks, and what led to each of them."""

from pathlib import Path
from typing import Any

from stages.edge.errors import InputError
from stages.edge.files.metrics import read_metrics

CHAIN = "chain.json"
"""The students in the order in which they are shown, each with the effort that it learnt from."""


def chain(folder: Path) -> dict[str, str | None]:
    """The effort of each student in the order of the chain; None for the starting weights.

    Raises:
        InputError: nothing was gathered there.
    """
    try:
        return read_metrics(folder / CHAIN)
    except OSError as error:
        raise InputError(f"{folder}: no table there; run `dvc repro` (or `dvc pull`) to make it") from error


class Gathered:
    """A folder that `gather` wrote."""

    def __init__(self, folder: Path) -> None:
        """Raises InputError: as `chain`."""
        self._folder = folder
        efforts = chain(folder)
        self.students = list(efforts)
        self.effort_of = {student: effort for student, effort in efforts.items() if effort is not None}
        """What each student that was trained learnt from."""

    @property
    def exams(self) -> list[Path]:
        """The exams of the students in their order, then those of others."""
        places = {student: place for place, student in enumerate(self.students)}
        there = (self._folder / "exams").iterdir()
        return sorted(there, key=lambda path: (places.get(path.name, len(places)), path.name))

    @property
    def marks(self) -> list[Path]:
        """The marks of `exams`."""
        return [self._folder / "marks" / f"{path.name}.parquet" for path in self.exams]

    @property
    def excerpts(self) -> list[Path]:
        """The teacher's traces to read, by the stage that learnt from them."""
        return [self._folder / "excerpts" / f"{stage}.parquet" for stage in self.effort_of]

    def named(self, folder: str, pattern: str) -> dict[str, Path]:
        """The files whose name has that of an SFT stage or an effort at the place of `{}`, by it, in their order."""
        names = dict.fromkeys([*self.effort_of, *self.effort_of.values()])
        paths = {name: self._folder / folder / pattern.format(name) for name in names}
        return {name: path for name, path in paths.items() if path.exists()}

    def metrics(self, verb: str) -> dict[str, dict[str, Any]]:
        """Metrics of a verb, by SFT stage or effort."""
        return {name: read_metrics(path) for name, path in self.named("metrics", f"{verb}_{{}}.json").items()}

    @property
    def collected(self) -> dict[str, Any]:
        """Metrics of `collect`."""
        return read_metrics(self._folder / "metrics" / "collect.json")
