"""What goes through the pipe from a stage to the process that writes to MLflow, and how values are made fit for it."""

import contextlib
import json
import math
import numbers as number_types
import os
import queue
import re
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Event(NamedTuple):
    """One line in the pipe from a stage to its recorder."""

    kind: str
    """open, params, metrics, tags, artifact or end."""
    time: int
    """Milliseconds since 1970."""
    values: dict[str, object]
    step: int = 0


def receive(lines: Iterable[str], inbox: "queue.SimpleQueue[Event]") -> None:
    """Empty the pipe as it fills, so that the stage never waits; a pipe that breaks is a stage that was killed."""
    with contextlib.suppress(ValueError):
        for line in lines:
            inbox.put(Event(*json.loads(line)))
    inbox.put(Event("end", int(time.time() * 1000), {"status": "KILLED"}))


def flat(values: Mapping[str, object], separator: str) -> dict[str, object]:
    """Nested mappings as one, names joined with `separator`."""
    result: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            result |= {f"{name}{separator}{inner}": each for inner, each in flat(value, separator).items()}
        else:
            result[str(name)] = value
    return result


def numbers(values: Mapping[str, object]) -> dict[str, float]:
    """The finite numbers among `values`."""
    real = {name: float(value) for name, value in values.items() if isinstance(value, number_types.Real)}
    return {name: value for name, value in real.items() if math.isfinite(value)}


def legal(name: str) -> str:
    """`name` with an underscore for each character that MLflow refuses in names."""
    return re.sub(r"[^\w.:/ -]", "_", name)


def redacted(text: str) -> str:
    """`text` without the values of secret environment variables and without credentials in addresses."""
    for name, value in os.environ.items():
        if len(value) >= 8 and re.search(r"(KEY|TOKEN|SECRET|PASSWORD)$", name):
            text = text.replace(value, "***")
    return re.sub(r"(?<=://)[^/@\s]+@", "***@", text)
