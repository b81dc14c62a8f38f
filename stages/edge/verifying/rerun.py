"""A stage run anew by its own command line in a folder beside the project, on all problems or on some.

The folder is laid out like the project, with links to the program, the settings and what the stage reads, so the
command needs no change and writes nothing into the project. No model is asked.
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import polars as pl

from stages.edge import store
from stages.edge.engines import endpoints
from stages.edge.errors import InputError
from stages.edge.fetching import hub
from stages.edge.files import tables
from stages.edge.planning import repro_state
from stages.edge.planning.repro_state import Stage
from stages.edge.verifying import comparing, stored

FILES = ("params.yaml", "dvc.yaml", "dvc.lock")
CACHE = ".cache"
ASKING = ("teach", "exam", "baselines")
"""Verbs whose traces come from the store; those of a pool are links."""


def sample(stage: Stage, num_problems: int) -> set[str]:
    """The ids of some problems that a stage reads, the same in every run: those whose hashes are the lowest.

    Left out are problems that a model failed to answer: each run asks for these again.
    """
    ids = {name for path in stage.deps if _by_problem(path) for name in _ids(path)}
    failed = {name for path in stage.outs if _by_problem(path) for name in _ids(path, "failed")}
    return set(sorted(ids - failed, key=lambda name: hashlib.sha256(name.encode()).digest())[:num_problems])


def _by_problem(path: Path) -> bool:
    """Whether it is a table with rows of problems."""
    return comparing.is_table(path) and "problem_id" in pl.read_parquet_schema(tables.files(path)[0])


def _ids(path: Path, status: str | None = None) -> list[str]:
    scan = pl.scan_parquet(tables.files(path))
    if status:
        if not {"query_key", "status"} <= set(scan.collect_schema()):
            return []
        scan = scan.filter(pl.col("status") == status)
    return scan.select(pl.col("problem_id").unique()).collect()["problem_id"].to_list()


@contextmanager
def run_again(project: Path, name: str, stage: Stage, ids: Collection[str] | None) -> Iterator[Path]:
    """The folder in which a stage ran anew: its outs lie there as they do in the project. Gone at the end.

    Raises:
        InputError: something that the stage reads is missing, or the stage failed; with its last line.
    """
    (project / CACHE).mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="verify-", dir=project / CACHE) as place:
        folder = Path(place)
        for file in (*FILES, repro_state.PROGRAM):
            (folder / file).symlink_to(project / file)
        for path in stage.deps:
            if path.relative_to(project).parts[0] != repro_state.PROGRAM:
                _bring(path, folder / path.relative_to(project), ids)
        if (project / hub.SEEN).exists():
            (folder / CACHE).mkdir()
            shutil.copyfile(project / hub.SEEN, folder / hub.SEEN)
        for path in stage.outs:
            (folder / path.relative_to(project)).parent.mkdir(parents=True, exist_ok=True)
        is_asking = name.partition("@")[0] in ASKING
        traces = [comparing.rows_of(path, ids) for path in stage.outs if is_asking and _is_asked(path)]
        answers = (
            stored.root(name, options(stage.command), pl.concat(traces), folder / "answers")
            if traces
            else store.root().resolve()
        )
        _run(stage.command, folder, answers)
        yield folder


def _bring(path: Path, place: Path, ids: Collection[str] | None) -> None:
    """Link what a stage reads, or write the rows of some problems of a table."""
    if not path.exists():
        raise InputError(f"{path}: is not there; run `dvc pull` or `dvc checkout`")
    place.parent.mkdir(parents=True, exist_ok=True)
    if ids is not None and _by_problem(path):
        for file in tables.files(path):
            part = place / file.relative_to(path) if path.is_dir() else place
            part.parent.mkdir(parents=True, exist_ok=True)
            comparing.rows_of(file, ids).write_parquet(part)
    elif path.is_dir():
        # File by file: a search for tables does not follow a link to a folder.
        shutil.copytree(path, place, copy_function=os.symlink, dirs_exist_ok=True)
    else:
        place.symlink_to(path)


def options(command: str) -> dict[str, Path]:
    """The paths that a command line names, by option."""
    return {word[2:]: Path(value) for word, value in pairwise(shlex.split(command)) if word.startswith("--")}


def _is_asked(path: Path) -> bool:
    return comparing.is_table(path) and stored.is_asked(pl.read_parquet_schema(tables.files(path)[0]))


def _run(command: str, folder: Path, answers: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DVC_")}
    fixed = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "MLFLOW_TRACKING_URI": "off",
        "REASONLITE_STORE": str(answers),
        endpoints.ASK: "no",
    }
    done = subprocess.run(
        command, cwd=folder, env={**kept, **fixed}, shell=True, capture_output=True, text=True, errors="replace"
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"it ended with {done.returncode}"]
        raise InputError(last[0].removeprefix("error: "))
