"""What a search in messages finds."""

from __future__ import annotations

from pydantic import Field

from agentdb.records.base import FrozenRecord, Moment


class MessageHit(FrozenRecord):
    """A message that has all the words that were asked for.

    Attributes:
        rank: The share of the message's different words that were asked for, over 0 to 1.
        texts: The texts of its blocks.
    """

    message_id: int
    conversation_id: int
    agent_id: int | None = None
    title: str | None = None
    role: str | None = None
    texts: tuple[str, ...] = Field(default=(), repr=False)
    rank: float
    created_at: Moment | None = None
