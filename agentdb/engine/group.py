"""Group commit: units of work that wait for SQLite's writer share one transaction, and one hop to its thread at most.

A commit waits for the disk, so sixteen units in one commit take little longer than one; those of one kind also share
statements. Each unit gets the answer that it would have got alone: when a statement fails, or a unit raises after it
wrote, the whole group is rolled back and its members are run again one by one, in their order.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from functools import lru_cache, partial
from typing import Any, Final, TypeVar

from agentdb.engine.channel import HURRY_S
from agentdb.engine.dialect import Dialect
from agentdb.engine.inline_budget import InlineBudget
from agentdb.engine.member import Member
from agentdb.engine.patience import Patience, is_locked
from agentdb.engine.steps import Encode, Insert, InsertEach, Many, Query, Row, Update, drive
from agentdb.engine.transaction import commit_failure
from agentdb.errors import AgentDBError, ConflictError, DeadlineError, UnavailableError

T = TypeVar("T")

LARGEST_GROUP: Final = 128
LONGEST_S: Final = 0.005
"""After so long a group takes no further member in, so that the first one does not wait for all."""

LONGEST_INLINE_S: Final = 0.001
"""The same on the event loop's thread, where everything else waits too."""

MOST_TOGETHER: Final = 16
"""How many members are done together, before time is looked at."""


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
        self._longest_s = LONGEST_S
        self._begun: list[Member[Any]] = []
        self._running: Sequence[Member[Any]] = ()
        self._budget: InlineBudget | None = None
        self._is_done = False
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
            with suppress(sqlite3.ProgrammingError):  # it was closed by force
                self._raw.interrupt()
            # SQLite forgets an interruption that comes between two statements.
            asyncio.get_running_loop().call_later(HURRY_S, self.stop)

    def end(self) -> None:
        """It is over: no interruption may reach the next one."""
        self._is_over = True
        for member in self.members:  # a circle would be left to Python's garbage collector, which takes its time
            member.group = None

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
            self._begin(self._raw)
        except sqlite3.Error:
            return False
        return True

    def work_at_once(self) -> bool:
        """As `work`, for as long as the event loop may be kept: what takes longer is run again on the thread."""
        self._longest_s = LONGEST_INLINE_S
        with InlineBudget(self._raw) as self._budget:
            return self.work()

    def commit_at_once(self) -> bool:
        """Commit without waiting for a lock; whether it is over."""
        try:
            commit(self._raw)
        except sqlite3.Error as error:
            if is_locked(error):
                return False
            self._fail(error)
        else:
            self._keep()
        return True

    def break_off(self) -> None:
        """The handler of a signal has raised, between any two steps on the event loop's thread."""
        if self._is_done and not self._raw.in_transaction:
            self._keep()
        else:
            self._undo(UnavailableError("A signal came in between, and the unit of work was rolled back."))

    # On the writer's thread; `work` also on the event loop's, see above.

    def work(self) -> bool:
        """Run all members, in one transaction, as far as time allows: whether there is something to commit."""
        try:
            if self._begun_at is None:
                self._patience.run(self._begin, self._raw)
            self._run_members()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self._answer([member for member in self.members if member.claim()], translated(self._dialect, error))
        except Exception as error:
            self._undo(error)
        else:
            self._is_done = True
        return self._is_done

    def commit(self) -> None:
        """Keep what they have done, unless it was stopped meanwhile."""
        try:
            self._check_running()
        except DeadlineError as error:
            self._undo(error)
            return
        self._is_committing = True
        try:
            Patience(self._lock_timeout_s).run(commit, self._raw)
        except sqlite3.Error as error:
            self._fail(error)
        else:
            self._keep()

    def run(self) -> None:
        """Work and commit, as far as that was not done at once."""
        if self._is_done or self.work():
            self.commit()

    def _begin(self, raw: sqlite3.Connection) -> None:
        self._check_running()
        if raw.in_transaction:  # an earlier rollback was refused
            raw.execute("ROLLBACK")
        raw.execute(self._dialect.begin(None))
        self._begun_at = time.monotonic()

    def _run_members(self) -> None:
        until = time.monotonic() + self._longest_s
        waiting = deque(self.members)
        while waiting:
            if self._begun and time.monotonic() > until:
                self.left = waiting
                return
            members = self._running = _next_of(waiting)
            self._begun += members
            if len(members) > 1:
                self._run_together(members)
            else:
                for member in members:
                    self._run_member(member)

    def _run_member(self, member: Member[Any]) -> None:
        before = self._raw.total_changes
        outcome = drive(member.steps, self._encode, self._execute)
        if outcome.refusal is not None and self._raw.total_changes != before:
            raise outcome.refusal
        member.result, member.error = outcome

    def _run_together(self, members: Sequence[Member[Any]]) -> None:
        companions = [member.companion for member in members if member.companion is not None]
        before = self._raw.total_changes
        items = [companion.item for companion in companions]
        outcome = drive(partial(companions[0].run, items), self._encode, self._execute)
        if outcome.refusal is not None and self._raw.total_changes != before:
            raise outcome.refusal
        # After a refusal of the whole each finds out by itself whom it concerns.
        answers = outcome.result or [None] * len(members)
        for member, answer in zip(members, answers, strict=True):
            if answer is None:
                self._run_member(member)
            elif isinstance(answer, AgentDBError):
                member.error = answer
            else:
                member.result = answer

    def _execute(self, step: Query | Many, values: Any) -> Sequence[Row]:
        if self._is_stopped:
            self._check_running()
        try:
            return execute(self._raw, step, values)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise translated(self._dialect, error) from error

    def _check_running(self) -> None:
        if self._is_stopped:
            raise DeadlineError("The unit of work was stopped and rolled back.")

    def _undo(self, error: Exception) -> None:
        """Roll back after `error`, which one of those who were running has met."""
        is_undone, begun = roll_back(self._raw), self._begun
        self.left = [member for member in self.members if member not in begun]
        for member in begun:
            if member.is_late or member.is_given_up:
                self._answer([member], DeadlineError("The deadline has passed; the unit of work was rolled back."))
            elif self._budget is not None and self._budget.is_spent and is_undone:
                member.is_short = False
                self.again.append(member)
            elif self._is_over_limit and [member] == self._running:
                self._answer([member], self._over_limit())
            elif len(begun) > 1 and is_undone:
                self.again.append(member)
            else:
                self._answer([member], error)

    def _over_limit(self) -> DeadlineError:
        return DeadlineError(f"The unit of work took over {self._limit_s:.3g} s and was rolled back.")

    def _keep(self) -> None:
        self.is_kept, self.answered = True, self._begun

    def _fail(self, error: sqlite3.Error) -> None:
        """COMMIT met `error`."""
        failure, begun = commit_failure(translated(self._dialect, error)), self._begun
        is_undone = roll_back(self._raw)
        if len(begun) > 1 and is_undone and isinstance(failure, ConflictError):
            self.again = begun
            return
        self._answer([member for member in begun if member.error is None], failure)
        self.answered = begun

    def _answer(self, members: Sequence[Member[Any]], error: Exception) -> None:
        for member in members:  # each has one of its own, because raising it adds to it
            member.error = copy(error)
            member.error.__cause__ = error.__cause__
        self.answered.extend(members)


def _next_of(waiting: deque[Member[Any]]) -> list[Member[Any]]:
    """The members that come next: one, or those of one kind that are done together.

    They pass members of another kind, unless those are done by themselves: no caller who waits knows of the others.
    """
    first = waiting.popleft()
    found: list[Member[Any]] = [first]
    passed: list[Member[Any]] = []
    while waiting and first.kind is not None and waiting[0].kind is not None and len(found) < MOST_TOGETHER:
        member = waiting.popleft()
        (found if member.kind == first.kind else passed).append(member)
    waiting.extendleft(reversed(passed))
    return [member for member in found if member.claim()]


def translated(dialect: Dialect, error: sqlite3.Error | UnicodeDecodeError) -> AgentDBError:
    """A driver's error as ours, caused by it."""
    found = dialect.translate(error)
    assert found is not None
    found.__cause__ = error
    return found


def roll_back(raw: sqlite3.Connection) -> bool:
    """Whether nothing is left of the transaction. If something is, whoever begins the next one tries again."""
    try:
        if raw.in_transaction:  # after some errors SQLite has rolled back already
            raw.execute("ROLLBACK")
    except sqlite3.Error:
        return False
    return True


def commit(raw: sqlite3.Connection) -> None:
    """Keep what was done in the transaction."""
    raw.execute("COMMIT")


def execute(raw: sqlite3.Connection, step: Query | Many, values: Any) -> Sequence[Row]:
    """Run one step of a unit; its parameters are encoded."""
    kind = type(step)
    if kind is Query:
        return raw.execute(step.sql, values).fetchall()
    if kind is Insert:
        cursor = raw.execute(_without_returning(step.sql), values)
        return _ids(cursor.lastrowid or 0, cursor.rowcount)
    if kind is Update:
        return [_CHANGED] * raw.execute(_without_returning(step.sql), values).rowcount
    cursor = raw.executemany(_without_returning(step.sql), values)
    if kind is InsertEach:
        ((last,),) = raw.execute("SELECT last_insert_rowid()")
        return _ids(last, cursor.rowcount)
    return ()


_CHANGED: Final[Row] = {}


def _ids(last: int, count: int) -> Sequence[Row]:
    """The ids of new rows: one after the other, because nobody else writes meanwhile."""
    return [{"id": last}] if count == 1 else [{"id": row_id} for row_id in range(last - count + 1, last + 1)]


@lru_cache
def _without_returning(sql: str) -> str:
    # With it SQLite copies each page before changing it: an insert of one row takes three times as long, an update half
    # as long again.
    return sql.removesuffix('RETURNING "id"')
