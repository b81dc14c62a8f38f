"""The answer store: every answer of a model under the key of its query, outside DVC's outs.

DVC deletes an out before its stage runs again; the store is never deleted, so a killed or changed run asks only what
was never answered. One SQLite file a collection (a model), one writer at a time.
"""

import contextlib
import fcntl
import json
import os
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import zstandard

from stages.core.queries import Answer
from stages.edge.errors import InputError
from stages.edge.paths import project_root

KEYS_PER_SELECT = 500


def root() -> Path:
    """`$REASONLITE_STORE`, else `.cache/answers` of the main checkout (also from DVC's temporary workspaces)."""
    named = os.environ.get("REASONLITE_STORE")
    return Path(named) if named else project_root(Path.cwd()) / ".cache" / "answers"


class Store:
    """Answers of one collection. Made by `opened`, which holds the writer's lock."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Take an open connection; see `opened`."""
        self._connection = connection
        self._pack = zstandard.ZstdCompressor(level=6)
        self._unpack = zstandard.ZstdDecompressor()

    def known(self, keys: Iterable[str]) -> set[str]:
        """The keys that are already answered."""
        return {str(key) for (key,) in self._select("key", keys)}

    def get(self, keys: Iterable[str]) -> dict[str, Answer]:
        """The stored answers among `keys`."""
        rows = self._select("key, answer", keys)
        return {key: Answer(*json.loads(self._unpack.decompress(packed))) for key, packed in rows}

    def put(self, answers: Iterable[tuple[str, Answer]]) -> None:
        """Commit a batch; on return it survives a kill of the process and of the machine."""
        rows = [(key, self._pack.compress(json.dumps(list(answer)).encode())) for key, answer in answers]
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", rows)

    def _select(self, columns: str, keys: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        wanted = list(keys)
        for start in range(0, len(wanted), KEYS_PER_SELECT):
            part = wanted[start : start + KEYS_PER_SELECT]
            marks = ",".join("?" * len(part))
            yield from self._connection.execute(f"SELECT {columns} FROM answers WHERE key IN ({marks})", part)


@contextlib.contextmanager
def opened(collection: str) -> Iterator[Store]:
    """The store of `collection`, e.g. "teacher-1a2b3c"; waits while another process writes to it.

    The claim is a lock on a file that the kernel releases when its holder dies, however it dies.

    Raises:
        InputError: the file is damaged; it is left as it is, and nothing is asked for anew behind the user's back.
    """
    folder = root()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{collection}.lock").open("w") as claim:
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another process that fills {collection}", file=sys.stderr, flush=True)
            fcntl.flock(claim, fcntl.LOCK_EX)
        file = folder / f"{collection}.sqlite"
        connection = sqlite3.connect(file)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer BLOB) WITHOUT ROWID")
            yield Store(connection)
        except (sqlite3.DatabaseError, zstandard.ZstdError) as error:
            raise InputError(
                f"{file} is damaged ({error}); put a copy back, or move it away to have its answers asked for again"
            ) from error
        finally:
            connection.close()
