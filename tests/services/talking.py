"""What the tests of conversations share: something to say, walking through pages, and a look at what is stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeVar

from agentdb import Conversation, Database, Message
from agentdb.models import Request
from agentdb.records import Conversation as ConversationRecord
from agentdb.records import Message as MessageRecord
from agentdb.types import Page

T = TypeVar("T")

HELLO: Final = [{"text": "Hello"}]

CONTENTS: Final[list[Any]] = [
    [{"text": ""}],
    [{"text": "Grüße, 你好, 🙂, \u0085, \uffff"}],
    [{"text": "a"}, {"image": {"format": "png", "source": {"bytes": "aGk="}}}],
    [{"document": {"name": "x", "source": {}}, "cacheHint": True}],
    [{"reasoningContent": {"reasoningText": {"text": "hm"}}}],
    ({"text": "a tuple"},),
    [{"text": "numbers", "n": [0, -1, 1.5, 1.0, 1e300, 5e-324, -0.0, 2**63 - 1, -(2**63), None, True]}],
    [{"text": "keys", "b": 1, "a": {"": 0, "ü": 1}}],
]
"""Whatever JSON can say."""

BROKEN_CURSORS: Final[list[Any]] = [
    *("", "x", "====", "WzEsImhpc3Rvcnk6MSJd", "bnVsbA", "W10", "é", 7, b"WzFd", "WzEsImhpc3Rvcnk6MSIsIjIiXQ", "\ud800")
]
BAD_LIMITS: Final[list[Any]] = [0, -1, 1001, 10**9, 2**63, True, "5", None, 1.0]


async def say(db: Database, talk: ConversationRecord, text: str = "Hello", **values: Any) -> MessageRecord:
    """Append a message of the user."""
    given = {"role": "user", "content": [{"text": text}], "user_id": talk.user_id, **values}
    return await db.conversations.append(talk.id, **given)


async def say_all(db: Database, talk: ConversationRecord, *texts: str, **values: Any) -> tuple[MessageRecord, ...]:
    """Append messages of the user together."""
    messages = [{"role": "user", "content": [{"text": text}]} for text in texts]
    return tuple(
        await db.conversations.append_many(talk.id, **{"user_id": talk.user_id, "messages": messages, **values})
    )


def texts(messages: Iterable[MessageRecord]) -> list[str]:
    """What messages say."""
    return [message.content[0]["text"] for message in messages]


async def walked(page_at: Callable[[str | None], Awaitable[Page[T]]]) -> list[tuple[T, ...]]:
    """All pages of a list, from the first cursor to the last."""
    pages: list[tuple[T, ...]] = []
    cursor = None
    while not pages or cursor is not None:
        page = await page_at(cursor)
        pages.append(page.items)
        cursor = page.next_cursor
    return pages


async def stored(db: Database) -> list[dict[str, Any]]:
    """Every row that a refused call might have changed."""
    with db.use():
        rows = [*await Conversation.all().order_by("id"), *await Message.all().order_by("id"), *await Request.all()]
    return [dict(row.to_dict()) for row in rows]
