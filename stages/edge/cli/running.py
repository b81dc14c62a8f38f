"""How a command line runs: errors as one sentence, signals, the claim of a stage and its line in the log."""

import argparse
import contextlib
import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil

from stages.edge.cli import claims, stage_log
from stages.edge.cli.guard import die_with_parent
from stages.edge.errors import InputError, PipelineError
from stages.edge.files.paths import project_root

LAST_ERROR = Path(".cache/last_error")
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Errors that are never a fault of the program, wherever they occur."""


class Become(Exception):
    """Raised by a verb that goes on as another program, which takes over the claim."""

    def __init__(self, command: Sequence[str]) -> None:
        """`command` with its arguments, looked up on PATH."""
        super().__init__()
        self.command = list(command)


def run(verb: Callable[[], None], *, is_stage: bool = True) -> NoReturn:
    """Run a stage's main and exit: 0, or 1 with one sentence, or 143 on SIGTERM. A bug keeps its traceback.

    A tool that is no stage takes no claim. Only stages that `dvc` runs are timed: one run by hand is no part of a run.
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
        if error.errno not in DISK_ERRORS:
            raise
        _fail(InputError(f"{error.filename or 'a file'}: cannot be written ({error.strerror}); see to the disk"))
    except Become as other:
        os.execvp(other.command[0], other.command)
    except KeyboardInterrupt:
        print("interrupted; run again to go on", file=sys.stderr)
        sys.exit(130)
    if is_stage and "DVC_STAGE" in os.environ and os.environ.get("RANK", "0") == "0":  # of torchrun's processes, one
        stage_log.add(name, time.monotonic() - started)
    sys.exit(0)


def _is_orphan() -> bool:
    """Whether `dvc` died before `die_with_parent` took effect. In a container `dvc` may itself be process 1."""
    return os.getppid() == 1 and not any("dvc" in word for word in psutil.Process(1).cmdline())


def _fail(error: PipelineError) -> NoReturn:
    line = f"error: {' '.join(str(error).split())}"  # libraries' messages may have many lines
    print(line, file=sys.stderr)
    if stage := os.environ.get("DVC_STAGE"):
        with contextlib.suppress(OSError):  # `make repro` shows it once more, below what DVC prints
            (project_root(Path.cwd()) / LAST_ERROR).write_text(f"{stage}: {line}\n", encoding="utf-8")
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


def parser(
    description: str | None, *paths: str, several: Sequence[str] = (), prog: str | None = None
) -> argparse.ArgumentParser:
    """A command-line parser whose help is the module's docstring, with a required path option for each of `paths`.

    An option of `several` takes one path or more. What a stage reads is named by the graph, one by one, and never what
    lies in a folder: an effort or a student that was renamed leaves its files there.
    """
    result = argparse.ArgumentParser(
        prog, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in paths:
        result.add_argument(f"--{name}", type=Path, required=True)
    for name in several:
        result.add_argument(f"--{name}", type=Path, required=True, nargs="+")
    return result


def count(text: str) -> int:
    """A whole number from 1 on, for `argparse`."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number
