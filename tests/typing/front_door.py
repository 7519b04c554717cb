"""Read by mypy and pyright, never run: what users write has the types they expect."""

from __future__ import annotations

from decimal import Decimal
from typing import assert_type

import agentdb
from agentdb import records


async def a_turn(key: str) -> None:
    """Services give typed records."""
    async with agentdb.connect("sqlite://", skip_sync=False) as db:
        assert_type(db, agentdb.Database)
        user = await db.access.authenticate(key)
        agent = await db.agents.resolve("Standard Chat", user_id=user.id)
        talk = await db.conversations.start(user_id=user.id, agent_id=agent.id)
        assert_type(talk, records.Conversation)
        message = await db.conversations.append(talk.id, user_id=user.id, role="user", content=[{"text": "Hi"}])
        assert_type(message, records.Message)
        charge = await db.usage.record(user_id=user.id, model=agent.model.internal_name, output_tokens=1)
        assert_type(charge, records.Charge)
        assert_type(charge.cost_usd, Decimal)
        assert_type(await db.usage.remaining(user.id), Decimal | None)


async def by_hand() -> None:
    """The models are typed too, in both directions of a relation."""
    db = await agentdb.connect()
    with db.use():
        user = await agentdb.User.get(email="a@example.org")
        assert_type(user, agentdb.User)
        messages = await agentdb.Message.filter(conversation__user_id=user.id).order_by("id")
        assert_type(messages, list[agentdb.Message])
        agents = await user.agents.all()
        assert_type(agents, list[agentdb.Agent])
    await db.close()
