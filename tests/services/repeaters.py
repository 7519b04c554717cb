"""What each of several processes does that make the same calls at the same time: each call many times at once under one
request_id; and it tells which answers there were."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from agentdb import Database

TEXT: Final = "They have said hello to each other, and all is well."
MESSAGE: Final = {"role": "user", "content": [{"text": TEXT}]}
USED: Final = {"model": "mock-model", "input_tokens": 1_000}


class Scene(NamedTuple):
    """What a call is about; each has one of its own, because an answer tells the balance of now."""

    user_id: int
    conversation_id: int
    reservation_id: int


# Each with its scene, and what makes it another call.
CALLS: Final[dict[str, tuple[Callable[..., Awaitable[Any]], dict[str, Any]]]] = {
    "start": (
        lambda db, scene, title="T": db.conversations.start(user_id=scene.user_id, title=title, request_id="r"),
        {"title": "U"},
    ),
    "append": (
        lambda db, scene, role="user": db.conversations.append(
            scene.conversation_id, user_id=scene.user_id, request_id="r", **{**MESSAGE, "role": role}
        ),
        {"role": "assistant"},
    ),
    "append_many": (
        lambda db, scene, count=2: db.conversations.append_many(
            scene.conversation_id, user_id=scene.user_id, request_id="r", messages=[MESSAGE] * count
        ),
        {"count": 3},
    ),
    "summarise": (
        lambda db, scene, summary=TEXT: db.conversations.summarise(
            scene.conversation_id, user_id=scene.user_id, request_id="r", summary=summary, expected_parent=0
        ),
        {"summary": TEXT + TEXT},
    ),
    "record": (
        lambda db, scene, tokens=7: db.usage.record(
            user_id=scene.user_id, request_id="r", **{**USED, "output_tokens": tokens}
        ),
        {"tokens": 8},
    ),
    "record_many": (
        lambda db, scene, count=2: db.usage.record_many([USED] * count, user_id=scene.user_id, request_id="r"),
        {"count": 1},
    ),
    "reserve": (
        lambda db, scene, amount=1: db.usage.reserve(user_id=scene.user_id, amount_usd=amount, request_id="r"),
        {"amount": 2},
    ),
    "settle": (
        lambda db, scene, tokens=7: db.usage.settle(
            scene.reservation_id, user_id=scene.user_id, request_id="r", **{**USED, "output_tokens": tokens}
        ),
        {"tokens": 8},
    ),
    "release": (lambda db, scene: db.usage.release(scene.reservation_id, user_id=scene.user_id), {}),
}


async def repeat_all(db: Database, scenes: Mapping[str, list[int]], callers: int) -> dict[str, list[str]]:
    """All calls, each by so many callers at once; the different answers to each."""
    found = {}
    for name, scene in scenes.items():
        call, _ = CALLS[name]
        answers = await asyncio.gather(*(call(db, Scene(*scene)) for _ in range(callers)))
        found[name] = sorted({repr(answer) for answer in answers})
    return found
