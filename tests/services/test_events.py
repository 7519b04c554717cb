"""Events come after the commit, and never for what was not kept."""

from __future__ import annotations

import asyncio

import pytest

import agentdb
from agentdb import AgentDBError, Database, NotFoundError
from agentdb.events import AgentChanged, Event, Subscription
from agentdb.records import User

pytestmark = pytest.mark.agentdb(engine="both")


async def taken(subscription: Subscription, count: int) -> list[tuple[int, str]]:
    """The next agents and what became of them."""
    found = [await anext(subscription) for _ in range(count)]
    return [(event.agent_id, event.change) for event in found if isinstance(event, AgentChanged)]


async def rest(subscription: Subscription) -> list[Event]:
    """What is waiting, and nothing after it."""
    subscription.close()
    return [event async for event in subscription]


async def test_changes_of_agents_are_told(agent_db: Database, ada: User, bob: User) -> None:
    """By every call that changes one, with the owner; reading tells nothing."""
    async with agent_db.events.subscribe(AgentChanged) as events:
        agent = await agent_db.agents.create(user_id=ada.id, name="A", prompt="one")
        await agent_db.agents.share(agent.id, user_id=ada.id, with_user_id=bob.id, role="editor")
        await agent_db.agents.update(agent.id, user_id=bob.id, name="B")
        await agent_db.agents.publish_prompt(agent.id, "two", user_id=bob.id)
        await agent_db.agents.use_prompt(agent.id, 1, user_id=ada.id)
        await agent_db.agents.resolve(agent.id, user_id=ada.id)
        await agent_db.agents.unshare(agent.id, user_id=ada.id, with_user_id=bob.id)
        await agent_db.agents.delete(agent.id, user_id=ada.id)
        found = await rest(events)

    changes = ["created", *["updated"] * 5, "deleted"]
    assert found == [AgentChanged(user_id=ada.id, agent_id=agent.id, change=change) for change in changes]  # type: ignore[arg-type]  # they are from the list above


async def test_nothing_is_told_before_the_outermost_commit(agent_db: Database, ada: User) -> None:
    """Inside a transaction, also a nested one, nobody hears anything; after it, in the order of the calls."""
    async with agent_db.events.subscribe() as events:
        waiting = asyncio.create_task(anext(events))
        async with agent_db.transaction():
            first = await agent_db.agents.create(user_id=ada.id, name="A")
            async with agent_db.transaction():
                second = await agent_db.agents.create(user_id=ada.id, name="B")
            await agent_db.agents.update(first.id, user_id=ada.id, name="C")
            assert not waiting.done()
        told = await waiting

        assert told == AgentChanged(user_id=ada.id, agent_id=first.id, change="created")
        assert await taken(events, 2) == [(second.id, "created"), (first.id, "updated")]


async def test_what_was_rolled_back_is_never_told(agent_db: Database, ada: User) -> None:
    """The whole, or the part of it that failed."""
    async with agent_db.events.subscribe() as events:
        with pytest.raises(NotFoundError):
            async with agent_db.transaction():
                await agent_db.agents.create(user_id=ada.id, name="A")
                await agent_db.agents.get(12345, user_id=ada.id)
        async with agent_db.transaction():
            kept = await agent_db.agents.create(user_id=ada.id, name="B")
            with pytest.raises(NotFoundError):
                async with agent_db.transaction():
                    await agent_db.agents.update(kept.id, user_id=ada.id, name="C")
                    await agent_db.agents.update(kept.id, user_id=ada.id, tools=["nothing"])

        assert await rest(events) == [AgentChanged(user_id=ada.id, agent_id=kept.id, change="created")]


async def test_a_refused_call_tells_nothing(agent_db: Database, ada: User, bob: User) -> None:
    """Nothing was changed."""
    agent = await agent_db.agents.create(user_id=ada.id, name="A")
    async with agent_db.events.subscribe() as events:
        for name in ("update", "delete"):
            with pytest.raises(AgentDBError):
                await getattr(agent_db.agents, name)(agent.id, user_id=bob.id)
        with pytest.raises(AgentDBError):
            await agent_db.agents.create(user_id=ada.id, name="B", tools=["nothing"])

        assert await rest(events) == []


async def test_what_is_told_can_be_read(agent_db: Database, ada: User) -> None:
    """A subscriber that looks at once finds it, in whichever connection."""
    async with agent_db.events.subscribe(AgentChanged) as events:

        async def look() -> str | None:
            event = await anext(events)
            assert isinstance(event, AgentChanged)
            return (await agent_db.agents.get(event.agent_id, user_id=event.user_id)).name

        looking = asyncio.create_task(look())
        await agent_db.agents.create(user_id=ada.id, name="A")

        assert await looking == "A"


async def test_a_subscriber_hears_of_one_user(agent_db: Database, ada: User, bob: User) -> None:
    """The owner of the agent, whoever changed it."""
    async with agent_db.events.subscribe(user_id=ada.id) as events:
        await agent_db.agents.create(user_id=bob.id, name="B")
        agent = await agent_db.agents.create(user_id=ada.id, name="A")

        assert await rest(events) == [AgentChanged(user_id=ada.id, agent_id=agent.id, change="created")]


async def test_two_handles_do_not_hear_each_other(agent_db: Database, ada: User, agent_db_url: str) -> None:
    """Events stay in the handle, which may be one of several in the process; closing it ends its subscriptions."""
    other = await agentdb.connect(agent_db_url, skip_sync=True)
    async with other.events.subscribe() as events:
        await agent_db.agents.create(user_id=ada.id, name="A")
        waiting = asyncio.create_task(anext(events))
        await asyncio.sleep(0)
        await other.close()

        with pytest.raises(StopAsyncIteration):
            await waiting
