"""kill -9 of DVC, of a stage and of the engine, with the real engine and the real trainer on a tiny model."""

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest

from stages.core.tables.sft import SFT, SFT_KEY
from stages.edge.files import tables
from tests.projects import copy_project, dvc
from tests.tiny_models import save_tiny_model, sft_row

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NUM_SAMPLES = 40
MAX_TOKENS = 32
BATCH = 32
"""Answers that may wait for the next commit to the store."""
SECONDS_TO_VANISH = 40.0


def tiny(model: Path, **train: object) -> Callable[[dict[str, Any]], None]:
    """Settings: the cpu profile with a tiny model, few problems, many samples, every finished trace kept."""

    def change(params: dict[str, Any]) -> None:
        profile = params["profiles"]["cpu"]
        params["profiles"] = {"cpu": profile}
        profile["base"] = {"kind": "folder", "name": str(model), "file": None, "revision": None}
        profile["collect"]["generator"].update(lowest=2, highest=6, num_exam_pairs=4)
        for benchmark in profile["collect"]["benchmarks"]:
            benchmark["num_problems"] = 8
        medium = profile["teach"]["medium"]
        medium.update(num_samples=NUM_SAMPLES)
        profile["prompts"]["medium"].update(examples=[])
        medium["sampling"]["max_tokens"] = MAX_TOKENS
        profile["train"]["turbo"].update(train)
        profile["runtime"].update(concurrency=16, save_steps=2)
        # One thread, wherever there is room: two that wait for each other crawl when another program has one of the cores.
        profile["runtime"]["engine"]["env"]["OMP_NUM_THREADS"] = "1"

    return change


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


def stored(project: Path) -> int:
    """Answers in the store, as another process sees them."""
    total = 0
    for file in (project / ".cache/answers").glob("*/*.sqlite"):
        with (
            contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection,
            contextlib.suppress(sqlite3.OperationalError),
        ):
            total += int(connection.execute("SELECT count(*) FROM answers").fetchone()[0])
    return total


def asked(project: Path) -> int:
    """Completions that the engines of the last run answered."""
    log = next((project / ".cache/logs").glob("teacher-*.log"))
    return log.read_text(errors="replace").count('POST /v1/chat/completions HTTP/1.1" 200')


def await_(condition: Callable[[], bool], run: "subprocess.Popen[str]", seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert run.poll() is None, f"ended early:\n{run.stdout.read() if run.stdout else ''}"
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.05)


def family(run: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(run.pid).children(recursive=True)


def member(run: "subprocess.Popen[str]", pattern: str) -> psutil.Process:
    """The process below `run` whose title matches."""
    for process in family(run):
        with contextlib.suppress(psutil.NoSuchProcess):
            if re.search(pattern, " ".join(process.cmdline()) or process.name()):
                return process
    raise AssertionError(f"no process {pattern} below dvc")


def kill_and_await_the_end(victim: int, run: "subprocess.Popen[str]") -> str:
    """Send SIGKILL, and see that every process of the run ends by itself; return what dvc printed."""
    relatives = family(run)
    os.kill(victim, signal.SIGKILL)
    output, _ = run.communicate(timeout=120)
    _, alive = psutil.wait_procs(relatives, timeout=SECONDS_TO_VANISH)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    assert run.returncode != 0
    return output


def test_a_killed_teach_goes_on_and_asks_no_stored_answer_again(model: Path, tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project", tiny(model))
    teach = ("repro", "teach@medium")
    answered = 0
    for victim in (None, r"stages\.teach"):
        before = stored(project)
        run = dvc(project, *teach)
        await_(lambda seen=before: stored(project) >= seen + 2 * BATCH, run)  # type: ignore[misc]
        output = kill_and_await_the_end(run.pid if victim is None else member(run, victim).pid, run)
        assert "Traceback" not in output
        assert stored(project) >= before + 2 * BATCH
        answered += asked(project)
    # An engine that is killed is started anew, and the same run goes on.
    begun = before = stored(project)
    run = dvc(project, *teach)
    for victim in (r"EngineCore", r"vllm serve|APIServer"):
        await_(lambda seen=before: stored(project) >= seen + 2 * BATCH, run)  # type: ignore[misc]
        before = stored(project)
        member(run, victim).kill()
    output, _ = run.communicate(timeout=300)
    assert run.returncode == 0, output
    assert output.count("has died: starting it anew") == 2 and "Traceback" not in output
    total = int(re.search(r"(\d+)/\1 answers", output)[1])  # type: ignore[index]
    assert f"{begun} already stored" in output
    assert stored(project) == total
    answered += asked(project)
    # What was asked twice was in flight or not yet committed when a kill came.
    assert total <= answered <= total + 4 * (2 * BATCH + 16)


def write_sft(project: Path, num_rows: int) -> None:
    """A training set of sums, in the form that curate writes."""
    rows = [
        sft_row(f"{number:016x}", f"What is {number} plus {number}?", f"{number} plus {number} is {2 * number}. " * 4)
        for number in range(num_rows)
    ]
    tables.write(pl.DataFrame(rows, schema=SFT), project / "data/sft/turbo", SFT, SFT_KEY)
    tables.write(pl.DataFrame(rows[:8], schema=SFT), project / "data/held_out/turbo", SFT, SFT_KEY)


def test_a_killed_training_goes_on_from_its_checkpoint(model: Path, tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project", tiny(model, epochs=4, max_length=512))
    shutil.copytree(model, project / "models/base")
    write_sft(project, 480)
    train = ("repro", "--single-item", "train@turbo")
    newest = 0
    for victim in (None, r"stages\.train"):
        run = dvc(project, *train)
        await_(lambda seen=newest: last_step(project) >= seen + 20, run)  # type: ignore[misc]
        kill_and_await_the_end(run.pid if victim is None else member(run, victim).pid, run)
        newest = last_step(project)
    run = dvc(project, *train)
    output, _ = run.communicate(timeout=300)
    assert run.returncode == 0, output
    steps = pl.read_csv(project / "data/train_log/turbo.csv")["step"].to_list()
    assert steps == list(range(1, 4 * 480 // 8 + 1))
    assert f"going on from checkpoint-{newest}\n" in output
    assert (project / "models/candidates/turbo/last/model.safetensors").is_file()


def last_step(project: Path) -> int:
    """Step of the newest whole checkpoint."""
    found = (project / ".cache/training").glob("*/checkpoint-*/trainer_state.json")
    return max((int(path.parent.name.rpartition("-")[2]) for path in found), default=0)
