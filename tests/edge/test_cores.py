"""`auto` in runtime: the cores that affinity and quota leave, as numbers of workers and as the engine's threads."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.edge import params
from stages.edge.params import cores
from tests.projects import ROOT


def machine(monkeypatch: pytest.MonkeyPatch, cgroup: Path, ids: set[int]) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: ids)
    monkeypatch.setattr(cores, "CGROUP", cgroup)


def runtime() -> params.Runtime:
    settings: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())["profiles"]["cpu"]["runtime"]
    assert settings["num_workers"] == "auto" and settings["engine"]["env"]["OMP_NUM_THREADS"] == "auto"
    return params.Runtime.model_validate(settings)


@pytest.mark.parametrize(
    ("ids", "number"), [({0}, 1), ({0, 1}, 2), (set(range(8)), 8), ({2, 3, 7}, 3), (set(range(64)), 16)]
)
def test_workers_and_threads_are_the_cores_of_the_affinity(
    ids: set[int], number: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine(monkeypatch, tmp_path, ids)
    found = runtime()
    assert (found.num_workers, found.engine.env["OMP_NUM_THREADS"]) == (number, str(number))


@pytest.mark.parametrize(
    ("files", "num_workers"),
    [
        ({"cpu.max": "max 100000"}, 8),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "350000 100000"}, 3),
        ({"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ({"cpu.max": "nonsense"}, 8),
    ],
)
def test_a_quota_of_processor_time_narrows_them(
    files: dict[str, str], num_workers: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine(monkeypatch, tmp_path, set(range(8)))
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert runtime().num_workers == num_workers


@pytest.mark.skipif(shutil.which("taskset") is None, reason="taskset is not installed")
def test_taskset_is_obeyed() -> None:
    core = str(min(os.sched_getaffinity(0)))
    code = "from stages.edge.params import cores; print(cores.usable())"
    done = subprocess.run(
        ["taskset", "-c", core, sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"[{core}]"


def test_a_number_stays_what_it_is_and_nonsense_is_refused() -> None:
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())["profiles"]["cpu"]["runtime"]
    assert params.Runtime.model_validate(settings | {"num_workers": 3}).num_workers == 3
    for value in (0, -1, "all"):
        with pytest.raises(ValueError, match="num_workers"):
            params.Runtime.model_validate(settings | {"num_workers": value})
