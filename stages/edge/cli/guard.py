"""A process between a stage and the engine that it started: the engine ends when the stage does, however it does.

It ends the engine's whole process group when the stage closes its pipe, which the kernel does for a stage that was
killed, and when the engine's front dies but its workers do not.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

SECONDS_TO_END = 20.0
PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel to send SIGTERM to this process when its parent dies (Linux only, a no-op elsewhere)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def guard(serve: Sequence[str]) -> int:
    """Run `serve` in a process group of its own until it ends or our stdin closes; leave nothing of it behind."""
    child = subprocess.Popen(serve, stdin=subprocess.DEVNULL, process_group=0, preexec_fn=die_with_parent)
    is_ending = False

    def end(*_: object) -> None:
        nonlocal is_ending
        is_ending = True  # no more than that: another signal may come while the engine is being ended

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    os.set_blocking(0, False)
    try:
        while child.poll() is None and not is_ending and not _closed(0):
            time.sleep(0.2)
    finally:
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
    # vLLM's front ends its own workers; signalled all at once, they report each other's end as failures.
    child.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(SECONDS_TO_END)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


if __name__ == "__main__":
    sys.exit(guard(sys.argv[1:]))
