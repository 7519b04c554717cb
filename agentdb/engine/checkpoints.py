"""Checkpoints of SQLite's write-ahead log, out of the way of those who wait for a commit.

SQLite by itself copies the log back into the database within the commit that fills it: every so often one caller waits
ten times as long. Here the writer never does; a connection of its own does it in the background.

What was committed meanwhile is copied in a short turn of the writer's, so that the next commit starts the log anew. In
a log that only ever grows each commit also has to make the file longer, which takes the disk twice as long.

Versions before 3.51.3 may damage a database if a checkpoint starts when an earlier one has just copied everything, and
a commit starts the log anew at the same moment. So between two checkpoints there are always commits, and there is never
more than one at a time.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agentdb.engine.sqlite_files import beside
from agentdb.engine.writer import WriterQueue
from agentdb.telemetry import fields, logger

if TYPE_CHECKING:
    from agentdb.engine.sqlite_channel import SqliteChannel

LOG_BYTES: Final = 1000 * 4096
"""A log shorter than this is left alone, and one that has grown by it is due; SQLite's own measure."""

COMMITS: Final = 100
"""A log is used again from its beginning, so its length tells less than the number of commits."""

LARGEST_BYTES: Final = 64 * 1024 * 1024
"""Where somebody always reads or writes, the log never starts anew by itself; from here on the writer sees to it."""

_LONGEST_WAIT_MS: Final = 100
"""How long the writer waits for readers of the old log."""

_logger = logger("agentdb.engine")


class Checkpoints:
    """The log of one database file.

    Args:
        connect: Opens a connection for the background.
        writer: The writer's own connection, to be used in its turn.

    Attributes:
        finished: How many there were.
    """

    def __init__(
        self,
        database: Path,
        *,
        connect: Callable[[], Awaitable[SqliteChannel]],
        turns: WriterQueue,
        writer: Callable[[], SqliteChannel | None],
    ) -> None:
        self.finished = 0
        self._log = beside(database, "-wal")
        self._connect = connect
        self._turns = turns
        self._writer = writer
        self._channel: SqliteChannel | None = None
        self._task: asyncio.Task[None] | None = None
        self._file: FileIO | None = None
        self._changes = 0
        self._commits = 0
        self._size_then = 0
        self._excess = 0

    def committed(self) -> None:
        """Start a checkpoint if one is due. Called after each turn of the writer, which may have written nothing."""
        writer = self._writer()
        changes = self._changes if writer is None else writer.raw.total_changes
        if changes == self._changes:
            return
        self._changes = changes
        self._commits += 1
        if self._task is not None:
            return
        size = self._size()
        if size >= LOG_BYTES and (self._commits >= COMMITS or size >= self._size_then + LOG_BYTES):
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop what is under way. The last connection that is closed copies back the rest."""
        task = self._task
        # One of an event loop that has ended will never run again.
        if task is not None and task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait({task})
        if self._channel is not None:
            await self._channel.close()
        if self._file is not None:
            self._file.close()
            self._file = None

    async def _run(self) -> None:
        try:
            if self._channel is None:
                self._channel = await self._connect()
            self._commits = 0
            await self._channel.on_thread(_passive, is_repeatable=False)
            if self._size() > LARGEST_BYTES + self._excess:
                await self._truncate()
            elif self._commits:
                await self._finish(self._channel)
            self.finished += 1
        except sqlite3.Error as error:
            _logger.debug(
                "A checkpoint failed: %s", error, extra=fields("checkpoint_failed", error=type(error).__name__)
            )
        finally:
            self._task, self._commits, self._size_then = None, 0, self._size()

    async def _finish(self, channel: SqliteChannel) -> None:
        """Copy what was committed since, while nothing more is."""
        await self._turns.take()
        try:
            is_whole = await channel.on_thread(_passive, is_repeatable=False)
        finally:
            self._turns.give_back()
        if is_whole and self._size() > LARGEST_BYTES:  # the reader that kept it has gone
            await self._truncate()

    async def _truncate(self) -> None:
        """Let the writer wait for the readers of the old log, and empty it."""
        await self._turns.take()
        try:
            writer = self._writer()
            is_busy = writer is None or await writer.on_thread(_truncating, is_repeatable=False)
        finally:
            self._turns.give_back()
        # It waits for a reader that does not end, so it is not tried again before there is as much to gain.
        self._excess = self._size() if is_busy else 0

    def _size(self) -> int:
        # Not stat(): since Linux 6.13 a file whose times somebody has asked for gets exact ones with the next write,
        # which made each commit a third slower. The file stays the same one as long as a connection is open.
        if self._file is None:
            try:
                self._file = FileIO(self._log)
            except OSError:  # there is none yet
                return 0
        return self._file.seek(0, os.SEEK_END)


def _passive(raw: sqlite3.Connection) -> bool:
    """Copy what can be copied without waiting; whether that was all there was when it began."""
    _, length, copied = raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return bool(length == copied)


def _truncating(raw: sqlite3.Connection) -> bool:
    raw.execute(f"PRAGMA busy_timeout = {_LONGEST_WAIT_MS}")
    try:
        return bool(raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
    finally:
        raw.execute("PRAGMA busy_timeout = 0")
