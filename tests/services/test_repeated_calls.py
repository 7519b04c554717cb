"""A call that is repeated under its request_id happens once, whichever processes repeat it at the same time."""

from __future__ import annotations

from decimal import Decimal

import pytest

from agentdb import ConflictError, Database
from tests.services.processes import at_work
from tests.services.repeaters import CALLS, Scene, repeat_all
from tests.services.test_ownership import everything

pytestmark = pytest.mark.agentdb(engine="both")

PROCESSES, CALLERS = 4, 25

# Rows in all: besides what each scene has from the beginning, what one call of each kind writes.
ROWS = {
    "Conversation": len(CALLS) + 1,
    "Message": 1 + 2 + 1,
    "Usage": 1 + 2 + 1,
    "agentdb_reservation": len(CALLS) + 1,
    "agentdb_request": 1,
}


async def test_a_hundred_callers_of_four_processes_are_one(agent_db: Database, agent_db_url: str) -> None:
    """Of every call: one effect, a hundred equal answers, and another body is refused and changes nothing."""
    scenes = {name: await scene(agent_db, name) for name in CALLS}
    async with at_work(repeat_all, agent_db_url, [(scenes, CALLERS)] * PROCESSES) as repeating:
        answers = await repeating
    after = await everything(agent_db)

    assert all(len(of_one_process[name]) == 1 for of_one_process in answers for name in CALLS)
    assert answers == [answers[0]] * PROCESSES
    assert {table: len(after[table]) for table in ROWS} == ROWS
    for name, (call, other) in CALLS.items():
        assert repr(await call(agent_db, scenes[name])) == answers[0][name][0]
        if other:
            with pytest.raises(ConflictError):
                await call(agent_db, scenes[name], **other)
    assert await everything(agent_db) == after


async def scene(db: Database, name: str) -> Scene:
    """A user with a budget, an empty conversation and something reserved."""
    user = await db.access.create_user(email=f"{name}@example.org", budget=Decimal(10))
    talk = await db.conversations.start(user_id=user.id)
    held = await db.usage.reserve(user_id=user.id, amount_usd=1)
    return Scene(user.id, talk.id, held.id)
