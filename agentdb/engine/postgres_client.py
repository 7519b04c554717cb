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

from agentdb.engine.afterwork import Afterwork
from agentdb.engine.channel import Channel, settle
from agentdb.engine.client import closed_handle, only_reads
from agentdb.engine.diagnosis import Connections
from agentdb.engine.dialect import no_database
from agentdb.engine.embedded import EmbeddedServer, release_server, start_server
from agentdb.engine.flight import MergingClient
from agentdb.engine.postgres import PostgresTarget, dialect, tls_of
from agentdb.engine.postgres_channel import PostgresChannel
from agentdb.engine.postgres_hosts import Hosts
from agentdb.engine.postgres_pool import PostgresPool
from agentdb.errors import StorageError
from agentdb.telemetry.occupancy import Occupancy

START_TIMEOUT_S: Final = 60.0
"""What an embedded server may take to be made, or to recover after a crash."""

RENEWAL_S: Final = 1.0
"""Connections that led to a server which only reads are not replaced again before."""


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
        self._hosts = _hosts(target)
        self._pool: PostgresPool | None = None
        self._left_at = -RENEWAL_S
        self._server: EmbeddedServer | None = None

    async def connect(self) -> None:
        with self.dialect.translating():
            if self._target.directory is not None:
                self._server = await settle(asyncio.to_thread(self._start, self._target.directory))
            try:
                self._hosts = _hosts(self._target, self._server)
                self._pool = await PostgresPool.open(
                    self._hosts.connect,
                    size=self._target.options.pool_size,
                    patience_s=self.options.connect_timeout_s,
                    control_timeout_s=self.options.statement_timeout_s,
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
            await self.afterwork.end(self.options.connect_timeout_s)
        server, self._server = self._server, None
        if server is not None:
            await asyncio.to_thread(release_server, server)

    def occupancy(self) -> Occupancy | None:
        if self._pool is None:
            return None
        found = self.connections
        return Occupancy(
            idle=found.idle,
            used=found.in_use,
            most=found.limit,
            waiting=self.waiting_writes,
            fallbacks=self.fallbacks,
        )

    @property
    def server(self) -> EmbeddedServer | None:
        """The server that is embedded for it; None for any other."""
        return self._server

    async def renew(self) -> None:
        """Let every later call have a new connection: the server of now is not, or no longer, the one to write to.

        Calls under way keep theirs. The next connection is made to whichever host then fits `target_session_attrs`.

        Raises:
            TransactionError: The client is closed.
        """
        await self._open_pool.renew()

    @property
    def idle_connections(self) -> tuple[int, int]:
        """How many connections are open, and how many of them are idle."""
        return self._open_pool.sizes

    @property
    def connections(self) -> Connections:
        if self._pool is None:  # it connects with the first statement
            return Connections(0, 0, self._target.options.pool_size, 0)
        opened, idle = self._pool.sizes
        return Connections(opened - idle, idle, self._target.options.pool_size, self._pool.waiting)

    @property
    def _open_pool(self) -> PostgresPool:
        if self._pool is None:
            raise closed_handle()
        return self._pool

    def lease(self, *, within_s: float | None = None) -> Lease:
        return Lease(self._open_pool, partial(super()._channel, writing=True, within_s=within_s), self.afterwork)

    @asynccontextmanager
    async def single_connection(self) -> AsyncIterator[Any]:
        """A connection beside the pool, for a lock that must not take one of its places."""
        with self.dialect.translating():
            connection = await self._hosts.connect()
        try:
            yield connection
        finally:
            await settle(connection.close(timeout=self.options.connect_timeout_s))

    @property
    def isolates_statements(self) -> bool:
        # A pooler in transaction mode takes no settings for a session.
        return not self.is_strict or self._target.options.pooler == "none"

    async def leave_standby(self, error: StorageError) -> bool:
        if error.engine_code != "25006" or len(self._target.hosts) < 2:
            return False
        now = asyncio.get_running_loop().time()
        if now > self._left_at + RENEWAL_S:  # many callers learn of it at the same time
            self._left_at = now
            await self.renew()
        return True

    def _is_write(self, sql: str) -> bool:
        return not only_reads(sql)

    def _channel(  # type: ignore[override]  # no generator, but entered like one
        self, *, writing: bool, within_s: float | None = None
    ) -> Lease:
        return self.lease(within_s=within_s)

    async def _take(self, *, writing: bool) -> Channel:
        return await self._open_pool.take()

    def _give_back(self, channel: Channel) -> Coroutine[Any, Any, None] | None:
        assert isinstance(channel, PostgresChannel)
        return None if channel.pool.put(channel) else channel.pool.release(channel)


class Lease:
    """A connection for the length of a block: one that was kept aside, or one that has to be waited for.

    A context manager that is a generator, with its deadline, would take half as long as a short query.
    """

    def __init__(
        self,
        pool: PostgresPool,
        waiting: Callable[[], AbstractAsyncContextManager[Channel]],
        afterwork: Afterwork,
    ) -> None:
        self._pool = pool
        self._waiting = waiting
        self._afterwork = afterwork
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
            await self._afterwork.finish(self._pool.release(self._channel), give_up=self._channel.abandon)


async def make_database(target: PostgresTarget) -> None:
    """Make the database of `target`, if it is missing, through the server's maintenance database."""
    with dialect.translating():
        connection = await _hosts(target, database="postgres").connect()
        try:
            if await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", target.database):
                return
            quoted = await connection.fetchval("SELECT quote_ident($1)", target.database)
            # Another process may have been faster.
            with contextlib.suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
                await connection.execute(f"CREATE DATABASE {quoted}")
        finally:
            await connection.close()


def _hosts(target: PostgresTarget, server: EmbeddedServer | None = None, **others: Any) -> Hosts:
    """How to connect to the database of `target`, or of the server that is embedded for it."""
    options = target.options
    arguments: dict[str, Any] = {
        # `jit` costs more than it saves on the short statements of a data layer.
        "server_settings": {"application_name": options.application_name, "TimeZone": "UTC", "jit": "off"},
        "user": server.user if server else target.user,
        "database": server.database if server else target.database,
        "password": target.password.reveal() if target.password else None,
        **others,
    }
    if options.isolation != "read committed":
        arguments["server_settings"]["default_transaction_isolation"] = options.isolation
    if options.pooler == "transaction":
        arguments["statement_cache_size"] = 0
        arguments["server_settings"] = {"application_name": options.application_name}
    return Hosts(
        [(server.host, server.port)] if server else [(host, port or 5432) for host, port in target.hosts],
        tls=tls_of(options),
        attributes=options.target_session_attrs,
        has_pooler=options.pooler == "transaction",
        within_s=options.connect_timeout_s,
        arguments=arguments,
    )
