"""Conversations begin: as what, with whom, and once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from agentdb import (
    Agent,
    ConflictError,
    Conversation,
    Database,
    DeadlineError,
    InvalidInputError,
    NotFoundError,
    UserAgent,
)
from agentdb.records import User
from tests.services.talking import stored

pytestmark = pytest.mark.agentdb(engine="both")


async def test_a_conversation_begins_empty(agent_db: Database, ada: User) -> None:
    """It is returned as it is stored."""
    before = datetime.now(UTC)
    talk = await agent_db.conversations.start(user_id=ada.id, agent_id=1, title="Title")
    with agent_db.use():
        row = await Conversation.get(id=talk.id)

    assert dict(talk) == row.to_dict()
    assert (talk.user_id, talk.agent_id, talk.title) == (ada.id, 1, "Title")
    assert (talk.deleted, talk.deleted_at, talk.summary_message_id) == (False, None, None)
    assert talk.created_at is not None
    assert before <= talk.created_at <= datetime.now(UTC)
    assert (await agent_db.conversations.history(talk.id, user_id=ada.id)).items == ()


async def test_a_conversation_needs_neither_agent_nor_title(agent_db: Database, ada: User) -> None:
    """An empty title is one."""
    bare = await agent_db.conversations.start(user_id=ada.id)
    empty = await agent_db.conversations.start(user_id=ada.id, title="")

    assert (bare.agent_id, bare.title) == (None, None)
    assert empty.title == ""


async def test_a_conversation_is_with_an_agent_that_the_user_sees(agent_db: Database, ada: User, bob: User) -> None:
    """Own, shared and global ones; nothing is begun with another."""
    with agent_db.use():
        agents = [await Agent.create(name=name, user_id=bob.id) for name in ("shared", "foreign")]
        await UserAgent.create(user_id=ada.id, agent=agents[0], role="viewer")
    await agent_db.conversations.start(user_id=ada.id, agent_id=agents[0].id)
    await agent_db.conversations.start(user_id=bob.id, agent_id=agents[1].id)

    before = await stored(agent_db)
    for agent_id in (agents[1].id, 999):
        with pytest.raises(NotFoundError, match=f"No agent {agent_id}"):
            await agent_db.conversations.start(user_id=ada.id, agent_id=agent_id)
        with pytest.raises(NotFoundError, match=f"No agent {agent_id}"):
            await agent_db.conversations.start(user_id=ada.id, agent_id=agent_id, request_id="r")
    assert await stored(agent_db) == before


@pytest.mark.parametrize("request_id", [None, "r"])
async def test_a_conversation_needs_a_user(agent_db: Database, request_id: str | None) -> None:
    """An unknown one begins nothing."""
    with pytest.raises(NotFoundError, match="No user 12345"):
        await agent_db.conversations.start(user_id=12345, request_id=request_id)

    assert await stored(agent_db) == []


async def test_a_start_happens_once_under_its_request_id(agent_db: Database, ada: User) -> None:
    """100 callers, one conversation, 100 equal answers; another body is refused."""
    calls = [agent_db.conversations.start(user_id=ada.id, agent_id=1, title="T", request_id="r") for _ in range(100)]
    answers = await asyncio.gather(*calls)
    before = await stored(agent_db)

    assert all(answer == answers[0] for answer in answers)
    assert len(before) == 2
    for other in ({"title": "U", "agent_id": 1}, {"title": "T", "agent_id": 2}, {"title": "T"}):
        with pytest.raises(ConflictError, match="'r' was used for another call"):
            await agent_db.conversations.start(user_id=ada.id, request_id="r", **other)
    assert await stored(agent_db) == before


async def test_a_request_id_belongs_to_its_user(agent_db: Database, ada: User, bob: User) -> None:
    """Two users may choose the same."""
    of_ada = await agent_db.conversations.start(user_id=ada.id, request_id="r")
    of_bob = await agent_db.conversations.start(user_id=bob.id, request_id="r")

    assert (of_ada.user_id, of_bob.user_id) == (ada.id, bob.id)


async def test_a_start_that_failed_leaves_its_request_id_free(agent_db: Database, ada: User) -> None:
    """Nothing was done under it."""
    with pytest.raises(NotFoundError):
        await agent_db.conversations.start(user_id=ada.id, agent_id=999, request_id="r")

    assert (await agent_db.conversations.start(user_id=ada.id, agent_id=1, request_id="r")).agent_id == 1


async def test_repeating_the_start_of_a_purged_conversation_is_an_error(agent_db: Database, ada: User) -> None:
    """It is not begun again."""
    talk = await agent_db.conversations.start(user_id=ada.id, request_id="r")
    with agent_db.use():
        await Conversation.filter(id=talk.id).delete()

    with pytest.raises(NotFoundError, match=f"No conversation {talk.id}"):
        await agent_db.conversations.start(user_id=ada.id, request_id="r")


@pytest.mark.parametrize(
    "values",
    [
        {"user_id": "1"},
        {"user_id": None},
        {"user_id": 2**63},
        {"user_id": True},
        {"agent_id": "1"},
        {"agent_id": 2**63},
        {"title": 7},
        {"title": "nul \x00"},
        {"title": "half \ud800"},
        {"request_id": ""},
        {"request_id": "r" * 201},
        {"request_id": 7},
        {"request_id": "\x00"},
    ],
)
async def test_bad_input_begins_nothing(agent_db: Database, ada: User, values: dict[str, Any]) -> None:
    """The same error on every engine."""
    with pytest.raises(InvalidInputError):
        await agent_db.conversations.start(**{"user_id": ada.id, **values})

    assert await stored(agent_db) == []


async def test_a_request_id_may_have_200_characters(agent_db: Database, ada: User) -> None:
    """Of any language."""
    key = "é" * 200
    first = await agent_db.conversations.start(user_id=ada.id, request_id=key)

    assert await agent_db.conversations.start(user_id=ada.id, request_id=key) == first


async def test_a_deadline_ends_the_call(agent_db: Database, ada: User) -> None:
    """Nothing is begun then."""
    with pytest.raises(DeadlineError):
        await agent_db.conversations.start(user_id=ada.id, timeout=0)

    assert await stored(agent_db) == []
