"""SQLite: one writer connection, and readers that never wait for it.

Each connection has a thread of its own, but for the one of short reads, which runs on the event loop's. The statements
of short writes run there too, in a turn of the writer's; a commit that waits for the disk does not.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from agentdb.engine.call_limits import CallLimit
from agentdb.engine.channel import Channel, settle
from agentdb.engine.checkpoints import Checkpoints
from agentdb.engine.client import Client, closed_handle, only_reads
from agentdb.engine.diagnosis import Connections
from agentdb.engine.group import Group
from agentdb.engine.inline_reader import InlineReader
from agentdb.engine.inline_writer import InlineWriter
from agentdb.engine.member import Member
from agentdb.engine.sqlite import SqliteTarget, dialect
from agentdb.engine.sqlite_channel import SqliteChannel
from agentdb.engine.sqlite_files import is_writable
from agentdb.engine.sqlite_opener import SqliteOpener
from agentdb.engine.steps import Companion, Outcome, Steps
from agentdb.engine.vectors import Load
from agentdb.engine.writer import WriterQueue
from agentdb.errors import TransactionError
from agentdb.telemetry import fields
from agentdb.telemetry.occupancy import Occupancy

T = TypeVar("T")


class SqliteClient(Client):
    """All connections of one handle to one file, or the only one to a database in memory."""

    dialect = dialect

    def __init__(self, target: SqliteTarget, *, create: bool) -> None:
        super().__init__(target)
        self._target = target
        self._opener = SqliteOpener(target, create=create)
        self._writer: SqliteChannel | None = None
        self._is_read_only = False
        self._readers: list[SqliteChannel] = []
        self._idle_readers: list[SqliteChannel] = []
        # A second connection to a database in memory would see another, empty one.
        self._slots = target.options.readers if target.path else 0
        self._reader_slots = asyncio.Semaphore(self._slots)
        self._inline_writer = InlineWriter(self.dialect)
        self.turns = WriterQueue(
            self._run_at_once,
            self._group_of,
            self._run_group,
            is_inline=target.options.inline_writes,
            is_quick=target.path is None or target.options.durability == "fast",
            after=self._after_turn,
            redone=self.count_fallback,
            patience_s=target.options.acquire_timeout_s,
            impatient=self._none_free,
            closed=closed_handle,
        )
        is_inline = self._slots and target.options.inline_reads
        self.inline = InlineReader(self._opener.inline) if is_inline else None
        self.checkpoints = (
            Checkpoints(
                target.path,
                connect=self._opener.reader,
                turns=self.turns,
                writer=lambda: self._writer,
            )
            if target.path
            else None
        )

    async def connect(self) -> None:
        with self.dialect.translating():
            self._writer = await self._opener.writer()
        self._is_read_only = not self._may_write()
        self._bind()

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
            told = fields("closed_by_force")
            self.log.warning("%s was closed under somebody who still used it.", self._target.shown, extra=told)
            self.turns.stop()
        for channel in (writer, *self._readers):
            await settle(channel.close())
        await self.afterwork.end(self.options.connect_timeout_s)
        self._readers, self._idle_readers = [], []
        for _ in range(self._slots):
            self._reader_slots.release()

    @property
    def connections(self) -> Connections:
        writers, readers, idle = int(self._writer is not None), len(self._readers), len(self._idle_readers)
        writing = int(self.turns.is_taken)
        return Connections(
            in_use=readers - idle + writing,
            idle=idle + writers - writing,
            limit=self._slots + 1,
            waiting=self.turns.waiting,
        )

    def occupancy(self) -> Occupancy | None:
        if self._writer is None:
            return None
        found = self.connections
        return Occupancy(
            idle=found.idle,
            used=found.in_use,
            most=found.limit,
            waiting=found.waiting,
            fallbacks=self.fallbacks,
            checkpoints=self.checkpoints.finished if self.checkpoints is not None else 0,
        )

    def extend(self, load: Load) -> None:
        """Load an extension, which has been tried, into all connections, and into those that are opened later."""
        if load not in self._opener.extensions:
            self._opener.extensions.append(load)
            for channel in (self._writer, *self._readers):
                if channel is not None:
                    channel.post(load)

    async def alone(self, work: Callable[[sqlite3.Connection], T], *, writing: bool = True) -> T:
        """Run `work` on a connection in a turn of its own, outside of transactions, however long it takes.

        It is run again while another process holds the lock, so until it gets it it does nothing.

        Args:
            writing: On the writer's; else on one that only reads, if there is one.

        Raises:
            TransactionError: Inside a transaction of this handle.
            UnavailableError: Another process has the lock for too long.
        """
        self._check_loop()
        if self.joined() is not None:
            raise TransactionError("This has to be done outside of a transaction. Leave yours first.")
        if self.arrive is not None:
            await self.arrive()
        async with self._channel(writing=writing) as channel:
            assert isinstance(channel, SqliteChannel)
            with self.dialect.translating():
                return await channel.on_thread(work)

    def answered_at_once(self, steps: Callable[[], Steps[T]]) -> Outcome[T] | None:
        return self._inline_outcome(steps) if self._is_here() else None

    def written_at_once(
        self, steps: Callable[[], Steps[T]], *, told: Callable[[T], None] | None = None
    ) -> Outcome[T] | None:
        if not self.turns.is_quick or self._writer is None or self._is_read_only or not self._is_here():
            return None
        return self.turns.written_at_once(steps, told=told)

    def _is_here(self) -> bool:
        """Whether a call that begins now may use a connection that no transaction of its own has."""
        self._check_loop()
        return self.arrive is None and self.joined() is None

    async def query(self, steps: Callable[[], Steps[T]], *, is_short: bool) -> T:
        self._check_loop()
        joined = self.joined()
        if joined is not None:
            return await joined.query(steps, self.dialect.encode)
        if self.arrive is not None:
            await self.arrive()
            outcome = self._inline_outcome(steps) if is_short else None
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
        limit: CallLimit | None = None,
        is_short: bool = False,
        companion: Companion | None = None,
    ) -> T:
        self._check_loop()
        joined = self.joined()
        if joined is not None:
            return await joined.write(steps, self.dialect.encode, told=told)
        if self.arrive is not None:
            await self.arrive()
        if self._writer is None:
            raise closed_handle()
        if self._is_read_only and self._may_write():
            async with self._channel(writing=True):
                pass  # it has another writer now
        return await self.turns.write(steps, told=told, limit=limit, is_short=is_short, companion=companion)

    def _inline_outcome(self, steps: Callable[[], Steps[T]]) -> Outcome[T] | None:
        if self.inline is None:
            return None
        if self._writer is None:
            raise closed_handle()
        try:
            return self.inline.query(steps, self.dialect.encode)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            with self.dialect.translating():
                raise error

    def _run_at_once(self, steps: Callable[[], Steps[T]]) -> Outcome[T] | None:
        assert self._writer is not None
        return self._inline_writer.write(self._writer.raw, steps)

    def _group_of(self, members: list[Member[Any]]) -> Group:
        assert self._writer is not None
        options = self.options
        return Group(
            members,
            self._writer.raw,
            dialect=self.dialect,
            encode=self.dialect.encode,
            limit_s=min(options.statement_timeout_s, options.transaction_timeout_s),
            lock_timeout_s=options.acquire_timeout_s,
        )

    def _run_group(self, group: Group, done: Callable[[Group], None]) -> None:
        assert self._writer is not None
        loop = asyncio.get_running_loop()

        def work(_: sqlite3.Connection) -> None:
            try:
                group.run()
            finally:
                loop.call_soon_threadsafe(done, group)

        self._writer.post(work)

    def _after_turn(self) -> None:
        if self.checkpoints is not None and self._writer is not None:
            self.checkpoints.committed()

    def _is_write(self, sql: str) -> bool:
        return not self._slots or not only_reads(sql)

    async def _take(self, *, writing: bool) -> Channel:
        if writing or not self._slots:
            await self.turns.take()
            try:
                if self._is_read_only and self._may_write():
                    await settle(self._open_writer_again())
                if self._writer is None:
                    raise closed_handle()
            except BaseException:
                self.turns.give_back()
                raise
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

    def _may_write(self) -> bool:
        return self._target.path is None or is_writable(self._target.path)

    async def _open_writer_again(self) -> None:
        """Replace a writer whose file was read-only, which its connection stays even when the file is not any more."""
        before = self._writer
        if before is None:
            return
        fresh = await self._opener.writer()
        if self._writer is not before:  # closed meanwhile
            await fresh.close()
            return
        self._writer, self._is_read_only = fresh, False
        await before.close()

    async def _another_reader(self) -> SqliteChannel:
        reader = await self._opener.reader()
        self._readers.append(reader)
        return reader
