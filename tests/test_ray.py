"""Judging, voting and curation on a Ray cluster of two nodes: the same bytes, by both, also when one of them dies."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.core.tables.problems import PROBLEMS, PROBLEMS_KEY
from stages.core.tables.traces import TRACES, TRACES_KEY
from stages.core.text.identity import problem_id
from stages.edge.files import tables
from tests.projects import copy_project, environment
from tests.ray_cluster import RayCluster
from tests.test_verbs import curate, judge, read, trace, vote
from tests.tiny_models import save_tiny_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

TEACHERS = [f"teacher-{number}" for number in range(6)]
"""A file of traces each, so six pieces of work for votes and verdicts; and as many for curation, which keeps them apart."""
NUM_PROBLEMS = 24
SAMPLES = 4
VERBS = (read("medium"), vote("medium"), judge("medium"), curate("turbo", "medium"))
MADE = ("data/answers/medium.parquet", "data/votes/medium.parquet", "data/changed_labels/medium.parquet", "data/verdicts/medium.parquet", "data/sft/turbo",
        "data/held_out/turbo", "data/rejects/turbo.parquet", "metrics/vote_medium.json", "metrics/judge_medium.json",
        "metrics/curate_turbo.json")  # fmt: skip


def prompt(number: int) -> str:
    return f"Add up the whole numbers from 1 to {number}."


def gold(number: int) -> str:
    """A sum that only computer algebra can tell from a number, so that the nodes have pairs to decide."""
    return rf"\sum_{{k=1}}^{{{number}}} k"


def answer(number: int, place: int) -> str:
    """Mostly right, in two spellings, and wrong in several ways."""
    return [gold(number), str(number * (number + 1) // 2), str(number * number), gold(number + 1)][place % 4]


def project(folder: Path, pool: str) -> Path:
    def change(document: dict[str, Any]) -> None:
        profile = document["profiles"]["cpu"]
        profile["runtime"].update(pool=pool, num_workers=2)
        profile["curate"]["turbo"].update(mixture={"medium": 1.0}, max_per_problem=6)

    copy_project(folder, change)
    save_tiny_model(folder / "models/base")
    numbers = range(3, 3 + NUM_PROBLEMS)
    found = [
        {
            "problem_id": problem_id(prompt(number)), "source": "sums", "prompt": prompt(number),
            "gold": gold(number), "gradable": True, "ungradable_reason": None, "difficulty": None,
        }
        for number in numbers
    ]  # fmt: skip
    schema = {name: kind for name, kind in PROBLEMS.items()}
    tables.write(
        pl.DataFrame([{name: row.get(name) for name in schema} for row in found], schema=schema).sort("problem_id"),
        folder / "data/problems.parquet", PROBLEMS, PROBLEMS_KEY,
    )  # fmt: skip
    (folder / "data/traces/medium").mkdir(parents=True)
    for teacher in TEACHERS:
        rows = [
            {**trace(teacher, "medium", None, prompt(number), sample), "reasoning": f"Sample {sample}.",
             "content": rf"So it is \boxed{{{answer(number, sample + number)}}}."}
            for number in numbers for sample in range(SAMPLES)
        ]  # fmt: skip
        table = pl.DataFrame(rows, schema=TRACES).sort(TRACES_KEY)
        table.write_parquet(folder / f"data/traces/medium/{teacher}.parquet")
    return folder


def start(folder: Path, verb: Sequence[str], **changes: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", f"stages.{verb[0]}", *verb[1:]]
    # The project's own code, not the one under test by a PYTHONPATH: a node has to find it by itself.
    kept = {key: value for key, value in environment(**changes).items() if key != "PYTHONPATH"}
    return subprocess.Popen(command, cwd=folder, env=kept, stderr=subprocess.PIPE, text=True)


def run(folder: Path, verb: Sequence[str], **changes: str) -> None:
    process = start(folder, verb, **changes)
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said


def written(folder: Path) -> dict[str, bytes]:
    files = [
        path
        for name in MADE
        for path in ([folder / name] if (folder / name).is_file() else tables.files(folder / name))
    ]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project after its verbs ran on this machine alone."""
    folder = project(tmp_path_factory.mktemp("here") / "project", "local")
    for verb in VERBS:
        run(folder, verb)
    return folder


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """The last test kills one of its nodes."""
    with RayCluster(2) as found:
        yield found


def test_votes_verdicts_and_rows_of_two_nodes_are_byte_for_byte_those_of_one_machine(
    here: Path, cluster: RayCluster, tmp_path: Path
) -> None:
    there = project(tmp_path / "project", "ray")
    for verb in VERBS:
        run(there, verb, **cluster.environment)
    assert written(there) == written(here)
    assert len(written(there)) >= len(MADE)
    # Which node takes which task is Ray's choice, and a quick one may take all of a kind.
    done = [(where, name.rpartition(".")[2]) for where, name in cluster.tasks()]
    done = [(where, name) for where, name in done if name in {"_run_in_task", "_decide_in_task"}]
    assert {where for where, _ in done} == set(cluster.addresses), "not all nodes worked"
    assert {name for _, name in done} == {"_run_in_task", "_decide_in_task"}, "not both kinds of tasks ran there"


def test_a_node_that_dies_in_the_middle_costs_nothing_but_its_work(
    here: Path, cluster: RayCluster, tmp_path: Path
) -> None:
    there = project(tmp_path / "project", "ray")
    for name in ("answers", "votes"):
        shutil.copytree(here / "data" / name, there / "data" / name)
    process = start(there, judge("medium"), **cluster.environment)
    deadline = time.monotonic() + 120
    while not any("_decide_in_task" in task for task in cluster.running(0)):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    cluster.kill(0)
    assert process.poll() is None, "it was not in the middle"
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    name = "data/verdicts/medium.parquet"
    assert (there / name).read_bytes() == (here / name).read_bytes()
