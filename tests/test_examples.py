"""The launchers of `examples/`, run as they are with stand-ins for Slurm and vLLM, and two hosts on loopback."""

import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from stages.core.problems import problems
from stages.core.tables.problems import PROBLEMS, PROBLEMS_KEY
from stages.core.tables.traces import TRACES
from stages.edge.files import tables
from tests import stand_ins
from tests.projects import ROOT, copy_project, environment
from tests.ray_cluster import RayCluster
from tests.tiny_models import save_tiny_model

HOSTS = ["127.0.0.2", "127.0.0.3"]
MODEL = "some/model"
NUM_PROBLEMS, NUM_SAMPLES = 20, 3


def scripts() -> list[Path]:
    """All shell scripts of the project."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]
    return [file for file in files if file.read_bytes()[:64].split(b"\n")[0].endswith((b"bash", b"/sh"))]


@pytest.mark.parametrize("script", scripts(), ids=lambda path: str(path.relative_to(ROOT)))
def test_shell_scripts_are_without_fault_by_shellcheck(script: Path) -> None:
    checker = Path(sys.executable).with_name("shellcheck")
    for command in (["bash", "-n", str(script)], [str(checker), str(script)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def free_port(*hosts: str) -> int:
    """A port that is free on all of them."""
    for port in range(21_000 + os.getpid() % 5_000, 40_000):
        try:
            for host in hosts:
                socket.create_server((host, port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("no free port")


def slurm(folder: Path, *, tasks_per_node: int, job: int = 7) -> dict[str, str]:
    """Environment of a batch job of two hosts, with the stand-ins first on PATH."""
    variables = environment(
        SLURM_JOB_ID=str(job), SLURM_JOB_NODELIST=",".join(HOSTS), SLURM_NTASKS_PER_NODE=str(tasks_per_node),
        SLURM_CPUS_PER_TASK="1", SLURM_GPUS_PER_TASK="1",
    )  # fmt: skip
    return {**variables, "PATH": f"{stand_ins.write(folder)}{os.pathsep}{variables['PATH']}"}


def teaching_project(folder: Path) -> Path:
    def change(document: dict[str, Any]) -> None:
        profile = document["profiles"]["cpu"]
        document["profiles"] = {"cpu": profile}
        profile["teach"]["models"][0]["name"] = MODEL
        profile["teach"]["medium"]["num_samples"] = NUM_SAMPLES
        profile["runtime"].update(concurrency=2)

    copy_project(folder, change)
    save_tiny_model(folder / "models/base")
    made = [{"prompt": f"What is {number} plus {number}?", "gold": str(2 * number)} for number in range(NUM_PROBLEMS)]
    rows = problems.problem_rows("made", made)
    tables.write(rows, folder / "data/problems.parquet", PROBLEMS, PROBLEMS_KEY)
    return folder


def run(command: list[str], folder: Path, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=200, check=False)


def servers_left(folder: Path) -> list[int]:
    """Processes that write into this test's log."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("STAND_IN_LOG") == str(folder / "log"):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


TEACH = ["bash", str(ROOT / "examples/slurm/teach.sbatch"), MODEL, "--single-item teach@medium"]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_slurm_job_serves_the_teacher_on_every_host_and_the_stage_asks_all_of_them(tmp_path: Path) -> None:
    folder = teaching_project(tmp_path / "project")
    env = slurm(tmp_path, tasks_per_node=2)
    ports = free_port(*HOSTS)
    done = run([*TEACH, "--max-num-seqs", "8"], folder, {**env, "PORT": str(ports), "START_SECONDS": "120"})
    assert done.returncode == 0, done.stdout + done.stderr
    expected = [f"http://{host}:{port}/v1" for host in HOSTS for port in (ports, ports + 1)]
    assert f"OPENAI_BASE_URL={','.join(expected)}" in done.stdout
    traces = tables.read(folder / "data/traces/medium", TRACES)
    assert traces.height == NUM_PROBLEMS * NUM_SAMPLES and set(traces["status"]) == {"stop"}
    rows = stand_ins.read_log(tmp_path)
    answered = Counter(row["host"] for row in rows if "answered" in row)
    assert set(answered) == set(HOSTS) and answered.total() >= traces.height
    started = [row["started"] for row in rows if "started" in row]
    assert len(started) == 4 and all("--max-num-seqs" in line for line in started)
    assert not servers_left(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_slurm_job_whose_server_does_not_come_up_ends_and_says_so(tmp_path: Path) -> None:
    folder = teaching_project(tmp_path / "project")
    env = slurm(tmp_path, tasks_per_node=1)
    done = run([*TEACH, "--fail"], folder, {**env, "PORT": str(free_port(*HOSTS))})
    assert done.returncode == 1
    assert "a server ended before it was ready" in done.stderr
    assert not (folder / "data/traces").exists() and not servers_left(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_ray_cluster_serves_the_teacher_on_every_gpu_and_the_command_asks_all_of_them(tmp_path: Path) -> None:
    folder = teaching_project(tmp_path / "project")
    programs = stand_ins.write(tmp_path)
    with RayCluster(2, gpus_per_node=1, path=programs) as cluster:
        command = [sys.executable, "-m", "examples.ray.teach", MODEL, "--max-num-seqs", "8", "--"]
        command += ["dvc", "repro", "--single-item", "teach@medium"]
        env = {**environment(**cluster.environment), "PYTHONPATH": str(ROOT)}
        done = run(command, folder, env)
        assert done.returncode == 0, done.stdout + done.stderr
    traces = tables.read(folder / "data/traces/medium", TRACES)
    assert traces.height == NUM_PROBLEMS * NUM_SAMPLES and set(traces["status"]) == {"stop"}
    answered = Counter(row["host"] for row in stand_ins.read_log(tmp_path) if "answered" in row)
    assert set(answered) == set(cluster.addresses)
    assert not servers_left(tmp_path)
