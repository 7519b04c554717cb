"""How often PostgreSQL is asked for a turn."""

from __future__ import annotations

from typing import Any

import pytest

from agentdb import (
    Database,
)
from agentdb.records import Conversation, User
from tests.services.turns.turning import ANSWERED, ASKED, DOLLAR, finish

pytestmark = pytest.mark.agentdb(engine="postgresql")


async def test_a_turn_begins_in_two_round_trips(
    agent_db: Database, ada: User, talk: Conversation, trips: list[str]
) -> None:
    """With summary, resources and an agent, however it is named; without one it is a single one."""
    turn = await finish(agent_db, talk, usage=[])
    await agent_db.conversations.summarise(
        talk.id, user_id=ada.id, summary="All that was said. " * 5, expected_parent=turn.messages[1].id
    )
    last = await agent_db.conversations.append(talk.id, user_id=ada.id, role="user", content=ASKED["content"])
    await agent_db.knowledge.store(user_id=ada.id, name="notes", content="x", message_id=last.id)
    bare = await agent_db.conversations.start(user_id=ada.id)
    counts = []
    for named in (None, talk.agent_id, "Standard Chat"):
        trips.clear()
        found = await agent_db.conversations.begin_turn(talk.id, user_id=ada.id, agent=named)
        counts.append((len(trips), len(found.messages), len(found.resources)))
    trips.clear()
    await agent_db.conversations.begin_turn(bare.id, user_id=ada.id)

    assert counts == [(2, 2, 1)] * 3
    assert len(trips) == 1


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"usage": []},
        {"usage": [DOLLAR, {**DOLLAR, "agent_id": 1}], "request_id": "r", "enforce_budget": True},
        {"expected_parent": 1, "timeout": 5},
        {"messages": [ASKED, {**ANSWERED, "parent_id": 1}]},
        {"messages": [{"role": "user", "content": [{"text": "x" * 1_000_000}]}]},
    ],
)
async def test_a_turn_is_finished_in_one_round_trip(
    agent_db: Database, ada: User, talk: Conversation, dollar: str, trips: list[str], values: dict[str, Any]
) -> None:
    """Messages, usage and charge, whatever is asked for."""
    await agent_db.conversations.append(talk.id, user_id=ada.id, role="user", content=ASKED["content"])
    trips.clear()
    await finish(agent_db, talk, **values)

    assert len(trips) == 1
