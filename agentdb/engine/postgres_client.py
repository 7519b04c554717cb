"""PostgreSQL behind Tortoise: asyncpg's pool without its reset query, and transactions that survive cancellation."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
from pypika_tortoise.dialects import PostgreSQLQuery
from tortoise.backends.asyncpg.executor import AsyncpgExecutor
from tortoise.backends.asyncpg.schema_generator import AsyncpgSchemaGenerator
from tortoise.backends.base_postgres.client import BasePostgresClient

from agentdb.engine.channel import Channel, Result, settle
from agentdb.engine.client import Client, closed_handle, only_reads
from agentdb.engine.dialect import no_database
from agentdb.engine.embedded import EmbeddedServer, release_server, start_server
from agentdb.engine.orm import DialectExecutor
from agentdb.engine.postgres import PostgresTarget, dialect
from agentdb.errors import TransactionError

START_TIMEOUT_S: Final = 60.0
"""What an embedded server may take to be made, or to recover after a crash."""

_COUNTED: Final = re.compile(r"\s*(INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_RETURNING: Final = re.compile(r"\bRETURNING\b", re.IGNORECASE)


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg ships no types
    def get_reset_query(self) -> str:
        # The stock one costs a round trip on every release and undoes session state that we never make.
        return ""


class PostgresChannel(Channel):
    """One pooled connection."""

    def __init__(self, pool: Any, connection: Any, *, control_timeout_s: float) -> None:
        self.pool = pool
        self.connection = connection
        self._control_timeout_s = control_timeout_s

    async def execute(self, sql: str, values: Sequence[Any]) -> Result:
        if _COUNTED.match(sql) and not _RETURNING.search(sql):
            status: str = await self.connection.execute(sql, *values)
            return Result([], int(status.rpartition(" ")[2]))
        rows = await self.connection.fetch(sql, *values)
        return Result(rows, len(rows))

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        await self.connection.executemany(sql, rows)

    async def execute_script(self, sql: str) -> None:
        await self.connection.execute(sql)

    async def control(self, sql: str) -> None:
        status = await self.connection.execute(sql, timeout=self._control_timeout_s)
        if (sql, status) == ("COMMIT", "ROLLBACK"):  # no error: that is how PostgreSQL ends a failed transaction
            raise TransactionError("A statement of this transaction failed unnoticed, so it was rolled back.")


class PostgresClient(Client):
    """The pool of one handle."""

    dialect = dialect
    query_class = PostgreSQLQuery
    schema_generator = AsyncpgSchemaGenerator
    capabilities = BasePostgresClient.capabilities
    executor_class: type[AsyncpgExecutor]

    def __init__(self, target: PostgresTarget, *, create: bool) -> None:
        super().__init__(target)
        if target.directory is not None:
            self.connect_within_s += START_TIMEOUT_S
        self._create = create
        self.default_isolation = target.options.isolation
        self._target = target
        self._pool: Any = None
        self._server: EmbeddedServer | None = None

    async def create_connection(self, with_db: bool) -> None:
        with self.dialect.translating():
            if self._target.directory is not None:
                self._server = await settle(asyncio.to_thread(self._start, self._target.directory))
            try:
                self._pool = await asyncpg.create_pool(
                    min_size=0,
                    max_size=self._target.options.pool_size,
                    connection_class=_Connection,
                    **_connect_arguments(self._target, self._server),
                )
                # An unreachable server is told here, not at the first query.
                await self._pool.release(await self._pool.acquire())
            except BaseException:
                await settle(self.close())
                raise
        await self._post_connect()

    def _start(self, directory: Path) -> EmbeddedServer:
        if not self._create and not (directory.is_dir() and any(directory.iterdir())):
            raise no_database(directory)
        return start_server(directory, timeout_s=START_TIMEOUT_S)

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                await asyncio.wait_for(pool.close(), self.options.connect_timeout_s)
            except Exception as error:
                self.log.warning("%s was closed by force: %s.", self._target.shown, type(error).__name__)
                pool.terminate()
        server, self._server = self._server, None
        if server is not None:
            await asyncio.to_thread(release_server, server)

    @property
    def idle_connections(self) -> tuple[int, int]:
        """How many connections are open, and how many of them are idle."""
        return self._pool.get_size(), self._pool.get_idle_size()

    @asynccontextmanager
    async def single_connection(self) -> AsyncIterator[Any]:
        """A connection beside the pool, for a lock that must not take one of its places."""
        with self.dialect.translating():
            connection = await asyncpg.connect(**_connect_arguments(self._target, self._server))
        try:
            yield connection
        finally:
            await settle(connection.close(timeout=self.options.connect_timeout_s))

    def _is_write(self, sql: str) -> bool:
        return not only_reads(sql)

    async def _take(self, *, writing: bool) -> Channel:
        pool = self._pool
        if pool is None:
            raise closed_handle()
        try:
            connection = await pool.acquire()
        except asyncpg.InterfaceError:
            if self._pool is None:  # closed while we waited
                raise closed_handle() from None
            raise
        return PostgresChannel(pool, connection, control_timeout_s=self.options.statement_timeout_s)

    async def _give_back(self, channel: Channel) -> None:
        assert isinstance(channel, PostgresChannel)
        try:
            await channel.pool.release(channel.connection, timeout=self.options.connect_timeout_s)
        except Exception as error:  # the pool has ended the connection and will open another
            self.log.debug("A connection could not be reused: %s", type(error).__name__)


class _PostgresExecutor(DialectExecutor, AsyncpgExecutor):
    pass


PostgresClient.executor_class = _PostgresExecutor
client_class = PostgresClient


async def make_database(target: PostgresTarget) -> None:
    """Make the database of `target`, if it is missing, through the server's maintenance database."""
    with dialect.translating():
        connection = await asyncpg.connect(**{**_connect_arguments(target, None), "database": "postgres"})
        try:
            if await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", target.database):
                return
            quoted = await connection.fetchval("SELECT quote_ident($1)", target.database)
            # Another process may have been faster.
            with contextlib.suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
                await connection.execute(f"CREATE DATABASE {quoted}")
        finally:
            await connection.close()


def _connect_arguments(target: PostgresTarget, server: EmbeddedServer | None) -> dict[str, Any]:
    options = target.options
    arguments: dict[str, Any] = {
        "timeout": options.connect_timeout_s,
        "target_session_attrs": options.target_session_attrs,
        # `jit` costs more than it saves on the short statements of a data layer.
        "server_settings": {"application_name": options.application_name, "TimeZone": "UTC", "jit": "off"},
    }
    if options.pooler == "transaction":
        arguments["statement_cache_size"] = 0
        arguments["server_settings"] = {"application_name": options.application_name}
    if server is not None:
        return arguments | {
            "host": server.host,
            "port": server.port,
            "user": server.user,
            "database": server.database,
        }
    return arguments | {
        "host": [host for host, _ in target.hosts],
        "port": [port or 5432 for _, port in target.hosts],
        "user": target.user,
        "password": target.password.reveal() if target.password else None,
        "database": target.database,
        "ssl": options.sslmode,
    }
