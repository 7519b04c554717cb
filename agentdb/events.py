"""What happened, told in the same process after the commit."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that was committed."""

    user_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesAppended(Event):
    """Messages were added to a conversation, in the order of their ids."""

    conversation_id: int
    message_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged(Event):
    """Usage was recorded and charged."""

    usage_ids: tuple[int, ...]
    cost_usd: Decimal
    remaining: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentChanged(Event):
    """An agent was made, changed or deleted; so was its prompt, its tools or with whom it is shared."""

    agent_id: int
    change: Literal["created", "updated", "deleted"]


class Events:
    """The subscribers of one open database."""

    def publish(self, event: Event) -> None:
        """Tell every subscriber; nobody is waited for."""
