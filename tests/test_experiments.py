"""DVC's experiments outside the workspace share the answer store: killed ones lose nothing, two at once ask nothing twice."""

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import small_pipeline
from tests.projects import copy_project, environment
from tests.scripted_server import Reply, ScriptedServer
from tests.test_kills import stored
from tests.tiny_models import save_tiny_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NUM_PROBLEMS = 42
SECONDS = 240
NUM_ANSWERED = 50
"""Answers that an experiment gets before it is killed."""


class Pace:
    """The teacher, who answers `limit` requests and lets the others wait until `limit` is None."""

    def __init__(self) -> None:
        self.limit: int | None = None
        self._answered = 0
        self._change = threading.Condition()

    def __call__(self, body: dict[str, Any]) -> Reply:
        with self._change:
            assert self._change.wait_for(lambda: self.limit is None or self._answered < self.limit, SECONDS)
            self._answered += 1
        return small_pipeline.reply(body)

    def answer(self, more: int | None) -> None:
        """Answer as many requests more; None: all."""
        with self._change:
            self.limit = None if more is None else self._answered + more
            self._change.notify_all()


@pytest.fixture(scope="module")
def pace() -> Pace:
    return Pace()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose problems are collected and committed."""
    folder = tmp_path_factory.mktemp("experiments")
    project = copy_project(folder / "project", small_pipeline.settings(save_tiny_model(folder / "model"), medium=5))
    run(project, "dvc", "repro", "-q", "base", "collect")
    run(project, "git", "add", "-A")
    run(project, "git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "collected")
    return project


@pytest.fixture
def server(project: Path, pace: Pace) -> Iterator[ScriptedServer]:
    with small_pipeline.server(project, pace) as server:
        yield server


def run(project: Path, *command: str, **variables: str) -> str:
    """A command's output; it may fail."""
    program = str(Path(sys.executable).with_name("dvc")) if command[0] == "dvc" else command[0]
    done = subprocess.run(
        [program, *command[1:]], cwd=project, env=environment(**variables), timeout=SECONDS, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.stdout


def start_workers(project: Path, number: int, **variables: str) -> None:
    """Start the queue. Its workers keep the output that they are given until they end, so they are given none."""
    command = [str(Path(sys.executable).with_name("dvc")), "queue", "start", "-j", str(number)]
    nowhere = subprocess.DEVNULL
    subprocess.run(command, cwd=project, env=environment(**variables), stdout=nowhere, stderr=nowhere, check=True)


def until(condition: Callable[[], object], pause: float = 0.1) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(pause)


def sampling(project: Path) -> list[psutil.Process]:
    """Processes of `stages.teach` that work in a temporary workspace of the project."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if "stages.teach" in process.cmdline() and Path(process.cwd()).is_relative_to(project / ".dvc/tmp/exps"):
                found.append(process)
    return found


def await_end(project: Path, *names: str) -> dict[str, str]:
    """The status of the queued experiments `names`, once all have ended and no worker is left.

    A worker that is still idle would take the next task, with the environment that it was started with.
    """
    found: dict[str, str] = {}

    def ended() -> bool:
        said = run(project, "dvc", "queue", "status")
        found.update(re.findall(r"^\w{7}\s+(\S+)\s+\S+ \S+\s+(\w+)\s*$", said, re.MULTILINE))
        return all(found.get(name) in ("Success", "Failed") for name in names) and "0 active, 0 idle" in said

    until(ended, pause=1.0)  # DVC takes a second of a processor to tell
    return found


def test_a_setting_that_is_changed_and_changed_back_runs_its_stage_twice_and_not_three_times(project: Path) -> None:
    before = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(before.replace("min_similarity: null", "min_similarity: 0.9", 1))
    assert "> exec python -m stages.collect" in run(project, "dvc", "repro", "collect")
    (project / "params.yaml").write_text(before)
    again = run(project, "dvc", "repro", "collect")
    assert "Stage 'collect' is cached - skipping run" in again and "stages.collect" not in again
    assert run(project, "git", "status", "--porcelain") == "", "what is in git is back as well"


def by_signal(project: Path, name: str) -> None:
    os.kill(sampling(project)[0].pid, signal.SIGKILL)


def by_dvc(project: Path, name: str) -> None:
    run(project, "dvc", "queue", "kill", "--force", name)


@pytest.mark.parametrize(
    ("where", "kill"),
    [("--temp", by_signal), ("--queue", by_dvc)],
    ids=["temp", "queue"],
)
def test_what_a_killed_experiment_had_answered_the_next_one_does_not_ask(
    where: str, kill: Callable[[Path, str], None], project: Path, server: ScriptedServer, pace: Pace, request: Any
) -> None:
    # Another temperature each time, so that each case starts with nothing known.
    temperature = {"temp": 0.71, "queue": 0.72}[request.node.callspec.id]
    setting = f"profiles.cpu.teach.medium.sampling.temperature={temperature}"
    begin = ("dvc", "exp", "run", where, "-S", setting, "teach@medium")
    before = stored(project)
    pace.answer(NUM_ANSWERED)
    names = [f"{kill.__name__.replace('_', '-')}-{where.strip('-')}-{number}" for number in range(2)]
    variables = {"OPENAI_BASE_URL": server.url}

    def start(name: str) -> "subprocess.Popen[bytes] | None":
        command = [str(Path(sys.executable).with_name("dvc")), *begin[1:], "-n", name]
        if where == "--temp":
            return subprocess.Popen(command, cwd=project, env=environment(**variables), stdout=subprocess.DEVNULL)
        run(project, *begin, "-n", name)
        start_workers(project, 1, **variables)
        return None

    first = start(names[0])
    until(lambda: stored(project) == before + NUM_ANSWERED)
    kill(project, names[0])
    if first:
        assert first.wait(SECONDS) != 0
    else:
        assert await_end(project, names[0])[names[0]] == "Failed"
    until(lambda: not sampling(project))
    asked = small_pipeline.asked(server.requests)
    assert stored(project) == before + NUM_ANSWERED

    pace.answer(None)
    second = start(names[1])
    if second:
        assert second.wait(SECONDS) == 0
    else:
        assert await_end(project, names[1])[names[1]] == "Success"
    again = small_pipeline.asked(server.requests)[len(asked) :]
    assert len(set(asked) | set(again)) == NUM_PROBLEMS * 5
    assert len(again) == NUM_PROBLEMS * 5 - NUM_ANSWERED
    assert names[1] in run(project, "dvc", "exp", "list") and names[0] not in run(project, "dvc", "exp", "list")
    assert run(project, "git", "status", "--short") == "", "the workspace is as it was"


def test_two_experiments_at_once_share_the_store_and_a_tracking_database_that_neither_finds_made(
    project: Path, server: ScriptedServer, pace: Pace
) -> None:
    pace.answer(None)
    samples = {"few": 3, "many": 5}
    for name, number in samples.items():
        settings = ("-S", f"profiles.cpu.teach.high.num_samples={number}")
        run(project, "dvc", "exp", "run", "--queue", "-n", name, *settings, "teach@high")
    tracking = f"sqlite:///{project}/mlflow.db"
    start_workers(project, 2, OPENAI_BASE_URL=server.url, MLFLOW_TRACKING_URI=tracking)
    found = await_end(project, *samples)
    logs = [run(project, "dvc", "queue", "logs", name) for name in samples]
    assert [found[name] for name in samples] == ["Success", "Success"], logs

    asked = small_pipeline.asked(server.requests)
    assert len(asked) == len(set(asked)) == NUM_PROBLEMS * max(samples.values())
    assert "Error" not in "".join(logs)

    def recorded() -> list[tuple[str, str]]:
        with (
            contextlib.closing(sqlite3.connect(f"file:{project}/mlflow.db?mode=ro", uri=True)) as database,
            contextlib.suppress(sqlite3.OperationalError),
        ):
            return sorted(database.execute("SELECT name, status FROM runs"))
        return []

    # A recorder of a loaded machine may still be writing when its stage has ended.
    wanted = [(name, "FINISHED") for name in ("few", "many", "teach@high", "teach@high")]
    until(lambda: recorded() == wanted)
