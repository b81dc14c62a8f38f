"""Tables and settings of another revision: a commit, a branch, or the name of a DVC experiment."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import yaml

from stages.edge.errors import InputError
from stages.edge.files import lockfile
from stages.edge.track.events import flat

WORKSPACE = "workspace"


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
    for out in recorded[stage].outs:
        if out.endswith(".parquet") and (table := _read(folder, name, out, schema)) is not None:
            return Revision(name, table, _settings(_text(folder, name, "params.yaml")))
    raise InputError(f"{name}: no out of {stage!r} is the table of this version of the program: run `dvc repro` there")


def _read(folder: Path, name: str, path: str, schema: pl.Schema) -> pl.DataFrame | None:
    """The table, or None if it is another one."""
    if name == WORKSPACE:
        if not (folder / path).is_file():
            raise InputError(f"{path}: is not there; run `dvc repro`, or `dvc checkout`")
        table = pl.read_parquet(folder / path)
    else:
        import dvc.api
        from dvc.exceptions import DvcException

        try:
            content: Any = dvc.api.read(path, repo=str(folder), rev=name, mode="rb")
        except (DvcException, OSError) as error:
            raise InputError(
                f"{name}: {path} is neither in the cache nor in a remote ({type(error).__name__}): run it again, or "
                f"`dvc pull` it"
            ) from error
        table = pl.read_parquet(content)
    return table if table.schema == schema else None


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


def _settings(text: str) -> dict[str, object]:
    document = yaml.safe_load(text) or {}
    profile = document.get("profile")
    rest = {key: value for key, value in document.items() if key != "profiles"}
    return flat({**rest, **document.get("profiles", {}).get(profile, {})}, ".")


def differing(one: Revision, other: Revision) -> dict[str, tuple[object, object]]:
    """Settings with another value in each, by dotted key; None where it is missing."""
    keys = sorted(one.settings.keys() | other.settings.keys())
    pairs = {key: (one.settings.get(key), other.settings.get(key)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
