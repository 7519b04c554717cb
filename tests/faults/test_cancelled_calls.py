"""Every public call is cancelled at every await: nothing stays open, nothing is locked, nothing is done twice."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from itertools import count
from typing import Any, Final

import pytest

from agentdb import AgentDBError, Database
from agentdb.engine.batch import Batcher
from agentdb.engine.client import Client
from agentdb.engine.postgres_client import PostgresClient
from agentdb.engine.sqlite_client import SqliteClient
from agentdb.testing.factory import DatabaseFactory
from tests.counts import COUNTS
from tests.faults.calls import ALL, NAMES
from tests.faults.furnished import handle
from tests.faults.interruption import Interruption, Moment
from tests.services.bad_values import World
from tests.services.both_engines import furnished, named

UNIQUE: Final = ("name", "email", "internal_name", "period")
"""What a second call of the same kind needs another value for."""

LEFT_ON_SERVER: Final = """
SELECT 'transaction' AS what, query FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'
UNION ALL
SELECT 'lock', locktype FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
AND (locktype = 'advisory' OR locktype <> 'virtualxid' AND mode LIKE '%Exclusive%')
"""
KEPT: Final = ("Message", "Usage", "Conversation")


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
async def test_every_call_is_cancelled_at_every_await(agent_db_factory: DatabaseFactory, engine: str) -> None:
    """In each round at all of its awaits, and one turn of the event loop later than in the round before."""
    cancelled, reached = 0, set[str]()
    for turns in count():
        async with furnished_handle(agent_db_factory, engine, turns) as (db, outside, world):
            for name in NAMES:
                found = await cancelled_everywhere(Trial(db, outside, world, name, turns))
                cancelled += found
                reached |= {name} if found else set()
        if turns and cancelled >= COUNTS.cancelled_awaits:
            break

    assert reached == {*NAMES}


class Trial:
    """One call of one round."""

    def __init__(self, db: Database, outside: Database, world: World, name: str, turns: int) -> None:
        self.db, self.outside, self.world, self.name, self.turns = db, outside, world, name, turns

    def call(self, mark: str) -> Any:
        """It, with arguments that no other one has."""
        arguments = ALL[self.name].fine(self.world)
        if ".create" in self.name or "login" in self.name or "reset" in self.name:
            arguments |= {key: f"{mark}.{arguments[key]}" for key in UNIQUE if key in arguments}
        if "request_id" in ALL[self.name].refused:
            arguments["request_id"] = mark
        return named(self.name, arguments)(self.db)


async def cancelled_everywhere(trial: Trial) -> int:
    """Cancel it at its first await, then at its second, until there are no more; how many times."""
    for suspension in count(1):
        mark = f"{trial.name}-{trial.turns}-{suspension}"
        before = await kept(trial.outside)
        interruption = Interruption(trial.call(mark), Moment(suspension, trial.turns))
        await asyncio.wait_for(interruption.run(), 60)

        assert isinstance(interruption.error, AgentDBError | None), (mark, interruption.error)
        if interruption.is_reached and not trial.turns:
            assert interruption.is_cancelled, (mark, interruption.result)
        await assert_quiet(trial.db, trial.outside, mark)
        if "request_id" in ALL[trial.name].refused:
            await assert_done_once(trial, mark, before)
        if not interruption.is_reached:
            return suspension - 1
    raise AssertionError("It goes on for ever.")


async def assert_done_once(trial: Trial, mark: str, before: dict[str, int]) -> None:
    """However often the call is repeated under its request_id, there is one result, and one set of rows."""
    first, rows = await answer(trial, mark), await kept(trial.outside)
    second = await answer(trial, mark)

    assert first == second, mark
    assert await kept(trial.outside) == rows, mark
    assert all(rows[table] - before[table] <= 1 for table in KEPT), (mark, before, rows)


async def answer(trial: Trial, mark: str) -> Any:
    """The result of the call, uncancelled, or the text of its error."""
    try:
        return await trial.call(mark)
    except AgentDBError as error:
        return str(error)


async def kept(outside: Database) -> dict[str, int]:
    """How many rows there are."""
    sql = " UNION ALL ".join(f"SELECT '{table}' AS of_table, count(*) AS many FROM \"{table}\"" for table in KEPT)
    return {row["of_table"]: row["many"] for row in await outside.session.fetch(sql)}


async def assert_quiet(db: Database, outside: Database, mark: str) -> None:
    """No transaction is open, no lock is held, every connection is idle, and nobody waits in a queue."""
    client = db.session.client
    async with asyncio.timeout(60):
        # A short statement that nobody waits for any more is let come back.
        while client.afterwork.is_busy or is_writing(client) or any(batcher._flights for batcher in batchers(db)):
            await asyncio.sleep(0.001)

    assert not any(batcher._waiting for batcher in batchers(db)), mark
    if isinstance(client, PostgresClient):
        size, idle = client.idle_connections
        assert size == idle, mark
        left = [dict(row) for row in await outside.session.fetch(LEFT_ON_SERVER)]
        assert left == [], mark
    else:
        assert isinstance(client, SqliteClient)
        assert not client.turns._waiting, mark
        assert len(client._idle_readers) == len(client._readers), mark
        with closing(sqlite3.connect(db.session.target.shown.removeprefix("sqlite:///"), timeout=0)) as other:
            other.isolation_level = None
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")


def is_writing(client: Client) -> bool:
    """Whether somebody has SQLite's writer."""
    return isinstance(client, SqliteClient) and client.turns._is_taken


def batchers(db: Database) -> list[Batcher[Any, Any]]:
    """The queues of writes that are merged."""
    services = (db.conversations, db.usage)
    return [found for service in services for found in vars(service).values() if isinstance(found, Batcher)]


@asynccontextmanager
async def furnished_handle(
    factory: DatabaseFactory, engine: str, turns: int
) -> AsyncIterator[tuple[Database, Database, World]]:
    """A handle of a furnished database, another one of the same, and what stands in it."""
    with factory(engine=engine) as outside:
        try:
            world = await furnished(outside, huge="")
            # Short reads of SQLite never wait, unless they are sent to a reader's thread.
            options = "?pool_size=3" if engine == "postgresql" else f"?inline_reads={turns % 2}"
            async with await handle(outside, outside.url + options) as db:
                yield db, outside, world
        finally:
            await outside.close()
