"""What we use of other packages that they do not promise: one test for each, so that an upgrade says what moved."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import re
import sqlite3
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import aiosqlite
import asyncpg
import pytest
from tortoise import context as tortoise_context
from tortoise.backends.asyncpg.executor import AsyncpgExecutor
from tortoise.backends.base import executor as base_executor
from tortoise.backends.base.client import BaseDBAsyncClient, Capabilities
from tortoise.backends.base_postgres.client import BasePostgresClient
from tortoise.backends.sqlite.client import SqliteClient as TortoiseSqliteClient
from tortoise.backends.sqlite.executor import SqliteExecutor
from tortoise.context import TortoiseContext
from tortoise.fields import IntField
from tortoise.models import MetaInfo, Model

from agentdb.engine import Session
from agentdb.engine.orm import DialectMeta, TortoiseSession
from agentdb.models import Role
from tests.engine.engines import MODULES


def test_the_current_context_is_a_context_variable() -> None:
    """`TortoiseSession.entered` sets and resets it with a token of its own."""
    variable = tortoise_context._current_context

    assert isinstance(variable, ContextVar)
    token = variable.set(None)
    variable.reset(token)
    assert tortoise_context.get_current_context() is None


async def test_connections_have_a_storage(session: Session) -> None:
    """`TortoiseSession.attach` puts our client there, and it is found by its alias."""
    made = TortoiseContext()
    client = session.dialect.tortoise_client(session.client)
    made.connections._get_storage()["alias"] = client

    assert made.connections.get("alias") is client


async def test_init_asks_for_zone_and_routers_by_overridable_methods(session: Session) -> None:
    """`TortoiseSession` replaces both, because the stock ones change the whole process."""
    asked: list[str] = []

    class Asked(TortoiseSession):
        def _init_timezone(self, use_tz: bool, timezone: str) -> None:
            asked.append("timezone")

        def _init_routers(self, routers: Any = None) -> None:
            asked.append("routers")

    Asked(session.client, MODULES)

    assert sorted(asked) == ["routers", "timezone"]
    for name in ("_use_tz", "_timezone", "_routers"):
        assert hasattr(TortoiseContext(), name)


def test_metadata_can_change_its_class() -> None:
    """`DialectMeta` keeps three slots by dialect; it must not add any of its own."""

    class Thing(Model):
        id = IntField(primary_key=True)

    assert {"basequery", "basequery_all_fields", "filters", "default_connection"} <= set(MetaInfo.__slots__)
    Thing._meta.__class__ = DialectMeta
    assert Thing._meta._model is Thing
    assert isinstance(Thing._meta, DialectMeta)
    assert inspect.signature(MetaInfo.finalise_model) == inspect.signature(DialectMeta.finalise_model)


def test_the_executors_keep_statements_by_connection_name() -> None:
    """`DialectExecutor` gives them a name with the dialect in it, through a stand-in with three attributes."""
    source = inspect.getsource(base_executor.BaseExecutor.__init__)

    assert "EXECUTOR_CACHE" in source
    assert set(re.findall(r"\bdb\.(\w+)", source)) <= {"connection_name", "query_class", "capabilities"}
    for executor in (SqliteExecutor, AsyncpgExecutor):
        assert {bytes, str, int, float} <= set(executor.DB_NATIVE)


def test_the_base_client_has_the_hooks_that_ours_override() -> None:
    """Tortoise calls these and no others."""
    ours = {"_check_loop", "_in_transaction", "execute_insert", "execute_query", "execute_many", "execute_script"}

    assert ours <= vars(BaseDBAsyncClient).keys()
    for client, dialect in ((TortoiseSqliteClient, "sqlite"), (BasePostgresClient, "postgres")):
        assert isinstance(client.capabilities, Capabilities)
        assert client.capabilities.dialect == dialect


def test_models_take_values_through_one_method() -> None:
    """`Record` marks there what a caller gave, for fields that a database stores otherwise."""
    given: list[Any] = []

    class Thing(Model):
        id = IntField(primary_key=True)

        def _set_kwargs(self, kwargs: dict[str, Any]) -> set[str]:
            given.append(kwargs)
            return super()._set_kwargs(kwargs)

    Thing(id=1).update_from_dict({"id": 2})

    assert given == [{"id": 1}, {"id": 2}]
    assert hasattr(Role(), "_saved_in_db")


async def test_aiosqlite_runs_functions_on_its_thread() -> None:
    """`SqliteChannel` runs whole calls there, in one hop, and makes the thread a daemon before it starts."""
    loop = asyncio.get_running_loop()
    connection = aiosqlite.connect(":memory:", isolation_level=None)
    assert not connection._thread.is_alive()
    connection._thread.daemon = True
    assert connection._connection is None
    await connection
    raw = connection._conn

    assert isinstance(raw, sqlite3.Connection)
    ran = asyncio.Event()
    connection._tx.put_nowait((None, lambda: loop.call_soon_threadsafe(ran.set)))
    async with asyncio.timeout(10):
        await ran.wait()
    await connection.close()
    assert connection._connection is None
    await connection.close()


async def test_asyncpg_asks_the_connection_class_for_its_reset_query() -> None:
    """Ours answers with nothing, which saves a round trip on every release."""
    assert callable(asyncpg.Connection.get_reset_query)
    assert "get_reset_query" in inspect.getsource(asyncpg.Connection.reset)


def test_asyncpg_has_the_errors_that_are_told_apart() -> None:
    """By class where there is no SQLSTATE."""
    from asyncpg import exceptions

    assert issubclass(exceptions.InvalidCachedStatementError, asyncpg.PostgresError)
    assert issubclass(exceptions.OutdatedSchemaCacheError, asyncpg.InternalClientError)
    assert issubclass(exceptions.ClientConfigurationError, asyncpg.InterfaceError)
    assert issubclass(exceptions.UnsupportedClientFeatureError, asyncpg.InterfaceError)
    for name in ("detail", "context", "message", "column_name", "constraint_name", "sqlstate"):
        assert hasattr(asyncpg.PostgresError(), name)


async def test_asyncpg_pools_tell_their_size(postgres_url: str) -> None:
    """And give a connection back under the pool that it came from."""
    async with asyncpg.create_pool(postgres_url, min_size=0, max_size=2) as pool:
        connection = await pool.acquire()
        assert (pool.get_size(), pool.get_idle_size()) == (1, 0)
        await pool.release(connection, timeout=1)
        assert (pool.get_size(), pool.get_idle_size()) == (1, 1)
        with contextlib.suppress(asyncpg.InterfaceError):
            await pool.release(connection, timeout=1)  # twice is harmless


async def test_asyncpg_cancels_by_a_connection_of_its_own(postgres_url: str) -> None:
    """`_cancel_current_command` asks for it in a task that `_cancellations` holds; the statement tells the outcome.

    A channel uses the connection behind the pool's proxy (`_con`) and asks whether asyncpg itself is cancelling.
    """
    async with asyncpg.create_pool(postgres_url, min_size=0, max_size=1) as pool, pool.acquire() as proxy:
        raw = proxy._con
        statement = asyncio.create_task(raw.fetch("SELECT pg_sleep(60)"))
        await asyncio.sleep(0.1)
        raw._cancel_current_command(asyncio.get_running_loop().create_future())
        assert len(raw._cancellations) == 1
        with pytest.raises(asyncpg.QueryCanceledError):
            await statement
        await asyncio.wait(set(raw._cancellations) or {asyncio.ensure_future(asyncio.sleep(0))})

        assert not raw._cancellations
        assert not raw._protocol._is_cancelling()
        assert await raw.fetchval("SELECT 1") == 1


async def test_asyncpg_hands_notices_to_the_connection(postgres_url: str) -> None:
    """Ours reads their fields, of which R names the server's routine in no language."""
    seen: list[dict[str, str]] = []

    class Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg ships no types
        def _process_log_message(self, fields: dict[str, str], last_query: str) -> None:
            seen.append(fields)
            super()._process_log_message(fields, last_query)

    connection = await asyncpg.connect(postgres_url, connection_class=Connection)
    await connection.execute("DO $$ BEGIN RAISE WARNING 'x'; END $$")
    await connection.close()

    assert [(fields["C"], fields["R"]) for fields in seen] == [("01000", "exec_stmt_raise")]


def test_every_private_name_is_covered_here() -> None:
    """Of objects that are not ours: what the engine room reads of them is named in this file."""
    room = Path(__file__).parents[2] / "agentdb" / "engine"
    covered = Path(__file__).read_text()
    used = {
        name
        for file in room.glob("*.py")
        for name in re.findall(r"(?<!self)(?<!cls)(?<!super\(\))\.(_[a-z]\w*)", file.read_text())
    }

    assert {name for name in used if name not in covered} == set()
