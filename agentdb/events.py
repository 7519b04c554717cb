"""What happened, told in the same process after the commit.

A service publishes an event once the outermost transaction is kept, and waits for nobody. Each subscriber has a queue
of its own; one that is too slow for it misses events and is told how many, at their place in the order. Subscribers
live in the event loop of the database handle. A call whose connection was lost while it was being committed, and that
then found it done, publishes nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from types import TracebackType
from typing import Final, Literal, Self

from agentdb.engine.client import closed_handle
from agentdb.errors import InvalidInputError

CAPACITY: Final = 1000
"""How many events wait for a subscriber unless it says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that was committed.

    Attributes:
        user_id: Whose conversation, balance or agent it is about.
    """

    user_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesAppended(Event):
    """Messages were added to a conversation, in the order of their ids."""

    conversation_id: int
    message_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged(Event):
    """Usage was recorded and charged."""

    usage_ids: tuple[int, ...]
    cost_usd: Decimal
    remaining: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentChanged(Event):
    """An agent was made, changed or deleted; so was its prompt, its tools or with whom it is shared."""

    agent_id: int
    change: Literal["created", "updated", "deleted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed(Event):
    """This subscriber was too slow: here, `count` events that it asked for were left out."""

    user_id: int | None = None
    count: int


class Events:
    """The subscribers of one open database."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self._is_closed = False

    def subscribe(self, *kinds: type[Event], user_id: int | None = None, capacity: int = CAPACITY) -> Subscription:
        """Learn what is committed: `async with db.events.subscribe(Charged) as events: async for event in events: ...`.

        Events come from the beginning of the block on, in the order of their commits. They end when the database is
        closed.

        Args:
            kinds: Classes of events; none for all of them. `Missed` need not be named.
            user_id: Only what is about this user.
            capacity: How many events may wait. Further ones are left out until there is room, and in their place
                comes one `Missed` with their number.

        Raises:
            InvalidInputError: Something that is no class of events, or a capacity below 1.
            TransactionError: The database is closed, when the block begins.
        """
        for kind in kinds:
            if not (isinstance(kind, type) and issubclass(kind, Event)):
                raise InvalidInputError(f"A subscription names classes of events such as Charged, found {kind!r:.80}.")
        if user_id is not None and type(user_id) is not int:
            raise InvalidInputError(f"user_id is an int, found {type(user_id).__name__} {user_id!r:.80}.")
        if type(capacity) is not int or capacity < 1:
            raise InvalidInputError(f"capacity is an int from 1 on, found {capacity!r:.80}.")
        return Subscription(self, kinds or (Event,), user_id, capacity)

    @property
    def are_heard(self) -> bool:
        """Whether anybody subscribes just now."""
        return bool(self._subscriptions)

    def publish(self, event: Event) -> None:
        """Tell every subscriber; nobody is waited for."""
        for subscription in self._subscriptions:
            subscription.offer(event)

    def close(self) -> None:
        """End every subscription, after what is waiting in it."""
        self._is_closed = True
        for subscription in list(self._subscriptions):
            subscription.close()

    def add(self, subscription: Subscription) -> None:
        """Let a subscription hear from now on.

        Raises:
            TransactionError: The database is closed.
        """
        if self._is_closed:
            raise closed_handle()
        self._subscriptions.append(subscription)

    def remove(self, subscription: Subscription) -> None:
        """Let it hear nothing more. Removing twice is harmless."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)


class Subscription:
    """A queue of events for one subscriber, open inside its `async with` block."""

    def __init__(self, events: Events, kinds: tuple[type[Event], ...], user_id: int | None, capacity: int) -> None:
        self._events = events
        self._kinds = kinds
        self._user_id = user_id
        self._capacity = capacity
        self._waiting: deque[Event] = deque()
        self._changed = asyncio.Event()
        self._is_open = False

    def offer(self, event: Event) -> None:
        """Take an event if it was asked for; one that finds no room is counted in its place."""
        if not isinstance(event, self._kinds) or self._user_id not in (None, event.user_id):
            return
        if len(self._waiting) < self._capacity:
            self._waiting.append(event)
        elif isinstance(last := self._waiting[-1], Missed):
            self._waiting[-1] = Missed(count=last.count + 1)
        else:
            self._waiting.append(Missed(count=1))
        self._changed.set()

    def close(self) -> None:
        """Hear nothing more; an iteration ends after what is waiting. Closing twice is harmless."""
        self._is_open = False
        self._events.remove(self)
        self._changed.set()

    async def __aenter__(self) -> Self:
        self._events.add(self)
        self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._waiting:
            if not self._is_open:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()
