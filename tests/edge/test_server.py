"""An engine lives exactly as long as the stage that needs it, whoever is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from stages.edge import server
from stages.edge.errors import ServerError

ROOT = Path(__file__).parents[2]
FRONT = """
import http.server, os, subprocess, sys
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[2], "w").write(f"{os.getpid()} {worker.pid}")
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
STAGE = """
import sys, time
from pathlib import Path
from stages.edge import server
port = server.free_port()
front = [sys.executable, "-c", sys.argv[1], str(port), sys.argv[2]]
with server.engine(front, port, {{}}, 60, Path(sys.argv[2] + ".log")) as url:
    print(url, flush=True)
    {then}
"""


def stage(tmp_path: Path, then: str = "time.sleep(600)") -> "tuple[subprocess.Popen[str], list[psutil.Process]]":
    """A stage with a running engine of two processes, and these two."""
    (tmp_path / "health").write_text("")
    run = subprocess.Popen(
        [sys.executable, "-c", STAGE.format(then=then), FRONT, str(tmp_path / "pids")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    assert run.stdout.readline().startswith("http://127.0.0.1:")
    return run, [psutil.Process(int(pid)) for pid in (tmp_path / "pids").read_text().split()]


def gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=30)
    return all(process.status() == psutil.STATUS_ZOMBIE for process in alive)


def test_the_engine_is_gone_when_the_stage_is_done(tmp_path: Path) -> None:
    run, engine = stage(tmp_path, then="pass")
    assert run.wait(60) == 0
    assert gone(engine)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_engine_is_gone_when_the_stage_is_killed(number: signal.Signals, tmp_path: Path) -> None:
    run, engine = stage(tmp_path)
    run.send_signal(number)
    run.wait(60)
    assert gone(engine)


def test_the_worker_is_gone_when_the_front_is_killed(tmp_path: Path) -> None:
    run, engine = stage(tmp_path)
    engine[0].kill()
    assert gone(engine)
    run.kill()
    run.wait()


def test_an_engine_that_does_not_start_says_why(tmp_path: Path) -> None:
    failing = [sys.executable, "-c", "import sys; sys.exit('ValueError: no such weights')"]
    with (
        pytest.raises(ServerError, match=r"ended before it was ready(?s:.*)no such weights"),
        server.engine(failing, server.free_port(), {}, 30, tmp_path / "log"),
    ):
        pass


def test_an_engine_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    sleeping = [
        sys.executable,
        "-c",
        f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)",
    ]
    with (
        pytest.raises(ServerError, match=r"not ready in 2 s; raise runtime.engine.start_seconds"),
        server.engine(sleeping, server.free_port(), {}, 2, tmp_path / "log"),
    ):
        pass
    pid = int((tmp_path / "pid").read_text())
    assert not psutil.pid_exists(pid)


def test_an_engine_that_ends_while_it_is_asked_is_named(tmp_path: Path) -> None:
    (tmp_path / "health").write_text("")
    port = server.free_port()
    front = [sys.executable, "-c", FRONT, str(port), str(tmp_path / "pids")]
    log = tmp_path / "log"
    before = os.getcwd()
    os.chdir(tmp_path)
    try:
        with (
            pytest.raises(
                ServerError, match="the engine ended while it was asked; every answer so far is stored: run again"
            ),
            server.engine(front, port, {"PYTHONPATH": str(ROOT)}, 30, log),
        ):
            os.kill(int((tmp_path / "pids").read_text().split()[0]), signal.SIGKILL)
            time.sleep(2)
            raise ServerError("no answer")
    finally:
        os.chdir(before)


def test_the_command_names_loopback_the_model_and_no_sampling_defaults_of_its_own() -> None:
    command = server.command(
        "models/turbo", "turbo-1", 8001, {"dtype": "float32", "revision": None}, ["--enforce-eager"]
    )
    assert command[2:4] == ["serve", "models/turbo"]
    flags = " ".join(command[4:])
    assert "--host 127.0.0.1 --port 8001 --served-model-name turbo-1 --generation-config vllm" in flags
    assert "--dtype float32 --enforce-eager" in flags and "revision" not in flags
    assert "trust" not in flags
