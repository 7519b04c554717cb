"""SQLite behind Tortoise: one writer connection, and readers that never wait for it.

Each connection has a thread of its own (aiosqlite's), so no statement runs on the event loop. The threads are daemons:
a process that forgot `close()` still ends.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import aiosqlite
from pypika_tortoise.dialects import SQLLiteQuery
from tortoise.backends.sqlite.client import SqliteClient as TortoiseSqliteClient
from tortoise.backends.sqlite.executor import SqliteExecutor
from tortoise.backends.sqlite.schema_generator import SqliteSchemaGenerator

from agentdb.engine.channel import Channel, Result, settle
from agentdb.engine.client import Client, closed_handle, only_reads
from agentdb.engine.dialect import no_database
from agentdb.engine.orm import DialectExecutor
from agentdb.engine.sqlite import SqliteTarget, dialect
from agentdb.errors import StorageError

T = TypeVar("T")

LOCK_SLICE_S: Final = 0.1
"""How long SQLite itself waits for another process's lock; nothing interrupts that, so we wait by such slices."""


class SqliteChannel(Channel):
    """One SQLite connection on its own thread."""

    def __init__(self, connection: aiosqlite.Connection, *, lock_timeout_s: float) -> None:
        self._connection = connection
        self._lock_timeout_s = lock_timeout_s
        self._is_running = False

    async def execute(self, sql: str, values: Sequence[Any]) -> Result:
        def work(raw: sqlite3.Connection) -> Result:
            cursor = raw.execute(sql, values)
            rows = cursor.fetchall()
            return Result(rows, cursor.rowcount if cursor.rowcount >= 0 else len(rows), cursor.lastrowid)

        return await self.on_thread(work)

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        await self.on_thread(lambda raw: raw.executemany(sql, rows), is_repeatable=False)

    async def execute_script(self, sql: str) -> None:
        # Not executescript(), which commits first.
        for statement in split_statements(sql):
            await self.execute(statement, ())

    async def control(self, sql: str) -> None:
        await self.on_thread(lambda raw: raw.execute(sql), is_interruptible=False)

    async def close(self) -> None:
        """Close it; a statement that still runs is interrupted. Closing twice is harmless."""
        # SQLite keeps an interruption for the next statement, and with none to come skips the checkpoint of closing.
        if self._is_running and not self._is_closed:
            self._connection._conn.interrupt()
        await self._connection.close()

    @property
    def in_transaction(self) -> bool:
        return not self._is_closed and self._connection.in_transaction

    async def on_thread(
        self, work: Callable[[sqlite3.Connection], T], *, is_interruptible: bool = True, is_repeatable: bool = True
    ) -> T:
        """Run `work` in one hop to the thread. A cancelled call interrupts SQLite and returns when it has stopped.

        Args:
            is_repeatable: It did nothing when another process held the lock, so it is tried again until it gets it.

        Raises:
            TransactionError: The handle was closed meanwhile.
        """
        if self._is_closed:
            raise closed_handle()
        raw = self._connection._conn
        patience = _Patience(self._lock_timeout_s if is_repeatable else 0)

        def hurry() -> None:
            patience.end()
            if is_interruptible:
                raw.interrupt()

        one_hop = self._connection._execute(patience.run, work, raw)  # type: ignore[no-untyped-call]  # as aiosqlite is
        self._is_running = True
        try:
            result: T = await settle(one_hop, on_cancel=hurry)
        finally:
            self._is_running = False
        return result

    @property
    def _is_closed(self) -> bool:
        return self._connection._connection is None


class _Patience:
    """Waits for a lock that another process holds."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def end(self) -> None:
        self._until = 0.0

    def run(self, work: Callable[[sqlite3.Connection], T], raw: sqlite3.Connection) -> T:
        while True:
            try:
                return work(raw)
            except sqlite3.OperationalError as error:
                is_locked = error.sqlite_errorname in ("SQLITE_BUSY", "SQLITE_BUSY_RECOVERY")
                if not is_locked or time.monotonic() >= self._until:
                    raise


class SqliteClient(Client):
    """All connections of one handle to one file, or the only one to a database in memory."""

    dialect = dialect
    query_class = SQLLiteQuery
    schema_generator = SqliteSchemaGenerator
    capabilities = TortoiseSqliteClient.capabilities
    executor_class: type[SqliteExecutor]

    def __init__(self, target: SqliteTarget, *, create: bool) -> None:
        super().__init__(target)
        self._target = target
        self._create = create
        self._writer: SqliteChannel | None = None
        self._writer_lock = asyncio.Lock()
        self._readers: list[SqliteChannel] = []
        self._idle_readers: list[SqliteChannel] = []
        # A second connection to a database in memory would see another, empty one.
        self._slots = target.options.readers if target.path else 0
        self._reader_slots = asyncio.Semaphore(self._slots)

    async def create_connection(self, with_db: bool) -> None:
        with self.dialect.translating():
            self._writer = await self._open(self._target.path, is_writer=True)
        await self._post_connect()

    async def close(self) -> None:
        writer, self._writer = self._writer, None  # from now on nobody gets a channel
        if writer is None:
            return
        try:
            async with asyncio.timeout(self.options.connect_timeout_s):
                async with self._writer_lock:
                    await settle(writer.close())
                for _ in range(self._slots):
                    await self._reader_slots.acquire()
        except TimeoutError:
            self.log.warning("%s was closed under somebody who still used it.", self._target.shown)
        for channel in (writer, *self._readers):
            await settle(channel.close())
        self._readers, self._idle_readers = [], []
        for _ in range(self._slots):
            self._reader_slots.release()

    def _is_write(self, sql: str) -> bool:
        return not self._slots or not only_reads(sql)

    async def _take(self, *, writing: bool) -> Channel:
        if writing or not self._slots:
            await self._writer_lock.acquire()
            if self._writer is None:
                self._writer_lock.release()
                raise closed_handle()
            return self._writer
        await self._reader_slots.acquire()
        try:
            if self._writer is None:
                raise closed_handle()
            return self._idle_readers.pop() if self._idle_readers else await self._another_reader()
        except BaseException:
            self._reader_slots.release()
            raise

    async def _give_back(self, channel: Channel) -> None:
        assert isinstance(channel, SqliteChannel)
        try:
            if channel.in_transaction:
                await channel.control("ROLLBACK")
        finally:
            if channel in self._readers:
                self._idle_readers.append(channel)
                self._reader_slots.release()
            else:
                self._writer_lock.release()

    async def _another_reader(self) -> SqliteChannel:
        reader = await self._open(self._target.path)
        self._readers.append(reader)
        return reader

    async def _open(self, path: Path | None, *, is_writer: bool = False) -> SqliteChannel:
        if path is not None:
            _check_file(path, create=self._create)
        connection = aiosqlite.connect(
            f"file:{quote(str(path))}?mode={'rwc' if self._create else 'rw'}" if path else ":memory:",
            uri=path is not None,
            isolation_level=None,
            timeout=LOCK_SLICE_S,
        )
        connection._thread.daemon = True
        channel = SqliteChannel(connection, lock_timeout_s=self.options.acquire_timeout_s)
        try:
            await settle(_connected(connection))
            await channel.on_thread(self._configure_writer if is_writer else self._configure_reader)
        except BaseException:
            await settle(channel.close())
            raise
        return channel

    def _configure_writer(self, raw: sqlite3.Connection) -> None:
        self._configure(raw)
        if self._target.path and self._create and raw.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            raw.execute("PRAGMA journal_mode = WAL")  # readers go on while a writer writes

    def _configure_reader(self, raw: sqlite3.Connection) -> None:
        self._configure(raw)
        raw.execute("PRAGMA query_only = ON")

    def _configure(self, raw: sqlite3.Connection) -> None:
        raw.row_factory = sqlite3.Row
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute("PRAGMA trusted_schema = OFF")  # a hostile file cannot call functions from its schema
        durability = self._target.options.durability
        raw.execute("PRAGMA synchronous = FULL" if durability == "full" else "PRAGMA synchronous = NORMAL")
        raw.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # reads the header: is it a database at all?


class _SqliteExecutor(DialectExecutor, SqliteExecutor):
    pass


SqliteClient.executor_class = _SqliteExecutor
client_class = SqliteClient


def split_statements(sql: str) -> Iterator[str]:
    """The statements of a script, each with its semicolon."""
    statement = ""
    for part in sql.split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement):
            if statement.strip(" \n\t;"):
                yield statement
            statement = ""
    if statement.strip(" \n\t;"):
        yield statement  # not a whole one: SQLite says what is missing


async def _connected(connection: aiosqlite.Connection) -> None:
    try:
        await connection
    except BaseException:
        # Its thread still wants to tell the loop that it ended, which may be closed by then.
        await asyncio.to_thread(connection._thread.join)
        raise


def _check_file(path: Path, *, create: bool) -> None:
    if path.is_dir():
        raise StorageError(f"{path} is a directory. Name the database file.", reason="unreadable")
    if not create and not path.exists():
        raise no_database(path)
