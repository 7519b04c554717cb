"""What others do while the statement of a turn waits for their lock: its snapshot is older than the lock."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal

import pytest

from agentdb import (
    ConflictError,
    Database,
    DeadlineError,
    Message,
    NotFoundError,
    OutcomeUnknownError,
)
from agentdb.engine import Session
from agentdb.records import Conversation, FinishedTurn, User
from tests.engine.test_batches import someone_waits
from tests.services.turns.turning import ANSWERED, ASKED, DOLLAR, finish, kept, outsider, url_of

pytestmark = pytest.mark.agentdb(engine="postgresql")


async def test_what_was_said_meanwhile(agent_db: Database, ada: User, talk: Conversation, dollar: str) -> None:
    """The turn stands behind it; one that expected to be the next is refused."""
    async with outsider(agent_db) as other:
        await other.execute('UPDATE "Conversation" SET "updatedAt" = now() WHERE "id" = $1', talk.id)
        tasks = [asyncio.create_task(finish(agent_db, talk, expected_parent=expected)) for expected in (0, None)]
        await someone_waits(url_of(agent_db))
        theirs = await other.fetchval(
            'INSERT INTO "Message" ("conversationID", "role") VALUES ($1, \'user\') RETURNING "id"', talk.id
        )
    refused, turn = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(refused, ConflictError)
    assert isinstance(turn, FinishedTurn)
    assert turn.messages[0].id > theirs
    assert await kept(agent_db) == (3, 1, 9)


async def test_a_lock_of_somebody_who_says_nothing(agent_db: Database, talk: Conversation, trips: list[str]) -> None:
    """It changes nothing: the turn is still the next one, in one round trip."""
    async with outsider(agent_db) as other:
        await other.execute('SELECT 1 FROM "Conversation" WHERE "id" = $1 FOR UPDATE', talk.id)
        task = asyncio.create_task(finish(agent_db, talk, usage=[], expected_parent=0))
        await someone_waits(url_of(agent_db))
        trips.clear()
    await task

    assert trips == []


async def test_a_conversation_that_is_deleted_meanwhile(agent_db: Database, ada: User, talk: Conversation) -> None:
    """Nothing is added to it, and nothing charged."""
    async with outsider(agent_db) as other:
        await other.execute('UPDATE "Conversation" SET "deleted" = TRUE WHERE "id" = $1', talk.id)
        task = asyncio.create_task(finish(agent_db, talk, usage=[{"model": "mock-model", "input_tokens": 1}]))
        await someone_waits(url_of(agent_db))
    with pytest.raises(NotFoundError):
        await task

    assert await kept(agent_db) == (0, 0, 10)


async def test_a_balance_that_changes_meanwhile(agent_db: Database, talk: Conversation, dollar: str) -> None:
    """The charge counts from what it is when the lock is free."""
    async with outsider(agent_db) as other:
        await other.execute('UPDATE "User" SET "remaining" = 1.5 WHERE "id" = $1', talk.user_id)
        tasks = [asyncio.create_task(finish(agent_db, talk, enforce_budget=True)) for _ in range(2)]
        await someone_waits(url_of(agent_db))
    answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert sorted(type(answer).__name__ for answer in answers) == ["BudgetError", "FinishedTurn"]
    assert await kept(agent_db) == (2, 1, Decimal("0.5"))


async def test_a_request_id_that_is_used_meanwhile(agent_db: Database, talk: Conversation) -> None:
    """By another process, which the snapshot does not show: the call is a repeated one all the same."""
    async with outsider(agent_db) as other:
        await other.execute('SELECT 1 FROM "Conversation" WHERE "id" = $1 FOR UPDATE', talk.id)
        task = asyncio.create_task(finish(agent_db, talk, messages=[ANSWERED], usage=[], request_id="r"))
        await someone_waits(url_of(agent_db))
        theirs = await other.fetchval(
            """
            INSERT INTO "Message" ("conversationID", "role", "content", "requestId", "requestIndex", "createdAt")
            VALUES ($1, 'assistant', '[{"text": "It is that."}]', 'r', 0, now()) RETURNING "id"
            """,
            talk.id,
        )
    turn = await task

    assert [message.id for message in turn.messages] == [theirs]


async def test_a_turn_ends_at_its_deadline(agent_db: Database, talk: Conversation, dollar: str) -> None:
    """Nothing is kept, also not by one that waits behind it."""
    async with outsider(agent_db) as other:
        await other.execute('SELECT 1 FROM "User" WHERE "id" = $1 FOR UPDATE', talk.user_id)
        answers = await asyncio.gather(*(finish(agent_db, talk, timeout=0.2) for _ in range(3)), return_exceptions=True)
    await asyncio.sleep(0.1)

    assert [type(answer) for answer in answers] == [DeadlineError] * 3
    assert await kept(agent_db) == (0, 0, 10)


async def test_turns_of_others_do_not_wait(agent_db: Database, bob: User, talk: Conversation, dollar: str) -> None:
    """Behind somebody's lock only that user's turns stand, and a cancelled one leaves at once."""
    theirs = [await agent_db.conversations.start(user_id=bob.id) for _ in range(2)]
    async with outsider(agent_db) as other:
        await other.execute('SELECT 1 FROM "User" WHERE "id" = $1 FOR UPDATE', talk.user_id)
        waiting = [asyncio.create_task(finish(agent_db, talk)) for _ in range(6)]
        await someone_waits(url_of(agent_db))
        turns = await asyncio.gather(*(finish(agent_db, theirs[n % 2]) for n in range(6)))
        for task in waiting[:3]:
            task.cancel()
        given_up = await asyncio.gather(*waiting[:3], return_exceptions=True)
    answers = await asyncio.gather(*waiting[3:])

    assert len({turn.charge for turn in turns}) == 6
    assert [type(one) for one in given_up] == [asyncio.CancelledError] * 3
    assert sorted(answer.charge.remaining for answer in answers if answer.charge is not None) == [7, 8, 9]  # type: ignore[type-var]
    assert await kept(agent_db) == (18, 9, 7)


async def test_a_turn_whose_connection_is_lost(agent_db: Database, talk: Conversation, dollar: str) -> None:
    """Nobody knows what became of it: one with a request_id finds out, another one says so."""
    async with outsider(agent_db) as other:
        await other.execute('SELECT 1 FROM "User" WHERE "id" = $1 FOR UPDATE', talk.user_id)
        for key in (None, "r"):
            task = asyncio.create_task(finish(agent_db, talk, request_id=key))
            await someone_waits(url_of(agent_db))
            await other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND datname = current_database()"
            )
            if key is None:
                with pytest.raises(OutcomeUnknownError):
                    await task
    turn = await task

    assert turn.messages[0].request_id == "r"
    assert await kept(agent_db) == (2, 1, 9)


async def test_senders_of_turns_do_not_lock_each_other_out(agent_db: Database, dollar: str) -> None:
    """Several handles on the same users and conversations, beside all that locks these: no deadlock, nothing lost."""
    users = [await agent_db.access.create_user(email=f"{n}@example.org", budget=Decimal(1000)) for n in range(4)]
    talks = [await agent_db.conversations.start(user_id=user.id, agent_id=1) for user in users]
    sessions = [Session(agent_db.session.target, create=False) for _ in range(3)]
    senders = [Database(session, agent_db.settings, agent_db._vault, None) for session in sessions]

    async def send(db: Database, number: int) -> None:
        chance = random.Random(number)
        for turn in range(10):
            order = chance.sample(range(4), 4)
            await asyncio.gather(
                *(finish(db, talks[n]) for n in order),
                *(finish(db, talks[n], messages=[ANSWERED], request_id=f"{turn}") for n in order),
                *(db.usage.record(user_id=users[n].id, **DOLLAR) for n in order),
                *(
                    db.conversations.append(talks[n].id, user_id=users[n].id, role="user", content=ASKED["content"])
                    for n in order
                ),
            )

    try:
        for session in sessions:
            await session.open(["agentdb.models"])
        await asyncio.gather(*(send(db, number) for number, db in enumerate(senders)))
    finally:
        for db in senders:
            await db.close()
    deadlocks = await agent_db.session.fetch(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    with agent_db.use():
        counts = [await Message.filter(conversation_id=talk.id).count() for talk in talks]

    assert [await agent_db.usage.remaining(user.id) for user in users] == [1000 - (3 * 10 * 2 + 10)] * 4
    assert counts == [3 * 10 * 3 + 10] * 4
    assert deadlocks[0]["deadlocks"] == 0
