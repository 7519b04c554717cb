"""One migration at a time, in all processes: locks of PostgreSQL that belong to transactions.

So they hold through a pooler too, and end with the connection of a process that dies.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from agentdb.engine.client import Client
from agentdb.engine.postgres import AS_LONG_AS_IT_TAKES, PostgresTarget
from agentdb.engine.postgres_client import PostgresClient
from agentdb.errors import UnavailableError

_ASK_AGAIN_S: Final = 0.1
_LOCK: Final = 0x6167656E74646201  # "agentdb" and a 1: any constant, the same in every release
_NOT_AVAILABLE: Final = "55P03"
_WORK_LOCK: Final = _LOCK + 1


@asynccontextmanager
async def alone(client: Client, *, timeout_s: float) -> AsyncIterator[None]:
    """Hold the lock under which a database is migrated and seeded.

    Raises:
        UnavailableError: Somebody else has had it for over `timeout_s`.
    """
    assert isinstance(client, PostgresClient)
    target = client.target
    assert isinstance(target, PostgresTarget)
    async with client.single_connection() as connection:
        try:
            with client.dialect.translating():
                await _begin(connection, timeout_s, waits=target.options.pooler == "none")
                # The work is done on other connections. When a holder dies this lock is free at once, while the
                # server may still be busy with its last statement: wait for that, without keeping the lock.
                await connection.execute("SAVEPOINT nobody_works")
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _WORK_LOCK)
                await connection.execute("ROLLBACK TO SAVEPOINT nobody_works")
        except UnavailableError as error:
            if error.engine_code != _NOT_AVAILABLE:
                raise
            raise UnavailableError(
                f"Another process has been migrating or seeding this database for over {timeout_s} s.",
                engine_code=error.engine_code,
            ) from error
        yield


@asynccontextmanager
async def work(client: Client) -> AsyncIterator[None]:
    """The transaction of one migration."""
    async with client.transaction(isolation="read committed", is_patient=True):
        # A limit that an administrator gave the role is meant for queries. One on waiting for locks stays: services
        # queue behind a migration that waits.
        await client.execute_script(f"SET LOCAL statement_timeout = 0; {AS_LONG_AS_IT_TAKES}")
        await client.fetch("SELECT pg_advisory_xact_lock($1)", [_WORK_LOCK])
        yield


async def _begin(connection: Any, timeout_s: float, *, waits: bool) -> None:
    """Begin the transaction that holds the lock.

    Args:
        waits: In the server. If not, it asks again and again: those who wait behind a pooler would keep all of its
            connections from the one who holds the lock and has to work.
    """
    until = time.monotonic() + timeout_s
    while True:
        # READ COMMITTED, because under SERIALIZABLE the snapshot is older than the lock.
        await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        await connection.execute("SELECT set_config('lock_timeout', $1, true)", f"{int(timeout_s * 1000)}")
        # It sits idle while the migration runs on another connection.
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        await connection.execute(AS_LONG_AS_IT_TAKES)
        if waits:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            return
        if await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK):
            return
        await connection.execute("ROLLBACK")
        if time.monotonic() >= until:
            raise UnavailableError("Somebody else has the lock.", engine_code=_NOT_AVAILABLE)
        await asyncio.sleep(_ASK_AGAIN_S)
