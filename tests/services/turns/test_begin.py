"""All that an agent has to know for a turn, which is what its parts would give."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from agentdb import Conversation as ConversationTable
from agentdb import (
    Database,
    InvalidInputError,
    NotFoundError,
    UserAgent,
)
from agentdb import Resource as ResourceTable
from agentdb.models import Reservation
from agentdb.records import Agent, Conversation, User
from tests.services.turns.turning import ANSWERED, ASKED, finish

pytestmark = pytest.mark.agentdb(engine="both")


async def test_a_turn_begins_with_all_that_its_parts_give(
    agent_db: Database, ada: User, agent: Agent, talk: Conversation
) -> None:
    """Conversation, messages and resources as `context` has them, the agent as resolved, and what remains."""
    for number in range(3):
        await finish(agent_db, talk, usage=[{"model": "mock-model", "input_tokens": 10**6}])
        messages = await agent_db.conversations.append_many(talk.id, user_id=ada.id, messages=[ASKED, ANSWERED])
        for part in range(number):
            await agent_db.knowledge.store(
                user_id=ada.id,
                name=f"{part}.txt",
                content="ä\n\x01\"\\'\U0001f600",
                message_id=messages[part].id,
                metadata={"pages": [number, 1.5, None]},
                s3_uri="s3://x",
            )
    for limit in (1000, 12, 7, 1):
        turn = await agent_db.conversations.begin_turn(talk.id, user_id=ada.id, limit=limit)
        context = await agent_db.conversations.context(talk.id, user_id=ada.id, limit=limit)

        assert turn.model_dump(include=set(type(context).model_fields)) == context.model_dump()
        assert turn.agent == await agent_db.agents.resolve(agent.id, user_id=ada.id)
        assert turn.remaining == await agent_db.usage.remaining(ada.id) == Decimal("9.9997")
    assert len(context.messages) == 1
    assert len(turn.resources) <= 1


async def test_a_turn_begins_with_the_resources_of_its_messages(
    agent_db: Database, ada: User, bob: User, talk: Conversation
) -> None:
    """As context gives them: the oldest first, at most a thousand, none of another user's."""
    messages = await agent_db.conversations.append_many(talk.id, user_id=ada.id, messages=[ASKED] * 12)
    chance, start = random.Random(1), datetime(2026, 1, 1, tzinfo=UTC)
    with agent_db.use():
        await ResourceTable.bulk_create(
            ResourceTable(
                name=f"{number}",
                message_id=chance.choice(messages).id,
                user_id=chance.choice([None, ada.id, ada.id, ada.id, bob.id]),
                created_at=start + timedelta(microseconds=chance.randrange(500) * 1000),
            )
            for number in range(1500)
        )
    turn = await agent_db.conversations.begin_turn(talk.id, user_id=ada.id)
    context = await agent_db.conversations.context(talk.id, user_id=ada.id)

    assert len(turn.resources) == 1000
    assert turn.resources == context.resources


async def test_a_turn_begins_with_the_summary(agent_db: Database, ada: User, talk: Conversation) -> None:
    """And with the first message where what was taken for a summary is none."""
    first = (await finish(agent_db, talk, "a", usage=[])).messages[0]
    summary = await agent_db.conversations.summarise(
        talk.id, user_id=ada.id, summary="All that was said. " * 5, expected_parent=first.id
    )
    last = (await finish(agent_db, talk, "b", usage=[])).messages[0]
    short = await agent_db.conversations.begin_turn(talk.id, user_id=ada.id)
    with agent_db.use():
        await ConversationTable.filter(id=talk.id).update(summary_message_id=last.id)
    whole = await agent_db.conversations.begin_turn(talk.id, user_id=ada.id)

    assert [message.id for message in short.messages] == [summary.id, last.id]
    assert [message.id for message in whole.messages] == [first.id, summary.id, last.id]


async def test_another_agent_can_take_the_turn(agent_db: Database, ada: User, agent: Agent, talk: Conversation) -> None:
    """By its id or name; without one a conversation that has none is begun as well."""
    bare = await agent_db.conversations.start(user_id=ada.id)
    by_name = await agent_db.conversations.begin_turn(talk.id, user_id=ada.id, agent="Standard Chat")
    by_id = await agent_db.conversations.begin_turn(bare.id, user_id=ada.id, agent=agent.id)
    nobody = await agent_db.conversations.begin_turn(bare.id, user_id=ada.id)

    assert by_name.agent == await agent_db.agents.resolve("Standard Chat", user_id=ada.id)
    assert by_id.agent == await agent_db.agents.resolve(agent.id, user_id=ada.id)
    assert nobody.agent is None
    for unknown in ("Nobody", 10**9):
        with pytest.raises(NotFoundError, match="agent"):
            await agent_db.conversations.begin_turn(talk.id, user_id=ada.id, agent=unknown)
    for wrong in ("\x00", True, 1.0, 2**63, b"x"):
        with pytest.raises(InvalidInputError):
            await agent_db.conversations.begin_turn(talk.id, user_id=ada.id, agent=wrong)  # type: ignore[arg-type]


async def test_an_agent_that_is_no_longer_shared_takes_no_turn(
    agent_db: Database, ada: User, bob: User, agent: Agent
) -> None:
    """But the one that it took meanwhile is charged, to nobody's agent."""
    await agent_db.agents.share(agent.id, user_id=ada.id, with_user_id=bob.id, role="viewer")
    talk = await agent_db.conversations.start(user_id=bob.id, agent_id=agent.id)
    shared = await agent_db.conversations.begin_turn(talk.id, user_id=bob.id)
    await finish(agent_db, talk, usage=[{"model": "mock-model", "input_tokens": 1}])
    with agent_db.use():
        await UserAgent.all().delete()
    with pytest.raises(NotFoundError, match="agent"):
        await agent_db.conversations.begin_turn(talk.id, user_id=bob.id)
    await finish(agent_db, talk, usage=[{"model": "mock-model", "input_tokens": 1}])
    page = await agent_db.usage.list(user_id=bob.id)

    assert shared.agent is not None
    assert shared.agent.visibility == "shared"
    assert [row.agent_id for row in page.items] == [None, agent.id]


async def test_a_turn_begins_with_what_remains(agent_db: Database, ada: User, bob: User, talk: Conversation) -> None:
    """What is held is gone, what has expired is back, and without a budget there is no limit."""
    await agent_db.usage.reserve(user_id=ada.id, amount_usd=2)
    forgotten = await agent_db.usage.reserve(user_id=ada.id, amount_usd=3)
    held = await agent_db.conversations.begin_turn(talk.id, user_id=ada.id)
    with agent_db.use():
        await Reservation.filter(id=forgotten.id).update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    expired = await agent_db.conversations.begin_turn(talk.id, user_id=ada.id)
    other = await agent_db.conversations.start(user_id=bob.id)
    unlimited = await agent_db.conversations.begin_turn(other.id, user_id=bob.id)
    charged = await finish(agent_db, talk, usage=[{"model": "mock-model"}])

    assert [turn.remaining for turn in (held, expired, unlimited)] == [5, 8, None]
    assert charged.charge is not None
    assert charged.charge.remaining == 8


async def test_a_deleted_conversation_has_no_turns(agent_db: Database, ada: User, talk: Conversation) -> None:
    """It is not found."""
    await agent_db.conversations.delete(talk.id, user_id=ada.id)

    for call in (agent_db.conversations.begin_turn(talk.id, user_id=ada.id), finish(agent_db, talk, usage=[])):
        with pytest.raises(NotFoundError, match=f"conversation {talk.id}"):
            await call
