"""Saving: answers go to the store in small batches as they come, so a kill loses at most the last one."""

import asyncio
import time
from collections.abc import Iterable

from stages.core.sampling.queries import Answer, Query
from stages.edge.store import Store

COMMIT_ROWS = 32
COMMIT_SECONDS = 2.0
SECONDS_BETWEEN_LOOKS = 0.02


class Saving:
    """What a run has for the store, and has not stored yet. Made within the run's event loop."""

    def __init__(self, store: Store) -> None:
        """Nothing waits. `slips` are those of earlier runs, by the keys of their queries."""
        self._store = store
        self._unsaved: list[tuple[str, Answer]] = []
        self._turn = asyncio.Lock()
        self._saved_at = time.monotonic()
        self._slipped: dict[str, int] = {}
        self._copies: list[str] = []
        self._slips = store.slips()

    def slips(self, queries: Iterable[Query]) -> int:
        """How many seeds the model slipped with for these queries in earlier runs."""
        return max((self._slips.get(query.key, 0) for query in queries), default=0)

    def keep(self, query: Query, answer: Answer) -> None:
        """Store an answer soon."""
        self._unsaved.append((query.key, answer))

    def slipped(self, query: Query, number: int) -> None:
        """Remember at the end with how many seeds the model slipped: the next run begins with another one."""
        self._slipped[query.key] = number

    def forget(self, keys: list[str]) -> None:
        """Take answers out of the store at the end; the list may still grow."""
        self._copies = keys

    async def save_if_due(self) -> None:
        """Store what waits, if that is much or has waited long."""
        is_due = len(self._unsaved) >= COMMIT_ROWS or time.monotonic() - self._saved_at > COMMIT_SECONDS
        if self._unsaved and is_due:
            try:
                await self._save()
            finally:
                self._saved_at = time.monotonic()

    async def finish(self) -> None:
        """Store all that waits."""
        await self._save()
        if self._copies:
            await asyncio.to_thread(self._store.forget, self._copies)
        if self._slipped:
            await asyncio.to_thread(self._store.put_slips, self._slipped)

    async def _save(self) -> None:
        async with self._turn:
            rows, self._unsaved = self._unsaved, []
            if rows:
                try:
                    await asyncio.to_thread(self._store.put, rows)
                except BaseException:
                    self._unsaved = [*rows, *self._unsaved]
                    raise
