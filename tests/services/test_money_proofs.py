"""Money adds up whoever spends it at the same time: processes, tasks, and callers that repeat themselves."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from agentdb import BudgetError, ConflictError, Database
from tests.counts import COUNTS
from tests.services.processes import at_work
from tests.services.spenders import MODEL, Style, spend, spend_all

pytestmark = pytest.mark.agentdb(engine="both")

PROCESSES = 8
COST = Decimal("0.0000001")

_BALANCES = """
    SELECT u."id", u."budget", u."remaining",
        (SELECT COALESCE(SUM(s."cost"), 0) FROM "Usage" s WHERE s."userID" = u."id") AS "spent",
        (SELECT COUNT(*) FROM "Usage" s WHERE s."userID" = u."id") AS "calls",
        (SELECT COALESCE(SUM(r."held"), 0) FROM "agentdb_reservation" r
            WHERE r."userID" = u."id" AND r."state" = 'held') AS "held"
    FROM "User" u WHERE u."budget" IS NOT NULL ORDER BY u."id"
"""


async def check_balances(db: Database, *, may_be_overdrawn: bool = False) -> list[int]:
    """In one look: what was spent, what is held and what remains are the budget, to the last decimal, and nothing is
    overdrawn. The number of calls of each user."""
    rows = await db.session.fetch(_BALANCES)
    for row in rows:
        remaining = row["budget"] if row["remaining"] is None else row["remaining"]
        assert remaining + row["spent"] + row["held"] == row["budget"], dict(row)
        assert remaining >= 0 or may_be_overdrawn, dict(row)
    return [row["calls"] for row in rows]


@pytest.mark.parametrize("accounts", [1, 10, 1000])
@pytest.mark.parametrize("style", ["plain", "enforced", "reserved"])
async def test_processes_spend_what_there_is_and_no_more(
    agent_db: Database, agent_db_url: str, style: Style, accounts: int
) -> None:
    """With budget for half of the calls: exactly so many are accepted when the budget is asked, all when it is not.

    A reader meanwhile never sees half a charge.
    """
    calls = COUNTS.charges_per_process
    # A process takes the accounts in turn, so that some get one call more than others.
    asked = [PROCESSES * (calls // accounts + (position < calls % accounts)) for position in range(accounts)]
    budgets = [COST * (number // 2) + COST / 2 for number in asked]
    users = [
        await agent_db.access.create_user(email=f"{position}@example.org", budget=budget)
        for position, budget in enumerate(budgets)
    ]
    call = ([user.id for user in users], calls, style)
    async with at_work(spend_all, agent_db_url, [call] * PROCESSES) as spending:
        while not spending.done():
            await check_balances(agent_db, may_be_overdrawn=style == "plain")
            await asyncio.sleep(0.05)
        accepted = sum(await spending)
    expected = asked if style == "plain" else [number // 2 for number in asked]
    balances = [await agent_db.usage.remaining(user.id) for user in users]

    assert accepted == sum(expected)
    assert await check_balances(agent_db, may_be_overdrawn=style == "plain") == expected
    assert balances == [budget - COST * number for budget, number in zip(budgets, expected, strict=True)]


async def test_a_hundred_callers_with_one_request_id_are_one(agent_db: Database) -> None:
    """One effect, a hundred equal answers, and another body is refused."""
    user = await agent_db.access.create_user(email="ada@example.org", budget=Decimal(1))

    async def call(tokens: int) -> object:
        return await agent_db.usage.record(user_id=user.id, model=MODEL, input_tokens=tokens, request_id="once")

    answers = await asyncio.gather(*(call(1_000) for _ in range(100)))
    with pytest.raises(ConflictError, match="'once'"):
        await call(1_001)

    assert len(set(map(repr, answers))) == 1
    assert await check_balances(agent_db) == [1]
    assert await agent_db.usage.remaining(user.id) == Decimal(1) - COST


async def test_tasks_of_one_process_spend_what_there_is(agent_db: Database) -> None:
    """A cost that is too large does not refuse a smaller one behind it."""
    user = await agent_db.access.create_user(email="ada@example.org", budget=COST * 10)

    async def call(thousands: int) -> bool:
        try:
            await agent_db.usage.record(
                user_id=user.id, model=MODEL, input_tokens=1_000 * thousands, enforce_budget=True
            )
        except BudgetError:
            return False
        return True

    accepted = await asyncio.gather(*(call(thousands) for thousands in (7, 5, 2, 4, 1, 1)))

    assert accepted == [True, False, True, False, True, False]
    assert await spend(agent_db, user.id, "enforced") is False
    assert await check_balances(agent_db) == [3]
