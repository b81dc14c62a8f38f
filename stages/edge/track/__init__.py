"""Tracking in MLflow, tied to DVC: a parent run for each state of the pipeline, below it a run for each stage that ran.

    with track.stage("train@turbo", settings.model_dump()) as run:
        run.metrics({"loss": 0.3}, step=1)

The last stage brings the parent run up to date before it ends: settings, results, the report. A stage that DVC skips or
takes from its cache logs nothing itself; `python -m stages.edge.track` does the same after `dvc repro` or `dvc pull`.

MLFLOW_TRACKING_URI says where; unset is the SQLite file mlflow.db of the main checkout, `off` turns tracking off. A
stage only writes lines into a pipe. The process at its other end imports MLflow, which takes seconds, while the stage
already works, and waits for slow servers in its place. When a stage is killed, the pipe breaks and the run still ends.
Nothing that goes wrong here stops a stage: it is one line on stderr.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from stages.edge.files.paths import project_root
from stages.edge.track.events import Event, flat, legal, numbers

JOIN_SECONDS = 30.0
KILLED_CODES = (130, 143)
# A server that does not answer must cost seconds, not the minutes of MLflow's defaults. All can be set from outside.
CLIENT_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class Run:
    """A stage's run. Its methods return at once and never fail because of MLflow; with tracking off they do nothing."""

    def __init__(self, recorder: "subprocess.Popen[str] | None") -> None:
        """Made by `stage`."""
        self._recorder = recorder
        self._lock = threading.Lock()

    def metrics(self, values: Mapping[str, object], step: int | None = None) -> None:
        """Log the finite numbers among `values`; nested names are joined with `/`.

        Names of sources and exams are free: a character that MLflow refuses becomes an underscore.
        """
        legal_values = {legal(name): value for name, value in flat(values, "/").items() if name}
        self._send("metrics", dict(numbers(legal_values)), step or 0)

    def tags(self, values: Mapping[str, object]) -> None:
        """Set tags."""
        self._send("tags", dict(values))

    def artifact(self, path: Path) -> None:
        """Keep a copy of a small file or folder, which must stay until the stage ends. DVC keeps the large ones."""
        self._send("artifact", {"path": str(path.resolve())})

    def open(self, name: str, params: Mapping[str, object], is_last: bool = False) -> None:
        """Open the run of the stage `name`. Called by `stage`."""
        self._send("open", {"name": name, "arguments": sys.argv[1:], "is_last": is_last})
        self._send("params", flat(params, "."))

    def end(self, status: str) -> None:
        """End the run and wait until it is written. Called by `stage`."""
        self._send("end", {"status": status})
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        try:
            problem, _ = recorder.communicate(timeout=JOIN_SECONDS)
        except subprocess.TimeoutExpired:
            problem = f"not written after {JOIN_SECONDS:.0f} s, still trying"
        if recorder.returncode and not problem:
            problem = f"its process ended with {recorder.returncode}"
        if problem:
            warn(problem)

    def _send(self, kind: str, values: dict[str, object], step: int = 0) -> None:
        pipe = self._recorder.stdin if self._recorder else None
        if pipe is None:
            return
        line = json.dumps(Event(kind, int(time.time() * 1000), values, step), default=str)
        # `end` reports why a recorder gave up; ValueError: another thread has ended the run.
        with self._lock, contextlib.suppress(BrokenPipeError, ValueError):
            pipe.write(line + "\n")
            pipe.flush()


@contextlib.contextmanager
def stage(name: str, params: Mapping[str, object], *, is_last: bool = False) -> Iterator[Run]:
    """The run of an executed stage: FINISHED, FAILED by an exception, KILLED by SIGTERM or Ctrl-C.

    `name` is used outside DVC, which names its stages itself. `params` are logged by dotted key. Of several processes
    that train together only the first is tracked. `is_last`: all results are there when this stage has finished, so the
    parent run gets them.
    """
    off = destination() is None or os.environ.get("RANK", "0") != "0"
    run = Run(None if off else _recorder())
    run.open(os.environ.get("DVC_STAGE", name), params, is_last)
    status = "FAILED"
    try:
        yield run
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    except SystemExit as leaving:
        status = "KILLED" if leaving.code in KILLED_CODES else "FAILED" if leaving.code else "FINISHED"
        raise
    finally:
        run.end(status)


def destination() -> str | None:
    """Where runs go, None for nowhere. A relative SQLite file is one of the main checkout."""
    named = os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db").strip()
    if named.lower() in ("", "off"):
        return None
    path = named.removeprefix("sqlite:///")
    return named if path == named else f"sqlite:///{project_root(Path.cwd()) / path}"


def _recorder() -> "subprocess.Popen[str] | None":
    """The process that writes for this stage. In a group of its own, where Ctrl-C does not reach it."""
    root = str(Path(__file__).resolve().parents[3])
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "stages.edge.track", "record"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            process_group=0,
        )
    except OSError as error:
        warn(str(error))
        return None


def warn(problem: str) -> None:
    """Print one line on stderr: a problem of tracking stops nothing."""
    print(f"warning: tracking: {problem.strip()}; the pipeline goes on without it", file=sys.stderr, flush=True)
