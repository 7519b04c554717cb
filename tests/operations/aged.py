"""What the tests of maintenance share: usage, messages and conversations of some time ago."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from itertools import combinations
from random import Random
from typing import Any, Final

from agentdb import Conversation, Database, Message, Usage
from agentdb.records import Conversation as ConversationRecord
from agentdb.records import User
from tests.services.talking import say

KINDS: Final = ("user", "model", "agent", "type")
MODELS: Final = ("us.anthropic.claude-sonnet-4-6", "mock-model")


def days_ago(days: int, hours: float = 12) -> datetime:
    """An hour of a day in UTC."""
    today = datetime.combine(datetime.now(UTC).date(), time(), tzinfo=UTC)
    return today - timedelta(days=days) + timedelta(hours=hours)


async def spend_at_random(
    db: Database, users: list[User], *, rounds: int, days: int, chance: Random, name: str = ""
) -> None:
    """Calls of these users with one row or several, on days that are up to so many ago."""
    for number in range(rounds):
        user = chance.choice(users)
        items = [
            {
                "model": chance.choice(MODELS),
                "input_tokens": chance.randrange(100_000),
                "cache_read_tokens": chance.randrange(1000),
                "type": chance.choice((None, "chat", "guard")),
                "agent_id": chance.choice((None, 1)),
            }
            for _ in range(chance.choice((1, 1, 3)))
        ]
        done = await db.usage.record_many(items, user_id=user.id, request_id=chance.choice((None, f"{name}{number}")))
        moment = days_ago(chance.randrange(days + 1), chance.random() * 24)
        with db.use():
            await Usage.filter(id__in=done.usage_ids).update(created_at=moment)


async def reports(db: Database, **options: Any) -> Mapping[str, Any]:
    """The sums by each kind, by all and by none. Requests are left out where those of several kinds count twice."""
    span: dict[str, Any] = {"since": days_ago(1000, 0), "until": days_ago(-2, 0), "limit": 10_000, **options}
    kinds = [one for size in (0, 1, len(KINDS)) for one in combinations(KINDS, size)]
    found = {}
    for unit in ("day", "month", None):
        for by in kinds:
            grouping: Any = [*([unit] if unit else []), *by]
            totals = await db.usage.report(by=grouping, **span)
            left_out = {"requests"} if set(by) - {"user"} else set[str]()
            found[f"{unit} {by}"] = sorted(str(one.model_dump(exclude=left_out)) for one in totals)
    return found


async def told_at(db: Database, talk: ConversationRecord, moments: list[datetime], **values: Any) -> list[int]:
    """Messages of these moments; their ids."""
    ids = [(await say(db, talk, f"word{number}", **values)).id for number in range(len(moments))]
    with db.use():
        for message_id, moment in zip(ids, moments, strict=True):
            await Message.filter(id=message_id).update(created_at=moment)
    return ids


async def messages_of(db: Database, talk: ConversationRecord) -> list[int]:
    """The ids of what a conversation has."""
    with db.use():
        return [one.id for one in await Message.filter(conversation_id=talk.id).order_by("id")]


async def thrown_away(db: Database, talk: ConversationRecord, when: datetime) -> None:
    """Delete a conversation at some time ago."""
    await db.conversations.delete(talk.id, user_id=talk.user_id)
    with db.use():
        await Conversation.filter(id=talk.id).update(deleted_at=when)
