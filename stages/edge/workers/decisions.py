"""Decided pairs, remembered from run to run: no pair of answers is decided twice by algebra.

One SQLite file in the project's cache. Its keys hold the versions of the deciding libraries and the content of our own
rules, so a change of either forgets everything. A pair that ran out of time is not remembered: another machine, or this
one on a better day, may decide it.
"""

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

from stages.core.equality import relations
from stages.edge.files.paths import project_root

Pair = relations.Pair
SCHEMA = "CREATE TABLE IF NOT EXISTS decisions (key BLOB PRIMARY KEY, outcome TEXT) WITHOUT ROWID"
KEYS_PER_SELECT = 900
SECONDS_TO_LOCK = 60
DEPENDENCIES = ("mpmath", "antlr4-python3-runtime")
"""Libraries that the versioned ones use for their decisions."""
DECIDING = ("answers", "equality")
"""Packages of core that read and compare answers."""


@cache
def rules(core: Path = Path(relations.__file__).parents[1]) -> str:
    """Hex SHA-256 of all that can change a decision: the libraries' versions, and how answers are read and compared."""
    digest = hashlib.sha256(repr([(name, version(name)) for name in (*relations.VERSIONED, *DEPENDENCIES)]).encode())
    for package in DECIDING:
        for path in sorted((core / package).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


class Decisions:
    """The file of decisions. If it cannot be used, work goes on without it: it only saves time."""

    def __init__(self, path: Path | None = None) -> None:
        """`path` is `.cache/decisions.sqlite` of the project if None."""
        path = path or project_root(Path.cwd()) / ".cache" / "decisions.sqlite"
        self._connection: sqlite3.Connection | None = None
        with contextlib.suppress(OSError, sqlite3.Error):
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=SECONDS_TO_LOCK, check_same_thread=False)
            connection.execute(SCHEMA)
            self._connection = connection

    def get(self, relation: str, pairs: Sequence[Pair]) -> dict[Pair, str]:
        """The outcomes of those of `pairs` that were decided before."""
        outcomes: dict[Pair, str] = {}
        by_key = {_key(relation, pair): pair for pair in pairs}
        keys = list(by_key)
        with self._safely() as connection:
            for start in range(0, len(keys) if connection else 0, KEYS_PER_SELECT):
                some = keys[start : start + KEYS_PER_SELECT]
                placeholders = ",".join("?" * len(some))
                assert connection is not None
                rows = connection.execute(f"SELECT key, outcome FROM decisions WHERE key IN ({placeholders})", some)
                outcomes.update((by_key[key], outcome) for key, outcome in rows)
        return outcomes

    def put(self, relation: str, outcomes: Mapping[Pair, str]) -> None:
        """Remember outcomes."""
        with self._safely() as connection:
            if connection:
                rows = [(_key(relation, pair), outcome) for pair, outcome in outcomes.items()]
                with connection:
                    connection.executemany("INSERT OR IGNORE INTO decisions VALUES (?, ?)", rows)

    @contextlib.contextmanager
    def _safely(self) -> Iterator[sqlite3.Connection | None]:
        try:
            yield self._connection
        except sqlite3.Error:
            self._connection = None

    def close(self) -> None:
        """Close the file."""
        if self._connection:
            self._connection.close()


def _key(relation: str, pair: Pair) -> bytes:
    return hashlib.sha256(json.dumps([rules(), relation, *pair]).encode()).digest()
