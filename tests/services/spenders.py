"""What each of several processes does that spend at the same time: it charges the accounts in turn, many calls at once,
and says how many were accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from agentdb import BudgetError, Database

Style: TypeAlias = Literal["plain", "enforced", "reserved"]

MODEL: Final = "mock-model"
TOKENS: Final = 1_000
"""Of input: 0.0000001 US dollars at the seeded price."""

_AT_ONCE: Final = 16


async def spend(db: Database, user_id: int, style: Style) -> bool:
    """One call; whether its cost was accepted."""
    try:
        if style == "reserved":
            held = await db.usage.reserve(user_id=user_id, model=MODEL, input_tokens=TOKENS)
            await db.usage.settle(held.id, user_id=user_id, model=MODEL, input_tokens=TOKENS)
        else:
            await db.usage.record(user_id=user_id, model=MODEL, input_tokens=TOKENS, enforce_budget=style == "enforced")
    except BudgetError:
        return False
    return True


async def spend_all(db: Database, user_ids: Sequence[int], calls: int, style: Style) -> int:
    """`calls` calls on the users in turn; how many were accepted."""
    turns = iter(range(calls))

    async def one_after_the_other() -> int:
        return sum([await spend(db, user_ids[turn % len(user_ids)], style) for turn in turns])

    return sum(await asyncio.gather(*(one_after_the_other() for _ in range(_AT_ONCE))))
