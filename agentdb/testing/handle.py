"""A database handle that is made and thrown away without an event loop, and used like any other in between.

A fixture that must serve tests of every scope cannot be async: it would run in a loop of its own choosing. So the
handle connects in the loop of its first statement. An asynchronous generator, left suspended there, has the loop itself
disconnect it when it shuts down, as `asyncio.run` and the pytest plugins do before they close a loop.
"""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

from agentdb.config import Settings
from agentdb.database import Database
from agentdb.engine import Session, Target, resolve, settle
from agentdb.lifecycle.vault import vault_of
from agentdb.models.names import MODULES
from agentdb.testing.loop_thread import LoopThread

_CLOSE_TIMEOUT_S = 30


class TemporaryDatabase(Database):
    """A `Database` that connects by itself when it is first used, and again in the next event loop when that one ends.

    Until then, and after a loop has ended, it holds neither a connection nor a thread.

    Attributes:
        url: Where it is, for further handles. They need the secret key in `settings`.
    """

    session: LateSession

    def __init__(self, url: str, settings: Settings, thread: LoopThread) -> None:
        session = LateSession(resolve(url, settings), MODULES, thread)
        super().__init__(session, settings, vault_of(session, settings), None)
        self.url = url

    def dispose(self) -> None:
        """Close it from outside of any event loop, whatever became of the one that it was used in."""
        self._is_closed = True
        self.session.dispose()


class LateSession(Session):
    """A session that is open from the start and connects with its first statement.

    Args:
        thread: Where to run what has to be awaited outside of the loops that use the session.
    """

    def __init__(self, target: Target, modules: Sequence[str], thread: LoopThread) -> None:
        super().__init__(target, create=False)
        self._thread = thread
        self._loop: asyncio.AbstractEventLoop | None
        self._presence: AsyncGenerator[None, None] | None
        self._expect(modules)
        self._await_arrival()
        self._is_open = True

    async def close(self) -> None:
        self._is_open = False
        if self._presence is not None:
            await settle(self._presence.aclose())

    def dispose(self) -> None:
        """Close it from outside of any event loop."""
        self._is_open = False
        if self._loop is None:
            return
        if self._loop.is_closed():
            self._abandon()
        elif self._loop.is_running():
            asyncio.run_coroutine_threadsafe(self.close(), self._loop).result(_CLOSE_TIMEOUT_S)
        else:
            self._loop.run_until_complete(self.close())

    def _await_arrival(self) -> None:
        self.client.arrive = self._arrive
        self._arriving = asyncio.Lock()
        self._loop = self._presence = None

    async def _arrive(self) -> None:
        if self._presence is not None:
            return
        self._check_open()
        async with self._arriving:
            if self._presence is None:
                presence = self._present()
                await anext(presence)
                self._loop, self._presence = asyncio.get_running_loop(), presence
                self.client.arrive = None

    async def _present(self) -> AsyncGenerator[None, None]:
        """Connected while it is suspended: both `close` and the shutdown of its loop end it."""
        await self._connect()
        try:
            yield
        finally:
            await settle(self.client.close())
            self._renew_client()

    def _renew_client(self) -> None:
        # A client's locks belong to the loop that first waited for them, so the next loop gets a client of its own.
        self.client = self.dialect.client(self.target, create=False)
        if self._tortoise is not None:
            self._tortoise.attach(self.client)
        self._await_arrival()

    def _abandon(self) -> None:
        """Let go of connections whose loop was closed without a shutdown: no goodbye can be sent in it any more."""
        client = self.client
        self._renew_client()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            with suppress(RuntimeError):  # asyncpg needs its loop; the server ends its connections with the database
                self._thread.run(client.close())
            del client
            gc.collect()
