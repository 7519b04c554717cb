"""What each of several processes does that write to one conversation at the same time: it appends in all the ways there
are, each writer one message after the other, and says what was acknowledged when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from agentdb import Database


class Acknowledged(NamedTuple):
    """A message that a writer knows to be stored.

    Attributes:
        began: When it was sent, on a clock that all processes of the machine share.
        ended: When the writer knew.
    """

    message_id: int
    text: str
    began: float
    ended: float


async def write_all(
    db: Database, conversation_id: int, user_id: int, root_id: int, writers: Sequence[int], count: int
) -> list[Acknowledged]:
    """`count` messages of each writer, which are named `<writer>:<number>`."""

    async def one_after_the_other(writer: int) -> list[Acknowledged]:
        return [await _write(db, conversation_id, user_id, root_id, writer, number) for number in range(count)]

    found = await asyncio.gather(*map(one_after_the_other, writers))
    return [acknowledged for of_one in found for acknowledged in of_one]


async def _write(
    db: Database, conversation_id: int, user_id: int, root_id: int, writer: int, number: int
) -> Acknowledged:
    """Append a message: alone, under a request_id, in a transaction, or as a list; half of the writers answer the
    root."""
    text = f"{writer}:{number}"
    message: dict[str, Any] = {
        "role": "user",
        "content": [{"text": text}],
        "parent_id": root_id if writer % 2 else None,
    }
    append, began = db.conversations.append, time.monotonic()
    match (writer // 2 + number) % 4:
        case 0:
            stored = await append(conversation_id, user_id=user_id, **message)
        case 1:
            stored = await append(conversation_id, user_id=user_id, request_id=text, **message)
        case 2:
            # In a transaction of its own, which a stricter isolation than READ COMMITTED may refuse.
            stored = await db.run(lambda: append(conversation_id, user_id=user_id, **message))
        case _:
            (stored,) = await db.conversations.append_many(conversation_id, user_id=user_id, messages=[message])
    return Acknowledged(stored.id, text, began, time.monotonic())
