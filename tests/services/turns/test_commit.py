"""Turns in transactions, among others and cut off: events come after the commit, and balances add up."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import asyncpg
import pytest

import agentdb
from agentdb import (
    BudgetError,
    Database,
    UnsupportedError,
)
from agentdb.config import Settings
from agentdb.events import Charged, Event, MessagesAppended
from agentdb.records import Conversation, User
from tests.services.test_original import ROWS, schema
from tests.services.turns.turning import DOLLAR, finish, kept, rest

pytestmark = pytest.mark.agentdb(engine="both")


async def test_a_turn_joins_a_transaction(agent_db: Database, ada: User, talk: Conversation, dollar: str) -> None:
    """It is undone with it, and may be refused alone."""
    with pytest.raises(ZeroDivisionError):
        async with agent_db.transaction():
            await finish(agent_db, talk)
            assert (await agent_db.conversations.begin_turn(talk.id, user_id=ada.id)).remaining == 9
            raise ZeroDivisionError
    undone = await kept(agent_db)
    async with agent_db.transaction():
        await finish(agent_db, talk)
        with pytest.raises(BudgetError):
            await finish(agent_db, talk, usage=[DOLLAR] * 10, enforce_budget=True)

    assert undone == (0, 0, 10)
    assert await kept(agent_db) == (2, 1, 9)


async def test_a_turn_is_told_after_its_commit(agent_db: Database, ada: User, talk: Conversation, dollar: str) -> None:
    """First what was said, then what it cost; with a transaction's own commit, and never if that fails."""
    async with agent_db.events.subscribe(user_id=ada.id) as events:
        alone = await finish(agent_db, talk)
        with pytest.raises(ZeroDivisionError):
            async with agent_db.transaction():
                await finish(agent_db, talk)
                raise ZeroDivisionError
        async with agent_db.transaction():
            joined = await finish(agent_db, talk)
            assert len(events._waiting) == 2
        silent = await finish(agent_db, talk, usage=[])
        heard = await rest(events)

    expected: list[Event] = []
    for turn in (alone, joined, silent):
        ids = tuple(message.id for message in turn.messages)
        expected.append(MessagesAppended(user_id=ada.id, conversation_id=talk.id, message_ids=ids))
        if turn.charge is not None:
            expected.append(Charged(user_id=ada.id, **dict(turn.charge)))
    assert heard == expected


async def test_a_cancelled_turn_is_whole_or_not_at_all(
    agent_db: Database, ada: User, talk: Conversation, dollar: str
) -> None:
    """Whenever its caller gives up, messages, usage, balance and events belong together, and the database goes on."""
    async with agent_db.events.subscribe() as events:
        for steps in range(60):
            call = asyncio.create_task(finish(agent_db, talk))
            for _ in range(steps % 30):
                await asyncio.sleep(0)
            await asyncio.sleep(0.0002 * (steps // 30) * (steps % 10))
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        heard = await rest(events)
    messages, usages, remaining = await kept(agent_db)

    assert messages == 2 * usages == len(heard)
    assert remaining == 10 - usages
    assert (await finish(agent_db, talk)).charge is not None


async def test_turns_of_many_tasks_add_up(agent_db: Database, ada: User, talk: Conversation, dollar: str) -> None:
    """On one user and one conversation, beside other appends and charges: all in order, exact to the last decimal."""
    await agent_db.access.update_user(ada.id, budget=Decimal(1000))
    other = await agent_db.conversations.start(user_id=ada.id)
    turns = await asyncio.gather(
        *(finish(agent_db, (talk, other)[n % 2], f"{n}", f"{n}") for n in range(100)),
        *(finish(agent_db, talk, f"{n}", usage=[], request_id=f"{n}") for n in range(20)),
    )
    await asyncio.gather(
        *(finish(agent_db, talk, usage=[DOLLAR] * 3, request_id=f"r{n}") for n in range(30)),
        *(agent_db.usage.record(user_id=ada.id, **DOLLAR) for _ in range(30)),
        *(
            agent_db.conversations.append(talk.id, user_id=ada.id, role="user", content=[{"text": "x"}])
            for _ in "x" * 30
        ),
    )
    page = await agent_db.conversations.history(talk.id, user_id=ada.id, limit=1000)
    ids = [[message.id for message in turn.messages] for turn in turns if turn.charge is not None]

    assert await kept(agent_db) == (200 + 20 + 60 + 30, 100 + 90 + 30, 1000 - 220)
    assert [message.id for message in page.items] == sorted(message.id for message in page.items)
    assert len(page.items) == 100 + 20 + 60 + 30
    assert all(second == first + 1 for first, second in ids)
    assert sorted(turn.charge.remaining for turn in turns if turn.charge is not None) == [*range(900, 1000)]  # type: ignore[type-var]


async def test_an_enforced_budget_is_never_overspent(
    agent_db: Database, ada: User, talk: Conversation, dollar: str
) -> None:
    """Of many turns at once as many are kept as can be paid."""
    turns = await asyncio.gather(
        *(finish(agent_db, talk, usage=[DOLLAR] * 3, enforce_budget=True) for _ in range(20)), return_exceptions=True
    )

    assert sorted(type(turn).__name__ for turn in turns) == ["BudgetError"] * 17 + ["FinishedTurn"] * 3
    assert await kept(agent_db) == (6, 9, 1)


@pytest.mark.agentdb(engine="postgresql", seed=False)
async def test_turns_on_a_database_of_the_original_package(agent_db_url: str) -> None:
    """They work without what it lacks, and a request_id is refused."""
    connection = await asyncpg.connect(agent_db_url)
    try:
        await connection.execute(f"DROP SCHEMA public CASCADE; CREATE SCHEMA public; {schema()} {ROWS}")
    finally:
        await connection.close()
    settings = Settings.load(env_file=None)
    model = "us.anthropic.claude-sonnet-4-6"
    async with agentdb.connect(agent_db_url, skip_sync=True, schema="original", settings=settings) as db:
        talk = await db.conversations.start(user_id=1, agent_id=1)
        finished = await finish(db, talk, usage=[{"model": model, "input_tokens": 1000}], enforce_budget=True)
        await db.session.fetch(
            'INSERT INTO "Resource" ("messageID", "name", "metadata") VALUES ($1, \'notes\', \'{"a": 1}\')',
            [finished.messages[0].id],
        )
        turn = await db.conversations.begin_turn(talk.id, user_id=1)
        context = await db.conversations.context(talk.id, user_id=1)
        with pytest.raises(BudgetError):
            await finish(db, talk, usage=[{"model": model, "input_tokens": 10_000}], enforce_budget=True)
        with pytest.raises(UnsupportedError, match="agentdb adopt"):
            await finish(db, talk, usage=[], request_id="r")
        last = await db.conversations.history(talk.id, user_id=1)

    assert finished.charge is not None
    assert (finished.charge.cost_usd, finished.charge.remaining) == (Decimal("0.1"), Decimal("0.2"))
    assert turn.model_dump(include=set(type(context).model_fields)) == context.model_dump()
    assert [resource.metadata for resource in turn.resources] == [{"a": 1}]
    assert turn.agent is not None
    assert (turn.agent.name, turn.remaining) == ("Standard Chat", Decimal("0.2"))
    assert len(last.items) == 2
