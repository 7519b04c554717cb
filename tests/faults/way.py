"""A way to a PostgreSQL server that can be silent, slow or closed: a TCP proxy on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, Self
from urllib.parse import quote, unquote, urlsplit

_COMMIT: Final = b"COMMIT\0"


class Way:
    """Carries connections to one server, as it is told to.

    Attributes:
        delay_s: How late everything arrives.
        is_silent_at_commit: From the next COMMIT of a connection on, nothing that it says arrives any more.
        silenced: How many connections that has met.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.delay_s = 0.0
        self.is_silent_at_commit = False
        self.silenced = 0
        self._user, _, host = parts.netloc.rpartition("@")
        address, _, port = host.rpartition(":")
        self._server_host, self._server_port = unquote(address), int(port)
        self._path = parts.path
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._listener: asyncio.Server | None = None
        self._port = 0
        self._links: set[asyncio.Task[None]] = set()
        self._silenced: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator[Self]:
        """A way to the server of `url`, inside the block."""
        way = cls(url)
        await way.reopen()
        try:
            yield way
        finally:
            await way.refuse()

    @property
    def url(self) -> str:
        """The same database by this way."""
        return f"postgresql://{self._user}@127.0.0.1:{self._port}{quote(self._path)}"

    def fall_silent(self) -> None:
        """From now on nothing arrives, and nothing is closed."""
        self._is_open.clear()

    def fall_silent_at_commit(self) -> None:
        """The same for each connection from its next COMMIT on."""
        self.is_silent_at_commit = True

    def slow_down(self) -> None:
        """From now on everything arrives late."""
        self.delay_s = 1.0

    def heal(self) -> None:
        """What was held up arrives, and from now on everything at once. A COMMIT that was lost ends its connection."""
        self.delay_s, self.is_silent_at_commit = 0.0, False
        self._is_open.set()
        for link in self._silenced:
            link.cancel()
        self._silenced.clear()

    async def refuse(self) -> None:
        """Nobody listens any more, and all connections are cut."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        links = set(self._links)
        for link in links:
            link.cancel()
        if links:
            await asyncio.wait(links)

    async def reopen(self) -> None:
        """Listen, where it did before."""
        self._listener = await asyncio.start_server(self._welcome, "127.0.0.1", self._port)
        self._port = self._listener.sockets[0].getsockname()[1]

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.ensure_future(self._carry(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        link = asyncio.current_task()
        assert link is not None
        with suppress(OSError, asyncio.CancelledError):
            try:
                from_server, to_server = await self._dialled()
                ends.append(to_server)
                ways = [
                    asyncio.ensure_future(self._pour(reader, to_server, link)),
                    asyncio.ensure_future(self._pour(from_server, writer, None)),
                ]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    await asyncio.wait(ways)
            finally:
                for end in ends:
                    end.transport.abort()

    async def _dialled(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        await self._is_open.wait()
        if self._server_host.startswith("/"):
            return await asyncio.open_unix_connection(f"{self._server_host}/.s.PGSQL.{self._server_port}")
        return await asyncio.open_connection(self._server_host, self._server_port)

    async def _pour(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: asyncio.Task[None] | None
    ) -> None:
        """Pass on what is read; with a link, it is what the client says on it."""
        with suppress(OSError):
            while part := await reader.read(65536):
                if link is not None and self.is_silent_at_commit and _COMMIT in part:
                    self.silenced += 1
                    self._silenced.add(link)
                    await asyncio.Event().wait()
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self._is_open.wait()
                writer.write(part)
                await writer.drain()
