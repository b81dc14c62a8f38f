"""The processor cores of this machine: what `auto` stands for in `runtime`."""

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
MOST = 16
"""Of a larger machine: small models and tables gain nothing from more, and each worker takes memory."""


def usable() -> list[int]:
    """Ids of the cores that this process may use, as many as its quota of processor time is worth, at most `MOST`.

    `taskset` and containers narrow the affinity; a container's limit of processor time is a quota of its cgroup. Half a
    core is one.
    """
    ids = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    return ids[: max(1, min(MOST, int(_quota() or len(ids))))]


def _quota() -> float | None:
    """Cores that the cgroup's quota is worth, of version 2 or 1; None where there is none."""
    period: str | None
    quota, _, period = (_text(CGROUP / "cpu.max") or "").partition(" ")
    if not quota:
        quota, period = _text(CGROUP / "cpu/cpu.cfs_quota_us") or "", _text(CGROUP / "cpu/cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdigit() and period and period.isdigit() else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
