"""A pipeline whose MLflow server, a real one on loopback, is killed in the middle and comes back later."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml

from tests.projects import ROOT, dvc, environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SECONDS = 90.0
WORK = """
import json, pathlib, time
from stages.edge import track

name = {name!r}
with track.stage(name, {{"rate": 0.1}}) as run:
    run.metrics({{"loss": 2.0}}, step=1)
    pathlib.Path("started." + name).touch()
    while not pathlib.Path("go." + name).exists():
        time.sleep(0.1)
    run.metrics({{"loss": 1.0}}, step=2)
    pathlib.Path("metrics").mkdir(exist_ok=True)
    pathlib.Path("metrics/" + name + ".json").write_text(json.dumps({{"score": {score}}}))
"""
SCORES = {"first": 0.5, "second": 0.75}


def project(folder: Path) -> Path:
    """Two stages, one after the other, that each wait for a file before they end."""
    stages: dict[str, Any] = {}
    for name, score in SCORES.items():
        (folder / f"{name}.py").write_text(WORK.format(name=name, score=score))
        stages[name] = {
            "cmd": f"python {name}.py",
            "deps": [f"{name}.py"] + (["metrics/first.json"] if name == "second" else []),
            "metrics": [{f"metrics/{name}.json": {"cache": False}}],
        }
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    (folder / "params.yaml").write_text("profile: none\n")
    (folder / ".gitignore").write_text("started.*\ngo.*\nserver/\n")
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"], ["git", "add", "-A"]):
        subprocess.run(command, cwd=folder, check=True, env=environment())
    commit = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "start"]
    subprocess.run(commit, cwd=folder, check=True)
    return folder


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def wait_for(found: Any, what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not found():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


@contextlib.contextmanager
def server(folder: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """`mlflow server` over a database in `folder`; whatever is left of it is killed in the end."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/runs.db", "--artifacts-destination", str(folder / "files")]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=environment())
    try:
        wait_for(lambda: answers(port), (folder / "log").read_text())
        yield process
    finally:
        kill(process)


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def kill(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_the_pipeline_outlives_its_tracking_server_and_a_later_sync_completes_the_run(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    project(folder)
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    changes = {"MLFLOW_TRACKING_URI": uri, "PYTHONPATH": str(ROOT)}
    with server(tmp_path / "server", port) as running:
        pipeline = dvc(folder, "repro", **changes)
        wait_for((folder / "started.first").exists, "the first stage did not start")
        (folder / "go.first").touch()
        wait_for((folder / "started.second").exists, "the second stage did not start")
        kill(running)
        (folder / "go.second").touch()
        said, _ = pipeline.communicate(timeout=SECONDS)
    assert pipeline.returncode == 0, said
    assert "warning: tracking: MlflowException" in said
    assert json.loads((folder / "metrics/second.json").read_text()) == {"score": 0.75}

    with server(tmp_path / "server", port):
        again = subprocess.run(
            [sys.executable, "-m", "stages.edge.track"],
            cwd=folder, env=environment(**changes), capture_output=True, text=True, timeout=SECONDS,
        )  # fmt: skip
        assert again.returncode == 0 and uri in again.stdout, again.stdout + again.stderr
        client = mlflow.MlflowClient(uri)
        (experiment,) = [each for each in client.search_experiments() if each.name != "Default"]
        runs = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in runs if "pipeline.key" in run.data.tags]
    stages = {run.info.run_name: run for run in runs if run.info.run_id != parent.info.run_id}
    assert parent.info.status == "FINISHED"
    assert (parent.data.metrics["first/score"], parent.data.metrics["second/score"]) == (0.5, 0.75)
    assert stages["first"].info.status == "FINISHED" and stages["first"].data.metrics["loss"] == 1.0
    assert all(run.info.status != "RUNNING" for run in runs)
