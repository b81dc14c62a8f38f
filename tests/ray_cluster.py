"""A Ray cluster on loopback, of processes that `ray start` leaves as on real hosts: a head without work, and nodes."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

SECONDS_TO_START = 90
FIRST_ADDRESS = 2
"""Each node has an address of its own, 127.0.0.2 and so on, so that what ran where can be told."""

TIMELINE = "import json, ray; ray.init(logging_level='ERROR'); print(json.dumps(ray.timeline()))"

STARTED = "Ray runtime started."


class RayCluster:
    """`with RayCluster(2) as cluster:` then run a program with `cluster.environment`; kill a node by `cluster.kill(0)`.

    The nodes know nothing of the project: they stand in an empty folder, without its PYTHONPATH. Who connects has to
    show a token, as on a cluster that strangers can reach.
    """

    def __init__(self, num_nodes: int, gpus_per_node: int = 0, path: Path | None = None) -> None:
        """Nodes of one processor, which say that they have GPUs, and have the folder `path` first on their PATH."""
        self._num_nodes, self._gpus, self._path = num_nodes, gpus_per_node, path
        # Not pytest's folder: the path of a socket has 107 characters at most.
        self._folder = Path(tempfile.mkdtemp(prefix="ray-"))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self._head = f"127.0.0.{FIRST_ADDRESS}"
        self.addresses = [f"127.0.0.{FIRST_ADDRESS + 1 + place}" for place in range(num_nodes)]
        self.environment = {
            "RAY_ADDRESS": f"{self._head}:{port}",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(16),
            "RAY_TMPDIR": str(self._folder),
            "RAY_USAGE_STATS_ENABLED": "0",
            # Tasks are written down with the node that ran them.
            "RAY_PROFILING": "1",
            "RAY_task_events_report_interval_ms": "100",
        }
        self._processes: list[psutil.Popen] = []

    def __enter__(self) -> Self:
        """Start the head, then the nodes, and wait until all are there."""
        try:
            port = self.environment["RAY_ADDRESS"].split(":")[1]
            self._start("--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false", address=self._head)
            for address in self.addresses:
                joining = f"--address={self.environment['RAY_ADDRESS']}"
                self._start(joining, "--num-cpus=1", f"--num-gpus={self._gpus}", address=address)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all of it."""
        self._end()

    def kill(self, place: int) -> None:
        """A node's end without a word, as when its host loses power."""
        _kill(self._processes[1 + place])

    def running(self, place: int) -> list[str]:
        """Names of the tasks that a node works on now."""
        found = []
        for process in self._processes[1 + place].children(recursive=True):
            try:
                title = "".join(process.cmdline())
            except psutil.Error:
                continue
            if title.startswith("ray::") and not title.startswith("ray::IDLE"):
                found.append(title.removeprefix("ray::"))
        return found

    def tasks(self) -> list[tuple[str, str]]:
        """(address, name) of each task that ended, of all programs that were connected."""
        events: list[dict[str, Any]] = json.loads(self._python(TIMELINE).splitlines()[-1])
        return [(event["pid"], event["name"]) for event in events]

    def _python(self, text: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", text], env={**os.environ, **self.environment}, capture_output=True, text=True,
            timeout=2 * SECONDS_TO_START, cwd=self._folder,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stderr}\n{self._logs()}"
        return done.stdout

    def _start(self, *arguments: str, address: str) -> None:
        """Start a node and wait until it is there; one that gave up on a busy machine is started again."""
        ray = Path(sys.executable).with_name("ray")
        command = [str(ray), "start", "--block", f"--node-ip-address={address}", "--disable-usage-stats", *arguments]
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("RAY_", "PYTHONPATH"))}
        if self._path:
            kept["PATH"] = f"{self._path}{os.pathsep}{kept['PATH']}"
        said = self._folder / f"{address}.log"
        deadline = time.monotonic() + SECONDS_TO_START
        while True:
            with said.open("wb") as log:
                process = psutil.Popen(
                    command, cwd=self._folder, env={**kept, **self.environment}, stdout=log, stderr=subprocess.STDOUT
                )
            while process.poll() is None and STARTED not in said.read_text(errors="replace"):
                if time.monotonic() > deadline:
                    break
                time.sleep(0.1)
            if process.poll() is None and STARTED in said.read_text(errors="replace"):
                self._processes.append(process)
                return
            _kill(process)
            assert time.monotonic() < deadline, self._logs()

    def _logs(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in sorted(self._folder.glob("*.log")))

    def _end(self) -> None:
        for process in reversed(self._processes):
            _kill(process)
        shutil.rmtree(self._folder, ignore_errors=True)


def _kill(process: psutil.Popen) -> None:
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        family = [process]
    for each in family:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()
