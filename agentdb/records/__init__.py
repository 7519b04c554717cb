"""What services return: frozen values with the same Python types on every engine. No ORM instance leaves a service."""

from __future__ import annotations

from agentdb.records.access import CreatedUser, Identity, Policy, Role, User
from agentdb.records.agents import Agent, AgentShare, AgentSummary, Prompt, Tool
from agentdb.records.base import FrozenRecord
from agentdb.records.catalog import Model, Provider
from agentdb.records.conversations import Context, Conversation, ConversationPreview, Message
from agentdb.records.knowledge import Chunk, ChunkHit, Resource
from agentdb.records.search import MessageHit
from agentdb.records.turns import FinishedTurn, Turn
from agentdb.records.usage import Charge, Reservation, UsageRow, UsageTotals

__all__ = [
    "Agent",
    "AgentShare",
    "AgentSummary",
    "Charge",
    "Chunk",
    "ChunkHit",
    "Context",
    "Conversation",
    "ConversationPreview",
    "CreatedUser",
    "FinishedTurn",
    "FrozenRecord",
    "Identity",
    "Message",
    "MessageHit",
    "Model",
    "Policy",
    "Prompt",
    "Provider",
    "Reservation",
    "Resource",
    "Role",
    "Tool",
    "Turn",
    "UsageRow",
    "UsageTotals",
    "User",
]
