"""What a call leaves behind is freed at once: circles would be left to Python's collector, which stops everything."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

from agentdb import Database
from agentdb.records import Conversation, User

HELLO = [{"text": "hello"}]


@pytest.fixture
async def talk(agent_db: Database, ada: User) -> AsyncIterator[Conversation]:
    """A conversation, after everything was called once: what is made at the first call stays."""
    made = await agent_db.conversations.start(user_id=ada.id)
    await a_turn(agent_db, ada, made)
    gc.collect()
    yield made
    gc.set_debug(0)
    gc.garbage.clear()


async def a_turn(db: Database, user: User, talk: Conversation) -> None:
    """The calls that a turn of an agent makes, and those of one who does without `begin_turn`."""
    await db.agents.resolve("Standard Chat", user_id=user.id)
    await db.conversations.append(talk.id, user_id=user.id, role="user", content=HELLO)
    await db.conversations.append(talk.id, user_id=user.id, role="user", content=HELLO, timeout=5)
    await db.usage.record(user_id=user.id, model="mock-model", input_tokens=1)
    await db.conversations.history(talk.id, user_id=user.id, limit=5)
    await db.conversations.list(user_id=user.id, limit=3)
    await db.conversations.begin_turn(talk.id, user_id=user.id)
    messages = [{"role": "assistant", "content": HELLO}]
    await db.conversations.finish_turn(
        talk.id, user_id=user.id, messages=messages, usage=[{"model": "mock-model", "input_tokens": 3}]
    )


@pytest.mark.parametrize("tasks", [1, 8])
async def test_a_call_leaves_no_circles(agent_db: Database, ada: User, talk: Conversation, tasks: int) -> None:
    """Alone and in company."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    await asyncio.gather(*[a_turn(agent_db, ada, talk) for _ in range(tasks)])
    gc.collect()

    assert [type(one).__name__ for one in gc.garbage] == []
