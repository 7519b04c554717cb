"""SQLite: one writer connection, and readers that never wait for it.

Each connection has a thread of its own, but for the one of short reads, which runs on the event loop's.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from agentdb.engine.channel import Channel, settle
from agentdb.engine.checkpoints import Checkpoints
from agentdb.engine.client import Client, closed_handle, only_reads
from agentdb.engine.group import Group
from agentdb.engine.inline_reader import InlineReader
from agentdb.engine.member import Member
from agentdb.engine.sqlite import SqliteTarget, dialect
from agentdb.engine.sqlite_channel import SqliteChannel
from agentdb.engine.sqlite_opener import SqliteOpener
from agentdb.engine.steps import Outcome, Steps
from agentdb.engine.vectors import Load
from agentdb.engine.writer import WriterQueue

T = TypeVar("T")


class SqliteClient(Client):
    """All connections of one handle to one file, or the only one to a database in memory."""

    dialect = dialect

    def __init__(self, target: SqliteTarget, *, create: bool) -> None:
        super().__init__(target)
        self._target = target
        self._opener = SqliteOpener(target, create=create)
        self._writer: SqliteChannel | None = None
        self._readers: list[SqliteChannel] = []
        self._idle_readers: list[SqliteChannel] = []
        # A second connection to a database in memory would see another, empty one.
        self._slots = target.options.readers if target.path else 0
        self._reader_slots = asyncio.Semaphore(self._slots)
        self.turns = WriterQueue(
            self._group_of,
            self._run_group,
            is_quick=target.options.inline_writes and (target.path is None or target.options.durability == "fast"),
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
            self.log.warning("%s was closed under somebody who still used it.", self._target.shown)
            self.turns.stop()
        for channel in (writer, *self._readers):
            await settle(channel.close())
        self._readers, self._idle_readers = [], []
        for _ in range(self._slots):
            self._reader_slots.release()

    def extend(self, load: Load) -> None:
        """Load an extension, which has been tried, into all connections, and into those that are opened later."""
        if load not in self._opener.extensions:
            self._opener.extensions.append(load)
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
        is_short: bool = False,
    ) -> T:
        self._check_loop()
        joined = self.joined()
        if joined is not None:
            return await joined.write(steps, self.dialect.encode, told=told)
        if self.arrive is not None:
            await self.arrive()
        if self._writer is None:
            raise closed_handle()
        return await self.turns.write(steps, told=told, limit=limit, is_short=is_short)

    def _inline_outcome(self, inline: InlineReader, steps: Callable[[], Steps[T]]) -> Outcome[T] | None:
        if self._writer is None:
            raise closed_handle()
        try:
            return inline.query(steps, self.dialect.encode)
        except sqlite3.Error as error:
            with self.dialect.translating():
                raise error

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
        reader = await self._opener.reader()
        self._readers.append(reader)
        return reader
