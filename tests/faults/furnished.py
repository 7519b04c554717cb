"""Furnished databases with a way to them that can fail."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import agentdb
from agentdb import Database
from agentdb.testing.factory import DatabaseFactory
from tests.faults.calls import MERGED, Outcome, outcomes
from tests.faults.way import Way
from tests.services.bad_values import World
from tests.services.both_engines import digest, furnished

POOL_SIZE: Final = 24
PATIENT_S: Final = 60.0
"""So long that only the deadline of the call itself can pass."""


class Place:
    """A PostgreSQL database.

    Attributes:
        db: A handle by a way that can fail.
        outside: A handle that needs no such way.

    Args:
        configured_s: The limit, during a fault, of calls that are given none.
    """

    def __init__(self, db: Database, outside: Database, world: World, way: Way, *, configured_s: float) -> None:
        self.db = db
        self.outside = outside
        self.world = world
        self.way = way
        self._configured_s = configured_s
        self._connections = db.settings.pool_size

    async def under(
        self, fault: Callable[[], None], names: Iterable[str], *, keys: str | None = None, timeout: float | None
    ) -> dict[str, Outcome]:
        """Make these calls, each over a connection of its own, when all connections are open and `fault` has come."""
        found: dict[str, Outcome] = {}
        left = iter(sorted(names))
        while some := list(islice(left, self._connections)):
            await self.warm_up()
            fault()
            if timeout is None:
                self.db.session.limits.within_s = self._configured_s
            found |= await outcomes(self.db, self.world, some, keys=keys, timeout=timeout)
            self.db.session.limits.within_s = PATIENT_S
            self.way.heal()
        return found

    async def warm_up(self) -> None:
        """Wait until all connections can be had, and are open."""
        together = asyncio.Barrier(self._connections)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._connections):
                group.create_task(self._hold(together))

    async def _hold(self, together: asyncio.Barrier) -> None:
        async with self.db.transaction(timeout=PATIENT_S):
            await together.wait()

    async def assert_done_once(self, keys: str) -> None:
        """The merged writes that were made under these keys happen once, however often they are repeated."""
        for _ in range(2):
            found = await outcomes(self.db, self.world, MERGED, keys=keys, timeout=PATIENT_S)

            assert [one.error for one in found.values()] == [None] * len(MERGED), found
        stored = await digest(self.outside)
        await outcomes(self.db, self.world, MERGED, keys=keys, timeout=PATIENT_S)
        assert await digest(self.outside) == stored
        for table in ("Message", "Usage"):
            rows = await self.outside.session.fetch(
                f'SELECT "requestId", count(*) AS many FROM "{table}" GROUP BY 1 HAVING count(*) > 1'
            )
            assert [row for row in rows if row["requestId"] is not None] == []
        (row,) = await self.outside.session.fetch('SELECT max("id") AS last FROM "Message"')
        self.world = replace(self.world, last_id=row["last"])


@asynccontextmanager
async def placed(
    factory: DatabaseFactory, *, pool_size: int = POOL_SIZE, configured_s: float = PATIENT_S
) -> AsyncIterator[Place]:
    """A furnished PostgreSQL database with a way to it."""
    async with AsyncExitStack() as stack:
        outside = stack.enter_context(factory(engine="postgresql"))
        stack.push_async_callback(outside.close)
        world = await furnished(outside, huge="")
        way = await stack.enter_async_context(Way.to(outside.url))
        db = await handle(outside, way.url, pool_size=pool_size)
        stack.push_async_callback(db.close)
        yield Place(db, outside, world, way, configured_s=configured_s)


@asynccontextmanager
async def furnished_file(
    factory: DatabaseFactory, *, journal: str = "WAL"
) -> AsyncIterator[tuple[Database, World, Path]]:
    """A furnished SQLite database: a handle of it, what stands in it, and its file."""
    with factory(engine="sqlite") as made:
        world = await furnished(made, huge="")
        await made.close()
        file = Path(made.url.removeprefix("sqlite:///"))
        with closing(sqlite3.connect(file)) as raw:
            assert raw.execute(f"PRAGMA journal_mode = {journal}").fetchone() == (journal.lower(),)
        db = await handle(made, made.url)
        try:
            yield db, world, file
        finally:
            await db.close()


async def handle(like: Database, url: str, **options: Any) -> Database:
    """A further handle by another way, patient unless told otherwise."""
    patient = {"acquire_timeout_s": PATIENT_S, "connect_timeout_s": PATIENT_S, "call_timeout_s": PATIENT_S}
    return await agentdb.connect(url, skip_sync=True, settings=like.settings.model_copy(update={**patient, **options}))


@asynccontextmanager
async def held(db: Database) -> AsyncIterator[None]:
    """One transaction of another task, inside the block."""
    begun, free = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with db.transaction(timeout=PATIENT_S):
            begun.set()
            await free.wait()

    holder = asyncio.create_task(hold())
    await begun.wait()
    try:
        yield
    finally:
        free.set()
        await holder


@asynccontextmanager
async def locked(file: Path, how: str) -> AsyncIterator[None]:
    """A lock on a SQLite file that is not of this handle, inside the block."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute(f"BEGIN {how}")
        yield
        other.execute("ROLLBACK")
