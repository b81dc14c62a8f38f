"""Tables and settings of another revision: a commit, a branch, or the name of a DVC experiment."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from stages.edge.errors import InputError
from stages.edge.files import lockfile
from stages.edge.files.paths import project_root

WORKSPACE = "workspace"
KEPT = Path(".cache/runs")
"""Where `history` keeps the scores of the runs of this checkout."""


class Revision(NamedTuple):
    """What a revision holds: the table asked for, and its settings by dotted key, those of its profile alone."""

    name: str
    table: pl.DataFrame
    settings: Mapping[str, object]


def load(folder: Path, name: str, stage: str, schema: pl.Schema) -> Revision:
    """The table with this schema among the outs of `stage` at a revision; `workspace` is what lies here.

    Raises:
        InputError: there is no such revision, or its table is neither in the cache nor in a remote.
    """
    recorded = lockfile.parse(_text(folder, name, "dvc.lock"))
    if stage not in recorded:
        raise InputError(f"{name}: its dvc.lock has no stage {stage!r}: run `dvc repro` there")
    for out, md5 in recorded[stage].outs.items():
        if out.endswith(".parquet") and (table := _read(folder, name, out, md5, schema)) is not None:
            return Revision(name, table, settings_at(folder, name))
    raise InputError(f"{name}: no out of {stage!r} is the table of this version of the program: run `dvc repro` there")


def settings_at(folder: Path, name: str) -> dict[str, object]:
    """The settings of a revision.

    Raises:
        InputError: there is no such revision.
    """
    return lockfile.settings(_text(folder, name, "params.yaml"))


def _read(folder: Path, name: str, path: str, md5: str, schema: pl.Schema) -> pl.DataFrame | None:
    """The table, or None if it is another one."""
    if name == WORKSPACE:
        if not (folder / path).is_file():
            raise InputError(f"{path}: is not there; run `dvc repro`, or `dvc checkout`")
        table = pl.read_parquet(folder / path)
    elif (kept := _kept(folder, md5)) is not None:
        table = pl.read_parquet(kept)
    else:
        import dvc.api
        from dvc.exceptions import DvcException

        try:
            content: Any = dvc.api.read(path, repo=str(folder), rev=name, mode="rb")
        except (DvcException, OSError) as error:
            raise InputError(
                f"{name}: its {path} was made on another machine and is neither in the cache here nor in a remote "
                f"({type(error).__name__}): run its settings here, which `compare` then finds, or `dvc pull` it"
            ) from error
        table = pl.read_parquet(content)
    return table if table.schema == schema else None


def _kept(folder: Path, md5: str) -> Path | None:
    """A table with this md5 among the runs of this checkout."""
    tables = (project_root(folder) / KEPT).glob("*/scores.parquet")
    return next((table for table in tables if lockfile.md5(table) == md5), None)


def _text(folder: Path, name: str, file: str) -> str:
    if name == WORKSPACE:
        path = folder / file
        return path.read_text(encoding="utf-8") if path.is_file() else ""
    for revision in (name, *_experiments(folder, name)):
        result = subprocess.run(
            ["git", "show", f"{revision}:./{file}"], cwd=folder, capture_output=True, text=True, check=False
        )
        if result.returncode == 0:
            return result.stdout
    raise InputError(f"{name}: is no commit, branch or experiment that has {file}; see `dvc exp list -A`")


def _experiments(folder: Path, name: str) -> list[str]:
    """The references of experiments of this name."""
    result = subprocess.run(
        ["git", "for-each-ref", "--format=%(refname)", "refs/exps"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return [each for each in result.stdout.split() if each.endswith(f"/{name}")]


def differing(one: Revision, other: Revision) -> dict[str, tuple[object, object]]:
    """Settings with another value in each, by dotted key; None where it is missing."""
    keys = sorted(one.settings.keys() | other.settings.keys())
    pairs = {key: (one.settings.get(key), other.settings.get(key)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
