"""What the tests of usage share: a call that costs whole dollars, and a look at all that a call might have changed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from agentdb import Database, Usage
from agentdb import User as UserTable
from agentdb.models import BudgetReset, Reservation
from agentdb.records import Charge, User


async def spend(db: Database, user: User, dollars: int = 1, **values: Any) -> Charge:
    """Record a call of the model of the fixture `dollar`."""
    return await db.usage.record(**{"user_id": user.id, "model": "dollar", "input_tokens": dollars * 1000, **values})


async def rows(db: Database) -> list[dict[str, Any]]:
    """Usage, reservations, resets and balances."""
    with db.use():
        found = [
            row for table in (Usage, Reservation, BudgetReset, UserTable) for row in await table.all().order_by("id")
        ]
    return [dict(row.to_dict()) for row in found]


async def set_balance(db: Database, user: User, remaining: Decimal | None) -> None:
    """As an administrator would, past the services."""
    with db.use():
        await UserTable.filter(id=user.id).update(remaining=remaining)
