"""Every call that may be repeated without harm, and what it has left behind when it was done once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple

from agentdb import Database

KEY: Final = "a-key-of-the-caller"
MESSAGE: Final[dict[str, Any]] = {
    "role": "user",
    "content": [{"text": "They have said hello to each other, and all is well."}],
}
USED: Final[dict[str, Any]] = {"model": "mock-model", "input_tokens": 1_000}


class Scene(NamedTuple):
    """Whom a call is about."""

    user_id: int
    conversation_id: int
    reservation_id: int


Call = Callable[[Database, Scene, str | None], Awaitable[Any]]


class KeyedCall(NamedTuple):
    """A call with a request_id.

    Attributes:
        left: Rows of Conversation, Message, Usage and reservations that it adds.
        is_merged: On PostgreSQL it is one statement, which is its own transaction.
        needs_key: Without one nobody could tell whether it was done.
    """

    call: Call
    left: tuple[int, int, int, int]
    is_merged: bool = False
    needs_key: bool = True


CALLS: Final[dict[str, KeyedCall]] = {
    "start": KeyedCall(lambda db, s, key: db.conversations.start(user_id=s.user_id, request_id=key), (1, 0, 0, 0)),
    "append": KeyedCall(
        lambda db, s, key: db.conversations.append(s.conversation_id, user_id=s.user_id, request_id=key, **MESSAGE),
        (0, 1, 0, 0),
        is_merged=True,
    ),
    "append in steps": KeyedCall(
        lambda db, s, key: db.conversations.append(
            s.conversation_id, user_id=s.user_id, request_id=key, expected_parent=0, **MESSAGE
        ),
        (0, 1, 0, 0),
    ),
    "append_many": KeyedCall(
        lambda db, s, key: db.conversations.append_many(
            s.conversation_id, user_id=s.user_id, request_id=key, messages=[MESSAGE] * 2
        ),
        (0, 2, 0, 0),
    ),
    "summarise": KeyedCall(
        lambda db, s, key: db.conversations.summarise(
            s.conversation_id,
            user_id=s.user_id,
            request_id=key,
            summary="They have said hello to each other, and all is well.",
            expected_parent=0,
        ),
        (0, 1, 0, 0),
    ),
    "record": KeyedCall(
        lambda db, s, key: db.usage.record(user_id=s.user_id, request_id=key, **USED), (0, 0, 1, 0), is_merged=True
    ),
    "record_many": KeyedCall(
        lambda db, s, key: db.usage.record_many([USED] * 2, user_id=s.user_id, request_id=key), (0, 0, 2, 0)
    ),
    "reserve": KeyedCall(
        lambda db, s, key: db.usage.reserve(user_id=s.user_id, amount_usd=1, request_id=key), (0, 0, 0, 1)
    ),
    "settle": KeyedCall(
        lambda db, s, key: db.usage.settle(s.reservation_id, user_id=s.user_id, request_id=key, **USED),
        (0, 0, 1, 0),
        needs_key=False,
    ),
    "release": KeyedCall(
        lambda db, s, key: db.usage.release(s.reservation_id, user_id=s.user_id), (0, 0, 0, 0), needs_key=False
    ),
    "reset_budgets": KeyedCall(
        lambda db, s, key: db.usage.reset_budgets(period="2026-W10"), (0, 0, 0, 0), needs_key=False
    ),
    "finish_turn": KeyedCall(
        lambda db, s, key: db.conversations.finish_turn(
            s.conversation_id, user_id=s.user_id, request_id=key, messages=[MESSAGE], usage=[USED]
        ),
        (0, 1, 1, 0),
        is_merged=True,
    ),
}


async def scene_of(db: Database) -> Scene:
    """A user with a conversation and a reservation."""
    user = await db.access.create_user(email="grace@example.org", budget=Decimal(10))
    talk = await db.conversations.start(user_id=user.id)
    held = await db.usage.reserve(user_id=user.id, amount_usd=1)
    return Scene(user.id, talk.id, held.id)
