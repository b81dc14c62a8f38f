"""A vLLM engine that lives exactly as long as the stage that needs it.

Between stage and engine stands a guard process: it ends the engine's whole process group when the stage closes its
pipe, which the kernel does for a stage that was killed, and when the engine's front dies but its workers do not.
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from stages.edge.errors import ServerError

SECONDS_TO_END = 20.0
PR_SET_PDEATHSIG = 1
LOG_LINES_SHOWN = 8


def die_with_parent() -> None:
    """Ask the kernel to send SIGTERM to this process when its parent dies (Linux only, a no-op elsewhere)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def command(model: str, name: str, port: int, fields: Mapping[str, str | None], args: Sequence[str]) -> list[str]:
    """The `vllm serve` command line: loopback only, sampling defaults of vLLM rather than of the model's files."""
    flags = [part for key, value in fields.items() if value is not None for part in (f"--{key}", value)]
    where = ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", name, "--generation-config", "vllm"]
    program = Path(sys.executable).with_name("vllm")
    return [sys.executable, str(program), "serve", model, *where, *flags, *args]


@contextlib.contextmanager
def engine(serve: Sequence[str], port: int, env: Mapping[str, str], seconds: float, log: Path) -> Iterator[str]:
    """Run `serve` (from `command`) and yield its base URL once it answers; its process group is gone on exit.

    Raises:
        ServerError: it ended or was not ready in `seconds`; the message holds the end of its log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    quiet = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    with log.open("w") as stream:
        guard = subprocess.Popen(
            [sys.executable, "-m", "stages.edge.server", *serve],
            stdin=subprocess.PIPE, stdout=stream, stderr=subprocess.STDOUT,
            env={**os.environ, **quiet, **env}, start_new_session=True,
        )  # fmt: skip
    try:
        _await_ready(f"http://127.0.0.1:{port}/health", guard, seconds, log)
        try:
            yield f"http://127.0.0.1:{port}/v1"
        except ServerError as error:
            if guard.poll() is None:
                raise
            raise ServerError(
                f"the engine ended while it was asked; every answer so far is stored: run again; the end of {log}:\n"
                f"{_last_lines(log)}"
            ) from error
    finally:
        assert guard.stdin is not None
        guard.stdin.close()
        guard.wait()


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_ready(url: str, guard: subprocess.Popen[bytes], seconds: float, log: Path) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if guard.poll() is not None:
            raise ServerError(f"the engine ended before it was ready; the end of {log}:\n{_last_lines(log)}")
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.25)
    raise ServerError(f"the engine was not ready in {seconds:.0f} s; raise runtime.engine.start_seconds, or see {log}")


def _last_lines(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if "Error" in line] or lines
    return "\n".join(telling[-LOG_LINES_SHOWN:])


def guard(serve: Sequence[str]) -> int:
    """Run `serve` in a process group of its own until it ends or our stdin closes; leave nothing of it behind."""
    child = subprocess.Popen(serve, stdin=subprocess.DEVNULL, process_group=0, preexec_fn=die_with_parent)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.close(0))
    os.set_blocking(0, False)
    while child.poll() is None and not _closed(0):
        time.sleep(0.2)
    _end_group(child)
    return child.returncode


def _closed(descriptor: int) -> bool:
    try:
        return os.read(descriptor, 1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _end_group(child: subprocess.Popen[bytes]) -> None:
    # vLLM's front ends its own workers; told all at once, they report each other's end as failures.
    child.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(SECONDS_TO_END)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


if __name__ == "__main__":
    sys.exit(guard(sys.argv[1:]))
