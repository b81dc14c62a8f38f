"""The log of the stages that ran here: their minutes, their memory and the load of the machine."""

import contextlib
import json
import os
import re
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.edge import params
from stages.edge.errors import SettingError
from stages.edge.files.paths import project_root
from stages.edge.params import cores

LOG = Path(".cache") / "stages.jsonl"
KIB_PER_GIB = 1024**2


def add(stage: str, seconds: float) -> None:
    """Log a stage that ended, and print its minutes. A log that cannot be written is a warning: the work is done."""
    row: dict[str, object] = {
        "stage": stage,
        "seconds": round(seconds, 1),
        "peak_gib": round(_peak_kib() / KIB_PER_GIB, 2),
        "load": os.getloadavg()[0],
        "cores": len(cores.usable()),
    }
    with contextlib.suppress(SettingError):  # a test's stage may stand where there are no settings
        row["profile"] = params.profile()
        row["settings"] = params.fingerprints()
    path = project_root(Path.cwd()) / LOG
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as log:
            log.write(json.dumps(row) + "\n")
    except OSError as error:
        print(f"warning: {path}: cannot be written ({error})", file=sys.stderr)
    print(f"{stage}: {seconds / 60:.1f} min, peak {row['peak_gib']} GiB", file=sys.stderr)


def _peak_kib() -> int:
    """Most memory that the stage's largest process held: its own, or that of a child it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    try:
        # Not getrusage: on Linux its figure starts from what the parent held when it forked. psutil knows no peak here.
        match = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    except FileNotFoundError:
        match = None
    own = int(match[1]) if match else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max(own, children)


def rows(folder: Path, profile: str) -> Iterator[dict[str, Any]]:
    """The logged stages of a profile in the project around `folder`, oldest first."""
    path = project_root(folder) / LOG
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []:
        with contextlib.suppress(ValueError):  # a kill may have cut a line off
            row = json.loads(line)
            if row.get("profile", profile) == profile:
                yield row
