"""asyncpg's pool, and connections kept aside from it.

A pool's own acquire and release cost as much as a short query (50 us together), so connections that were given back
whole are kept aside, and taken from there, while nobody waits for one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncpg

from agentdb.engine.client import closed_handle
from agentdb.engine.postgres_channel import PostgresChannel, PostgresConnection
from agentdb.telemetry import fields, logger

REST_S: Final = 60.0
"""After so long connections kept aside go back to the pool, which ends those that stay idle."""

_logger: Final = logger("agentdb.engine")


class PostgresPool:
    """Connections of one handle.

    Args:
        patience_s: How long to wait for a connection that has to become quiet or be closed.
        control_timeout_s: Of BEGIN, COMMIT and the like.
    """

    def __init__(self, pool: Any, *, patience_s: float, control_timeout_s: float) -> None:
        self._pool = pool
        self._patience_s = patience_s
        self._control_timeout_s = control_timeout_s
        self._aside: list[PostgresChannel] = []
        self._expected = 0
        self._age = 0
        self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._resting: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, connect: Callable[..., Awaitable[Any]], *, size: int, patience_s: float, control_timeout_s: float
    ) -> PostgresPool:
        """A pool of `size` connections at most. One is made: an unreachable server is told here."""
        pool = asyncpg.create_pool(min_size=0, max_size=size, connection_class=PostgresConnection, connect=connect)
        opened = cls(await pool, patience_s=patience_s, control_timeout_s=control_timeout_s)
        try:
            opened.put(await opened.take())
        except BaseException:
            pool.terminate()
            raise
        return opened

    @property
    def sizes(self) -> tuple[int, int]:
        """How many connections are open, and how many of them are idle."""
        return self._pool.get_size(), self._pool.get_idle_size() + len(self._aside)

    @property
    def waiting(self) -> int:
        """How many calls wait for one."""
        return self._expected

    def idle(self) -> PostgresChannel | None:
        """A connection that nobody has to be waited for."""
        while self._aside:
            channel = self._aside.pop()
            if channel.is_whole:
                return channel
            channel.abandon()  # the server has ended it
        return None

    async def take(self) -> PostgresChannel:
        """A connection from the pool.

        Raises:
            TransactionError: The pool is closed.
        """
        self._expected += 1
        age = self._age
        try:
            connection = await self._pool.acquire()
        except asyncpg.InterfaceError:
            if self._is_closed:
                raise closed_handle() from None
            raise
        finally:
            self._expected -= 1
        return PostgresChannel(self, connection, age=age, control_timeout_s=self._control_timeout_s)

    def put(self, channel: PostgresChannel) -> bool:
        """Keep a connection aside; False for one that has to be released."""
        if self._expected or self._is_closed or channel.age != self._age or not channel.is_whole:
            return False
        self._aside.append(channel)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(REST_S, self._rest)
        return True

    async def release(self, channel: PostgresChannel) -> None:
        """Give a connection back to the pool; whatever it left open is rolled back."""
        try:
            await channel.calm(self._patience_s)
            await self._pool.release(channel.connection, timeout=self._patience_s)
        except Exception as error:  # the pool has ended the connection and will open another
            told = fields("connection_dropped", error=type(error).__name__)
            _logger.debug("A connection could not be reused: %s", type(error).__name__, extra=told)

    async def renew(self) -> None:
        """Use no connection of now again: those kept aside are ended, and those in use when they are given back."""
        self._age += 1
        await self._pool.expire_connections()
        aside, self._aside = self._aside, []
        for channel in aside:
            channel.abandon()  # without waiting for a server that may not answer

    async def close(self, shown: str) -> None:
        """End all connections; those in use first get some time to come back."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        try:
            await asyncio.wait_for(self._close(), self._patience_s)
        except Exception as error:
            told = fields("closed_by_force", error=type(error).__name__)
            _logger.warning("%s was closed by force: %s.", shown, type(error).__name__, extra=told)
            self._pool.terminate()

    async def _close(self) -> None:
        await self._bring_back()
        await self._pool.close()

    def _rest(self) -> None:
        self._timer = None
        self._resting = asyncio.ensure_future(self._bring_back())

    async def _bring_back(self) -> None:
        aside, self._aside = self._aside, []
        for channel in aside:
            await self.release(channel)
