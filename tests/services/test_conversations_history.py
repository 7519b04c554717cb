"""The last messages of a conversation, page by page back to the first."""

from __future__ import annotations

from typing import Any

import pytest

from agentdb import (
    Database,
    DeadlineError,
    InvalidInputError,
)
from agentdb.records import Conversation as ConversationRecord
from agentdb.records import User
from tests.services.talking import BAD_LIMITS, BROKEN_CURSORS, say, walked

pytestmark = pytest.mark.agentdb(engine="both")


async def test_a_history_is_the_last_messages_oldest_first(
    agent_db: Database, ada: User, talk: ConversationRecord
) -> None:
    """Cursors lead back to the first message, each message once."""
    ids = [(await say(agent_db, talk, f"{n}")).id for n in range(7)]
    pages = await walked(lambda at: agent_db.conversations.history(talk.id, user_id=ada.id, limit=3, cursor=at))

    assert [[message.id for message in page] for page in pages] == [ids[4:], ids[1:4], ids[:1]]


async def test_a_full_last_page_has_no_cursor(agent_db: Database, ada: User, talk: ConversationRecord) -> None:
    """Nobody asks for an empty page in vain."""
    for n in range(4):
        await say(agent_db, talk, f"{n}")
    first = await agent_db.conversations.history(talk.id, user_id=ada.id, limit=2)
    second = await agent_db.conversations.history(talk.id, user_id=ada.id, limit=2, cursor=first.next_cursor)

    assert first.next_cursor is not None
    assert (len(second.items), second.next_cursor) == (2, None)


async def test_messages_added_meanwhile_do_not_move_a_page(
    agent_db: Database, ada: User, talk: ConversationRecord
) -> None:
    """A cursor is a place, not a count."""
    ids = [(await say(agent_db, talk, f"{n}")).id for n in range(4)]
    first = await agent_db.conversations.history(talk.id, user_id=ada.id, limit=2)
    await say(agent_db, talk, "new")
    second = await agent_db.conversations.history(talk.id, user_id=ada.id, limit=2, cursor=first.next_cursor)

    assert [message.id for message in second.items] == ids[:2]


async def test_a_history_is_of_one_conversation(agent_db: Database, ada: User, talk: ConversationRecord) -> None:
    """Whatever else was said meanwhile."""
    other = await agent_db.conversations.start(user_id=ada.id)
    mine = []
    for n in range(3):
        mine.append((await say(agent_db, talk, f"{n}")).id)
        await say(agent_db, other, f"{n}")
    page = await agent_db.conversations.history(talk.id, user_id=ada.id)

    assert [message.id for message in page.items] == mine


async def test_reading_a_history_is_one_statement(
    agent_db: Database, ada: User, talk: ConversationRecord, statements: list[str]
) -> None:
    """Ownership included."""
    statements.clear()
    await agent_db.conversations.history(talk.id, user_id=ada.id)

    assert len(statements) == 1


@pytest.mark.parametrize("limit", BAD_LIMITS)
async def test_a_limit_is_from_1_to_1000(agent_db: Database, ada: User, talk: ConversationRecord, limit: Any) -> None:
    """There is no page without end."""
    with pytest.raises(InvalidInputError, match=r"limit|64 bits"):
        await agent_db.conversations.history(talk.id, user_id=ada.id, limit=limit)


@pytest.mark.parametrize("cursor", BROKEN_CURSORS, ids=range(len(BROKEN_CURSORS)))
async def test_a_broken_cursor_is_refused(agent_db: Database, ada: User, talk: ConversationRecord, cursor: Any) -> None:
    """The same error on every engine."""
    with pytest.raises(InvalidInputError, match="cursor is not one that this list gave"):
        await agent_db.conversations.history(talk.id, user_id=ada.id, cursor=cursor)


async def test_a_cursor_belongs_to_its_conversation(agent_db: Database, ada: User, talk: ConversationRecord) -> None:
    """In another one it would be a place that means nothing."""
    other = await agent_db.conversations.start(user_id=ada.id)
    for one in (talk, talk, other, other):
        await say(agent_db, one)
    page = await agent_db.conversations.history(other.id, user_id=ada.id, limit=1)

    with pytest.raises(InvalidInputError, match="cursor"):
        await agent_db.conversations.history(talk.id, user_id=ada.id, cursor=page.next_cursor)


async def test_a_deadline_ends_the_call(agent_db: Database, ada: User, talk: ConversationRecord) -> None:
    """Reading has one as well."""
    with pytest.raises(DeadlineError):
        await agent_db.conversations.history(talk.id, user_id=ada.id, timeout=0)
