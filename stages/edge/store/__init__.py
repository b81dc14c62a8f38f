"""The answer store: every answer of a model under the key of its query, outside DVC's outs.

DVC deletes an out before its stage runs again; the store is never deleted, so a killed or changed run asks only what
was never answered.

    <root>/<model>/<part>.<id>.sqlite      the open part of one writer, answers in the order in which they came
    <root>/<model>/segment-<hash>.sqlite   finished, read-only, named by the hash of its content

An answer is stored as the server sent it: its content, its reasoning if the server separates it, why it ended, and the
server's counts of tokens. A raw turn of gpt-oss, which holds both, is stored whole, and is split when the traces are
assembled (`core.sampling.replies.split`); one that an older version or an import stored in two parts stays so.

An open part is never made under a name that was there before: SQLite finds a file's journal by its name, so a reader
who still has the former file open would take the new one's journal for its own.

`python -m stages.edge.store` shows what it holds; `verify`, `export`, `prune` and `sync` look after it.
"""

import contextlib
import os
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from stages.core.sampling.queries import Answer
from stages.edge.cli import claims
from stages.edge.errors import InputError
from stages.edge.files.paths import project_root
from stages.edge.store.segments import SEGMENT, UNKNOWN, File, Keys, seal

__all__ = ["UNKNOWN", "Answers", "Store", "claim_of", "opened", "opened_by_reader", "part_of", "reading", "root"]

SEGMENT_ROWS = 200_000
SEGMENT_BYTES = 256 * 2**20


def root() -> Path:
    """`$REASONLITE_STORE`, else `.cache/answers` of the main checkout (also from DVC's temporary workspaces)."""
    named = os.environ.get("REASONLITE_STORE")
    return Path(named) if named else project_root(Path.cwd()) / ".cache" / "answers"


class Answers:
    """The answers of one model as they are, to be read while others write. Made by `reading`.

    Its methods may be called from several threads; they take turns.
    """

    def __init__(self, folder: Path, skip: Path | None = None) -> None:
        """Open every file in `folder` except `skip`."""
        self._lock = threading.Lock()
        self._files: list[tuple[File, Keys | None]] = []
        try:
            self._read(folder, skip)
        except InputError:
            self.close()
            raise

    def _read(self, folder: Path, skip: Path | None) -> None:
        seen = {skip}
        while new := [path for path in sorted(folder.glob("*.sqlite")) if path not in seen]:
            for path in new:
                seen.add(path)
                try:
                    file = opened_by_reader(path)
                    self._files.append((file, file.keys()))
                except InputError:
                    if path.exists():
                        raise
                    # Sealed by its writer meanwhile: the next round finds it under its new name.

    def get(self, keys: Sequence[str]) -> dict[str, Answer]:
        """The stored answers among `keys`; of several to one query the earliest, on whatever machine it was given."""
        wanted = [bytes.fromhex(key) for key in keys]
        earliest: dict[bytes, tuple[float, Answer]] = {}
        with self._lock:
            for file, held in self._files:
                there = wanted if held is None else [wanted[place] for place in np.flatnonzero(held.holds(wanted))]
                for key, created, answer in file.get(there):
                    earliest[key] = min(earliest.get(key, (created, answer)), (created, answer), key=_age)
        return {key.hex(): answer for key, (_, answer) in earliest.items()}

    def close(self) -> None:
        """Close all files."""
        for file, _ in self._files:
            file.close()


class Store(Answers):
    """The same for the one writer of a part, who adds to it. Made by `opened`."""

    def __init__(self, folder: Path, part: str, check: claims.Check) -> None:
        """Open every file in `folder`, the part for writing; see `opened`."""
        self._name, self._folder, self._check = part, folder, check
        ours = [path for path in sorted(folder.glob("*.sqlite")) if part_of(path) == part]
        self._part = ours[0] if ours else self._new_part()
        super().__init__(folder, skip=self._part)
        try:
            self._open = File(self._part, write=True)
            self._files.append((self._open, None))
            self._num_open = self._open.num_rows()
        except InputError:
            self.close()
            raise

    def known(self, keys: Sequence[str]) -> list[bool]:
        """Whether each of `keys` (hex) is answered."""
        wanted = [bytes.fromhex(key) for key in keys]
        is_known = np.zeros(len(wanted), dtype=np.bool_)
        with self._lock:
            for _, held in self._files:
                if held is not None:
                    is_known |= held.holds(wanted)
            rest = [wanted[place] for place in np.flatnonzero(~is_known)]
            fresh = self._open.known(rest) if self._num_open else set()
        return [bool(there) or key in fresh for there, key in zip(is_known, wanted, strict=True)]

    def put(self, answers: Sequence[tuple[str, Answer]]) -> None:
        """Commit a batch; on return it survives a kill of the process and of the machine.

        Raises:
            ClaimLostError: another process writes this part by now.
        """
        with self._lock:
            self._put(answers)

    def _put(self, answers: Sequence[tuple[str, Answer]]) -> None:
        self._check()
        self._open.put([(bytes.fromhex(key), answer) for key, answer in answers], self._name)
        self._num_open += len(answers)
        if self._num_open >= SEGMENT_ROWS or self._part.stat().st_size >= SEGMENT_BYTES:
            self._open.close()
            sealed = File(seal(self._part))
            self._part = self._new_part()
            self._open, self._num_open = File(self._part, write=True), 0
            self._files[-1:] = [(sealed, sealed.keys()), (self._open, None)]

    def slips(self) -> dict[str, int]:
        """How many seeds the model slipped with in earlier runs, by the keys of queries that it never answered."""
        with self._lock:
            return {key.hex(): number for key, number in self._open.slips().items()}

    def put_slips(self, numbers: Mapping[str, int]) -> None:
        """Remember how many seeds the model slipped with: the next run begins with another one.

        Raises:
            ClaimLostError: as `put`.
        """
        with self._lock:
            self._check()
            self._open.put_slips([(bytes.fromhex(key), number) for key, number in numbers.items()])

    def forget(self, keys: Sequence[str]) -> None:
        """Take answers out of the open part: those that turned out to be none, such as copies. Others stay.

        Raises:
            ClaimLostError: as `put`.
        """
        with self._lock:
            self._check()
            self._open.delete([bytes.fromhex(key) for key in keys])
            self._num_open = self._open.num_rows()

    def _new_part(self) -> Path:
        """An empty file of answers, named when its table is made: readers take no claim, and may look at any time."""
        part = self._folder / f"{self._name}.{uuid.uuid4().hex[:8]}.sqlite"
        unfinished = part.with_name(f".{part.name}.begun")
        File(unfinished, write=True).close()
        unfinished.with_name(f"{unfinished.name}-journal").unlink(missing_ok=True)
        unfinished.replace(part)
        return part


def opened_by_reader(path: Path) -> File:
    """A file to be read that another process may be writing.

    A part whose writer was killed in the middle of a commit must be rolled back, which takes a writer.
    """
    part = part_of(path)
    if part is None:
        return File(path)
    with claims.held_if_free(claim_of(path.parent, part)) as is_free:
        if is_free:
            with contextlib.closing(File(path, write=True, create=False)) as file:
                file.num_rows()  # rolls back
        return File(path)


def part_of(path: Path) -> str | None:
    """The part that an open file belongs to; None for a segment."""
    return None if path.match(SEGMENT) else path.name.partition(".")[0]


def _age(entry: tuple[float, Answer]) -> tuple[float, str]:
    return entry[0], repr(entry[1])


@contextlib.contextmanager
def opened(collection: str, part: str) -> Iterator[Store]:
    """The answers of the model `collection`, e.g. "teacher-1a2b3c"; those that are put go to `part`, e.g. an effort.

    Waits while another process fills the same part; other parts may be filled at the same time, also by other machines.

    Raises:
        InputError: a file is damaged; it is left as it is, and nothing is asked again without the user's consent.
    """
    folder = root() / collection
    with claims.held(claim_of(folder, part), f"fills {collection}, {part}") as check:
        store = Store(folder, part, check)
        try:
            yield store
        finally:
            store.close()


@contextlib.contextmanager
def reading(collection: str) -> Iterator[Answers]:
    """The answers of the model `collection`, without a wait for those who write.

    Raises:
        InputError: a file is damaged.
    """
    with contextlib.closing(Answers(root() / collection)) as answers:
        yield answers


def claim_of(folder: Path, part: str) -> Path:
    """The claim on a part of the collection in `folder`."""
    return folder / f"{part}.lock"
