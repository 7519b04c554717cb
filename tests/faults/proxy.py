"""A TCP proxy on loopback that passes on what agentdb and PostgreSQL say, and loses what it is told to lose."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import Future, StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from tests.faults.frames import (
    CANCEL_REQUEST,
    ENDS,
    GSS_REQUEST,
    READY,
    SSL_REQUEST,
    Commit,
    Conversation,
    Frame,
    read_frame,
    read_startup,
)

What: TypeAlias = Literal["request", "reply", "late", "hold"]
Upstream: TypeAlias = Callable[[], Awaitable[tuple[StreamReader, StreamWriter]]]
"""Opens a connection to the server."""

HELD_S: Final = 0.5
_GONE: Final = (OSError, EOFError)


@dataclass(slots=True)
class Loss:
    """What is to happen to the next commit.

    Attributes:
        what: Its request is lost, or the reply to it, at once or after a silence, each with the connection; or both are
            held up for a while.
        happened: Done once it has.
    """

    commit: Commit
    what: What
    happened: Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def has_happened(self) -> None:
        """Tell who waits."""
        if not self.happened.done():
            self.happened.set_result(None)


class Proxy:
    """
    Attributes:
        port: Where it listens.
    """

    def __init__(self, upstream: Upstream) -> None:
        self.port = 0
        self._upstream = upstream
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._losses: list[Loss] = []

    @classmethod
    @asynccontextmanager
    async def listening(cls, upstream: Upstream) -> AsyncIterator[Proxy]:
        """A proxy that is there inside the block."""
        proxy = cls(upstream)
        server = await asyncio.start_server(proxy._welcome, "127.0.0.1", 0)
        proxy.port = server.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            server.close()
            proxy.cut()
            if proxy._tasks:
                await asyncio.wait(proxy._tasks)

    def cut(self) -> int:
        """Cut all connections; how many they were."""
        links = list(self._links)
        for link in links:
            link.cut()
        return len(links)

    async def lose(self, commit: Commit, what: What) -> None:
        """Let something happen to the next commit, and wait until it has."""
        await self.arm(commit, what).happened

    def arm(self, commit: Commit, what: What) -> Loss:
        """Let something happen to the next commit."""
        loss = Loss(commit, what)
        self._losses.append(loss)
        return loss

    def taken(self, commit: Commit) -> Loss | None:
        """What shall happen to this one."""
        loss = next((loss for loss in self._losses if loss.commit == commit), None)
        if loss is not None:
            self._losses.remove(loss)
        return loss

    async def _welcome(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        link = Link(self, reader, writer)
        self._links.add(link)
        try:
            await link.run(self._upstream)
        finally:
            self._links.discard(link)
            self._tasks.discard(task)


class Link:
    """One connection of a client, and the one to the server that belongs to it."""

    def __init__(self, proxy: Proxy, reader: StreamReader, writer: StreamWriter) -> None:
        self._proxy = proxy
        self._from_client, self._to_client = reader, writer
        self._to_server: StreamWriter | None = None
        self._conversation = Conversation()
        self._losing: Loss | None = None

    async def run(self, upstream: Upstream) -> None:
        """Until one of the two ends it."""
        try:
            code, first = await self._greeted()
            from_server, self._to_server = await upstream()
            self._to_server.write(first)
            if code == CANCEL_REQUEST:
                await from_server.read()
                return
            await self._both_ways(from_server)
        except _GONE:
            pass
        finally:
            self.cut()
            if self._losing is not None:
                self._losing.has_happened()

    def cut(self) -> None:
        """End both connections at once; what is under way is lost."""
        for writer in (self._to_client, self._to_server):
            if writer is not None:
                writer.transport.abort()

    async def _greeted(self) -> tuple[int, bytes]:
        while True:
            code, data = await read_startup(self._from_client)
            if code not in (SSL_REQUEST, GSS_REQUEST):
                return code, data
            self._to_client.write(b"N")

    async def _both_ways(self, from_server: StreamReader) -> None:
        ways = {asyncio.create_task(self._ask()), asyncio.create_task(self._answer(from_server))}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.cut()
            await asyncio.wait(ways)
            for way in ways:
                with contextlib.suppress(*_GONE):
                    way.result()

    async def _ask(self) -> None:
        """Pass on what the client says, up to where it waits."""
        assert self._to_server is not None
        batch: list[Frame] = []
        while True:
            frame = await read_frame(self._from_client)
            batch.append(frame)
            if frame.type not in ENDS:
                continue
            if not await self._is_let_through(batch):
                return
            self._to_server.write(b"".join(each.data for each in batch))
            await self._to_server.drain()
            batch = []

    async def _is_let_through(self, batch: list[Frame]) -> bool:
        commit = self._conversation.commit_in(batch)
        loss = self._proxy.taken(commit) if commit is not None else None
        if loss is None:
            return True
        if loss.what == "hold":
            await asyncio.sleep(HELD_S)
        if loss.what in ("reply", "late"):
            self._losing = loss
        else:
            loss.has_happened()
        return loss.what != "request"

    async def _answer(self, from_server: StreamReader) -> None:
        """Pass on what the server says, unless it is to be lost."""
        while True:
            frame = await read_frame(from_server)
            self._conversation.heard(frame)
            if self._losing is None:
                self._to_client.write(frame.data)
                await self._to_client.drain()
            elif frame.type == READY:
                await asyncio.sleep(HELD_S if self._losing.what == "late" else 0)
                return
