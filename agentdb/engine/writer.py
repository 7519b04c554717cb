"""Who waits for SQLite's only writer, in order of arrival: transactions, and units of work that share one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from agentdb.engine.call_limits import CallLimit
from agentdb.engine.group import LARGEST_GROUP, Group
from agentdb.engine.member import Member
from agentdb.engine.steps import Steps
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
        make: Makes a group of members that share a transaction.
        run: Runs it.
        is_quick: Whether a commit does not wait for the disk, so that a short write which comes alone may run on the
            event loop's thread: the hop to the writer's and back takes longer.
        after: Called after each turn.
        redone: Called when a group was rolled back, so that its members are run again one by one.
        patience_s: How long a member waits for its turn.
        impatient: What it is told then.
        closed: What it is told after `close`.
    """

    def __init__(
        self,
        make: Callable[[list[Member[Any]]], Group],
        run: GroupRunner,
        *,
        is_quick: bool,
        after: Callable[[], None],
        redone: Callable[[], None],
        patience_s: float,
        impatient: Callable[[], AgentDBError],
        closed: Callable[[], AgentDBError],
    ) -> None:
        self._make = make
        self._run = run
        self._is_quick = is_quick
        self._was_alone = False
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

    async def write(
        self,
        steps: Callable[[], Steps[T]],
        *,
        told: Callable[[T], None] | None,
        limit: CallLimit | None,
        is_short: bool,
    ) -> T:
        """Run a unit of work, together with others that wait at the same time."""
        member = Member(steps, told=told, limit=limit, is_short=is_short)
        self._waiting.append(member)
        if not self._is_taken:
            self._is_taken = True
            # Whoever else writes in this turn of the event loop comes along.
            member.loop.call_soon(self._next)
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
        # Where several write at a time, one that happens to come alone would keep the others from the loop.
        was_alone, self._was_alone = self._was_alone, len(members) == 1
        if self._is_quick and was_alone and self._was_alone and members[0].is_short and group.begin_at_once():
            group.run()
            self._finish(group)
            return
        self._run(group, self._finish)
        if self._watch is None:
            self._watch_over(group)

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

    def _finish(self, group: Group) -> None:
        group.end()
        self._group = None
        self._waiting.extendleft(reversed(group.left))
        self._repeat(group.again)
        for member in group.answered:
            if group.is_kept:
                _tell(member)
            member.give()
        self._after()
        # Those who have just been answered and write again come along.
        asyncio.get_running_loop().call_soon(self._next)

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


def _tell(member: Member[Any]) -> None:
    try:
        member.tell()
    except Exception:
        _logger.exception("A callback after a commit failed.", extra=fields("callback_failed"))
