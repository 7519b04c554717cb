"""A person with something in every table that can hold what is theirs, and words that are found nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from tortoise.fields.relational import ForeignKeyFieldInstance

from agentdb import Database, Usage
from agentdb.models import INTERNAL_TABLES, TABLES
from agentdb.operations.personal import SHOWN, query_of
from agentdb.records import User
from tests.operations.aged import days_ago

MARK: Final = "marmot"


def marked(what: str) -> str:
    """A text that occurs nowhere else."""
    return f"{MARK}{what}{MARK}"


async def make_person(db: Database, name: str) -> User:
    """Somebody who has used all that there is to use."""
    user = await db.access.create_user(email=f"{marked(name)}@example.org", budget=Decimal(100))
    friend = await db.access.create_user(email=f"friend-of-{user.id}@example.org")
    given: dict[str, Any] = {"user_id": user.id}
    tool = await db.agents.create_tool(
        name=marked("tool"), type="mcp", endpoint="https://example.org", description=marked("described"), **given
    )
    agent = await db.agents.create(name=marked("agent"), prompt=marked("prompt"), tools=[tool.name or ""], **given)
    await db.agents.publish_prompt(agent.id, content=marked("prompttwo"), **given)
    await db.agents.share(agent.id, with_user_id=friend.id, role="viewer", **given)
    talk = await db.conversations.start(agent_id=agent.id, title=marked("title"), request_id=marked("start"), **given)
    message = await db.conversations.append(
        talk.id, role="user", content=[{"text": marked("said")}], request_id=marked("append"), **given
    )
    chunks = [{"content": marked("chunk"), "embedding": [1.0, 2.0]}]
    places: list[dict[str, Any]] = [{"message_id": message.id}, {"agent_id": agent.id}, {"conversation_id": talk.id}]
    for place in places:
        await db.knowledge.store(name=marked("file"), content=marked("content"), chunks=chunks, **place, **given)
    spent: dict[str, Any] = {"model": "mock-model", "input_tokens": 1000, "type": marked("type"), **given}
    await db.usage.record(message_id=message.id, agent_id=agent.id, request_id=marked("use"), **spent)
    await db.usage.record(request_id=marked("old"), **spent)
    with db.use():
        await Usage.filter(user_id=user.id, request_id=marked("old")).update(created_at=days_ago(20))
    await db.maintain(keep_usage_days=7, check=False)
    await db.usage.reserve(amount_usd=1, request_id=marked("reserve"), **given)
    await db.usage.reset_budgets(period=marked("period"), **given)
    await db.conversations.search(marked("said"), **given)
    return user


async def rows_of(db: Database, user: User) -> dict[str, int]:
    """How many rows of each table are theirs."""
    counts = {}
    for table, condition in SHOWN.items():
        query = query_of(db.session, f'SELECT COUNT(*) AS "rows" FROM "{table}" WHERE {condition}', user.id)
        counts[table] = (await db.session.fetch(query.sql, query.values))[0]["rows"]
    return counts


def tables_of_persons() -> set[str]:
    """The tables that the models lead to from a user, by what is deleted along with it or points to it."""
    reached = {"User"}
    while (
        found := {child for child, parent, on_delete in _references() if _leads(parent, on_delete, reached)} - reached
    ):
        reached |= found
    return reached


def _leads(parent: str, on_delete: str, reached: set[str]) -> bool:
    return parent == "User" or (parent in reached and on_delete == "CASCADE")


_TABLE_OF: Final = {model.__name__: table for table, model in INTERNAL_TABLES.items()}


def _references() -> Iterator[tuple[str, str, str]]:
    for model in (*TABLES.values(), *INTERNAL_TABLES.values()):
        for field in model._meta.fields_map.values():
            if isinstance(field, ForeignKeyFieldInstance):
                parent = str(field.model_name).removeprefix("agentdb.")
                yield model._meta.db_table, _TABLE_OF.get(parent, parent), field.on_delete.value
