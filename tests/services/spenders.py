"""Processes that spend at the same time: each charges the accounts in turn, many calls at once, and says what was
accepted."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal, TypeAlias

import agentdb
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


async def launch(
    url: str,
    user_ids: Sequence[int],
    *,
    processes: int,
    calls: int,
    style: Style,
    meanwhile: Callable[[], Awaitable[Any]],
) -> int:
    """Let `processes` spend at once, and run `meanwhile` again and again until they have ended; how many calls were
    accepted in all."""
    started = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.services.spenders", url, json.dumps(list(user_ids)), str(calls), style),
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(processes)
    ]
    answers = asyncio.gather(*(process.communicate() for process in started))
    while not answers.done():
        await meanwhile()
        await asyncio.wait({answers}, timeout=0.05)
    return sum(int(told) for told, _ in await answers)


async def main(url: str, user_ids: Sequence[int], calls: int, style: Style) -> None:
    async with agentdb.connect(url, skip_sync=True) as db:
        print(await spend_all(db, user_ids, calls, style))  # noqa: T201 - its answer


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))  # type: ignore[arg-type]
