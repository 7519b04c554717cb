"""Turns to finish, and what is kept of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from agentdb import (
    Database,
    Message,
    Usage,
)
from agentdb import User as UserTable
from agentdb.events import Event
from agentdb.records import Conversation, FinishedTurn
from agentdb.testing.handle import TemporaryDatabase

ASKED: dict[str, Any] = {"role": "user", "content": [{"text": "What is it?"}]}
ANSWERED: dict[str, Any] = {"role": "assistant", "content": [{"text": "It is that."}]}
DOLLAR: dict[str, Any] = {"model": "dollar", "input_tokens": 1000, "type": "chat"}


async def finish(db: Database, talk: Conversation, *texts: str, **values: Any) -> FinishedTurn:
    """A question and its answer, or these texts of the assistant, with what they have cost."""
    messages = [{"role": "assistant", "content": [{"text": text}]} for text in texts] or [ASKED, ANSWERED]
    given = {"user_id": talk.user_id, "messages": messages, "usage": [DOLLAR], **values}
    return await db.conversations.finish_turn(talk.id, **given)


async def kept(db: Database) -> tuple[int, int, Any]:
    """How many messages and rows of usage there are, and what remains to Ada."""
    with db.use():
        counts = await Message.all().count(), await Usage.all().count()
        ada = await UserTable.get(email="ada@example.org")
    return (*counts, await db.usage.remaining(ada.id))


async def rest(subscription: Any) -> list[Event]:
    """What is waiting, and nothing after it."""
    subscription.close()
    return [event async for event in subscription]


def url_of(db: Database) -> str:
    """Where it is."""
    assert isinstance(db, TemporaryDatabase)
    return db.url


@asynccontextmanager
async def outsider(db: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection of another program, in a transaction that is committed at the end of the block."""
    connection = await asyncpg.connect(url_of(db))
    try:
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()
