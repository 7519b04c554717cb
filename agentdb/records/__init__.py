"""What services return: frozen values with the same Python types on every engine. No ORM instance leaves a service."""

from __future__ import annotations

from agentdb.records.access import CreatedUser, Identity, Policy, Role, User
from agentdb.records.agents import Agent, Prompt, Tool
from agentdb.records.base import FrozenRecord
from agentdb.records.catalog import Model, Provider
from agentdb.records.conversations import Conversation, Message
from agentdb.records.usage import Charge

__all__ = [
    "Agent",
    "Charge",
    "Conversation",
    "CreatedUser",
    "FrozenRecord",
    "Identity",
    "Message",
    "Model",
    "Policy",
    "Prompt",
    "Provider",
    "Role",
    "Tool",
    "User",
]
