"""Many messages in one call: what is given back, and what that costs others."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from agentdb import Database
from agentdb.records import Conversation, Message, User
from agentdb.services._sent import Sent

pytestmark = pytest.mark.agentdb(engine="both")


@pytest.fixture
async def talk(agent_db: Database, ada: User) -> Conversation:
    """A conversation of Ada."""
    return await agent_db.conversations.start(user_id=ada.id)


def texts(count: int) -> list[dict[str, Any]]:
    """So many messages, in turns of both roles."""
    return [{"role": ("user", "assistant")[n % 2], "content": [{"text": f"number {n}"}]} for n in range(count)]


async def test_messages_equal_the_stored_ones(agent_db: Database, talk: Conversation) -> None:
    """Over several statements, in their order, with roles, parents and contents of their own."""
    first = await agent_db.conversations.append(talk.id, user_id=talk.user_id, role="user", content=[{"text": "first"}])
    given = texts(2_500)
    given[1]["parent_id"] = given[2_400]["parent_id"] = first.id
    given[7]["content"] = [{"toolUse": {"toolUseId": "a", "name": "b", "input": {"c": [1, None, "é"]}}}]
    messages = await agent_db.conversations.append_many(talk.id, user_id=talk.user_id, messages=given, request_id="r")
    page = await agent_db.conversations.history(talk.id, user_id=talk.user_id, limit=1000)
    older = await agent_db.conversations.history(talk.id, user_id=talk.user_id, limit=1000, cursor=page.next_cursor)
    repeated = await agent_db.conversations.append_many(talk.id, user_id=talk.user_id, messages=given, request_id="r")

    assert tuple(messages)[500:] == (*older.items, *page.items)
    assert repeated == messages
    assert [message.content for message in messages] == [one["content"] for one in given]
    assert (messages[1].parent_id, messages[2].parent_id, messages[2_400].parent_id) == (first.id, None, first.id)


async def test_messages_are_the_callers_own(agent_db: Database, talk: Conversation) -> None:
    """What the caller does with a content, or with that of a record, changes no record."""
    given = texts(2)
    messages = await agent_db.conversations.append_many(talk.id, user_id=talk.user_id, messages=given)
    one = await agent_db.conversations.append(talk.id, user_id=talk.user_id, **given[0])
    given[0]["content"][0]["text"] = "changed"
    messages[0].content.clear()

    assert [message.content[0]["text"] for message in messages] == ["number 0", "number 1"]
    assert one.content == [{"text": "number 0"}]


async def test_no_object_is_left_for_each_message(agent_db: Database, talk: Conversation) -> None:
    """Tens of thousands make Python look through all objects of the process, while every task waits."""
    given = texts(3_000)
    gc.collect()
    before = len(gc.get_objects())
    messages = await agent_db.conversations.append_many(talk.id, user_id=talk.user_id, messages=given)
    left = gc.get_objects()

    assert len(messages) == 3_000
    assert not any(isinstance(one, (Message, Sent)) for one in left)
    assert len(left) - before < 1_000
