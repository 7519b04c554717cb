"""How connections to one SQLite database are opened and set up: the writer's, those of readers, and the inline one."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Final

import aiosqlite

from agentdb.engine.channel import settle
from agentdb.engine.sqlite import SqliteTarget
from agentdb.engine.sqlite_channel import SqliteChannel
from agentdb.engine.sqlite_files import check_file, file_uri, make_file
from agentdb.engine.values import MAX_TEXT_BYTES
from agentdb.engine.vectors import Load

WRITER_CACHE_KIB: Final = 64 * 1024
"""A bulk of rows is not written out before its commit."""

LARGEST_VALUE_BYTES: Final = 4 * MAX_TEXT_BYTES
"""Longer than any text or row of ours: more is not made, and not read."""


class SqliteOpener:
    """Opens connections.

    Args:
        create: Whether a missing file may be made.

    Attributes:
        extensions: Loaded into each connection.
    """

    def __init__(self, target: SqliteTarget, *, create: bool) -> None:
        self.extensions: list[Load] = []
        self._target = target
        self._create = create

    async def writer(self) -> SqliteChannel:
        """The connection that writes.

        Raises:
            StorageError: There is no such file, or it is no database.
        """
        return await self._opened(is_writer=True)

    async def reader(self) -> SqliteChannel:
        """One that only reads."""
        return await self._opened(is_writer=False)

    def inline(self) -> sqlite3.Connection:
        """One that only reads and never waits, for the event loop's own thread."""
        # A loop may go on in another thread, and uses one connection at a time.
        path = self._target.path
        assert path is not None  # one in memory has no readers
        check_file(path)
        raw = sqlite3.connect(file_uri(path), uri=True, isolation_level=None, timeout=0, check_same_thread=False)
        try:
            self._configure_reader(raw)
        except BaseException:
            raw.close()
            raise
        return raw

    async def _opened(self, *, is_writer: bool) -> SqliteChannel:
        path = self._target.path
        if path is not None:
            if self._create and is_writer:
                make_file(path)
            check_file(path)
        # The writer's is also used on the event loop's thread, in a turn of its own; see WriterQueue.
        connection = aiosqlite.connect(
            file_uri(path) if path is not None else ":memory:",
            uri=path is not None,
            isolation_level=None,
            timeout=0,  # see Patience
            check_same_thread=not is_writer,
        )
        connection._thread.daemon = True  # a process that forgot `close()` still ends
        channel = SqliteChannel(connection, lock_timeout_s=self._target.options.acquire_timeout_s)
        try:
            await settle(_connected(connection))
            await channel.on_thread(self._configure_writer if is_writer else self._configure_reader)
        except BaseException:
            await settle(channel.close())
            raise
        return channel

    def _configure_writer(self, raw: sqlite3.Connection) -> None:
        self._configure(raw)
        raw.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
        raw.execute("PRAGMA wal_autocheckpoint = 0")  # see Checkpoints
        if self._target.path and self._create and raw.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            raw.execute("PRAGMA journal_mode = WAL")  # readers go on while a writer writes

    def _configure_reader(self, raw: sqlite3.Connection) -> None:
        self._configure(raw)
        raw.execute("PRAGMA query_only = ON")

    def _configure(self, raw: sqlite3.Connection) -> None:
        raw.row_factory = sqlite3.Row
        raw.execute("PRAGMA foreign_keys = ON")
        # A hostile file cannot call functions from its schema, nor have values made that fill the memory; a damaged one
        # is noticed where it is damaged.
        raw.execute("PRAGMA trusted_schema = OFF")
        raw.execute("PRAGMA cell_size_check = ON")
        raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE_BYTES)
        for load in self.extensions:
            load(raw)
        durability = self._target.options.durability
        raw.execute("PRAGMA synchronous = FULL" if durability == "full" else "PRAGMA synchronous = NORMAL")
        raw.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # reads the header: is it a database at all?


async def _connected(connection: aiosqlite.Connection) -> None:
    try:
        await connection
    except BaseException:
        # Its thread still wants to tell the loop that it ended, which may be closed by then.
        await asyncio.to_thread(connection._thread.join)
        raise
