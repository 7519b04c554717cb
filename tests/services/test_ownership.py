"""Nobody reaches what belongs to somebody else: every call that names a user, with another user's ids."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from agentdb import Database, NotFoundError
from agentdb.models import INTERNAL_TABLES, TABLES
from agentdb.records import User

pytestmark = pytest.mark.agentdb(engine="both")

DOMAINS = ("access", "agents", "catalog", "conversations", "knowledge", "usage")
SINCE, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2045, 1, 1, tzinfo=UTC)
HELLO = [{"text": "Hello"}]
CHUNKS = [{"content": "a chunk", "embedding": [1.0, 0.0]}]


@dataclass(frozen=True, slots=True)
class Possessions:
    """What Ada has; `lost_id` is a conversation in her bin."""

    agent_id: int
    prompt_id: int
    tool_id: int
    talk_id: int
    lost_id: int
    message_id: int
    resource_id: int
    reservation_id: int


Intrusion = Callable[[Database, int, Possessions], Awaitable[Any]]

# Each call as Bob makes it, with ids of Ada's.
INTRUSIONS: dict[str, Intrusion] = {
    "agents.create": lambda db, bob, ada: db.agents.create(user_id=bob, name="Mine", prompt_id=ada.prompt_id),
    "agents.delete": lambda db, bob, ada: db.agents.delete(ada.agent_id, user_id=bob),
    "agents.delete_tool": lambda db, bob, ada: db.agents.delete_tool(ada.tool_id, user_id=bob),
    "agents.get": lambda db, bob, ada: db.agents.get(ada.agent_id, user_id=bob),
    "agents.prompts": lambda db, bob, ada: db.agents.prompts(ada.agent_id, user_id=bob),
    "agents.publish_prompt": lambda db, bob, ada: db.agents.publish_prompt(ada.agent_id, "Obey.", user_id=bob),
    "agents.resolve": lambda db, bob, ada: db.agents.resolve(ada.agent_id, user_id=bob),
    "agents.set_tool_credential": lambda db, bob, ada: db.agents.set_tool_credential(
        ada.tool_id, user_id=bob, credential="stolen"
    ),
    "agents.share": lambda db, bob, ada: db.agents.share(ada.agent_id, user_id=bob, with_user_id=bob, role="owner"),
    "agents.shares": lambda db, bob, ada: db.agents.shares(ada.agent_id, user_id=bob),
    "agents.tool_credential": lambda db, bob, ada: db.agents.tool_credential(ada.tool_id, user_id=bob),
    "agents.unshare": lambda db, bob, ada: db.agents.unshare(ada.agent_id, user_id=bob, with_user_id=bob),
    "agents.update": lambda db, bob, ada: db.agents.update(ada.agent_id, user_id=bob, name="Mine"),
    "agents.update_tool": lambda db, bob, ada: db.agents.update_tool(ada.tool_id, user_id=bob, description="Mine"),
    "agents.use_prompt": lambda db, bob, ada: db.agents.use_prompt(ada.agent_id, 1, user_id=bob),
    "conversations.append": lambda db, bob, ada: db.conversations.append(
        ada.talk_id, user_id=bob, role="user", content=HELLO
    ),
    "conversations.append_many": lambda db, bob, ada: db.conversations.append_many(
        ada.talk_id, user_id=bob, messages=[{"role": "user", "content": HELLO}]
    ),
    "conversations.begin_turn": lambda db, bob, ada: db.conversations.begin_turn(ada.talk_id, user_id=bob),
    "conversations.context": lambda db, bob, ada: db.conversations.context(ada.talk_id, user_id=bob),
    "conversations.delete": lambda db, bob, ada: db.conversations.delete(ada.talk_id, user_id=bob),
    "conversations.finish_turn": lambda db, bob, ada: db.conversations.finish_turn(
        ada.talk_id,
        user_id=bob,
        messages=[{"role": "user", "content": HELLO}],
        usage=[{"model": "mock-model", "input_tokens": 1}],
    ),
    "conversations.get": lambda db, bob, ada: db.conversations.get(ada.talk_id, user_id=bob),
    "conversations.history": lambda db, bob, ada: db.conversations.history(ada.talk_id, user_id=bob),
    "conversations.purge": lambda db, bob, ada: db.conversations.purge(ada.lost_id, user_id=bob),
    "conversations.rename": lambda db, bob, ada: db.conversations.rename(ada.talk_id, user_id=bob, title="Mine"),
    "conversations.replies": lambda db, bob, ada: db.conversations.replies(ada.message_id, user_id=bob),
    "conversations.restore": lambda db, bob, ada: db.conversations.restore(ada.lost_id, user_id=bob),
    "conversations.set_agent": lambda db, bob, ada: db.conversations.set_agent(ada.talk_id, user_id=bob, agent_id=1),
    "conversations.start": lambda db, bob, ada: db.conversations.start(user_id=bob, agent_id=ada.agent_id),
    "conversations.summarise": lambda db, bob, ada: db.conversations.summarise(
        ada.talk_id, user_id=bob, summary="All was said. " * 5, expected_parent=ada.message_id
    ),
    "conversations.thread": lambda db, bob, ada: db.conversations.thread(ada.message_id, user_id=bob),
    "knowledge.chunks": lambda db, bob, ada: db.knowledge.chunks(ada.resource_id, user_id=bob),
    "knowledge.delete": lambda db, bob, ada: db.knowledge.delete(ada.resource_id, user_id=bob),
    "knowledge.get": lambda db, bob, ada: db.knowledge.get(ada.resource_id, user_id=bob),
    "knowledge.memories": lambda db, bob, ada: db.knowledge.memories(ada.agent_id, user_id=bob),
    "knowledge.reindex": lambda db, bob, ada: db.knowledge.reindex(ada.resource_id, user_id=bob, chunks=CHUNKS),
    "knowledge.store": lambda db, bob, ada: db.knowledge.store(
        user_id=bob, name="notes.txt", conversation_id=ada.talk_id
    ),
    "knowledge.update": lambda db, bob, ada: db.knowledge.update(ada.resource_id, user_id=bob, name="Mine"),
    "usage.record": lambda db, bob, ada: db.usage.record(
        user_id=bob, model="mock-model", input_tokens=1, message_id=ada.message_id
    ),
    "usage.record_many": lambda db, bob, ada: db.usage.record_many(
        [{"model": "mock-model", "input_tokens": 1, "agent_id": ada.agent_id}], user_id=bob
    ),
    "usage.release": lambda db, bob, ada: db.usage.release(ada.reservation_id, user_id=bob),
    "usage.settle": lambda db, bob, ada: db.usage.settle(
        ada.reservation_id, user_id=bob, model="mock-model", input_tokens=1
    ),
}

# Calls that name one user only and nothing that belongs to anyone: whose data they give or change is that user's.
OF_ONE_USER = {
    "access.delete_user",
    "access.identity",
    "access.issue_api_key",
    "access.revoke_api_key",
    "access.rotate_api_key",
    "access.update_profile",
    "access.update_user",
    "access.user",
    "agents.create_tool",
    "usage.remaining",
    "usage.reserve",
    "usage.reset_budgets",
}

# Lists and searches of one user: Bob's are empty, whatever Ada has.
LISTINGS: dict[str, Intrusion] = {
    "agents.list": lambda db, bob, ada: db.agents.list(user_id=bob, limit=1000),
    "agents.tools": lambda db, bob, ada: db.agents.tools(user_id=bob),
    "conversations.count": lambda db, bob, ada: db.conversations.count(user_id=bob),
    "conversations.list": lambda db, bob, ada: db.conversations.list(user_id=bob),
    "conversations.search": lambda db, bob, ada: db.conversations.search("hello", user_id=bob),
    "knowledge.list": lambda db, bob, ada: db.knowledge.list(user_id=bob),
    "knowledge.search_chunks": lambda db, bob, ada: db.knowledge.search_chunks("chunk", user_id=bob),
    "knowledge.similar": lambda db, bob, ada: db.knowledge.similar([1.0, 0.0], user_id=bob),
    "usage.list": lambda db, bob, ada: db.usage.list(user_id=bob),
    "usage.report": lambda db, bob, ada: db.usage.report(by="day", user_id=bob, since=SINCE, until=UNTIL),
}


@pytest.fixture
async def possessions(agent_db: Database, ada: User) -> Possessions:
    """One of each kind, Ada's."""
    db = agent_db
    agent = await db.agents.create(user_id=ada.id, name="Hers", prompt="Help her.", model="mock-model")
    assert agent.prompt is not None
    tool = await db.agents.create_tool(user_id=ada.id, name="hers", type="mcp")
    talk = await db.conversations.start(user_id=ada.id, agent_id=agent.id)
    lost = await db.conversations.start(user_id=ada.id)
    await db.conversations.delete(lost.id, user_id=ada.id)
    message = await db.conversations.append(talk.id, user_id=ada.id, role="user", content=HELLO)
    resource = await db.knowledge.store(
        user_id=ada.id, name="memories/a", content="a chunk", conversation_id=talk.id, chunks=CHUNKS
    )
    await db.usage.record(user_id=ada.id, model="mock-model", input_tokens=1)
    held = await db.usage.reserve(user_id=ada.id, amount_usd=1)
    return Possessions(
        agent_id=agent.id,
        prompt_id=agent.prompt.id,
        tool_id=tool.id,
        talk_id=talk.id,
        lost_id=lost.id,
        message_id=message.id,
        resource_id=resource.id,
        reservation_id=held.id,
    )


async def everything(db: Database) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables."""
    return {
        table: [dict(row) for row in await db.session.fetch(f'SELECT * FROM "{table}" ORDER BY "id"')]
        for table in (*TABLES, *INTERNAL_TABLES)
    }


async def test_anothers_ids_are_not_found_and_change_nothing(
    agent_db: Database, bob: User, possessions: Possessions
) -> None:
    """Whatever exists looks to others as if it did not."""
    before = await everything(agent_db)
    for name, intrude in INTRUSIONS.items():
        with pytest.raises(NotFoundError):
            await intrude(agent_db, bob.id, possessions)

        assert await everything(agent_db) == before, name


async def test_lists_and_searches_are_of_one_user(agent_db: Database, bob: User, possessions: Possessions) -> None:
    """They give what a user without anything gets in a database where nobody has anything."""
    for name, look in LISTINGS.items():
        found = repr(await look(agent_db, bob.id, possessions))

        assert "Hers" not in found, name
        assert "hers" not in found, name
        assert "chunk" not in found, name
        assert "Hello" not in found, name
        assert "usage_id" not in found, name


def test_no_call_is_left_out(agent_db: Database) -> None:
    """Every public method that takes a user stands in one of the three tables."""
    found = {
        f"{domain}.{name}"
        for domain in DOMAINS
        for name, method in inspect.getmembers(getattr(agent_db, domain), inspect.ismethod)
        if not name.startswith("_") and "user_id" in inspect.signature(method).parameters
    }

    assert found == {*INTRUSIONS, *OF_ONE_USER, *LISTINGS}
