"""What every stage's command line shares: errors as one sentence, signals, the stage's lock and its minutes.

`python -m stages.edge.cli.running` prints the minutes and memory of the stages that ran last.
"""

import argparse
import contextlib
import csv
import errno
import json
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from stages.edge import params
from stages.edge.cli import claims
from stages.edge.cli.guard import die_with_parent
from stages.edge.errors import InputError, PipelineError, SettingError, writing
from stages.edge.files.paths import project_root

LOG = Path(".cache") / "stages.jsonl"
KIB_PER_GIB = 1024**2
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Failures that are never a fault of the program, wherever they come up."""


class Become(Exception):
    """Raised by a verb that goes on as another program, which takes over the claim."""

    def __init__(self, command: Sequence[str]) -> None:
        """`command` with its arguments, looked up on PATH."""
        super().__init__()
        self.command = list(command)


def run(verb: Callable[[], None], *, is_stage: bool = True) -> NoReturn:
    """Run a stage's main and exit: 0, or 1 with one sentence, or 143 on SIGTERM. A bug keeps its traceback.

    A tool that is no stage is not claimed. Timed is what `dvc` runs: a stage that is tried by hand is no part of a run.
    """
    if "DVC_STAGE" in os.environ:
        # A stage whose `dvc` was killed would go on beside the next run's: it ends with its parent instead.
        die_with_parent()
        if _is_orphan():
            sys.exit(143)
    signal.signal(signal.SIGTERM, _terminate)
    name = os.environ.get("DVC_STAGE", sys.argv[0])
    started = time.monotonic()
    try:
        with _claimed(name) if is_stage else contextlib.nullcontext():
            verb()
    except PipelineError as error:
        _fail(error)
    except BrokenPipeError:
        if is_stage:
            raise
        # Whoever read our output has seen enough; without this the interpreter would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.errno not in OF_THE_DISK:
            raise
        _fail(InputError(f"{error.filename or 'a file'}: cannot be written ({error.strerror}); see to the disk"))
    except Become as other:
        os.execvp(other.command[0], other.command)
    except KeyboardInterrupt:
        print("interrupted; run again to go on", file=sys.stderr)
        sys.exit(130)
    if is_stage and "DVC_STAGE" in os.environ and os.environ.get("RANK", "0") == "0":  # of torchrun's processes, one
        _log(name, time.monotonic() - started)
    sys.exit(0)


def _is_orphan() -> bool:
    """Whether `dvc` died before we could ask to be told. In a container it may be the first process itself."""
    try:
        return os.getppid() == 1 and b"dvc" not in Path("/proc/1/cmdline").read_bytes()
    except OSError:
        return False


def _fail(error: PipelineError) -> NoReturn:
    print("error:", " ".join(str(error).split()), file=sys.stderr)  # libraries' messages may have many lines
    sys.exit(1)


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    # Once is enough: the kernel tells of the death of a parent with threads several times, and the second signal would
    # fall into the clean-up that the first began.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)


@contextlib.contextmanager
def _claimed(name: str) -> Iterator[None]:
    """One process per stage and working tree: a second one waits for the first to end."""
    if os.environ.get("RANK", "0") != "0":  # torchrun starts a stage many times; its first process holds the claim
        yield
        return
    with claims.held(Path(".cache") / "locks" / f"{name.replace('/', '_')}.lock", f"runs {name}"):
        yield


def write_metrics(metrics: Mapping[str, object], path: Path) -> None:
    """Write a metrics file: strict JSON (NaN is a ValueError), stable layout."""
    text = json.dumps(metrics, indent=2, allow_nan=False) + "\n"
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def read_metrics(path: Path) -> dict[str, Any]:
    """What `write_metrics` wrote."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def write_csv(rows: Sequence[Mapping[str, object]], path: Path) -> None:
    """Write rows for a DVC plot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path), path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _peak_kib() -> int:
    """Most memory that the stage's largest process held: its own, or that of a child it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    try:
        # Not getrusage: on Linux its figure starts from what the parent held when it forked.
        found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    except FileNotFoundError:
        found = None
    own = int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max(own, children)


def _log(name: str, seconds: float) -> None:
    row = {
        "stage": name,
        "seconds": round(seconds, 1),
        "peak_gib": round(_peak_kib() / KIB_PER_GIB, 2),
        "load": os.getloadavg()[0],
    }
    with contextlib.suppress(SettingError):  # a test's stage may stand where there are no settings
        row["profile"] = params.profile()
    path = project_root(Path.cwd()) / LOG
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as log:
            log.write(json.dumps(row) + "\n")
    except OSError as error:  # the work is done; a note of its minutes must not undo it
        print(f"warning: {path}: cannot be written ({error})", file=sys.stderr)
    print(f"{name}: {seconds / 60:.1f} min, peak {row['peak_gib']} GiB", file=sys.stderr)


def count(text: str) -> int:
    """A whole number from 1 on, for `argparse`."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def logged(folder: Path, profile: str) -> Iterator[dict[str, Any]]:
    """The logged stages of a profile in the project around `folder`, oldest first."""
    path = project_root(folder) / LOG
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []:
        with contextlib.suppress(ValueError):  # a kill may have cut a line off
            row = json.loads(line)
            if row.get("profile", profile) == profile:
                yield row


def main() -> None:
    """Print the last logged minutes of each stage of the chosen profile."""
    argparse.ArgumentParser(
        "python -m stages.edge.cli.running", description="Minutes and memory of the stages that ran last."
    ).parse_args()
    name = params.profile()
    last = {row["stage"]: row for row in logged(Path.cwd(), name)}
    if not last:
        print(f"no stage of the profile {name} has run here yet; `dvc repro` runs them")
        return
    for row in last.values():
        print(f"{row['stage']:<18} {row['seconds'] / 60:6.1f} min {row['peak_gib']:6.2f} GiB  load {row['load']:.1f}")
    print(f"{'all':<18} {sum(row['seconds'] for row in last.values()) / 60:6.1f} min")


if __name__ == "__main__":
    run(main, is_stage=False)
