"""Which servers gave the answers of a table of traces: a small file beside its parts."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.edge.files.metrics import read_metrics

NAME = "servers.json"


def write(folder: Path, servers: Mapping[str, int]) -> None:
    """Write how many answers each server gave into the folder of a table."""
    (folder / NAME).write_text(json.dumps(dict(sorted(servers.items())), indent=2) + "\n", encoding="utf-8")


def read(folder: Path) -> dict[str, int]:
    """How many answers of a table each server gave; none where that was not recorded.

    Raises:
        OSError, ValueError: the file cannot be read.
    """
    path = folder / NAME
    found: Mapping[str, Any] = read_metrics(path) if path.is_file() else {}
    return {str(name): int(number) for name, number in found.items()}


def text(servers: Mapping[str, int]) -> str:
    """The servers with their numbers of answers, on one line; empty where nothing is known."""
    return ", ".join(f"{name} ({number})" for name, number in sorted(servers.items()))
