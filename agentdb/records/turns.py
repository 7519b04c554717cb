"""One turn of an agent: what it has to know before, and what it has left behind."""

from __future__ import annotations

from agentdb.records.agents import Agent
from agentdb.records.base import FrozenRecord, Money
from agentdb.records.conversations import Context, Message
from agentdb.records.usage import Charge


class Turn(Context):
    """All that an agent has to know to take its turn.

    Attributes:
        agent: Who takes it; None if the conversation has no agent and none was asked for.
        remaining: What is left of the user's budget, below zero when overdrawn; None without a budget.
    """

    agent: Agent | None = None
    remaining: Money | None = None


class FinishedTurn(FrozenRecord):
    """What a turn has left behind.

    Attributes:
        messages: In the order of their ids.
        charge: Of all its calls together; None if it reported none.
    """

    messages: tuple[Message, ...]
    charge: Charge | None = None
