"""What the scripts share: settings as a profile of params.yaml has them, and the memory of processes.

A setting that is typed by hand lacks the field that the next one brings; a profile's is whole, or no stage runs.
"""

import contextlib
import resource
import threading
import time
from pathlib import Path

import psutil

from stages.edge import params

ROOT = Path(__file__).parents[1]
PAUSE = 0.1
"""Seconds between two looks at the memory."""
BYTES_PER_GIB = 2**30
KIB_PER_GIB = 2**20


def profile(name: str) -> params.Profile:
    """All settings of a profile of this project's params.yaml, wherever the script runs."""
    with contextlib.chdir(ROOT):
        return params.load_profile(name)


def resident_gib(pid: int) -> float:
    """Memory of a process and of all below it; 0 when it has ended."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for each in [parent, *parent.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += int(each.memory_info().rss)
    return total / BYTES_PER_GIB


def peak_gib() -> float:
    """The most memory that this process, or a child of it that has ended, ever had."""
    each = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(each) / KIB_PER_GIB


class Memory(threading.Thread):
    """The most that this process and its workers take together, in GiB, while the program runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0.0

    def run(self) -> None:
        """Look until the program ends."""
        me = psutil.Process().pid
        while True:
            self.peak = max(self.peak, resident_gib(me))
            time.sleep(PAUSE)
