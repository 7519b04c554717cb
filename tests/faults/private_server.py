"""A PostgreSQL server of one module's own, to be shut down, killed and starved; and a way to it that can be cut."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import asyncpg

from agentdb.engine.embedded import EmbeddedServer, release_server, start_server

_SETTINGS: Final = {
    "max_connections": "40",
    "deadlock_timeout": "100ms",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}

_CHUNK: Final = 1 << 16


class PrivateServer:
    """A server that nobody else uses."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._server: EmbeddedServer | None = None

    async def start(self) -> None:
        """Start it, if it does not run."""
        if self._server is None:
            self._server = await asyncio.to_thread(start_server, self.directory, settings=_SETTINGS)

    async def stop(self) -> None:
        """Stop it, or take note that it has ended."""
        server, self._server = self._server, None
        if server is not None:
            await asyncio.to_thread(release_server, server)

    @property
    def data(self) -> Path:
        """Where its files are."""
        return self.directory / "data"

    @property
    def authority(self) -> str:
        """Host and port as a URL has them."""
        assert self._server is not None
        return f"{quote(self._server.host, safe='')}:{self._server.port}"

    @property
    def socket(self) -> Path:
        """The Unix socket."""
        assert self._server is not None
        return Path(self._server.host) / f".s.PGSQL.{self._server.port}"

    def url(self, database: str, *, role: str = "postgres") -> str:
        """Of one of its databases."""
        return f"postgresql://{role}@{self.authority}/{database}"

    def signal(self, number: int) -> None:
        """Send a signal to the postmaster."""
        os.kill(int((self.data / "postmaster.pid").read_text().split()[0]), number)

    async def run(self, *statements: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run statements as its administrator; the rows of the last one."""
        connection = await asyncpg.connect(self.url(database))
        try:
            rows: list[Any] = []
            for sql in statements:
                rows = await connection.fetch(sql)
            return [tuple(row) for row in rows]
        finally:
            await connection.close()

    async def set(self, name: str, value: str) -> None:
        """Change a setting while it runs."""
        await self.run(f"ALTER SYSTEM SET {name} = '{value}'", "SELECT pg_reload_conf()")

    async def hold_commits(self) -> None:
        """Let every COMMIT wait for a standby that does not exist, until `synchronous_standby_names` is empty again.

        The checkpointer tells everybody else, when it comes to it.
        """
        await self.set("synchronous_standby_names", "nobody")
        await until(self._holds_commits)

    async def _holds_commits(self) -> bool:
        connection = await asyncpg.connect(self.url("postgres"))
        pid = connection.get_server_pid()
        cancel = f"SELECT pg_cancel_backend({pid}) FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'SyncRep'"
        commit = asyncio.ensure_future(connection.execute("SELECT pg_logical_emit_message(true, 'probe', 'commit')"))
        is_held = False
        try:
            while not (commit.done() or is_held):
                is_held = bool(await self.run(cancel))
            return is_held
        finally:
            await commit
            await connection.close()

    @asynccontextmanager
    async def database(self, template: str) -> AsyncIterator[str]:
        """The name of a copy of `template`, inside the block. No page of it has been read when it begins."""
        name = f"fault_{secrets.token_hex(6)}"
        await self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        try:
            yield name
        finally:
            await self.run(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def server_directory() -> Iterator[Path]:
    """A directory that the server's own OS user may enter."""
    directory = Path(tempfile.mkdtemp(prefix="agentdb-faults-"))
    directory.chmod(0o755)
    try:
        yield directory / "server"
    finally:
        shutil.rmtree(directory, ignore_errors=True)


async def until(condition: Callable[[], Any], *, within_s: float = 30) -> None:
    """Wait until `condition`, which may be asynchronous, holds."""
    async with asyncio.timeout(within_s):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.02)


class Wire:
    """A way to a server on the loopback that can be cut when certain bytes pass.

    Attributes:
        port: Where it listens.
        connections: How many were made.
        cut_before: Ends the connection in place of passing on a request that holds these bytes.
        cut_after: Passes such a request on, and ends the connection in place of passing on the reply.
        hold_after: Passes such a request on, and never its reply.
        cuts: How many of those are still to be done.
        is_closed_after_cut: Hangs up on everybody after the first of those.
    """

    _server: asyncio.Server

    def __init__(self, socket: Path) -> None:
        self.connections = 0
        self.cut_before = self.cut_after = self.hold_after = b""
        self.cuts = 0
        self.is_closed_after_cut = self._is_hung_up = False
        self.port = 0
        self._socket = socket
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Wire]:
        """Listen inside the block."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self._server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def hang_up(self) -> None:
        """End all connections, and every new one at once."""
        self._is_hung_up = True
        for task in self._tasks:
            task.cancel()

    def close(self) -> None:
        """End all connections, and refuse new ones."""
        self._server.close()
        self.hang_up()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            if not self._is_hung_up:
                await self._join(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_reader, their_writer = await asyncio.open_unix_connection(self._socket)
        state = {"is_mute": False, "is_held": False}

        async def requests() -> None:
            while piece := await reader.read(_CHUNK):
                if self._matches(self.cut_before, piece):
                    return
                if self._matches(self.cut_after, piece):
                    state["is_mute"] = True
                if self._matches(self.hold_after, piece):
                    state["is_held"] = True
                their_writer.write(piece)

        async def replies() -> None:
            while piece := await their_reader.read(_CHUNK):
                if state["is_mute"]:
                    return
                if not state["is_held"]:
                    writer.write(piece)

        both = [asyncio.ensure_future(requests()), asyncio.ensure_future(replies())]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            with suppress(ConnectionError):
                await asyncio.gather(*both, return_exceptions=True)
            their_writer.close()

    def _matches(self, wanted: bytes, piece: bytes) -> bool:
        if not wanted or self.cuts < 1 or wanted not in piece:
            return False
        self.cuts -= 1
        self._is_hung_up = self.is_closed_after_cut
        return True
