"""Subscriptions, without a database."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from agentdb import InvalidInputError, TransactionError
from agentdb.events import AgentChanged, Charged, Event, Events, MessagesAppended, Missed, Subscription


def changed(agent_id: int, user_id: int | None = 1) -> AgentChanged:
    """An event to be told from others by its agent."""
    return AgentChanged(user_id=user_id, agent_id=agent_id, change="updated")


CHARGED = Charged(user_id=2, usage_ids=(1,), cost_usd=Decimal(1), remaining=None)
APPENDED = MessagesAppended(user_id=1, conversation_id=1, message_ids=(1, 2))


async def rest(subscription: Subscription) -> list[Event]:
    """What is waiting, and nothing after it."""
    subscription.close()
    return [event async for event in subscription]


async def test_every_subscriber_hears_every_event_in_order() -> None:
    """Each has a queue of its own."""
    events = Events()
    async with events.subscribe() as first, events.subscribe() as second:
        for event in (changed(1), CHARGED, APPENDED):
            events.publish(event)

        assert await rest(first) == [changed(1), CHARGED, APPENDED]
        assert await rest(second) == [changed(1), CHARGED, APPENDED]


async def test_a_subscriber_hears_what_it_asked_for() -> None:
    """Classes of events, and what is about one user."""
    events = Events()
    async with (
        events.subscribe(Charged) as charges,
        events.subscribe(Charged, MessagesAppended) as both,
        events.subscribe(user_id=1) as of_one,
        events.subscribe(Charged, user_id=1) as none,
    ):
        for event in (changed(1), CHARGED, APPENDED, changed(2, user_id=None)):
            events.publish(event)

        assert await rest(charges) == [CHARGED]
        assert await rest(both) == [CHARGED, APPENDED]
        assert await rest(of_one) == [changed(1), APPENDED]
        assert await rest(none) == []


async def test_a_subscription_begins_and_ends_with_its_block() -> None:
    """What comes before or after is not heard; iterating ends after what was waiting."""
    events = Events()
    subscription = events.subscribe()
    events.publish(changed(1))
    async with subscription:
        events.publish(changed(2))
    events.publish(changed(3))

    assert [event async for event in subscription] == [changed(2)]


async def test_a_waiting_subscriber_is_woken() -> None:
    """By an event, and by the end of the subscription."""
    events = Events()
    async with events.subscribe() as subscription:
        waiting = asyncio.create_task(anext(subscription))
        await asyncio.sleep(0)
        events.publish(changed(1))
        assert await waiting == changed(1)

        waiting = asyncio.create_task(anext(subscription))
        await asyncio.sleep(0)
        subscription.close()
        with pytest.raises(StopAsyncIteration):
            await waiting


async def test_a_slow_subscriber_is_told_what_it_missed() -> None:
    """At their place in the order and counted exactly; others are not affected."""
    events = Events()
    async with events.subscribe(capacity=2) as slow, events.subscribe() as patient:
        for number in range(1, 6):
            events.publish(changed(number))
        first = await anext(slow)
        events.publish(changed(6))
        second = await anext(slow)
        events.publish(changed(7))
        events.publish(changed(8))

        assert [first, second] == [changed(1), changed(2)]
        assert await rest(slow) == [Missed(count=4), changed(7), Missed(count=1)]
        assert await rest(patient) == [changed(number) for number in range(1, 9)]


async def test_nothing_that_was_not_asked_for_counts_as_missed() -> None:
    """Neither does it take the place of what was."""
    events = Events()
    async with events.subscribe(Charged, capacity=1) as subscription:
        for event in (changed(1), CHARGED, changed(2), CHARGED, APPENDED):
            events.publish(event)

        assert await rest(subscription) == [CHARGED, Missed(count=1)]


async def test_a_full_queue_stays_bounded() -> None:
    """However much a subscriber that takes nothing misses."""
    events = Events()
    async with events.subscribe(capacity=10) as subscription:
        for number in range(10_000):
            events.publish(changed(number))

        assert await rest(subscription) == [*(changed(number) for number in range(10)), Missed(count=9_990)]


async def test_a_cancelled_wait_loses_nothing() -> None:
    """The next one gets the event."""
    events = Events()
    async with events.subscribe() as subscription:
        waiting = asyncio.create_task(anext(subscription))
        await asyncio.sleep(0)
        events.publish(changed(1))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        events.publish(changed(2))

        assert await rest(subscription) == [changed(1), changed(2)]


async def test_several_tasks_may_share_a_subscription() -> None:
    """Each event goes to one of them, and all end with it."""
    events = Events()
    taken: list[Event] = []

    async def take(subscription: Subscription) -> None:
        async for event in subscription:
            taken.append(event)
            await asyncio.sleep(0)

    async with events.subscribe() as subscription:
        tasks = [asyncio.create_task(take(subscription)) for _ in range(3)]
        await asyncio.sleep(0)
        for number in range(9):
            events.publish(changed(number))
    await asyncio.gather(*tasks)

    assert taken == [changed(number) for number in range(9)]


async def test_closing_ends_every_subscription() -> None:
    """After what is waiting; a new one is refused."""
    events = Events()
    async with events.subscribe() as first, events.subscribe() as second:
        events.publish(changed(1))
        events.close()
        events.publish(changed(2))

        assert [event async for event in first] == [event async for event in second] == [changed(1)]
    with pytest.raises(TransactionError, match="closed"):
        async with events.subscribe():
            pass


@pytest.mark.parametrize(
    ("kinds", "options"),
    [
        (("Charged",), {}),
        ((CHARGED,), {}),
        ((int,), {}),
        ((), {"capacity": 0}),
        ((), {"capacity": True}),
        ((), {"capacity": 1.5}),
        ((), {"user_id": "1"}),
    ],
)
def test_bad_input_is_refused(kinds: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Where it is written, not when the first event comes."""
    with pytest.raises(InvalidInputError):
        Events().subscribe(*kinds, **options)
