"""The files of the answer store: SQLite, one row an answer, in the order in which the answers came."""

import contextlib
import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import zstandard
from numpy.typing import NDArray

from stages.core.sampling.queries import Answer
from stages.edge.errors import InputError

KEY_BYTES = 32
KEYS_PER_SELECT = 900
ROWS_PER_PAGE = 1_000
SECONDS_TO_LOCK = 60
ALWAYS_STORED = Answer._fields.index("is_raw")
"""Fields of an answer that every row has."""
SEGMENT = "segment-*.sqlite"
UNKNOWN = "unknown"
"""The server of answers that were stored without one."""
DISK_ERRORS = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
WRITE_ERRORS = (
    *(sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC),
    *(sqlite3.SQLITE_IOERR_TRUNCATE, sqlite3.SQLITE_IOERR_DELETE),
)
"""SQLite's errors for a disk that is full or may not be written to; any other means that the file is damaged."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, part TEXT, created REAL, answer BLOB);
CREATE TABLE IF NOT EXISTS slips (key BLOB PRIMARY KEY, number INTEGER);
CREATE TABLE IF NOT EXISTS servers (part TEXT, server TEXT, PRIMARY KEY (part, server));
PRAGMA user_version = 1;
"""


class Keys:
    """The keys of one file as sorted numbers: 16 bytes each, so that those of 10 million answers fit in 160 MB."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """`keys` are SHA-256 digests, any two of which differ in the first 128 bits."""
        high, low = _halves(keys)
        order = np.argsort(high, kind="stable")
        self._high, self._low = high[order], low[order]

    def __len__(self) -> int:
        """Number of keys."""
        return len(self._high)

    def holds(self, keys: Sequence[bytes]) -> NDArray[np.bool_]:
        """Which of `keys` are there."""
        if not len(self._high):
            return np.zeros(len(keys), dtype=np.bool_)
        high, low = _halves(keys)
        # Two keys with the same upper half come once in 10^5 stores of 10 million; the second is then asked anew.
        place = np.minimum(np.searchsorted(self._high, high), len(self._high) - 1)
        return np.asarray((self._high[place] == high) & (self._low[place] == low))


def _halves(keys: Sequence[bytes]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    words = np.frombuffer(b"".join(keys), dtype=">u8").reshape(len(keys), KEY_BYTES // 8)
    return words[:, 0].astype(np.uint64), words[:, 1].astype(np.uint64)


class File:
    """One SQLite file of answers. Its methods may be called from several threads."""

    def __init__(self, path: Path, *, write: bool = False, create: bool = True) -> None:
        """Open `path`; a segment is never written to, so no lock is taken on it. `create`: make it if it is missing.

        Raises:
            InputError: it is no such file.
        """
        self.path = path
        self._lock = threading.Lock()
        self._pack = zstandard.ZstdCompressor(level=6)
        # An open part may hold half a batch of a killed writer, which its reader, too, must be able to roll back.
        mode = ("rwc" if create else "rw") if write else "ro&immutable=1" if path.match(SEGMENT) else "rw"
        with self._errors():
            self._connection = sqlite3.connect(
                f"file:{quote(str(path.resolve()))}?mode={mode}",
                uri=True,
                check_same_thread=False,
                timeout=SECONDS_TO_LOCK,
            )
            if write:
                is_older = not self._has_servers()
                # A write-ahead log needs memory shared between its readers, which network disks do not give.
                self._connection.executescript(f"PRAGMA journal_mode=TRUNCATE; PRAGMA synchronous=FULL; {SCHEMA}")
                if is_older:
                    with self._connection:
                        self._connection.execute(f"INSERT INTO servers SELECT DISTINCT part, '{UNKNOWN}' FROM answers")
            else:
                self._connection.execute("PRAGMA query_only=ON")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            code = error.sqlite_errorcode & 0xFF
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise InputError(
                    f"{self.path}: another process has kept it locked for {SECONDS_TO_LOCK} s; run again when it has "
                    "ended"
                ) from error
            if code in DISK_ERRORS or error.sqlite_errorcode in WRITE_ERRORS:
                raise InputError(
                    f"{self.path}: cannot be written ({error}); see to the room on its disk and to its permissions, "
                    "then run again: every answer that was stored is there"
                ) from error
            raise self._damaged(error) from error
        except (sqlite3.DatabaseError, zstandard.ZstdError, UnicodeDecodeError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> InputError:
        return InputError(
            f"{self.path} is damaged ({error}); move it away and bring a copy back (`python -m stages.edge.store sync "
            "URL`), or have its answers asked for again"
        )

    def keys(self) -> Keys:
        """All its keys."""
        with self._errors(), self._lock:
            return Keys([key for (key,) in self._connection.execute("SELECT key FROM answers")])

    def num_rows(self) -> int:
        """Number of answers."""
        with self._errors(), self._lock:
            return int(self._connection.execute("SELECT count(*) FROM answers").fetchone()[0])

    def num_bytes(self) -> int:
        """Size of the file by its pages, as it may have been renamed."""
        with self._errors(), self._lock:
            pages, size = (
                self._connection.execute(f"PRAGMA {each}").fetchone()[0] for each in ("page_count", "page_size")
            )
        return int(pages) * int(size)

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """Those of `keys` that it holds."""
        return {row[0] for row in self._select("key", keys)}

    def get(self, keys: Sequence[bytes]) -> Iterator[tuple[bytes, float, Answer]]:
        """(key, when it was stored in seconds since 1970, answer) for those of `keys` that it holds."""
        with self._errors():
            for key, created, packed in self._select("key, created, answer", keys):
                yield key, created, unpack(packed)

    def counts(self) -> dict[str, int]:
        """Answers by part."""
        with self._errors(), self._lock:
            return dict(self._connection.execute("SELECT part, count(*) FROM answers GROUP BY part"))

    def integrity(self) -> str:
        """The result of SQLite's own check of the file: "ok", or the first error."""
        with self._errors(), self._lock:
            return str(self._connection.execute("PRAGMA integrity_check(1)").fetchone()[0])

    def rows(self) -> Iterator[tuple[bytes, str, float, bytes]]:
        """Every row, as it stands there, in the order in which they came.

        Taken in pages: the writer of an open part must not wait until the reader is through.
        """
        last = 0
        while True:
            query = "SELECT rowid, key, part, created, answer FROM answers WHERE rowid > ? ORDER BY rowid LIMIT ?"
            with self._errors(), self._lock:
                page = self._connection.execute(query, (last, ROWS_PER_PAGE)).fetchall()
            if not page:
                return
            last = page[-1][0]
            yield from (tuple(row[1:]) for row in page)

    def answers(self) -> Iterator[tuple[bytes, str, float, Answer]]:
        """Every row with its answer read."""
        for key, part, created, packed in self.rows():
            with self._errors():
                answer = unpack(packed)
            yield key, part, created, answer

    def put(self, answers: Iterable[tuple[bytes, Answer]], part: str) -> None:
        """Commit a batch; on return it survives a kill of the process and of the machine."""
        answers, now = list(answers), time.time()
        rows = [
            (key, part, now, self._pack.compress(json.dumps(_fields(answer), ensure_ascii=True).encode()))
            for key, answer in answers
        ]
        self.put_rows(rows, {(part, answer.server or UNKNOWN) for _, answer in answers})

    def put_rows(
        self, rows: Iterable[tuple[bytes, str, float, bytes]], servers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Commit rows as `rows` gives them, with (part, server) of them; of two answers to a query the first stays."""
        with self._errors(), self._lock, self._connection:
            self._connection.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?)", rows)
            self._connection.executemany("INSERT OR IGNORE INTO servers VALUES (?, ?)", servers)

    def servers(self) -> list[tuple[str, str]]:
        """(part, server) of its answers, sorted; `UNKNOWN` for those of a file without a record of servers."""
        with self._errors(), self._lock:
            if not self._has_servers():
                return [(part, UNKNOWN) for (part,) in self._connection.execute("SELECT DISTINCT part FROM answers")]
            return sorted(self._connection.execute("SELECT part, server FROM servers"))

    def _has_servers(self) -> bool:
        return bool(self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'servers'").fetchone())

    def slips(self) -> dict[bytes, int]:
        """How many seeds a model slipped with, by the key of a query that has no answer yet. Only the writer asks."""
        with self._errors(), self._lock:
            return dict(self._connection.execute("SELECT key, number FROM slips"))

    def put_slips(self, numbers: Iterable[tuple[bytes, int]]) -> None:
        """Commit the numbers of seeds that a model slipped with."""
        with self._errors(), self._lock, self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO slips VALUES (?, ?)", numbers)

    def delete(self, keys: Sequence[bytes]) -> None:
        """Delete the rows of `keys`; on return that survives a kill."""
        with self._errors(), self._lock, self._connection:
            self._connection.executemany("DELETE FROM answers WHERE key = ?", [(key,) for key in keys])

    def _select(self, columns: str, keys: Sequence[bytes]) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(keys), KEYS_PER_SELECT):
            some = keys[start : start + KEYS_PER_SELECT]
            placeholders = ",".join("?" * len(some))
            with self._errors(), self._lock:
                query = f"SELECT {columns} FROM answers WHERE key IN ({placeholders})"
                rows = self._connection.execute(query, some).fetchall()
            yield from rows

    def close(self) -> None:
        """Close it."""
        self._connection.close()


def _fields(answer: Answer) -> list[object]:
    """An answer's fields in a row, those at the end that say nothing left out: other rows stay as they always were."""
    fields: list[object] = list(answer)
    while len(fields) > ALWAYS_STORED and not fields[-1]:
        fields.pop()
    return fields


def unpack(packed: bytes) -> Answer:
    """The answer in a row's last column."""
    try:
        return Answer(*json.loads(zstandard.ZstdDecompressor().decompress(packed)))
    except (TypeError, ValueError) as error:
        raise zstandard.ZstdError(f"a row holds no answer: {error}") from error


def seal(part: Path) -> Path:
    """Make a closed part a segment: the same rows under a name that is the hash of the file, never written again."""
    segment = part.with_name(segment_name(part))
    part.replace(segment)
    segment.chmod(0o444)
    return segment


def segment_name(path: Path) -> str:
    """The name of a segment with this content."""
    with path.open("rb") as stream:
        return f"segment-{hashlib.file_digest(stream, 'sha256').hexdigest()[:32]}.sqlite"
