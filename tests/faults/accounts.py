"""Users with budgets and conversations, which all writers share."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from agentdb import Database
from tests.faults.intents import Account

BUDGET: Final = Decimal(1_000_000)


async def make_accounts(db: Database, *, users: int = 4, talks: int = 3) -> list[Account]:
    """So few that writers meet."""
    return [await _make_account(db, f"user{n}@example.org", talks) for n in range(users)]


async def _make_account(db: Database, email: str, talks: int) -> Account:
    user = await db.access.create_user(email=email, budget=BUDGET)
    return Account(user.id, [(await db.conversations.start(user_id=user.id)).id for _ in range(talks)])
