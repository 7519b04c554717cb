"""SERIALIZABLE on PostgreSQL: whoever comes second is refused, and no caller ever learns of it."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

import agentdb
from agentdb import Database
from tests.counts import SIZE
from tests.faults.serial_spenders import TASKS, USED, spend
from tests.services.processes import at_work

pytestmark = pytest.mark.agentdb(engine="postgresql")

COST = Decimal("0.0000001")
BUDGET = Decimal(100_000)
ROUNDS = {"ci": 3, "full": 60}[SIZE]
PROCESSES = 2
WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def test_processes_share_an_account_under_serializable(agent_db: Database, agent_db_url: str) -> None:
    """Merged statements, units of several statements, turns and a user's own units on one account and one
    conversation: every call is done once, whatever was refused in between, and the balance is exact."""
    user = await agent_db.access.create_user(email="ada@example.org", budget=BUDGET)
    talk = await agent_db.conversations.start(user_id=user.id)
    url = f"{agent_db_url}?isolation=serializable"
    calls = [[user.id, talk.id, f"p{process}", ROUNDS] for process in range(PROCESSES)]
    async with at_work(spend, url, calls) as working:
        answers = await working
    remaining = await agent_db.usage.remaining(user.id)
    (counted,) = await agent_db.session.fetch(
        'SELECT (SELECT count(*) FROM "Message") AS messages, (SELECT count(*) FROM "Usage") AS usages'
    )
    rounds = PROCESSES * TASKS * ROUNDS

    assert [done for done, _ in answers] == [TASKS * ROUNDS] * PROCESSES
    assert sum(repetitions for _, repetitions in answers) > 0
    assert (counted["messages"], counted["usages"]) == (3 * rounds, 6 * rounds)
    assert remaining == BUDGET - 6 * rounds * COST


async def test_those_of_one_process_do_not_compete(agent_db: Database, agent_db_url: str) -> None:
    """They wait for each other where the database would refuse all but one of them."""
    user = await agent_db.access.create_user(email="ada@example.org", budget=BUDGET)
    async with agentdb.connect(f"{agent_db_url}?isolation=serializable", skip_sync=True) as db:
        await asyncio.gather(
            *(db.usage.record_many([USED, USED], user_id=user.id) for _ in range(40)),
        )
        repetitions = db.session.repeats.count
    remaining = await agent_db.usage.remaining(user.id)

    assert remaining == BUDGET - 80 * COST
    assert repetitions == 0


async def test_merged_writes_leave_again_as_a_whole(agent_db: Database, agent_db_url: str) -> None:
    """A flight that is refused is flown again with everybody aboard, not one by one."""
    user = await agent_db.access.create_user(email="ada@example.org", budget=BUDGET)
    async with agentdb.connect(f"{agent_db_url}?isolation=serializable", skip_sync=True) as db:
        async with agent_db.transaction():
            await agent_db.usage.record(user_id=user.id, **USED)
            charges = [asyncio.create_task(_outside(db, user.id)) for _ in range(40)]
            await _someone_waits(agent_db)
        await asyncio.gather(*charges)
        repetitions, fallbacks = db.session.repeats.count, db.session.client.fallbacks
    remaining = await agent_db.usage.remaining(user.id)

    assert remaining == BUDGET - 41 * COST
    assert 1 <= repetitions <= 5
    assert fallbacks == 0


async def _outside(db: Database, user_id: int) -> None:
    await db.usage.record(user_id=user_id, **USED)


async def _someone_waits(db: Database) -> None:
    async with asyncio.timeout(30):
        while not await db.session.fetch(WAITING):
            await asyncio.sleep(0.02)
