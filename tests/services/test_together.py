"""Appends and charges that share a transaction, on SQLite: nobody can tell from the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from agentdb import ConflictError, Database, InvalidInputError, NotFoundError
from agentdb.engine import group
from agentdb.errors import AgentDBError
from agentdb.records import Charge, Message, User
from agentdb.testing.factory import DatabaseFactory
from tests.counts import COUNTS
from tests.services.test_batches import HELLO, calls, dollar, everything

__all__ = ["dollar"]

pytestmark = pytest.mark.agentdb(engine="sqlite")


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many members each run of several has."""
    found: list[int] = []
    run = group.Group._run_together

    def counted(self: group.Group, members: Any) -> None:
        found.append(len(members))
        run(self, members)

    monkeypatch.setattr(group.Group, "_run_together", counted)
    return found


async def all_of(*started: Awaitable[Any]) -> list[Any]:
    """What calls at the same time give or raise."""
    return await asyncio.gather(*started, return_exceptions=True)


async def test_a_mixed_crowd_gets_the_answers_of_a_queue(
    agent_db_factory: DatabaseFactory, runs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls of all kinds at once on one database, and one by one in the same transactions on another."""
    for seed in range(COUNTS.mixed_crowds):
        with agent_db_factory(engine="sqlite") as crowd, agent_db_factory(engine="sqlite") as queue:
            monkeypatch.setattr(group, "MOST_TOGETHER", 16)
            together = await asyncio.gather(*(await calls(crowd, seed)))
            monkeypatch.setattr(group, "MOST_TOGETHER", 1)
            in_turn = await asyncio.gather(*(await calls(queue, seed)))
            rows = [await everything(db) for db in (crowd, queue)]
            fallbacks = crowd.session.client.fallbacks
            await crowd.close()
            await queue.close()

        assert len({str(answer) for answer in together}) > 100
        assert together == in_turn
        assert rows[0] == rows[1]
        assert fallbacks == 0
    assert len(runs) > 10 * COUNTS.mixed_crowds
    assert max(runs) > 4


async def test_ids_grow_in_order_of_arrival(agent_db: Database, ada: User, runs: list[int]) -> None:
    """Which is the order in which they are read."""
    talk = await agent_db.conversations.start(user_id=ada.id)
    append = partial(agent_db.conversations.append, talk.id, user_id=ada.id, role="user")
    ids = [one.id for one in await asyncio.gather(*[append(content=[{"text": str(n)}]) for n in range(300)])]
    page = await agent_db.conversations.history(talk.id, user_id=ada.id, limit=300)

    assert ids == sorted(ids)
    assert [message.content[0]["text"] for message in page.items] == [str(n) for n in range(300)]
    assert max(runs) == group.MOST_TOGETHER


async def test_each_learns_what_remained_after_it(agent_db: Database, ada: User, dollar: str, runs: list[int]) -> None:
    """Although the whole was taken at once."""
    record = partial(agent_db.usage.record, user_id=ada.id, model=dollar)
    charges = await asyncio.gather(*[record(input_tokens=n * 100) for n in range(1, 9)])

    left, expected = Decimal(10), []
    for n in range(1, 9):
        left -= Decimal(n) / 10
        expected.append(left)
    assert [charge.remaining for charge in charges] == expected
    assert [charge.cost_usd for charge in charges] == [Decimal(n) / 10 for n in range(1, 9)]
    assert len({charge.usage_ids for charge in charges}) == 8
    assert runs == [8]


async def test_a_repeated_call_among_them_is_done_once(
    agent_db: Database, ada: User, dollar: str, runs: list[int]
) -> None:
    """Its answer is the first one's; who says something else under its key is refused; what follows is as it was."""
    talk = await agent_db.conversations.start(user_id=ada.id)
    append = partial(agent_db.conversations.append, talk.id, user_id=ada.id, role="user")
    record = partial(agent_db.usage.record, user_id=ada.id, model=dollar)
    messages = await all_of(
        append(content=HELLO, request_id="a"),
        append(content=HELLO, request_id="a"),
        append(content=[{"text": "else"}], request_id="a"),
        append(content=[{"text": "after"}]),
    )
    charges = await all_of(
        record(input_tokens=1000, request_id="a"),
        record(input_tokens=1000, request_id="a"),
        record(input_tokens=1001, request_id="a"),
        record(input_tokens=2000),
    )
    page = await agent_db.conversations.history(talk.id, user_id=ada.id)

    assert messages[0] == messages[1]
    assert isinstance(messages[2], ConflictError)
    assert [message.content[0]["text"] for message in page.items] == ["hello", "after"]
    assert charges[0] == charges[1]
    assert isinstance(charges[2], ConflictError)
    assert [one.remaining for one in charges if isinstance(one, Charge)] == [9, 9, 7]
    assert len(runs) == 2


async def test_one_that_is_refused_is_refused_alone(
    agent_db: Database, ada: User, bob: User, dollar: str, runs: list[int]
) -> None:
    """Nothing is rolled back for it."""
    talk = await agent_db.conversations.start(user_id=ada.id)
    append = partial(agent_db.conversations.append, talk.id, role="user", content=HELLO)
    record = partial(agent_db.usage.record, model=dollar, input_tokens=1000)
    before = (await agent_db.conversations.get(talk.id, user_id=ada.id)).updated_at
    refused = await all_of(append(user_id=bob.id), append(user_id=ada.id, parent_id=10**9))
    after = (await agent_db.conversations.get(talk.id, user_id=ada.id)).updated_at
    found = await all_of(
        append(user_id=bob.id),
        append(user_id=ada.id),
        append(user_id=ada.id, parent_id=10**9),
        record(user_id=10**9),
        record(user_id=ada.id),
        record(user_id=ada.id, model="unknown"),
        record(user_id=ada.id, agent_id=10**9),
    )

    kinds = [NotFoundError, Message, NotFoundError, NotFoundError, Charge, NotFoundError, NotFoundError]
    assert [type(one) for one in refused] == [NotFoundError, NotFoundError]
    assert before == after
    assert [type(one) for one in found] == kinds
    assert [str(one).partition(" is ")[0] for one in found if isinstance(one, AgentDBError)] == [
        f"No conversation {talk.id}",
        f"No message {10**9}",
        f"No user {10**9}",
        "No model 'unknown'",
        f"No agent {10**9}",
    ]
    assert agent_db.session.client.fallbacks == 0
    assert runs == [2, 3, 4]


async def test_one_that_the_database_refuses_fails_alone(agent_db: Database, ada: User, runs: list[int]) -> None:
    """The group is rolled back, and its members are done one by one."""
    talk = await agent_db.conversations.start(user_id=ada.id)
    await agent_db.session.client.execute_script(
        """CREATE TRIGGER polite BEFORE INSERT ON "Message" WHEN NEW."content" = '[{"text":"7"}]'
        BEGIN SELECT RAISE(ABORT, 'rude'); END"""
    )
    append = partial(agent_db.conversations.append, talk.id, user_id=ada.id, role="user")
    found = await all_of(*[append(content=[{"text": str(n)}]) for n in range(16)])
    page = await agent_db.conversations.history(talk.id, user_id=ada.id)

    assert [isinstance(one, AgentDBError) for one in found] == [n == 7 for n in range(16)]
    assert [message.content[0]["text"] for message in page.items] == [str(n) for n in range(16) if n != 7]
    assert agent_db.session.client.fallbacks == 1
    assert runs == [16]


@pytest.mark.parametrize("first", [1000, 2**62])
async def test_expired_reservations_are_given_back_first(
    agent_db: Database, ada: User, dollar: str, first: int
) -> None:
    """As by a call that comes alone, also after one that is refused."""
    await agent_db.usage.reserve(user_id=ada.id, amount_usd=Decimal(4), ttl_s=0.05)
    await asyncio.sleep(0.1)
    record: Callable[..., Awaitable[Charge]] = partial(agent_db.usage.record, user_id=ada.id, model=dollar)
    charges = await all_of(*[record(input_tokens=tokens) for tokens in (first, 1000, 1000)])

    left = [9, 8, 7] if first == 1000 else [9, 8]
    assert [charge.remaining for charge in charges if isinstance(charge, Charge)] == left
    assert sum(isinstance(charge, InvalidInputError) for charge in charges) == 3 - len(left)


async def test_what_cannot_be_given_back_is_refused_as_alone(agent_db: Database, ada: User, dollar: str) -> None:
    """Reservations stay held, and nothing is charged."""
    for _ in range(2):
        await agent_db.access.update_user(ada.id, budget=Decimal(700_000_000))
        await agent_db.session.client.fetch('UPDATE "User" SET "remaining" = NULL WHERE "id" = ?1', [ada.id])
        await agent_db.usage.reserve(user_id=ada.id, amount_usd=Decimal(600_000_000), ttl_s=0.05)
    await asyncio.sleep(0.1)
    record: Callable[..., Awaitable[Charge]] = partial(agent_db.usage.record, user_id=ada.id, model=dollar)
    charges = await all_of(*[record(input_tokens=1000) for _ in range(2)])
    states = await agent_db.session.fetch('SELECT "state" FROM "agentdb_reservation"')

    assert [type(charge) for charge in charges] == [InvalidInputError] * 2
    assert [row["state"] for row in states] == ["held", "held"]
