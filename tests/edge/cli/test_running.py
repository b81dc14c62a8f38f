"""How a stage ends, and that it runs once at a time."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
VERB = "from stages.edge import errors\nfrom stages.edge.cli import running\nimport os, signal, time\ndef verb():\n    {body}\nrunning.run(verb)\n"


def start(folder: Path, body: str, stage: str | None = "train@turbo") -> "subprocess.Popen[str]":
    environment = {name: value for name, value in os.environ.items() if name != "DVC_STAGE"}
    environment |= {"PYTHONPATH": str(ROOT)} | ({"DVC_STAGE": stage} if stage else {})
    return subprocess.Popen(
        [sys.executable, "-c", VERB.format(body=body)], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
    )


def ended(folder: Path, body: str, stage: str | None = "train@turbo") -> tuple[int, str]:
    run = start(folder, body, stage)
    _, errors = run.communicate(timeout=60)
    return run.returncode, errors


def test_a_stage_that_is_done_prints_its_minutes_and_memory(tmp_path: Path) -> None:
    code, errors = ended(tmp_path, "pass")
    assert code == 0
    assert errors.startswith("train@turbo: 0.0 min, peak 0.")
    (row,) = [json.loads(line) for line in (tmp_path / ".cache/stages.jsonl").read_text().splitlines()]
    assert row["stage"] == "train@turbo" and row["seconds"] < 60 and row["peak_gib"] > 0
    assert "profile" not in row, "there are no settings here"


def test_the_seconds_of_a_stage_are_logged_with_its_profile(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("profile: ours\nprofiles: {ours: {}}\n")
    assert ended(tmp_path, "pass")[0] == 0
    assert json.loads((tmp_path / ".cache/stages.jsonl").read_text())["profile"] == "ours"


def test_what_is_tried_by_hand_is_no_stage_of_a_run_and_is_not_timed(tmp_path: Path) -> None:
    assert ended(tmp_path, "pass", stage=None) == (0, "")
    assert not (tmp_path / ".cache/stages.jsonl").exists()


def test_a_pipe_that_breaks_within_a_stage_is_no_quiet_end(tmp_path: Path) -> None:
    code, errors = ended(tmp_path, "raise BrokenPipeError")
    assert code == 1 and "BrokenPipeError" in errors


def test_the_memory_is_the_stages_own_and_not_what_its_parent_held(tmp_path: Path) -> None:
    parent = f"""
import subprocess, sys
held = bytearray(2**30)
held[::4096] = b"x" * len(held[::4096])
subprocess.run([sys.executable, "-c", {VERB.format(body="pass")!r}], check=True)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DVC_STAGE": "train@turbo"}
    subprocess.run([sys.executable, "-c", parent], cwd=tmp_path, env=environment, check=True, timeout=60)
    (row,) = [json.loads(line) for line in (tmp_path / ".cache/stages.jsonl").read_text().splitlines()]
    assert 0 < row["peak_gib"] < 0.9


def test_a_failure_that_the_user_can_mend_is_one_sentence(tmp_path: Path) -> None:
    assert ended(tmp_path, "raise errors.InputError('x: is missing; make it')") == (
        1,
        "error: x: is missing; make it\n",
    )
    assert not (tmp_path / ".cache/stages.jsonl").exists()


def test_a_full_disk_is_one_sentence_wherever_it_comes_up(tmp_path: Path) -> None:
    code, errors = ended(tmp_path, "open('/dev/full', 'w').write('x' * 100_000)")
    assert code == 1 and errors.startswith("error: ") and errors.count("\n") == 1
    assert "cannot be written (No space left on device); see to the disk" in errors


def test_a_note_of_its_minutes_that_cannot_be_written_does_not_undo_a_stage(tmp_path: Path) -> None:
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/stages.jsonl").symlink_to("/dev/full")
    code, errors = ended(tmp_path, "pass")
    assert code == 0 and "warning: " in errors and "train@turbo: 0.0 min" in errors


def test_a_bug_keeps_its_traceback(tmp_path: Path) -> None:
    code, errors = ended(tmp_path, "1 / 0")
    assert code == 1 and "Traceback" in errors and "ZeroDivisionError" in errors


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_in_order(number: signal.Signals, code: int, tmp_path: Path) -> None:
    body = f"""
    try:
        os.kill(os.getpid(), {int(number)}); time.sleep(30)
    finally:
        open("cleaned", "w").close()
"""
    found, errors = ended(tmp_path, body)
    assert found == code and "Traceback" not in errors
    assert (tmp_path / "cleaned").exists()


def test_a_second_signal_does_not_disturb_the_clean_up_of_the_first(tmp_path: Path) -> None:
    body = """
    try:
        os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        open("cleaned", "w").close()
"""
    found, errors = ended(tmp_path, body)
    assert found == 143 and not errors
    assert (tmp_path / "cleaned").exists()


def test_a_second_run_of_a_stage_waits_for_the_first(tmp_path: Path) -> None:
    first = start(tmp_path, "open('started', 'w').close(); time.sleep(3); open('first', 'w').close()")
    while not (tmp_path / "started").exists():
        time.sleep(0.05)
    code, errors = ended(tmp_path, "assert os.path.exists('first')")
    assert code == 0 and "waiting for another process that runs train@turbo" in errors
    assert first.wait(60) == 0


def test_the_minutes_of_the_last_run_of_each_stage_are_shown(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("profile: ours\nprofiles: {ours: {}}\n")
    assert shown(tmp_path) == "no stage of the profile ours has run here yet; `dvc repro` runs them\n"
    for _ in range(2):
        assert ended(tmp_path, "pass")[0] == 0
    stage, total = shown(tmp_path).splitlines()
    assert stage.split()[:3] == ["train@turbo", "0.0", "min"] and "GiB" in stage and total.split()[0] == "all"


def shown(folder: Path) -> str:
    command = [sys.executable, "-m", "stages.edge.cli"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout
