"""One statement under way for several callers: who is aboard, and the clock that watches over it."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Sequence, Sized
from contextlib import AbstractAsyncContextManager
from copy import copy
from typing import Final, Generic, Protocol, TypeVar

from agentdb.engine.channel import Answer, Channel
from agentdb.engine.client import Client
from agentdb.engine.dialect import Target
from agentdb.engine.retry import Doubts, in_doubt
from agentdb.errors import AgentDBError, DeadlineError, OutcomeUnknownError

MOST_MEMBERS: Final = 256
MOST_BYTES: Final = 1024 * 1024

SLOW_S: Final = 0.05
"""A flight that takes longer waits for something: others may leave beside it, and it may be stopped."""

HURRY_S: Final = 0.1
"""A request to stop that comes before the server has begun is lost, so it is repeated."""


class InterruptibleChannel(Channel):
    """A connection whose statement can be stopped, and then still tells what became of it."""

    @abstractmethod
    def interrupt(self) -> None:
        """Ask the server to stop the statement under way."""

    @abstractmethod
    def abandon(self) -> None:
        """End the connection, and the statement with an error."""


class MergingClient(Client):
    """A client whose engine merges writes."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._queues: list[Sized] = []

    def watch(self, queue: Sized) -> None:
        """Count what waits in `queue`, as long as this client is used."""
        self._queues.append(queue)

    @property
    def waiting_writes(self) -> int:
        """How many writes wait for the next statement that takes them along."""
        return sum(map(len, self._queues))

    @abstractmethod
    def lease(self) -> AbstractAsyncContextManager[InterruptibleChannel]:
        """A connection for the length of the block, outside of any transaction.

        Raises:
            DeadlineError: None was free in time.
            TransactionError: The client is closed.
        """

    def check_loop(self) -> None:
        """
        Raises:
            TransactionError: The current event loop is not the client's.
        """
        self._check_loop()

    def translated(self, error: Exception) -> Exception:
        """A driver's error as ours, caused by it; any other as it is."""
        translated = None if isinstance(error, AgentDBError) else self.dialect.translate(error)
        if translated is None:
            return error
        translated.__cause__ = error
        return translated


class Item(Protocol):
    """One write."""

    @property
    def key(self) -> int:
        """The id of the row that it locks."""

    @property
    def size(self) -> int:
        """About how many bytes it sends."""

    @property
    def request_id(self) -> str | None:
        """The caller's name for it, under which it happens only once."""


ItemT = TypeVar("ItemT", bound=Item)
ResultT = TypeVar("ResultT")


class Member(Answer["ResultT | None"], Generic[ItemT, ResultT]):
    """One write on its way, and the caller who waits for it.

    Attributes:
        flight: The one that it has left with, until that is back.
        is_late: Its deadline has passed.
        is_given_up: Its caller was cancelled.
        is_repeated: A flight that it was in met a conflict, and left once more.
        is_alone: That did not help, so it leaves alone.
        has_moved: It met a server that only reads, and looks for another one.
        repeats: How often it had to leave again.
        doubts: How many connections were lost under it: it may have been done.
    """

    # Most members keep these as they are, and are made sooner if they do not set them.
    flight: Flight[ItemT, ResultT] | None = None
    is_late = is_given_up = is_repeated = is_alone = has_moved = False
    repeats = doubts = 0

    def __init__(self, item: ItemT, *, timeout_s: float | None, on_commit: Callable[[ResultT], None] | None) -> None:
        super().__init__()
        self.item = item
        self.on_commit = on_commit
        self._timeout_s = timeout_s

    def refuse(self, error: BaseException) -> None:
        """Answer with an error. Each caller has one of his own, because raising it adds to it."""
        if self.doubts and not isinstance(error, OutcomeUnknownError):
            self.error = in_doubt(error)
        elif isinstance(error, AgentDBError):
            self.error = copy(error)
            self.error.__cause__ = error.__cause__
        else:
            self.error = error
        self.give()

    def refuse_late(self) -> None:
        """Answer that its deadline has passed."""
        self.refuse(DeadlineError(f"Not done within {self._timeout_s} s, and rolled back."))


class Cabin(Generic[ItemT, ResultT]):
    """Room for members that can leave together.

    Args:
        keys: Whoever has one of them stays: it is under way.
    """

    def __init__(self, keys: set[int]) -> None:
        self.members: list[Member[ItemT, ResultT]] = []
        self._keys = keys
        self._calls: set[tuple[int, str]] = set()
        self._size = 0

    def has_room_for(self, member: Member[ItemT, ResultT]) -> bool:
        """One that is too large goes alone."""
        members = self.members
        if not members:
            return True
        if member.is_alone or members[0].is_alone:
            return False
        return len(members) < MOST_MEMBERS and self._size + member.item.size <= MOST_BYTES

    def take(self, member: Member[ItemT, ResultT]) -> bool:
        """Whether it may come along. If not, then no later one with its key either, so that they keep their order.

        A repeated call leaves after the first one, to see what that one did.
        """
        item = member.item
        key, request_id = item.key, item.request_id
        if request_id is not None and (key, request_id) in self._calls:
            self._keys.add(key)
        if key in self._keys:
            return False
        if request_id is not None:
            self._calls.add((key, request_id))
        self.members.append(member)
        self._size += item.size
        return True


class Flight(Generic[ItemT, ResultT]):
    """Members that leave together.

    Attributes:
        members: Who is aboard while the statement runs.
        hopeful: Who learns of it if none can leave.
        doubts: Why it waits to try again, among others.
        is_looking: It waits for a connection, to take members aboard.
        is_slow: It has been under way for a while.
        is_stopped: The server was asked to stop it.
    """

    def __init__(self, client: MergingClient, *, on_slow: Callable[[], None]) -> None:
        options = client.options
        self.client = client
        self.members: Sequence[Member[ItemT, ResultT]] = ()
        self.hopeful: Sequence[Member[ItemT, ResultT]] = ()
        self.is_looking = True
        self.doubts = Doubts()
        self.is_slow = self.is_stopped = False
        self._is_unwanted = self._is_overdue = False
        self._limit_s = min(options.statement_timeout_s, options.transaction_timeout_s)
        self._on_slow = on_slow
        self._loop = asyncio.get_running_loop()
        self._channel: InterruptibleChannel | None = None
        self._timers: list[asyncio.TimerHandle] = []

    def leave(self, members: Sequence[Member[ItemT, ResultT]], channel: InterruptibleChannel) -> None:
        """From now on the server works on it."""
        self.members, self._channel = members, channel
        self.is_looking = False
        self.is_slow = self.is_stopped = self._is_unwanted = self._is_overdue = False
        for member in members:
            member.flight = self
        self._timers = [self._loop.call_later(SLOW_S, self._become_slow)]

    def land(self) -> None:
        """The server is done with it."""
        for timer in self._timers:
            timer.cancel()
        for member in self.members:
            member.flight = None
        self.members, self._channel = (), None

    def stop(self) -> None:
        """Somebody aboard no longer waits. A flight of ordinary length is let come back, because the others do."""
        self._is_unwanted = True
        if self.is_slow:
            self._interrupt()

    def seen(self, error: DeadlineError) -> DeadlineError | None:
        """What a stopped statement means for all aboard: nothing if only some of them no longer waited."""
        if not self._is_overdue:
            return None if self.is_stopped else error
        told = f"The statement took over {self._limit_s:.3g} s and was cancelled."
        return DeadlineError(told, engine_code=error.engine_code)

    def _become_slow(self) -> None:
        self.is_slow = True
        self._timers.append(self._loop.call_later(max(0.0, self._limit_s - SLOW_S), self._expire))
        if self._is_unwanted:
            self._interrupt()
        self._on_slow()

    def _expire(self) -> None:
        self._is_overdue = True
        self._interrupt()

    def _interrupt(self) -> None:
        if self._channel is not None and not self.is_stopped:
            self.is_stopped = True
            # A server that cannot be reached confirms nothing.
            self._timers.append(self._loop.call_later(self.client.options.connect_timeout_s, self._channel.abandon))
            self._hurry()

    def _hurry(self) -> None:
        if self._channel is not None:
            self._channel.interrupt()
            self._timers.append(self._loop.call_later(HURRY_S, self._hurry))


def unanswered() -> OutcomeUnknownError:
    """The server did not say in time what became of a write."""
    return in_doubt(DeadlineError("PostgreSQL gave no answer in time."))
