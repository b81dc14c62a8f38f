"""vLLM engines that live exactly as long as the stage that needs them. Every engine listens on loopback."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from stages.edge import params
from stages.edge.errors import ServerError, SettingError
from stages.edge.files.paths import project_root

LOG_LINES_SHOWN = 8
POINTS_ELSEWHERE = re.compile(
    r"root cause above|initialization failed|^\S*\s*(raise|File) |failed to start", re.IGNORECASE
)
MOST_RESTARTS = 3
SECONDS_TO_FORGET_A_RESTART = 3600.0
GPU_VARIABLES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
QUIET = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
SYSTEM_DATE = "2025-06-28"
"""Date in gpt-oss's system message. The default is today's, which would make each question a new one every day
(vllm#22340). This one is the format's own example."""
PINNED = {"VLLM_SYSTEM_START_DATE": SYSTEM_DATE}


def command(model: str, name: str, port: int, fields: Mapping[str, str | None], args: Sequence[str]) -> list[str]:
    """The `vllm serve` command line: loopback only, sampling defaults of vLLM rather than of the model's files."""
    flags = [part for key, value in fields.items() if value is not None for part in (f"--{key}", value)]
    address = ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", name, "--generation-config", "vllm"]
    return [sys.executable, str(_program()), "serve", model, *address, *flags, *args]


def _program() -> Path:
    """vLLM's own, beside our python."""
    return Path(sys.executable).with_name("vllm")


def _without_torchrun(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without torchrun's variables: with them an engine would look for the other processes."""
    prefixes = ("TORCHELASTIC_", "MASTER_")
    names = ("RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE")
    return {name: value for name, value in environment.items() if not name.startswith(prefixes) and name not in names}


class Engine:
    """One engine: a command, its environment and its log. Nothing runs before `start`."""

    def __init__(self, serve: Sequence[str], port: int, env: Mapping[str, str], seconds: float, log: Path) -> None:
        """`seconds` is how long it may take to answer."""
        self.url = f"http://127.0.0.1:{port}/v1"
        self._serve, self._env, self._seconds, self._log = serve, env, seconds, log
        self._health = f"http://127.0.0.1:{port}/health"
        self._guard: subprocess.Popen[bytes] | None = None
        self._restarts: list[float] = []

    def start(self) -> None:
        """Start it, in the background."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("a" if self._restarts else "w") as stream:
            self._guard = subprocess.Popen(
                [sys.executable, "-m", "stages.edge.cli.guard", *self._serve],
                stdin=subprocess.PIPE, stdout=stream, stderr=subprocess.STDOUT,
                env={**_without_torchrun(os.environ), **QUIET, **self._env, **PINNED}, start_new_session=True,
            )  # fmt: skip

    def await_ready(self) -> None:
        """Wait until it answers.

        Raises:
            ServerError: it ended or was not ready in time; the message holds the end of its log.
        """
        deadline = time.monotonic() + self._seconds
        while time.monotonic() < deadline:
            if self._guard is None or self._guard.poll() is not None:
                raise ServerError(
                    f"the engine ended before it was ready; the end of {self._log}:\n{last_lines(self._log)}"
                )
            if self.is_healthy() and _responds(f"{self.url}/models"):
                return
            time.sleep(0.25)
        raise ServerError(
            f"the engine was not ready in {self._seconds:.0f} s; raise runtime.engine.start_seconds, or see {self._log}"
        )

    def is_healthy(self) -> bool:
        """Whether its health check succeeds."""
        return _responds(self._health)

    def revive(self, hangs: bool = False) -> bool:
        """Start it anew if it has died, is not healthy, or `hangs`; return whether it was started.

        Raises:
            ServerError: it has died too often within an hour, or does not come up again.
        """
        if not hangs and self._guard is not None and self._guard.poll() is None and self.is_healthy():
            return False
        now = time.monotonic()
        self._restarts = [at for at in self._restarts if now - at < SECONDS_TO_FORGET_A_RESTART]
        if len(self._restarts) >= MOST_RESTARTS:
            raise ServerError(
                f"the engine ended while it was asked, {MOST_RESTARTS + 1} times; every answer so far is stored: run "
                f"again; the end of {self._log}:\n{last_lines(self._log)}"
            )
        self._restarts.append(now)
        reason = "makes no progress" if hangs else "has died"
        print(f"the engine at {self.url} {reason}: starting it anew, see {self._log}", file=sys.stderr, flush=True)
        self.end()
        self.start()
        self.await_ready()
        return True

    def end(self) -> None:
        """End it and all its processes; its guard sees to that."""
        if self._guard is not None:
            assert self._guard.stdin is not None
            self._guard.stdin.close()
            self._guard.wait()


def _responds(url: str) -> bool:
    with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=5):
        return True
    return False


@contextlib.contextmanager
def all_running(engines: Sequence[Engine]) -> Iterator[None]:
    """Start the engines side by side, wait until all answer, and end them at last.

    Raises:
        ServerError: one does not come up.
    """
    try:
        for engine in engines:
            engine.start()
        for engine in engines:
            engine.await_ready()
        yield
    finally:
        for engine in engines:
            engine.end()


def replicas(
    source: str, name: str, flags: Mapping[str, str | None], settings: params.Engine, log: Path, first_port: int | None
) -> list[Engine]:
    """An engine for each group of `tensor_parallel_size` visible GPUs, at most `replicas` of them; on a CPU, one.

    Raises:
        ServerError: vLLM is not installed here.
        SettingError: there are fewer GPUs than one engine needs.
    """
    if not _program().exists():
        raise ServerError(
            f"no server that is named lists {name}, and there is no vLLM here to start one: serve {source} elsewhere "
            "under that name, and name the server in OPENAI_BASE_URL or in runtime.endpoints"
        )
    size = settings.tensor_parallel_size
    gpus = visible_gpus(os.environ)
    groups = [gpus[start : start + size] for start in range(0, len(gpus) - size + 1, size)][: settings.replicas]
    if size > 1 and not groups:
        raise SettingError(
            f"params.yaml: runtime.engine.tensor_parallel_size is {size}, but {len(gpus)} GPUs are visible; lower it, "
            f"or show more of them ({', '.join(GPU_VARIABLES)})"
        )
    engines = []
    for place, group in enumerate(groups or [[]]):
        port = free_port() if first_port is None else first_port + place
        parallel = ["--tensor-parallel-size", str(size)] if size > 1 else []
        serve = command(source, name, port, flags, [*parallel, *settings.args])
        env = {**settings.env, **(dict.fromkeys(_gpu_variables(os.environ), ",".join(group)) if group else {})}
        file = log if len(groups) < 2 else log.with_stem(f"{log.stem}-{place}")
        engines.append(Engine(serve, port, env, settings.start_seconds, file))
    return engines


def visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """Ids of the GPUs that this process may use: those that CUDA's or ROCm's variable names, else all."""
    for name in _gpu_variables(environment):
        if name in environment:
            return [gpu.strip() for gpu in environment[name].split(",") if gpu.strip()]
    if not any(Path(device).exists() for device in GPU_DEVICES):
        return []  # torch takes seconds to find none
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def _gpu_variables(environment: Mapping[str, str]) -> list[str]:
    """The variables that limit the GPUs here: those that are set, else the one of this build of torch.

    HIP counts within what ROCR shows, so where both are set only HIP's is narrowed further.
    """
    named = [name for name in GPU_VARIABLES if name in environment]
    if named:
        return [name for name in named if name != "ROCR_VISIBLE_DEVICES"] or named
    import torch

    return ["HIP_VISIBLE_DEVICES" if torch.version.hip else "CUDA_VISIBLE_DEVICES"]


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def last_lines(log: Path) -> str:
    """The first cause of the end of a log: its errors but for those that only point to another, or its last lines.

    vLLM's processes fail one after the other, and the last says no more than "See root cause above".
    """
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line or "error:" in line]
    causes = [line for line in errors if not POINTS_ELSEWHERE.search(line)]
    if causes:
        return "\n".join(dict.fromkeys(causes[: LOG_LINES_SHOWN // 2] + causes[-LOG_LINES_SHOWN // 2 :]))
    return "\n".join((errors or lines)[-LOG_LINES_SHOWN:])


def serve(model: str, name: str, first_port: int | None, settings: params.Engine) -> None:
    """Serve a model under `name` until interrupted, on `first_port` and those behind it (None: any that are free).

    Raises:
        ServerError, SettingError: as `replicas`.
    """
    log = project_root(Path.cwd()) / ".cache" / "logs" / f"{name.replace('/', '_')}.log"
    engines = replicas(model, name, {}, settings, log, first_port)
    with all_running(engines):
        print("OPENAI_BASE_URL=" + ",".join(engine.url for engine in engines), flush=True)
        while True:
            time.sleep(1)
            for engine in engines:
                engine.revive()
