"""Budgets that begin anew: once for each period, exact beside whatever is held."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from agentdb import Database, DeadlineError, InvalidInputError, NotFoundError
from agentdb import User as UserTable
from agentdb.models import BudgetReset
from agentdb.records import User
from tests.services.spending import rows, set_balance, spend

pytestmark = pytest.mark.agentdb(engine="both")


@pytest.fixture
async def carol(agent_db: Database) -> User:
    """A further user, with a budget of 20 US dollars."""
    return await agent_db.access.create_user(email="carol@example.org", budget=Decimal(20))


async def test_balances_begin_anew_with_a_period(
    agent_db: Database, ada: User, bob: User, carol: User, dollar: str
) -> None:
    """Overdrawn or not; users without a budget are left alone, and a stale balance of theirs too."""
    await spend(agent_db, ada, 12)
    await spend(agent_db, carol, 5)
    await set_balance(agent_db, bob, Decimal(3))
    count = await agent_db.usage.reset_budgets(period="2026-W10")
    with agent_db.use():
        stale = await UserTable.get(id=bob.id)

    assert count == 2
    assert [await agent_db.usage.remaining(user.id) for user in (ada, bob, carol)] == [10, None, 20]
    assert stale.remaining == 3


async def test_a_period_is_reset_once(agent_db: Database, ada: User, carol: User, dollar: str) -> None:
    """The second call does nothing and says what the first one said; the next period is another."""
    first = await agent_db.usage.reset_budgets(period="a")
    await spend(agent_db, ada, 4)
    await agent_db.access.create_user(email="dora@example.org", budget=Decimal(1))
    before = await rows(agent_db)
    second = await agent_db.usage.reset_budgets(period="a")

    assert first == second == 2
    assert await rows(agent_db) == before
    assert await agent_db.usage.reset_budgets(period="b") == 3
    assert await agent_db.usage.remaining(ada.id) == 10


async def test_one_user_has_periods_of_their_own(
    agent_db: Database, ada: User, bob: User, carol: User, dollar: str
) -> None:
    """Told apart from those of all."""
    await asyncio.gather(*(spend(agent_db, user, 4) for user in (ada, carol)))

    assert await agent_db.usage.reset_budgets(period="a", user_id=ada.id) == 1
    assert await agent_db.usage.reset_budgets(period="a", user_id=bob.id) == 0
    assert [await agent_db.usage.remaining(user.id) for user in (ada, carol)] == [10, 16]
    await spend(agent_db, ada, 4)
    assert await agent_db.usage.reset_budgets(period="a", user_id=ada.id) == 1
    assert await agent_db.usage.remaining(ada.id) == 6
    assert await agent_db.usage.reset_budgets(period="a") == 2
    assert await agent_db.usage.remaining(ada.id) == 10


async def test_resets_at_once_are_one(agent_db: Database, ada: User, carol: User, dollar: str) -> None:
    """Each caller gets the number of the one that did it; nothing spent meanwhile is forgotten twice."""
    counts = await asyncio.gather(*(agent_db.usage.reset_budgets(period="a") for _ in range(20)))
    with agent_db.use():
        resets = await BudgetReset.all()

    assert set(counts) == {2}
    assert [(one.period, one.scope, one.users) for one in resets] == [("a", "all", 2)]


async def test_what_is_held_stays_held(agent_db: Database, ada: User, dollar: str) -> None:
    """Settled after the reset it counts in the new period, given back it is given to it; to the last decimal."""
    held = [await agent_db.usage.reserve(user_id=ada.id, amount_usd=Decimal("2.0000000001")) for _ in range(3)]
    await spend(agent_db, ada, 3)
    await agent_db.usage.reset_budgets(period="a")

    assert await agent_db.usage.remaining(ada.id) == 10 - 3 * Decimal("2.0000000001")
    charge = await agent_db.usage.settle(held[0].id, user_id=ada.id, model="dollar", input_tokens=5000)
    assert charge.remaining == 5 - 2 * Decimal("2.0000000001")
    released = await agent_db.usage.release(held[1].id, user_id=ada.id)
    assert released.remaining == 5 - Decimal("2.0000000001")
    await agent_db.usage.reset_budgets(period="b", user_id=ada.id)
    assert (await agent_db.usage.release(held[2].id, user_id=ada.id)).remaining == 10


async def test_a_reset_beside_reservations_is_exact(agent_db: Database, dollar: str) -> None:
    """Whatever comes before it is forgotten, whatever comes after it counts, and what is held through it is kept."""
    user = await agent_db.access.create_user(email="a@example.org", budget=Decimal(1000))

    async def call(number: int) -> None:
        held = await agent_db.usage.reserve(user_id=user.id, amount_usd=number)
        if number % 2:
            await agent_db.usage.release(held.id, user_id=user.id)
            return
        await agent_db.usage.settle(held.id, user_id=user.id, model="dollar", input_tokens=number * 500)

    await asyncio.gather(
        *(call(number) for number in range(1, 21)),
        *(agent_db.usage.reset_budgets(period=str(period), user_id=user.id) for period in range(5)),
        *(agent_db.usage.reset_budgets(period=str(period)) for period in range(5)),
    )
    remaining = await agent_db.usage.remaining(user.id)
    # Ids grow in the order of the commits of one user, times in that of the calls.
    usage = sorted((await agent_db.usage.list()).items, key=lambda row: row.id, reverse=True)
    spent = {sum((row.cost_usd for row in usage[:count]), Decimal(0)) for count in range(len(usage) + 1)}

    # What is missing from the budget is what was settled after the last reset.
    assert remaining in {1000 - cost for cost in spent}
    await agent_db.usage.reset_budgets(period="last")
    assert await agent_db.usage.remaining(user.id) == 1000


@pytest.mark.parametrize("values", [{"period": ""}, {"period": "p" * 201}, {"period": None}, {"user_id": "1"}])
async def test_bad_input_resets_nothing(agent_db: Database, ada: User, dollar: str, values: dict[str, Any]) -> None:
    """The same error on every engine."""
    await spend(agent_db, ada)
    before = await rows(agent_db)

    with pytest.raises(InvalidInputError):
        await agent_db.usage.reset_budgets(**{"period": "a", **values})
    with pytest.raises(NotFoundError, match="No user 999"):
        await agent_db.usage.reset_budgets(period="a", user_id=999)
    with pytest.raises(DeadlineError):
        await agent_db.usage.reset_budgets(period="a", timeout=0)
    assert await rows(agent_db) == before
