"""Group commit: units of work that wait for SQLite's writer share one transaction, and one hop to its thread.

A commit waits for the disk, so sixteen units in one commit take little longer than one. Each unit gets the answer that
it would have got alone: when a statement fails, or a unit raises after it wrote, the whole group is rolled back and its
members are run again one by one, in their order.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from copy import copy
from functools import lru_cache
from typing import Any, Final, TypeVar

from agentdb.engine.channel import HURRY_S
from agentdb.engine.dialect import Dialect
from agentdb.engine.member import Member
from agentdb.engine.patience import LOCK_SLICE_S, Patience
from agentdb.engine.steps import Encode, Insert, Many, Query, Row, drive
from agentdb.engine.transaction import commit_failure
from agentdb.errors import AgentDBError, ConflictError, DeadlineError

T = TypeVar("T")

LARGEST_GROUP: Final = 128
LONGEST_S: Final = 0.005
"""After so long a group takes no further member in, so that the first one does not wait for all."""


class Group:
    """Members in one transaction.

    Attributes:
        answered: Members whose outcome is settled.
        again: Members that have to run once more, alone.
        left: Members that were not begun.
        is_kept: Whether it was committed.
    """

    def __init__(
        self,
        members: Sequence[Member[Any]],
        raw: sqlite3.Connection,
        *,
        dialect: Dialect,
        encode: Encode,
        limit_s: float,
        lock_timeout_s: float,
    ) -> None:
        self.members = members
        self.answered: list[Member[Any]] = []
        self.again: list[Member[Any]] = []
        self.left: Sequence[Member[Any]] = ()
        self.is_kept = False
        self._raw = raw
        self._dialect = dialect
        self._encode = encode
        self._limit_s = limit_s
        self._lock_timeout_s = lock_timeout_s
        self._patience = Patience(lock_timeout_s)
        self._begun_at: float | None = None
        self._is_stopped = False
        self._is_over_limit = False
        self._is_committing = False
        self._is_over = False
        for member in members:
            member.group = self

    # On the event loop.

    def hurry(self, *, is_late: bool) -> None:
        """A caller no longer waits: stop if its deadline has passed, or nobody else waits either."""
        if is_late or all(member.is_given_up for member in self.members):
            self.stop()

    def stop(self) -> None:
        """Interrupt what it does and roll it back, unless it is being committed already."""
        if self._is_over:
            return
        self._is_stopped = True
        self._patience.end()
        if not self._is_committing:
            self._raw.interrupt()
            # SQLite forgets an interruption that comes between two statements.
            asyncio.get_running_loop().call_later(HURRY_S, self.stop)

    def end(self) -> None:
        """It is over: no interruption may reach the next one."""
        self._is_over = True

    def time_left(self) -> float:
        """How many seconds it may go on. It begins late where another process holds the lock."""
        return self._limit_s if self._begun_at is None else self._limit_s - (time.monotonic() - self._begun_at)

    def expire(self) -> None:
        """Stop it because its time is over."""
        self._is_over_limit = True
        self.stop()

    def begin_at_once(self) -> bool:
        """Begin without waiting; False, with nothing begun, where that cannot be: the thread will see why."""
        try:
            self._raw.execute("PRAGMA busy_timeout = 0")
            try:
                self._begin(self._raw)
            finally:
                self._raw.execute(f"PRAGMA busy_timeout = {int(LOCK_SLICE_S * 1000)}")
        except sqlite3.Error:
            return False
        return True

    # On the writer's thread, or on the event loop for one that has begun at once.

    def run(self) -> None:
        """Run all members, in one transaction, as far as time allows."""
        begun: list[Member[Any]] = []
        try:
            if self._begun_at is None:
                self._patience.run(self._begin, self._raw)
            self._run_members(begun)
            self._check_running()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self._answer([member for member in self.members if member.claim()], self._translated(error))
        except Exception as error:
            self._undo(begun, error)
        else:
            self._commit(begun)

    def _begin(self, raw: sqlite3.Connection) -> None:
        self._check_running()
        if raw.in_transaction:  # an earlier rollback was refused
            raw.execute("ROLLBACK")
        raw.execute(self._dialect.begin(None))
        self._begun_at = time.monotonic()

    def _run_members(self, begun: list[Member[Any]]) -> None:
        until = time.monotonic() + LONGEST_S
        for place, member in enumerate(self.members):
            if begun and time.monotonic() > until:
                self.left = self.members[place:]
                return
            if member.claim():
                begun.append(member)
                self._run_member(member)

    def _run_member(self, member: Member[Any]) -> None:
        before = self._raw.total_changes
        outcome = drive(member.steps, self._encode, self._execute)
        if outcome.refusal is not None and self._raw.total_changes != before:
            raise outcome.refusal
        member.result, member.error = outcome

    def _execute(self, step: Query | Many) -> Sequence[Row]:
        self._check_running()
        try:
            return execute(self._raw, step)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._translated(error) from error

    def _check_running(self) -> None:
        if self._is_stopped:
            raise DeadlineError("The unit of work was stopped and rolled back.")

    def _undo(self, begun: list[Member[Any]], error: Exception) -> None:
        """Roll back after `error`, which the last member begun has met."""
        is_undone = self._roll_back()
        self.left = [member for member in self.members if member not in begun]
        for member in begun:
            if member.is_late or member.is_given_up:
                self._answer([member], DeadlineError("The deadline has passed; the unit of work was rolled back."))
            elif self._is_over_limit and member is begun[-1]:
                self._answer([member], self._over_limit())
            elif len(begun) > 1 and is_undone:
                self.again.append(member)
            else:
                self._answer([member], error)

    def _over_limit(self) -> DeadlineError:
        return DeadlineError(f"The unit of work took over {self._limit_s:.3g} s and was rolled back.")

    def _commit(self, begun: list[Member[Any]]) -> None:
        self._is_committing = True
        try:
            Patience(self._lock_timeout_s).run(_commit, self._raw)
        except sqlite3.Error as error:
            failure = commit_failure(self._translated(error))
            is_undone = self._roll_back()
            if len(begun) > 1 and is_undone and isinstance(failure, ConflictError):
                self.again = begun
                return
            self._answer([member for member in begun if member.error is None], failure)
        else:
            self.is_kept = True
        self.answered = begun

    def _roll_back(self) -> bool:
        """Whether nothing is left of it."""
        try:
            if self._raw.in_transaction:  # after some errors SQLite has rolled back already
                self._raw.execute("ROLLBACK")
        except sqlite3.Error:
            return False
        return True

    def _answer(self, members: Sequence[Member[Any]], error: Exception) -> None:
        for member in members:  # each has one of its own, because raising it adds to it
            member.error = copy(error)
            member.error.__cause__ = error.__cause__
        self.answered.extend(members)

    def _translated(self, error: sqlite3.Error | UnicodeDecodeError) -> AgentDBError:
        translated = self._dialect.translate(error)
        assert translated is not None
        translated.__cause__ = error
        return translated


def execute(raw: sqlite3.Connection, step: Query | Many) -> Sequence[Row]:
    """Run one step of a unit; its parameters are encoded."""
    if isinstance(step, Insert):
        return _inserted(raw.execute(_without_returning(step.sql), step.values))
    if isinstance(step, Query):
        return raw.execute(step.sql, step.values).fetchall()
    raw.executemany(step.sql, step.rows)
    return ()


def _inserted(cursor: sqlite3.Cursor) -> Sequence[Row]:
    """The ids of new rows: one after the other, because nobody else writes meanwhile."""
    last = cursor.lastrowid or 0
    return [{"id": row_id} for row_id in range(last - cursor.rowcount + 1, last + 1)]


@lru_cache
def _without_returning(sql: str) -> str:
    # With it SQLite copies each page before changing it: an insert of one row takes three times as long.
    return sql.removesuffix('RETURNING "id"')


def _commit(raw: sqlite3.Connection) -> None:
    raw.execute("COMMIT")
