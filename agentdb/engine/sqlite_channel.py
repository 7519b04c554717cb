"""A connection to SQLite as a channel, on a thread of its own: aiosqlite's, which is a daemon."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import aiosqlite

from agentdb.engine.channel import HURRY_S, Answer, Channel, Result
from agentdb.engine.client import closed_handle
from agentdb.engine.group import execute
from agentdb.engine.patience import Patience
from agentdb.engine.steps import Encode, Outcome, Steps, drive

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

    async def control(self, sql: str, *, within_s: float | None = None) -> None:
        def work(raw: sqlite3.Connection) -> None:
            raw.execute(sql)

        await self.on_thread(work, is_interruptible=False, within_s=within_s)

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
        self,
        work: Callable[[sqlite3.Connection], T],
        *,
        is_interruptible: bool = True,
        is_repeatable: bool = True,
        within_s: float | None = None,
    ) -> T:
        """Run `work` in one hop to the thread. A cancelled call interrupts SQLite and returns when it has stopped.

        No cursor may leave the thread: where it is freed it resets its statement, which by then another call may run.

        Args:
            is_repeatable: It did nothing when another process held the lock, so it is tried again until it gets it.
            within_s: How long it is tried again, if that is less than usual.

        Raises:
            TransactionError: The handle was closed meanwhile.
        """
        if self._is_closed:
            raise closed_handle()
        patience_s = self._lock_timeout_s if within_s is None else min(self._lock_timeout_s, within_s)
        hop = _Hop(work, Patience(patience_s if is_repeatable else 0), is_interruptible=is_interruptible)
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
