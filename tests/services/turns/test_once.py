"""A turn under a request_id happens once."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from agentdb import (
    ConflictError,
    Database,
    Model,
)
from agentdb.records import Conversation, User
from tests.services.turns.turning import ANSWERED, ASKED, DOLLAR, finish, kept, rest

pytestmark = pytest.mark.agentdb(engine="both")


async def test_a_repeated_turn_gives_the_first_answer(
    agent_db: Database, ada: User, talk: Conversation, dollar: str
) -> None:
    """Also when the conversation has gone on with another agent, and the price has changed."""
    first = await finish(agent_db, talk, request_id="r")
    await agent_db.conversations.set_agent(talk.id, user_id=ada.id, agent_id=1)
    await finish(agent_db, talk, usage=[], request_id="other")
    with agent_db.use():
        await Model.filter(internal_name=dollar).update(cost1k_input=Decimal(7))
    async with agent_db.events.subscribe() as events:
        again = await finish(agent_db, talk, request_id="r", expected_parent=0)
        heard = await rest(events)

    assert again == first
    assert heard == []
    assert await kept(agent_db) == (4, 1, 9)


@pytest.mark.parametrize(
    "values",
    [
        {"messages": [ASKED]},
        {"messages": [ASKED, ANSWERED, ANSWERED]},
        {"messages": [ASKED, {**ANSWERED, "content": [{"text": "It is this."}]}]},
        {"usage": []},
        {"usage": [DOLLAR, DOLLAR]},
        {"usage": [{**DOLLAR, "input_tokens": 999}]},
        {"usage": [{**DOLLAR, "type": None}]},
        {"usage": [{**DOLLAR, "message_id": 1}]},
        {"usage": [{**DOLLAR, "agent_id": 1}]},
        {"usage": [{**DOLLAR, "model": "mock-model"}]},
    ],
)
async def test_a_request_id_is_of_one_turn(
    agent_db: Database, talk: Conversation, dollar: str, values: dict[str, Any]
) -> None:
    """Whatever else it says or reports is another call."""
    await finish(agent_db, talk, request_id="r")
    with pytest.raises(ConflictError, match="request_id"):
        await finish(agent_db, talk, request_id="r", **values)

    assert await kept(agent_db) == (2, 1, 9)


async def test_a_request_id_of_other_calls_is_none_of_a_turn(
    agent_db: Database, ada: User, talk: Conversation, dollar: str
) -> None:
    """The messages of one and the charge of another make no turn, nor does a turn that had no usage."""
    message = await agent_db.conversations.append(
        talk.id, user_id=ada.id, role="assistant", content=ANSWERED["content"], request_id="a"
    )
    await agent_db.usage.record(user_id=ada.id, message_id=message.id, agent_id=talk.agent_id, request_id="b", **DOLLAR)
    for key in ("a", "b"):
        with pytest.raises(ConflictError, match="request_id"):
            await finish(agent_db, talk, messages=[ANSWERED], request_id=key)
    silent = await finish(agent_db, talk, usage=[], request_id="c")
    with pytest.raises(ConflictError, match="request_id"):
        await finish(agent_db, talk, request_id="c")

    assert await kept(agent_db) == (3, 1, 9)
    assert silent.charge is None


async def test_a_turn_without_usage_shares_its_key_with_a_charge(
    agent_db: Database, ada: User, talk: Conversation, dollar: str
) -> None:
    """A platform that gives all calls of one request the same key can repeat each of them."""
    first = await finish(agent_db, talk, usage=[], request_id="r")
    await agent_db.usage.record(user_id=ada.id, message_id=first.messages[1].id, request_id="r", **DOLLAR)

    assert await finish(agent_db, talk, usage=[], request_id="r") == first


@pytest.mark.parametrize("usage", [[], [DOLLAR, DOLLAR]])
async def test_a_hundred_callers_finish_one_turn(
    agent_db: Database, ada: User, talk: Conversation, dollar: str, usage: list[dict[str, Any]]
) -> None:
    """One effect, told once, and a hundred equal answers."""
    async with agent_db.events.subscribe() as events:
        turns = await asyncio.gather(*(finish(agent_db, talk, usage=usage, request_id="r") for _ in range(100)))
        heard = await rest(events)

    assert all(turn == turns[0] for turn in turns)
    assert len(heard) == 1 + bool(usage)
    assert await kept(agent_db) == (2, len(usage), 10 - len(usage))
