"""A cache that hears of every change after its commit, and is told when it was too slow to hear of all."""

import asyncio

import agentdb
from agentdb.events import AgentChanged, Missed, Subscription
from agentdb.records import Agent


async def keep_fresh(cache: dict[int, Agent], changes: Subscription) -> None:
    async for event in changes:
        if isinstance(event, AgentChanged):
            stale = cache.pop(event.agent_id)
            print(f"{stale.name} was {event.change}")
        elif isinstance(event, Missed):
            cache.clear()
    print("no more changes")


async def main() -> None:
    async with agentdb.connect(":memory:") as db, asyncio.TaskGroup() as tasks:
        user = await db.access.create_user(email="ada@example.org")
        agent = await db.agents.create(user_id=user.id, name="Librarian", prompt="Find books.", tools=["search"])
        cache = {agent.id: agent}

        async with db.events.subscribe(AgentChanged) as changes:
            tasks.create_task(keep_fresh(cache, changes))
            async with db.transaction():
                await db.agents.publish_prompt(agent.id, "Find books that people finish.", user_id=user.id)
                print(f"{len(cache)} agent in the cache")  # nobody hears of what may still be undone


asyncio.run(main())

# 1 agent in the cache
# Librarian was updated
# no more changes
