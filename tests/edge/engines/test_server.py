"""An engine lives exactly as long as the stage that needs it, whoever is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from stages.edge import params
from stages.edge.engines import server
from stages.edge.errors import ServerError, SettingError

ROOT = Path(__file__).parents[3]
FRONT = """
import http.server, os, subprocess, sys
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[2], "w").write(f"{os.getpid()} {worker.pid}")
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
STAGE = """
import sys, time
from pathlib import Path
from stages.edge.engines import server
port = server.free_port()
front = [sys.executable, "-c", sys.argv[1], str(port), sys.argv[2]]
engine = server.Engine(front, port, {{}}, 60, Path(sys.argv[2] + ".log"))
with server.all_running([engine]):
    print(engine.url, flush=True)
    {then}
"""


def pretend_to_be_healthy(folder: Path) -> None:
    """What a server of the files in `folder` has to hold to pass for an engine."""
    (folder / "v1").mkdir(parents=True, exist_ok=True)
    for name in ("health", "v1/models"):
        (folder / name).write_text("")


def stage(tmp_path: Path, then: str = "time.sleep(600)") -> "tuple[subprocess.Popen[str], list[psutil.Process]]":
    """A stage with a running engine of two processes, and these two."""
    pretend_to_be_healthy(tmp_path)
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
    failing = engine(tmp_path, "import sys; sys.exit('ValueError: no such weights')")
    with (
        pytest.raises(ServerError, match=r"ended before it was ready(?s:.*)no such weights"),
        server.all_running([failing]),
    ):
        pass


def test_the_first_cause_is_shown_and_not_what_points_to_it(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_text(
        "INFO loading\n"
        "(Worker pid=3) ValueError: CPU ids [8, 9] are not available here\n"
        "(EngineCore pid=2) ERROR EngineCore failed to start.\n"
        "(EngineCore pid=2) RuntimeError: Worker initialization failed\n"
        "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}\n"
    )
    assert server.last_lines(log) == "(Worker pid=3) ValueError: CPU ids [8, 9] are not available here"
    log.write_text("INFO one\nRuntimeError: Engine core initialization failed. See root cause above.\n")
    assert "See root cause above" in server.last_lines(log), "where nothing else is known"


def test_an_engine_that_takes_too_long_is_ended_and_the_others_with_it(tmp_path: Path) -> None:
    (tmp_path / "health").write_text("")
    sleeping = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    late, well = engine(tmp_path, sleeping, seconds=4), serving(tmp_path)
    with (
        pytest.raises(ServerError, match=r"not ready in 4 s; raise runtime.engine.start_seconds"),
        server.all_running([well, late]),
    ):
        pass
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
    assert not well.is_healthy()


def engine(folder: Path, code: str, *arguments: str, seconds: float = 60, port: int = 0) -> server.Engine:
    """An engine that runs `code`."""
    env = {"PYTHONPATH": str(ROOT)}
    return server.Engine(
        [sys.executable, "-c", code, *arguments], port or server.free_port(), env, seconds, folder / "log"
    )


def serving(folder: Path) -> server.Engine:
    """An engine of two processes that says that it is healthy."""
    pretend_to_be_healthy(folder)
    port = server.free_port()
    front = FRONT.replace("http.server.Threading", f"os.chdir({str(folder)!r}); http.server.Threading")
    return engine(folder, front, str(port), str(folder / "pids"), port=port)


def pids(folder: Path) -> list[psutil.Process]:
    return [psutil.Process(int(pid)) for pid in (folder / "pids").read_text().split()]


def test_an_engine_that_died_is_started_anew_and_one_that_lives_is_left_alone(tmp_path: Path) -> None:
    one = serving(tmp_path)
    with server.all_running([one]):
        assert not one.revive()
        first = pids(tmp_path)
        first[0].kill()
        assert gone(first), "its worker too"
        assert one.revive()
        second = pids(tmp_path)
        assert one.is_healthy() and second != first
    assert gone(second)


def test_an_engine_that_says_that_it_cannot_answer_is_started_anew(tmp_path: Path) -> None:
    one = serving(tmp_path)
    with server.all_running([one]):
        first = pids(tmp_path)
        (tmp_path / "health").unlink()  # the front lives, but /health is an error
        assert not one.is_healthy()
        threading.Timer(1.0, lambda: (tmp_path / "health").write_text("")).start()
        assert one.revive()
        assert gone(first)


def test_an_engine_that_hangs_is_started_anew_though_it_says_that_it_is_healthy(tmp_path: Path) -> None:
    one = serving(tmp_path)
    with server.all_running([one]):
        first = pids(tmp_path)
        assert one.is_healthy()
        assert one.revive(hangs=True)
        assert gone(first) and one.is_healthy()


def test_an_engine_is_ready_only_when_it_also_lists_its_models(tmp_path: Path) -> None:
    one = serving(tmp_path)
    models = tmp_path / "v1/models"
    models.unlink()
    started = time.monotonic()
    threading.Timer(1.5, lambda: models.write_text("")).start()
    with server.all_running([one]):
        assert time.monotonic() - started > 1.4


def test_restarts_of_long_ago_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SECONDS_TO_FORGET_A_RESTART", 0.0)
    one = serving(tmp_path)
    with server.all_running([one]):
        for _ in range(server.MOST_RESTARTS + 1):
            assert one.revive(hangs=True)


def test_an_engine_that_dies_again_and_again_is_given_up_with_the_end_of_its_log(tmp_path: Path) -> None:
    one = serving(tmp_path)
    with server.all_running([one]):
        for _ in range(server.MOST_RESTARTS):
            pids(tmp_path)[0].kill()
            one._guard.wait(30)
            assert one.revive()
        pids(tmp_path)[0].kill()
        one._guard.wait(30)
        with pytest.raises(ServerError, match=r"4 times; every answer so far is stored: run again; the end of .*log"):
            one.revive()


def settings(**changes: Any) -> params.Engine:
    fields = {"args": ["--x"], "env": {"A": "1"}, "start_seconds": 5.0, "tensor_parallel_size": 1, "replicas": None}
    return params.Engine.model_validate({**fields, **changes})


@pytest.mark.parametrize(
    ("visible", "changes", "groups"),
    [
        ("0,1,2,3", {}, ["0", "1", "2", "3"]),
        ("0,1,2,3", {"tensor_parallel_size": 2}, ["0,1", "2,3"]),
        ("0,1,2,3", {"tensor_parallel_size": 2, "replicas": 1}, ["0,1"]),
        ("4,5,7", {"tensor_parallel_size": 2}, ["4,5"]),
        ("GPU-1a,GPU-2b", {}, ["GPU-1a", "GPU-2b"]),
        ("", {}, [None]),
    ],
)
@pytest.mark.parametrize("variable", ["CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"])
def test_each_group_of_gpus_gets_an_engine(
    variable: str,
    visible: str,
    changes: dict[str, Any],
    groups: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in server.GPU_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, visible)
    engines = server.replicas("org/model", "m", {}, settings(**changes), tmp_path / "m.log", 8000)
    assert [engine._env.get(variable) for engine in engines] == groups
    assert [engine.url for engine in engines] == [f"http://127.0.0.1:{8000 + place}/v1" for place in range(len(groups))]
    assert len({engine._log for engine in engines}) == len(groups)
    size = changes.get("tensor_parallel_size", 1)
    for one in engines:
        assert (f"--tensor-parallel-size {size}" in " ".join(one._serve)) == (size > 1)
        assert one._serve[-1] == "--x" and one._env["A"] == "1"


def test_too_few_gpus_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(SettingError, match=r"tensor_parallel_size is 2, but 1 GPUs are visible.*CUDA_VISIBLE_DEVICES"):
        server.replicas("org/model", "m", {}, settings(tensor_parallel_size=2), tmp_path / "m.log", None)


def test_a_machine_without_vllm_is_told_what_to_serve_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(
        ServerError, match=r"lists final-1a2b, .* no vLLM here .* serve models/final elsewhere under that name"
    ):
        server.replicas("models/final", "final-1a2b", {}, settings(), tmp_path / "m.log", None)


def test_the_command_names_loopback_the_model_and_no_sampling_defaults_of_its_own() -> None:
    command = server.command(
        "models/turbo", "turbo-1", 8001, {"dtype": "float32", "revision": None}, ["--enforce-eager"]
    )
    assert command[2:4] == ["serve", "models/turbo"]
    flags = " ".join(command[4:])
    assert "--host 127.0.0.1 --port 8001 --served-model-name turbo-1 --generation-config vllm" in flags
    assert "--dtype float32 --enforce-eager" in flags and "revision" not in flags
    assert "trust" not in flags
