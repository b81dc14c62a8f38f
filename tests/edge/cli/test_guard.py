"""The process between a stage and its engine ends the engine's group, however it is told to."""

import signal
import subprocess
import sys
import time

import psutil
import pytest

from stages.edge.cli import guard

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


def started(seconds_to_end: float) -> "subprocess.Popen[str]":
    code = (
        "import sys; from stages.edge.cli import guard; "
        f"guard.SECONDS_TO_END = {seconds_to_end}; sys.exit(guard.guard(sys.argv[1:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, sys.executable, "-c", STUBBORN],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    return process


def children(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_many_signals_while_a_stubborn_engine_is_ended_leave_nothing_behind(number: signal.Signals) -> None:
    process = started(1.5)
    engines = children(process)
    assert engines
    for _ in range(5):
        process.send_signal(number)
        time.sleep(0.3)
    _, said = process.communicate(timeout=20)
    assert "Traceback" not in said
    assert not [engine for engine in engines if engine.is_running() and engine.status() != psutil.STATUS_ZOMBIE]


def test_the_engine_ends_when_the_pipe_of_its_stage_closes() -> None:
    process = started(0.5)
    engines = children(process)
    assert process.stdin is not None
    process.stdin.close()
    process.wait(20)
    assert not [engine for engine in engines if engine.is_running() and engine.status() != psutil.STATUS_ZOMBIE]


def test_the_exit_code_of_the_engine_is_passed_on() -> None:
    process = subprocess.Popen([sys.executable, "-m", guard.__name__, "false"], stdin=subprocess.PIPE)
    assert process.wait(20) == 1
