"""Turns at rows that many callers of one process want to change, where the database would let only one of them win.

Under an isolation stricter than READ COMMITTED whoever waits for a row that somebody else changes is refused and has to
begin anew. Those of one process know better: they wait for each other here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias
from weakref import WeakValueDictionary

HotRow: TypeAlias = tuple[str, int]
"""A table and an id."""


class Queues:
    """One queue for each row that somebody changes just now."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[HotRow, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, row: HotRow) -> AsyncIterator[None]:
        """Wait until everybody who came before is done with `row`; the others wait until the block ends."""
        lock = self._locks.get(row)
        if lock is None:
            lock = self._locks[row] = asyncio.Lock()
        async with lock:
            yield
