"""PostgreSQL: connections at the price of a query, and transactions that survive cancellation."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import asyncpg

from agentdb.engine.channel import Channel, settle
from agentdb.engine.client import closed_handle, only_reads
from agentdb.engine.dialect import no_database
from agentdb.engine.embedded import EmbeddedServer, release_server, start_server
from agentdb.engine.flight import MergingClient
from agentdb.engine.postgres import PostgresTarget, dialect
from agentdb.engine.postgres_channel import PostgresChannel
from agentdb.engine.postgres_pool import PostgresPool
from agentdb.telemetry.occupancy import Occupancy

START_TIMEOUT_S: Final = 60.0
"""What an embedded server may take to be made, or to recover after a crash."""


class PostgresClient(MergingClient):
    """The pool of one handle."""

    dialect = dialect

    def __init__(self, target: PostgresTarget, *, create: bool) -> None:
        super().__init__(target)
        if target.directory is not None:
            self.connect_within_s += START_TIMEOUT_S
        self._create = create
        self.default_isolation = target.options.isolation
        self._target = target
        self._pool: PostgresPool | None = None
        self._server: EmbeddedServer | None = None

    async def connect(self) -> None:
        with self.dialect.translating():
            if self._target.directory is not None:
                self._server = await settle(asyncio.to_thread(self._start, self._target.directory))
            try:
                self._pool = await PostgresPool.open(
                    size=self._target.options.pool_size,
                    patience_s=self.options.connect_timeout_s,
                    control_timeout_s=self.options.statement_timeout_s,
                    **_connect_arguments(self._target, self._server),
                )
            except BaseException:
                await settle(self.close())
                raise
        self._bind()

    def _start(self, directory: Path) -> EmbeddedServer:
        if not self._create and not (directory.is_dir() and any(directory.iterdir())):
            raise no_database(directory)
        return start_server(directory, timeout_s=START_TIMEOUT_S)

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close(self._target.shown)
        server, self._server = self._server, None
        if server is not None:
            await asyncio.to_thread(release_server, server)

    def occupancy(self) -> Occupancy | None:
        if self._pool is None:
            return None
        size, idle = self._pool.sizes
        return Occupancy(
            idle=idle,
            used=size - idle,
            most=self._target.options.pool_size,
            waiting=self.waiting_writes,
            fallbacks=self.fallbacks,
        )

    @property
    def idle_connections(self) -> tuple[int, int]:
        """How many connections are open, and how many of them are idle."""
        return self._open_pool.sizes

    @property
    def _open_pool(self) -> PostgresPool:
        if self._pool is None:
            raise closed_handle()
        return self._pool

    def lease(self) -> Lease:
        return Lease(self._open_pool, partial(super()._channel, writing=True))

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

    def _channel(self, *, writing: bool) -> Lease:  # type: ignore[override]  # no generator, but entered like one
        return self.lease()

    async def _take(self, *, writing: bool) -> Channel:
        return await self._open_pool.take()

    def _give_back(self, channel: Channel) -> Coroutine[Any, Any, None] | None:
        assert isinstance(channel, PostgresChannel)
        return None if channel.pool.put(channel) else channel.pool.release(channel)


class Lease:
    """A connection for the length of a block: one that was kept aside, or one that has to be waited for.

    A context manager that is a generator, with its deadline, would take half as long as a short query.
    """

    def __init__(self, pool: PostgresPool, waiting: Callable[[], AbstractAsyncContextManager[Channel]]) -> None:
        self._pool = pool
        self._waiting = waiting
        self._waited: AbstractAsyncContextManager[Channel] | None = None

    async def __aenter__(self) -> PostgresChannel:
        channel = self._pool.idle()
        if channel is None:
            self._waited = self._waiting()
            taken = await self._waited.__aenter__()
            assert isinstance(taken, PostgresChannel)
            return taken
        self._channel = channel
        return channel

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._waited is not None:
            await self._waited.__aexit__(kind, error, trace)
        elif not self._pool.put(self._channel):
            await settle(self._pool.release(self._channel))


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
