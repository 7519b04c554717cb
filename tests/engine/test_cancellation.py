"""Tasks that are cancelled at any moment: the database stays usable, and nothing that was acknowledged is missing.

Agents run into timeouts all day long. With Tortoise's own backends one cancelled transaction was enough to make SQLite
unusable, and twelve emptied a pool of five.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from typing import Any, TypeAlias

import pytest

from agentdb.engine import Session
from agentdb.engine.postgres_client import PostgresClient
from agentdb.models import Role
from tests.counts import COUNTS
from tests.engine.engines import file_of, names, opened, outside

POOL_SIZE = 5
LONGEST_S = 0.004
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
OPEN_ON_SERVER = """
SELECT state, query FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle'
"""

# Gives the names of the transactions whose block ended well.
Storm: TypeAlias = Callable[[Session, random.Random], Awaitable[list[str]]]


async def in_tasks_of_their_own(session: Session, chance: random.Random) -> list[str]:
    """As a server starts one for each request; a few run at once."""
    acknowledged: list[str] = []
    for first in range(0, COUNTS.cancelled_transactions, 3):
        tasks = [asyncio.create_task(one_transaction(session, first + n, chance)) for n in range(3)]
        acknowledged += [name for name in await asyncio.gather(*tasks) if name]
    return acknowledged


async def in_one_task(session: Session, chance: random.Random) -> list[str]:
    """Which goes on after each timeout."""
    found = [await one_transaction(session, n, chance) for n in range(COUNTS.cancelled_transactions)]
    return [name for name in found if name]


async def all_at_once(session: Session, chance: random.Random) -> list[str]:
    """Most are cancelled while they wait for a connection."""
    work = (one_transaction(session, n, chance) for n in range(COUNTS.cancelled_transactions))
    return [name for name in await asyncio.gather(*work) if name]


async def one_transaction(session: Session, number: int, chance: random.Random) -> str | None:
    """Two rows, the second in a nested block; None if it ran into its random timeout."""
    name = f"{number:06}"
    try:
        async with asyncio.timeout(chance.uniform(0, LONGEST_S)), session.transaction():
            with session.use():
                await Role.create(name=f"{name} a")
                async with session.transaction():
                    await Role.create(name=f"{name} b")
    except TimeoutError:
        return None
    return name


@pytest.mark.parametrize("storm", [in_tasks_of_their_own, in_one_task, all_at_once])
async def test_cancelled_transactions(url: str, storm: Storm, caplog: pytest.LogCaptureFixture) -> None:
    """Each is kept whole or not at all, and no connection goes back to the pool inside a transaction."""
    async with opened(url, **pool(url)) as session:
        await asyncio.gather(*(session.fetch("SELECT 1") for _ in range(POOL_SIZE)))  # open all connections
        acknowledged = await storm(session, random.Random(f"{storm.__name__} {url[:6]}"))
        await assert_usable(session, url)

    stored = [name for name in await names(url) if name != "afterwards"]
    assert "active transaction" not in caplog.text
    assert set(stored) >= {f"{name} {part}" for name in acknowledged for part in "ab"}
    assert sorted(name for name in stored if name.endswith("a")) == [
        f"{name[:-1]}a" for name in stored if name.endswith("b")
    ]


async def test_cancelled_bulk_writes(url: str) -> None:
    """All rows of a call or none, and the connection is not left in a transaction."""
    chance = random.Random(1)
    acknowledged: list[str] = []
    async with opened(url, **pool(url)) as session:
        for call in range(COUNTS.cancelled_transactions // 4):
            rows = [Role(name=f"{call:06} {row:03}") for row in range(100)]
            with suppress(TimeoutError), session.use():
                async with asyncio.timeout(chance.uniform(0, LONGEST_S)):
                    await Role.bulk_create(rows)
                    acknowledged.append(f"{call:06}")
        await assert_usable(session, url)

    calls = [name[:6] for name in await names(url) if name != "afterwards"]
    assert {calls.count(call) for call in calls} <= {100}
    assert set(calls) >= set(acknowledged)


async def test_cancelled_execute_many(url: str) -> None:
    """The statement itself, below Tortoise."""
    chance = random.Random(2)
    acknowledged: list[str] = []
    async with opened(url, **pool(url)) as session:
        sql = f'INSERT INTO "Role" ("name") VALUES ({session.dialect.placeholder(1)})'
        for call in range(COUNTS.cancelled_transactions // 4):
            with suppress(TimeoutError):
                async with asyncio.timeout(chance.uniform(0, LONGEST_S)):
                    await session.client.execute_many(sql, [[f"{call:06} {row:03}"] for row in range(500)])
                    acknowledged.append(f"{call:06}")
        await assert_usable(session, url)

    calls = [name[:6] for name in await names(url) if name != "afterwards"]
    assert {calls.count(call) for call in calls} <= {500}
    assert set(calls) >= set(acknowledged)


async def test_cancelled_single_writes(url: str) -> None:
    """Without a transaction: what returned is there."""
    chance = random.Random(3)

    async def one(number: int) -> str | None:
        try:
            async with asyncio.timeout(chance.uniform(0, LONGEST_S)):
                with session.use():
                    await Role.create(name=f"{number:06}")
        except TimeoutError:
            return None
        return f"{number:06}"

    async with opened(url, **pool(url)) as session:
        found = await asyncio.gather(*(one(number) for number in range(COUNTS.cancelled_transactions)))
        await assert_usable(session, url)

    assert set(await names(url)) >= {name for name in found if name}


async def test_cancelled_reads(url: str) -> None:
    """In tasks of their own, more than there are connections."""
    chance = random.Random(4)

    async def one() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(chance.uniform(0, LONGEST_S)):
                await session.fetch('SELECT * FROM "Role" AS a, "Role" AS b')

    async with opened(url, **pool(url)) as session:
        with session.use():
            await Role.bulk_create(Role(name=str(number)) for number in range(50))
        await asyncio.gather(*(one() for _ in range(COUNTS.cancelled_transactions)))
        await assert_usable(session, url)


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in a transaction"])
async def test_a_cancelled_endless_query_is_stopped(url: str, inside: bool) -> None:
    """In the database, not only here: the only connection answers the next query."""
    one_connection = {"readers": 1} if url.startswith("sqlite") else {"pool_size": 1}
    async with opened(url, **one_connection) as session:

        async def endless() -> None:
            if not inside:
                await session.fetch(ENDLESS)
            async with session.transaction():
                await session.fetch(ENDLESS)

        for _ in range(3):
            task = asyncio.create_task(endless())
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            async with asyncio.timeout(10):
                assert (await session.fetch("SELECT 1 AS one"))[0]["one"] == 1
        await assert_usable(session, url)


async def test_cancelled_while_waiting_for_a_connection(url: str) -> None:
    """They take none along, and who waits behind them gets it."""
    chance = random.Random(5)
    one_connection = {} if url.startswith("sqlite") else {"pool_size": 1}
    async with opened(url, **one_connection) as session:

        async def waiting(number: int) -> None:
            with suppress(TimeoutError), session.use():
                async with asyncio.timeout(chance.uniform(0, LONGEST_S)):
                    await Role.create(name=str(number))

        with session.use():
            for _ in range(5):
                free = asyncio.Event()
                holder = asyncio.create_task(hold(session, free))
                await asyncio.sleep(0)
                impatient = [asyncio.create_task(waiting(number)) for number in range(10)]
                patient = asyncio.create_task(one_role(session))
                await asyncio.gather(*impatient)
                free.set()
                async with asyncio.timeout(10):
                    await asyncio.gather(holder, patient)
        await assert_usable(session, url)


async def test_cancelled_while_the_file_is_locked_by_another_process(sqlite_url: str) -> None:
    """Waiting for a lock ends with the task, although SQLite's own waiting cannot be interrupted."""
    async with opened(sqlite_url, acquire_timeout_s=600) as session:
        with closing(sqlite3.connect(file_of(sqlite_url), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for work in (one_role, one_role_in_a_transaction):
                task = asyncio.create_task(work(session))
                await asyncio.sleep(0.05)
                task.cancel()
                async with asyncio.timeout(10):
                    with pytest.raises(asyncio.CancelledError):
                        await task
            other.execute("ROLLBACK")
        await assert_usable(session, sqlite_url)

    assert await names(sqlite_url) == ["afterwards"]


async def test_cancelled_while_opening(url: str) -> None:
    """Nothing stays open: a leaked connection would be reported as a warning, which is an error here."""
    chance = random.Random(6)
    for _ in range(COUNTS.cancelled_transactions // 5):
        with suppress(TimeoutError):
            async with asyncio.timeout(chance.uniform(0, 5 * LONGEST_S)), opened(url) as session:
                await asyncio.gather(*(session.fetch("SELECT 1") for _ in range(3)))

    async with opened(url, **pool(url)) as session:
        await assert_usable(session, url)


def pool(url: str) -> dict[str, Any]:
    """Options under which a lost connection is soon missed."""
    return {"readers": 2} if url.startswith("sqlite") else {"pool_size": POOL_SIZE}


async def hold(session: Session, free: asyncio.Event) -> None:
    """Hold a transaction until `free`."""
    async with session.transaction():
        await free.wait()


async def one_role(session: Session) -> None:
    """A write of its own."""
    with session.use():
        await Role.create()


async def one_role_in_a_transaction(session: Session) -> None:
    """A write in a transaction."""
    async with session.transaction():
        await one_role(session)


async def assert_usable(session: Session, url: str) -> None:
    """All connections are free and idle, no lock is held, and a write and many reads at once are answered."""
    async with asyncio.timeout(30):
        with session.use():
            async with session.transaction():
                await Role.create(name="afterwards")
            counts = await asyncio.gather(*(Role.filter(name="afterwards").count() for _ in range(20)))

        assert counts == [1] * 20
        if isinstance(session.client, PostgresClient):
            size, idle = session.client.idle_connections
            assert size == idle <= POOL_SIZE
            while open_ones := await outside(url, OPEN_ON_SERVER):  # the server may still be busy with a cancel request
                assert "idle in transaction" not in str(open_ones)
                await asyncio.sleep(0.05)
        else:
            with closing(sqlite3.connect(file_of(url), isolation_level=None, timeout=0)) as other:
                other.execute("BEGIN IMMEDIATE")
                assert other.execute("PRAGMA quick_check").fetchall() == [("ok",)]
                other.execute("ROLLBACK")
