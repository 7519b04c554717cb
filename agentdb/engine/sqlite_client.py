"""SQLite behind Tortoise: one writer connection, and readers that never wait for it.

Each connection has a thread of its own (aiosqlite's), so no statement runs on the event loop. The threads are daemons:
a process that forgot `close()` still ends.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import aiosqlite
from pypika_tortoise.dialects import SQLLiteQuery
from tortoise.backends.sqlite.client import SqliteClient as TortoiseSqliteClient
from tortoise.backends.sqlite.executor import SqliteExecutor
from tortoise.backends.sqlite.schema_generator import SqliteSchemaGenerator

from agentdb.engine.channel import HURRY_S, Answer, Channel, Result, settle
from agentdb.engine.checkpoints import Checkpoints
from agentdb.engine.client import Client, closed_handle, only_reads
from agentdb.engine.dialect import no_database
from agentdb.engine.group import Group, Member, execute
from agentdb.engine.inline_reader import InlineReader
from agentdb.engine.orm import DialectExecutor
from agentdb.engine.patience import LOCK_SLICE_S, Patience
from agentdb.engine.sqlite import SqliteTarget, dialect
from agentdb.engine.steps import Encode, Outcome, Steps, drive
from agentdb.engine.vectors import Load
from agentdb.engine.writer import WriterQueue
from agentdb.errors import StorageError

T = TypeVar("T")


class SqliteChannel(Channel):
    """One SQLite connection on its own thread."""

    def __init__(self, connection: aiosqlite.Connection, *, lock_timeout_s: float) -> None:
        self._connection = connection
        self._lock_timeout_s = lock_timeout_s
        self._is_running = False

    async def execute(self, sql: str, values: Sequence[Any]) -> Result:
        def work(raw: sqlite3.Connection) -> Result:
            cursor = raw.execute(sql, values)
            try:
                rows = cursor.fetchall()
            finally:
                cursor.close()
            return Result(rows, cursor.rowcount if cursor.rowcount >= 0 else len(rows), cursor.lastrowid)

        return await self.on_thread(work)

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        def work(raw: sqlite3.Connection) -> None:
            raw.executemany(sql, rows)

        await self.on_thread(work, is_repeatable=False)

    async def execute_script(self, sql: str) -> None:
        # Not executescript(), which commits first.
        for statement in split_statements(sql):
            await self.execute(statement, ())

    async def control(self, sql: str) -> None:
        def work(raw: sqlite3.Connection) -> None:
            raw.execute(sql)

        await self.on_thread(work, is_interruptible=False)

    async def drive(self, steps: Callable[[], Steps[T]], encode: Encode) -> Outcome[T]:
        return await self.on_thread(lambda raw: drive(steps, encode, partial(execute, raw)))

    async def drive_snapshot(self, steps: Callable[[], Steps[T]], encode: Encode) -> Outcome[T]:
        """Run a unit that only reads, and sees one state of the database."""

        def work(raw: sqlite3.Connection) -> Outcome[T]:
            raw.execute("BEGIN")
            try:
                return drive(steps, encode, partial(execute, raw))
            finally:
                if raw.in_transaction:
                    raw.execute("ROLLBACK")

        return await self.on_thread(work)

    async def drive_part(self, steps: Callable[[], Steps[T]], encode: Encode, savepoint: str) -> Outcome[T]:
        def work(raw: sqlite3.Connection) -> Outcome[T]:
            raw.execute(f"SAVEPOINT {savepoint}")
            outcome = drive(steps, encode, partial(execute, raw))
            if outcome.refusal is None:
                raw.execute(f"RELEASE SAVEPOINT {savepoint}")
            return outcome

        return await self.on_thread(work, is_repeatable=False)

    def post(self, work: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
        """Run `work`, which raises nothing, on the thread, without waiting for it."""
        raw = self._connection._conn
        self._connection._tx.put_nowait((None, partial(work, raw)))
        return raw

    async def close(self) -> None:
        """Close it; a statement that still runs is interrupted. Closing twice is harmless."""
        # SQLite keeps an interruption for the next statement, and with none to come skips the checkpoint of closing.
        if self._is_running and not self._is_closed:
            self._connection._conn.interrupt()
        await self._connection.close()

    @property
    def raw(self) -> sqlite3.Connection:
        """The connection itself."""
        return self._connection._conn

    @property
    def in_transaction(self) -> bool:
        return not self._is_closed and self._connection.in_transaction

    async def on_thread(
        self, work: Callable[[sqlite3.Connection], T], *, is_interruptible: bool = True, is_repeatable: bool = True
    ) -> T:
        """Run `work` in one hop to the thread. A cancelled call interrupts SQLite and returns when it has stopped.

        No cursor may leave the thread: where it is freed it resets its statement, which by then another call may run.

        Args:
            is_repeatable: It did nothing when another process held the lock, so it is tried again until it gets it.

        Raises:
            TransactionError: The handle was closed meanwhile.
        """
        if self._is_closed:
            raise closed_handle()
        hop = _Hop(work, Patience(self._lock_timeout_s if is_repeatable else 0), is_interruptible=is_interruptible)
        hop.raw = self.post(hop.run)
        self._is_running = True
        try:
            return await hop.wait(hop.hurry)
        finally:
            self._is_running = False

    @property
    def _is_closed(self) -> bool:
        return self._connection._connection is None


class _Hop(Answer[T]):
    """One call on the thread of a connection."""

    raw: sqlite3.Connection

    def __init__(self, work: Callable[[sqlite3.Connection], T], patience: Patience, *, is_interruptible: bool) -> None:
        super().__init__()
        self._work = work
        self._patience = patience
        self._is_interruptible = is_interruptible

    def run(self, raw: sqlite3.Connection) -> None:
        try:
            self.result = self._patience.run(self._work, raw)
        except BaseException as error:
            self.error = error
        self.loop.call_soon_threadsafe(self.give)

    def hurry(self) -> bool:
        """Stop it, as often as it takes: SQLite forgets an interruption that comes between two statements."""
        if not self.is_given:
            self._patience.end()
            if self._is_interruptible:
                self.raw.interrupt()
            self.loop.call_later(HURRY_S, self.hurry)
        return False


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
        self._readers: list[SqliteChannel] = []
        self._idle_readers: list[SqliteChannel] = []
        # A second connection to a database in memory would see another, empty one.
        self._slots = target.options.readers if target.path else 0
        self._reader_slots = asyncio.Semaphore(self._slots)
        self.turns = WriterQueue(
            self._run_group,
            after=self._after_turn,
            redone=self.count_fallback,
            patience_s=target.options.acquire_timeout_s,
            impatient=self._none_free,
            closed=closed_handle,
        )
        is_inline = self._slots and target.options.inline_reads
        self.inline = InlineReader(self._connect_inline) if is_inline else None
        self._extensions: list[Load] = []
        self.checkpoints = (
            Checkpoints(
                target.path,
                connect=partial(self._open, target.path),
                turns=self.turns,
                writer=lambda: self._writer,
            )
            if target.path
            else None
        )

    async def create_connection(self, with_db: bool) -> None:
        with self.dialect.translating():
            self._writer = await self._open(self._target.path, is_writer=True)
        await self._post_connect()

    async def close(self) -> None:
        writer, self._writer = self._writer, None  # from now on nobody gets a channel
        if writer is None:
            return
        self.turns.close()
        if self.inline is not None:
            self.inline.close()
        if self.checkpoints is not None:
            await self.checkpoints.close()
        try:
            async with asyncio.timeout(self.options.connect_timeout_s):
                await self.turns.take()
                try:
                    await settle(writer.close())
                finally:
                    self.turns.give_back()
                for _ in range(self._slots):
                    await self._reader_slots.acquire()
        except TimeoutError:
            self.log.warning("%s was closed under somebody who still used it.", self._target.shown)
            self.turns.stop()
        for channel in (writer, *self._readers):
            await settle(channel.close())
        self._readers, self._idle_readers = [], []
        for _ in range(self._slots):
            self._reader_slots.release()

    def extend(self, load: Load) -> None:
        """Load an extension, which has been tried, into all connections, and into those that are opened later."""
        if load not in self._extensions:
            self._extensions.append(load)
            for channel in (self._writer, *self._readers):
                if channel is not None:
                    channel.post(load)

    async def query(self, steps: Callable[[], Steps[T]], *, is_short: bool) -> T:
        self._check_loop()
        joined = self.joined()
        if joined is not None:
            return await joined.query(steps, self.dialect.encode)
        if self.arrive is not None:
            await self.arrive()
        if is_short and self.inline is not None:
            outcome = self._inline_outcome(self.inline, steps)
            if outcome is not None:
                return outcome.get()
        async with self._channel(writing=not self._slots) as channel:
            assert isinstance(channel, SqliteChannel)
            run = channel.drive if is_short else channel.drive_snapshot
            outcome = await self.in_time(
                lambda _: run(steps, self.dialect.encode), channel, within_s=self.options.statement_timeout_s
            )
        return outcome.get()

    async def write(
        self,
        steps: Callable[[], Steps[T]],
        *,
        told: Callable[[T], None] | None = None,
        limit: asyncio.Timeout | None = None,
    ) -> T:
        self._check_loop()
        joined = self.joined()
        if joined is not None:
            return await joined.write(steps, self.dialect.encode, told=told)
        if self.arrive is not None:
            await self.arrive()
        if self._writer is None:
            raise closed_handle()
        return await self.turns.write(steps, told=told, limit=limit)

    def _inline_outcome(self, inline: InlineReader, steps: Callable[[], Steps[T]]) -> Outcome[T] | None:
        if self._writer is None:
            raise closed_handle()
        try:
            return inline.query(steps, self.dialect.encode)
        except sqlite3.Error as error:
            with self.dialect.translating():
                raise error

    def _run_group(self, members: list[Member[Any]], done: Callable[[Group], None]) -> Group:
        assert self._writer is not None
        loop = asyncio.get_running_loop()
        options = self.options
        group = Group(
            members,
            self._writer.raw,
            dialect=self.dialect,
            encode=self.dialect.encode,
            limit_s=min(options.statement_timeout_s, options.transaction_timeout_s),
            lock_timeout_s=options.acquire_timeout_s,
        )

        def work(_: sqlite3.Connection) -> None:
            try:
                group.run()
            finally:
                loop.call_soon_threadsafe(done, group)

        self._writer.post(work)
        return group

    def _after_turn(self) -> None:
        if self.checkpoints is not None and self._writer is not None:
            self.checkpoints.committed()

    def _is_write(self, sql: str) -> bool:
        return not self._slots or not only_reads(sql)

    async def _take(self, *, writing: bool) -> Channel:
        if writing or not self._slots:
            await self.turns.take()
            if self._writer is None:
                self.turns.give_back()
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

    def _give_back(self, channel: Channel) -> Coroutine[Any, Any, None] | None:
        assert isinstance(channel, SqliteChannel)
        if channel.in_transaction:
            return self._rolled_back(channel)
        self._free(channel)
        return None

    async def _rolled_back(self, channel: SqliteChannel) -> None:
        try:
            await channel.control("ROLLBACK")
        finally:
            self._free(channel)

    def _free(self, channel: SqliteChannel) -> None:
        if channel in self._readers:
            self._idle_readers.append(channel)
            self._reader_slots.release()
        else:
            self.turns.give_back()

    async def _another_reader(self) -> SqliteChannel:
        reader = await self._open(self._target.path)
        self._readers.append(reader)
        return reader

    async def _open(self, path: Path | None, *, is_writer: bool = False) -> SqliteChannel:
        if path is not None:
            _check_file(path, create=self._create)
        connection = aiosqlite.connect(
            self._uri(path), uri=path is not None, isolation_level=None, timeout=LOCK_SLICE_S
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

    def _connect_inline(self) -> sqlite3.Connection:
        # A loop may go on in another thread, and uses one connection at a time.
        raw = sqlite3.connect(
            self._uri(self._target.path), uri=True, isolation_level=None, timeout=0, check_same_thread=False
        )
        try:
            self._configure_reader(raw)
        except BaseException:
            raw.close()
            raise
        return raw

    def _uri(self, path: Path | None) -> str:
        return f"file:{quote(str(path))}?mode={'rwc' if self._create else 'rw'}" if path else ":memory:"

    def _configure_writer(self, raw: sqlite3.Connection) -> None:
        self._configure(raw)
        raw.execute("PRAGMA cache_size = -65536")  # 64 MB: a bulk of rows is not written out before its commit
        raw.execute("PRAGMA wal_autocheckpoint = 0")  # see Checkpoints
        if self._target.path and self._create and raw.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            raw.execute("PRAGMA journal_mode = WAL")  # readers go on while a writer writes

    def _configure_reader(self, raw: sqlite3.Connection) -> None:
        self._configure(raw)
        raw.execute("PRAGMA query_only = ON")

    def _configure(self, raw: sqlite3.Connection) -> None:
        raw.row_factory = sqlite3.Row
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute("PRAGMA trusted_schema = OFF")  # a hostile file cannot call functions from its schema
        for load in self._extensions:
            load(raw)
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
