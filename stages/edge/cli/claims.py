"""Claims: one process at a time does a piece of work, and a killed process leaves none behind.

On a local disk a claim is a file lock, which the kernel gives back when its holder dies, however it dies. Network disks
do not keep that promise between machines, so there a claim is a lease: a file that its holder touches again and again,
and that another may take over once nobody has touched it for `LEASE_SECONDS` of its own clock. (A dead holder's lease
of `filelock` is never taken over on NFS, which refuses the exchange of two names that this needs there.)
"""

import contextlib
import fcntl
import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import psutil

from stages.edge.errors import ClaimLostError, writing

LEASE_SECONDS = 120.0
RENEWALS_PER_LEASE = 6
LEASES_TO_BE_DEAD = 3
"""A lease that nobody touched for so many times its length has no holder any more."""
NETWORK_FILESYSTEMS = (
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.", "glusterfs", "gpfs", "lustre", "nfs", "smb", "virtiofs", "wekafs",
)  # fmt: skip

Check = Callable[[], None]
"""Raises `ClaimLostError` when the claim is no longer ours; cheap, so it can be called before every write."""


@contextlib.contextmanager
def held(path: Path, what: str, leased: bool | None = None) -> Iterator[Check]:
    """Hold the claim on the file `path`, waiting while another process has it; `what` says what that process does.

    `leased` None looks at the kind of disk.

    Raises:
        InputError: the disk is full, or may not be written to.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    claim = _leased if (is_on_network(path.parent) if leased is None else leased) else _locked
    with claim(path, f"waiting for another process that {what}") as check:
        yield check


@contextlib.contextmanager
def held_if_free(path: Path) -> Iterator[bool]:
    """Hold the claim if nobody has it; gives whether it is held. Waits only for a lease whose holder is dead."""
    if is_on_network(path.parent):
        lease = path.with_suffix(".lease")
        if lease.exists() and _seconds_untouched(lease) < LEASES_TO_BE_DEAD * LEASE_SECONDS:
            yield False
        else:
            with held(path, "has it"):
                yield True
        return
    with _opened(path) as claim:
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def is_on_network(folder: Path) -> bool:
    """Whether `folder` is on a disk that other machines may share; False where the system does not say."""
    try:
        mounts = {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
    except OSError:
        return False
    resolved = folder.resolve()
    around = [mounts[place] for place in (resolved, *resolved.parents) if place in mounts]  # the innermost first
    return bool(around) and around[0].startswith(NETWORK_FILESYSTEMS)


def _opened(path: Path) -> IO[str]:
    with writing(path):
        return path.open("a")


@contextlib.contextmanager
def _locked(path: Path, waiting: str) -> Iterator[Check]:
    with _opened(path) as claim:
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(waiting, file=sys.stderr, flush=True)
            fcntl.flock(claim, fcntl.LOCK_EX)
        yield lambda: None


@contextlib.contextmanager
def _leased(path: Path, waiting: str) -> Iterator[Check]:
    lease = path.with_suffix(".lease")
    ours = f"{socket.gethostname()} {os.getpid()} {uuid.uuid4().hex}"
    _take(lease, ours, waiting)
    done, lost = threading.Event(), threading.Event()
    renewed_at = time.monotonic()

    def renew() -> None:
        nonlocal renewed_at
        while not done.wait(LEASE_SECONDS / RENEWALS_PER_LEASE):
            started = time.monotonic()
            with contextlib.suppress(OSError):  # a network disk may be away for a moment
                if _read(lease) != ours:
                    lost.set()
                    return
                os.utime(lease)
                renewed_at = started

    def check() -> None:
        # Time may also have passed without the thread that renews, as when this process was stopped.
        if lost.is_set() or time.monotonic() - renewed_at > LEASE_SECONDS:
            raise ClaimLostError(
                f"{lease}: another process took over, because this one could not renew its claim for "
                f"{LEASE_SECONDS:.0f} s; what it has saved is there: run again when the other has ended"
            )

    renewal = threading.Thread(target=renew, daemon=True)
    renewal.start()
    try:
        yield check
    finally:
        done.set()
        renewal.join()
        with contextlib.suppress(OSError):
            if _read(lease) == ours:
                lease.unlink(missing_ok=True)


def _take(lease: Path, ours: str, waiting: str) -> None:
    """Wait until the lease is ours: free, or untouched for so long that its holder must be dead."""
    seen: tuple[str | None, int] | None = None
    since = time.monotonic()
    while True:
        with writing(lease), contextlib.suppress(FileExistsError), lease.open("x") as stream:
            stream.write(ours)
            return
        now = _read(lease), _mtime_ns(lease)
        if now != seen:
            if seen is None:
                print(waiting, file=sys.stderr, flush=True)
            seen, since = now, time.monotonic()
        elif time.monotonic() - since > LEASE_SECONDS:
            mine = lease.with_name(f"{lease.name}.{uuid.uuid4().hex}")
            with writing(lease):
                mine.write_text(ours)
                mine.replace(lease)
            # Of several that replace it at once the last one has it; each looks again when all of them are done.
            time.sleep(LEASE_SECONDS / RENEWALS_PER_LEASE)
            if _read(lease) == ours:
                return
            seen = None
        time.sleep(LEASE_SECONDS / RENEWALS_PER_LEASE / 10)


def _seconds_untouched(path: Path) -> float:
    """By the clock of the disk itself, which is the one that all its machines see."""
    probe = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    try:
        probe.touch()
        return (_mtime_ns(probe) - _mtime_ns(path)) / 1e9
    finally:
        probe.unlink(missing_ok=True)


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def _mtime_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
