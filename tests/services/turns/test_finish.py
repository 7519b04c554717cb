"""All that a turn leaves behind, whole, or nothing of it."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from typing import Any

import pytest

from agentdb import (
    AgentDBError,
    BudgetError,
    ConflictError,
    Database,
    DeadlineError,
    InvalidInputError,
    Model,
    NotFoundError,
)
from agentdb.engine.money import cost_usd
from agentdb.records import Agent, Conversation, User
from agentdb.types import Price, Tokens
from tests.services.turns.turning import ANSWERED, ASKED, DOLLAR, finish, kept, rest

pytestmark = pytest.mark.agentdb(engine="both")


async def test_a_finished_turn_is_kept(
    agent_db: Database, ada: User, agent: Agent, talk: Conversation, dollar: str
) -> None:
    """Messages as appended, and usage as recorded: for the answer, and by the agent of the conversation."""
    turn = await finish(agent_db, talk, usage=[DOLLAR, {"model": dollar, "input_tokens": 500}], request_id="r")
    page = await agent_db.conversations.history(talk.id, user_id=ada.id)
    rows = (await agent_db.usage.list(user_id=ada.id)).items[::-1]
    found = await agent_db.conversations.get(talk.id, user_id=ada.id)

    assert turn.messages == page.items
    assert [(m.role, m.content, m.request_id) for m in turn.messages] == [
        ("user", ASKED["content"], "r"),
        ("assistant", ANSWERED["content"], "r"),
    ]
    assert turn.charge is not None
    assert turn.charge.cost_usd == Decimal("1.5")
    assert turn.charge.remaining == Decimal("8.5")
    assert turn.charge.usage_ids == tuple(row.id for row in rows)
    assert [(r.agent_id, r.message_id, r.type, r.input_tokens, r.cost_usd, r.request_id) for r in rows] == [
        (agent.id, turn.messages[1].id, "chat", 1000, 1, "r"),
        (agent.id, turn.messages[1].id, None, 500, Decimal("0.5"), "r"),
    ]
    assert {row.created_at for row in rows} == {turn.messages[0].created_at} == {found.updated_at}


async def test_usage_belongs_to_the_last_answer(agent_db: Database, ada: User, talk: Conversation, dollar: str) -> None:
    """Else to the last message; what names a message or an agent keeps them."""
    first = await finish(agent_db, talk, "asks for a tool", "answers")
    turns = [
        await finish(agent_db, talk, messages=[ANSWERED, ANSWERED, ASKED]),
        await finish(agent_db, talk, messages=[ASKED, ASKED]),
        await finish(agent_db, talk, usage=[{**DOLLAR, "message_id": first.messages[0].id, "agent_id": 1}]),
    ]
    rows = (await agent_db.usage.list(user_id=ada.id)).items[::-1]

    assert [row.message_id for row in rows] == [
        first.messages[1].id,
        turns[0].messages[1].id,
        turns[1].messages[1].id,
        first.messages[0].id,
    ]
    assert [row.agent_id for row in rows] == [talk.agent_id] * 3 + [1]


async def test_a_turn_without_usage_is_an_append(agent_db: Database, ada: User, talk: Conversation) -> None:
    """Nothing is charged, not even to one who has nothing left."""
    await agent_db.access.update_user(ada.id, budget=Decimal(0))
    turn = await finish(agent_db, talk, usage=(), enforce_budget=True)

    assert turn.charge is None
    assert await kept(agent_db) == (2, 0, 0)


async def test_a_turn_costs_what_its_calls_cost(agent_db: Database, bob: User) -> None:
    """To the last of ten decimals, each row rounded half-even, in any convention."""
    chance = random.Random(3)
    amounts = ["0", "0.0000000001", "0.0000000005", "0.0005", "0.1234567891", "99.9999999999"]
    prices = [Price(*(Decimal(chance.choice(amounts)) for _ in range(4))) for _ in range(10)]
    with agent_db.use():
        for number, (fresh, output, read, written) in enumerate(prices):
            await Model.create(
                internal_name=f"m{number}",
                cost1k_input=fresh,
                cost1k_output=output,
                cost1k_cache_read=read,
                cost1k_cache_write=written,
            )
    talk = await agent_db.conversations.start(user_id=bob.id)
    for _ in range(50):
        calls = [
            (chance.randrange(10), Tokens(*(chance.randrange(10 ** chance.randrange(1, 8)) for _ in range(4))))
            for _ in range(4)
        ]
        items = [
            {
                "model": f"m{model}",
                "convention": "openai",
                "input_tokens": tokens.input + tokens.cache_read + tokens.cache_write,
                "output_tokens": tokens.output,
                "cache_read_tokens": tokens.cache_read,
                "cache_write_tokens": tokens.cache_write,
            }
            for model, tokens in calls
        ]
        turn = await finish(agent_db, talk, usage=items)

        assert turn.charge is not None
        assert turn.charge.cost_usd == sum(cost_usd(tokens, prices[model]) for model, tokens in calls)
        assert turn.charge.remaining is None


async def test_a_turn_can_be_long(agent_db: Database, ada: User, talk: Conversation, dollar: str) -> None:
    """A thousand messages, or more bytes than one statement takes."""
    many = await finish(agent_db, talk, messages=[ASKED, ANSWERED] * 500)
    large = await finish(agent_db, talk, messages=[{"role": "user", "content": [{"text": "x" * 2_000_000}]}, ANSWERED])
    rows = (await agent_db.usage.list(user_id=ada.id)).items

    assert [row.message_id for row in rows] == [large.messages[1].id, many.messages[-1].id]
    assert await kept(agent_db) == (1002, 2, 8)


async def test_messages_of_a_turn_can_follow_others(agent_db: Database, ada: User, talk: Conversation) -> None:
    """Of the same conversation."""
    first = (await finish(agent_db, talk, "a", "b", usage=[])).messages
    turn = await finish(
        agent_db, talk, messages=[{**ASKED, "parent_id": first[0].id}, {**ANSWERED, "parent_id": None}], usage=[]
    )
    other = await agent_db.conversations.start(user_id=ada.id)

    assert [message.parent_id for message in turn.messages] == [first[0].id, None]
    with pytest.raises(NotFoundError, match="message"):
        await finish(agent_db, other, messages=[{**ASKED, "parent_id": first[0].id}], usage=[])


async def test_a_refused_turn_leaves_nothing(
    agent_db: Database, ada: User, bob: User, talk: Conversation, dollar: str
) -> None:
    """Neither messages nor usage, whatever was wrong; and nobody hears of it."""
    theirs = await agent_db.conversations.start(user_id=bob.id)
    foreign = await agent_db.conversations.append(theirs.id, user_id=bob.id, role="user", content=ASKED["content"])
    private = await agent_db.agents.create(user_id=bob.id, name="His")
    refused: list[tuple[type[AgentDBError], dict[str, Any]]] = [
        (BudgetError, {"usage": [DOLLAR] * 11, "enforce_budget": True}),
        (NotFoundError, {"usage": [DOLLAR, {"model": "unknown"}]}),
        (NotFoundError, {"usage": [{**DOLLAR, "message_id": foreign.id}]}),
        (NotFoundError, {"usage": [{**DOLLAR, "agent_id": private.id}]}),
        (NotFoundError, {"messages": [{**ASKED, "parent_id": foreign.id}]}),
        (NotFoundError, {"user_id": 10**9}),
        (NotFoundError, {"user_id": 10**9, "usage": ()}),
        (ConflictError, {"expected_parent": 1}),
        (InvalidInputError, {"usage": [{"model": "dollar", "input_tokens": 10**15}]}),
        (InvalidInputError, {"usage": [{"model": "dollar", "input_tokens": 899 * 10**9}] * 3}),
        (InvalidInputError, {"usage": [{"model": "dollar", "input_tokens": -1}]}),
        (InvalidInputError, {"usage": [DOLLAR] * 101}),
        (InvalidInputError, {"usage": None}),
        (InvalidInputError, {"usage": {}}),
        (InvalidInputError, {"messages": []}),
        (InvalidInputError, {"messages": [{"role": "system", "content": ASKED["content"]}]}),
        (InvalidInputError, {"messages": [{"role": "user", "content": [{"text": "\x00"}]}]}),
        (InvalidInputError, {"request_id": ""}),
        (InvalidInputError, {"expected_parent": "1"}),
        (InvalidInputError, {"enforce_budget": 1}),
        (DeadlineError, {"timeout": 0}),
    ]
    before = await kept(agent_db)
    async with agent_db.events.subscribe() as events:
        for error, values in refused:
            for key in ({}, {"request_id": "r"}):
                with pytest.raises(error):
                    await finish(agent_db, talk, **{**key, **values})

                assert await kept(agent_db) == before, values
        heard = await rest(events)

    assert heard == []
    assert before == (1, 0, 10)


async def test_a_turn_is_refused_as_its_parts_are(
    agent_db: Database, ada: User, talk: Conversation, dollar: str
) -> None:
    """With the same facts in the same words."""
    with pytest.raises(BudgetError) as found:
        await finish(agent_db, talk, usage=[DOLLAR] * 11, enforce_budget=True)
    with pytest.raises(BudgetError) as expected:
        await agent_db.usage.record_many([DOLLAR] * 11, user_id=ada.id, enforce_budget=True)
    overdrawn = await finish(agent_db, talk, usage=[DOLLAR] * 11)

    assert str(found.value) == str(expected.value)
    assert found.value.cost == 11
    assert overdrawn.charge is not None
    assert overdrawn.charge.is_overdrawn


async def test_a_turn_ends_where_its_agent_believes(agent_db: Database, ada: User, talk: Conversation) -> None:
    """Of two who have read the same, one is refused."""
    first = await finish(agent_db, talk, usage=[], expected_parent=0)
    last = first.messages[-1].id
    answers = await asyncio.gather(
        *(finish(agent_db, talk, f"{n}", usage=[], expected_parent=last) for n in range(5)), return_exceptions=True
    )

    assert sorted(type(answer).__name__ for answer in answers) == ["ConflictError"] * 4 + ["FinishedTurn"]
    assert await kept(agent_db) == (3, 0, 10)
