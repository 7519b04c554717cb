"""Who waits for SQLite's only writer, in order of arrival: transactions, and units of work that share one."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

from agentdb.engine.call_limits import CallLimit
from agentdb.engine.group import LARGEST_GROUP, LONGEST_INLINE_S, Group
from agentdb.engine.member import Member
from agentdb.engine.steps import Companion, Outcome, Steps
from agentdb.errors import AgentDBError, OutcomeUnknownError
from agentdb.telemetry import fields, logger
from agentdb.telemetry.calls import count_retries

T = TypeVar("T")

_logger = logger("agentdb.engine")


class GroupRunner(Protocol):
    """Runs groups of members on the writer's thread."""

    def __call__(self, group: Group, done: Callable[[Group], None]) -> None:
        """Have it run, and call `done` on the event loop when it has."""


class WriterQueue:
    """Turns at the writer.

    Args:
        at_once: Runs a unit here and now; None if it would have to wait.
        make: Makes a group of members that share a transaction.
        run: Runs it.
        is_inline: Whether statements of short writes may run on the event loop's thread: two threads that take turns at
            Python's lock take longer.
        is_quick: Whether a commit does not wait for the disk, so that theirs may too.
        after: Called after each turn.
        redone: Called when a group was rolled back, so that its members are run again one by one.
        patience_s: How long a member waits for its turn.
        impatient: What it is told then.
        closed: What it is told after `close`.

    Attributes:
        is_quick: Whether short writes run on the event loop's thread to their end.
    """

    def __init__(
        self,
        at_once: Callable[[Callable[[], Steps[Any]]], Outcome[Any] | None],
        make: Callable[[list[Member[Any]]], Group],
        run: GroupRunner,
        *,
        is_inline: bool,
        is_quick: bool,
        after: Callable[[], None],
        redone: Callable[[], None],
        patience_s: float,
        impatient: Callable[[], AgentDBError],
        closed: Callable[[], AgentDBError],
    ) -> None:
        self._at_once = at_once
        self._make = make
        self._run = run
        self.is_quick = is_inline and is_quick
        self._is_inline = is_inline
        self._alone = 0
        self._turn_until = 0.0
        self._after = after
        self._redone = redone
        self._patience_s = patience_s
        self._impatient = impatient
        self._closed = closed
        self._waiting: deque[Member[Any] | asyncio.Future[None]] = deque()
        self._is_taken = False
        self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._group: Group | None = None

    @property
    def is_taken(self) -> bool:
        """Whether somebody has a turn."""
        return self._is_taken

    @property
    def waiting(self) -> int:
        """How many wait for theirs."""
        return len(self._waiting)

    async def take(self) -> None:
        """Wait for a turn of one's own, until `give_back`."""
        if not self._is_taken:
            self._is_taken = True
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it came at the same moment
                self.give_back()
            raise

    def give_back(self) -> None:
        """End one's turn."""
        self._after()
        self._next()

    def written_at_once(self, steps: Callable[[], Steps[T]], *, told: Callable[[T], None] | None) -> Outcome[T] | None:
        """Run a short unit of work here and now; None, with nothing done, where it would have to wait.

        Only where units have come alone of late, because one of many would keep the others from sharing its commit; and
        only for a millisecond, so that other tasks get their turns.
        """
        may = self.is_quick and self._alone > 1 and not (self._is_taken or self._is_closed)
        if not may or time.monotonic() > self._turn_until:
            return None
        outcome = self._at_once(steps)
        if outcome is not None and outcome.refusal is None:
            if told is not None:
                _tell(partial(told, outcome.get()))
            self._after()
        return outcome

    async def write(
        self,
        steps: Callable[[], Steps[T]],
        *,
        told: Callable[[T], None] | None,
        limit: CallLimit | None,
        is_short: bool,
        companion: Companion | None,
    ) -> T:
        """Run a unit of work, together with others that wait at the same time."""
        member = Member(steps, told=told, limit=limit, is_short=is_short, companion=companion)
        self._waiting.append(member)
        if not self._is_taken:
            self._is_taken = True
            if is_short and self._alone > 1 and not self.is_quick and time.monotonic() < self._turn_until:
                self._next()  # others get their turns while it waits for the disk, unless it fails
            else:  # whoever else writes in this turn of the event loop comes along
                member.loop.call_soon(self._turn)
        elif self._timer is None:
            self._timer = member.loop.call_at(member.since + self._patience_s, self._lose_patience)
        try:
            return await member.wait(member.give_up, in_doubt=_in_doubt)
        finally:
            if member.repeats:
                count_retries(member.repeats)

    def close(self) -> None:
        """Answer all who have not had their turn, when it comes, that it is too late."""
        self._is_closed = True

    def stop(self) -> None:
        """Interrupt the members that are being run."""
        if self._group is not None:
            self._group.stop()

    def _turn(self) -> None:
        """Go on, now that other tasks have had theirs."""
        self._turn_until = time.monotonic() + LONGEST_INLINE_S
        self._next()

    def _next(self) -> None:
        while self._waiting:
            if isinstance(self._waiting[0], asyncio.Future):
                turn = self._waiting.popleft()
                assert isinstance(turn, asyncio.Future)
                if not turn.done():
                    turn.set_result(None)
                    return
            elif members := self._gathered():
                self._start(members)
                return
        self._is_taken = False

    def _start(self, members: list[Member[Any]]) -> None:
        group = self._group = self._make(members)
        self._alone = self._alone + 1 if len(members) == 1 else 0
        if self._is_inline and all(member.is_short for member in members) and self._is_over_at_once(group):
            self._finish(group)
            return
        self._run(group, self._return)
        if self._watch is None:
            self._watch_over(group)

    def _is_over_at_once(self, group: Group) -> bool:
        """Run as much of it as need not wait; whether that was all."""
        try:
            if not group.begin_at_once():
                return False
            return not group.work_at_once() or (self.is_quick and group.commit_at_once())
        except BaseException:
            group.break_off()
            self._finish(group)
            raise

    def _watch_over(self, group: Group) -> None:
        """Stop it when its time is over. One timer serves many groups: each would end long before its own."""
        self._watch = asyncio.get_running_loop().call_later(group.time_left(), self._look)

    def _look(self) -> None:
        self._watch = None
        if self._group is None:
            return
        if self._group.time_left() > 0:
            self._watch_over(self._group)
        else:
            self._group.expire()

    def _gathered(self) -> list[Member[Any]]:
        """The members that come next and may share a transaction."""
        found: list[Member[Any]] = []
        while self._waiting and len(found) < LARGEST_GROUP:
            member = self._waiting[0]
            if isinstance(member, asyncio.Future) or (found and member.is_alone):
                break
            self._waiting.popleft()
            if self._is_closed:
                member.refuse(self._closed())
            if member.is_given or member.is_given_up:
                continue
            found.append(member)
            if member.is_alone:
                break
        return found

    def _return(self, group: Group) -> None:
        """It comes back from the writer's thread: other tasks have had their turns."""
        self._turn_until = time.monotonic() + LONGEST_INLINE_S
        self._finish(group)

    def _finish(self, group: Group) -> None:
        group.end()
        self._group = None
        self._waiting.extendleft(reversed(group.left))
        self._repeat(group.again)
        for member in group.answered:
            if group.is_kept:
                _tell(member.tell)
            member.give()
        self._after()
        if self._waiting or len(group.members) > 1:
            # Those who have just been answered and write again come along.
            asyncio.get_running_loop().call_soon(self._turn)
        else:
            self._is_taken = False

    def _repeat(self, members: list[Member[Any]]) -> None:
        if members:
            self._redone()
        for member in reversed(members):
            if member.is_given_up:  # a moment ago: nobody else will answer its caller
                member.give()
            else:
                member.again()
                self._waiting.appendleft(member)

    def _lose_patience(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        for member in self._waiting:
            if isinstance(member, asyncio.Future) or member.is_given or member.is_given_up:
                continue
            if member.since + self._patience_s > loop.time():
                self._timer = loop.call_at(member.since + self._patience_s, self._lose_patience)
                return
            member.refuse(self._impatient())


def _in_doubt() -> OutcomeUnknownError:
    return OutcomeUnknownError(
        "The disk did not answer in time, so the write may be stored or not. Repeat it only with the same request_id."
    )


def _tell(tell: Callable[[], None]) -> None:
    try:
        tell()
    except Exception:
        _logger.exception("A callback after a commit failed.", extra=fields("callback_failed"))
