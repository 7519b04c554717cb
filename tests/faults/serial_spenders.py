"""What each of several processes does under an isolation that refuses whoever comes second: eight tasks charge one
account, talk in one conversation and take turns in it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any, Final

from agentdb import Database

TASKS: Final = 8
USED: Final[dict[str, Any]] = {"model": "mock-model", "input_tokens": 1_000}
MESSAGE: Final[dict[str, Any]] = {"role": "user", "content": [{"text": "hello"}]}


async def spend(db: Database, user_id: int, conversation_id: int, name: str, rounds: int) -> list[int]:
    """How many calls were done, and how many attempts had to be made again."""

    async def task(number: int) -> int:
        for turn in range(rounds):
            key = f"{name}-{number}-{turn}"
            await db.usage.record(user_id=user_id, request_id=key, **USED)
            await db.usage.record_many([USED, USED], user_id=user_id, request_id=f"{key}-many")
            held = await db.usage.reserve(user_id=user_id, amount_usd=Decimal(1))
            await db.usage.settle(held.id, user_id=user_id, **USED)
            await db.conversations.append(conversation_id, user_id=user_id, request_id=key, **MESSAGE)
            await db.conversations.begin_turn(conversation_id, user_id=user_id)
            await db.conversations.finish_turn(
                conversation_id, user_id=user_id, messages=[MESSAGE], usage=[USED], request_id=f"{key}-turn"
            )

            async def unit() -> None:
                await db.usage.record(user_id=user_id, **USED)
                await db.conversations.append(conversation_id, user_id=user_id, **MESSAGE)

            await db.run(unit)
        return rounds

    done = sum(await asyncio.gather(*(task(number) for number in range(TASKS))))
    return [done, db.session.repeats.count]
