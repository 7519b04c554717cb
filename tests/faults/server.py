"""A PostgreSQL server that can be killed: the embedded one, with commits that survive the death of its processes."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import asyncpg
import psutil  # type: ignore[import-untyped]  # psutil has no type hints

from agentdb.engine.embedded import EmbeddedServer, release_server, start_server
from agentdb.testing.plugin import new_server_directory

DATABASE: Final = "faults"

_SETTINGS: Final = {
    # A killed process leaves to the operating system what it has written; only a machine's death would need fsync.
    "fsync": "off",
    "synchronous_commit": "on",
    "max_connections": "100",
}
_PATIENCE_S: Final = 120.0


class Server:
    """
    Attributes:
        starts: How often it was started.
    """

    def __init__(self, directory: Path) -> None:
        self.starts = 0
        self._directory = directory
        self._place: EmbeddedServer | None = None

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[Server]:
        """A server of its own, which is gone after the block."""
        directory = new_server_directory()
        server = cls(directory.with_name(f"{directory.name}-{secrets.token_hex(2)}"))
        try:
            await server.start()
            yield server
        finally:
            await asyncio.to_thread(server._dispose)

    @property
    def place(self) -> EmbeddedServer:
        """Where it is."""
        assert self._place is not None
        return self._place

    @property
    def url(self) -> str:
        """Of its database, past any proxy."""
        return f"postgresql://{self.place.user}@{quote(self.place.host, safe='')}:{self.place.port}/{DATABASE}"

    @property
    def arguments(self) -> dict[str, Any]:
        """The same for asyncpg."""
        place = self.place
        return {"host": place.host, "port": place.port, "user": place.user, "database": DATABASE}

    async def start(self) -> None:
        """Start it, or start it again; it has recovered when this returns."""
        self._place = await asyncio.to_thread(start_server, self._directory, settings=_SETTINGS, timeout_s=_PATIENCE_S)
        self.starts += 1

    async def kill(self) -> int:
        """End all of its processes as a power cut would; how many they were."""
        return await asyncio.to_thread(self._kill)

    async def terminate_backends(self) -> int:
        """End the sessions of its database as an administrator would; how many they were."""
        connection = await asyncpg.connect(**self.arguments)
        try:
            ended: int = await connection.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        finally:
            await connection.close()
        return ended

    async def connected(self) -> tuple[StreamReader, StreamWriter]:
        """A connection to its socket, for a proxy."""
        return await asyncio.open_unix_connection(f"{self.place.host}/.s.PGSQL.{self.place.port}")

    def _kill(self) -> int:
        postmaster = psutil.Process(self._postmaster)
        postmaster.send_signal(signal.SIGSTOP)  # it begets no more
        family = [*postmaster.children(recursive=True), postmaster]
        for process in family:
            process.kill()
        deadline = time.monotonic() + _PATIENCE_S
        # Gone, not just dead: PostgreSQL does not start while its old number is somebody's, even nobody buried.
        while any(psutil.pid_exists(process.pid) for process in family):
            assert time.monotonic() < deadline, "processes of a killed server are still there"
            time.sleep(0.01)
        return len(family)

    @property
    def _postmaster(self) -> int:
        return int((self.place.directory / "data" / "postmaster.pid").read_text().splitlines()[0])

    def _dispose(self) -> None:
        for _ in range(self.starts):
            release_server(self.place)
        shutil.rmtree(self._directory, ignore_errors=True)
        assert os.path.lexists(self._directory) is False
