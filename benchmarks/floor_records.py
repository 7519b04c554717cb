"""What the floors return: plain tuples with names."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple


class Message(NamedTuple):
    """A row of "Message", decoded."""

    id: int
    conversation_id: int
    parent_id: int | None
    role: str
    content: Any
    created_at: datetime
    updated_at: datetime


class Conversation(NamedTuple):
    """A row of "Conversation", decoded."""

    id: int
    user_id: int
    agent_id: int | None
    title: str | None
    created_at: datetime
    updated_at: datetime


class Role(NamedTuple):
    """A row of "Role"."""

    id: int
    name: str


class User(NamedTuple):
    """A row of "User", decoded."""

    id: int
    email: str
    first_name: str
    last_name: str
    status: str
    budget: Decimal | None
    remaining: Decimal | None
    created_at: datetime
    updated_at: datetime


class Prompt(NamedTuple):
    """A row of "Prompt"."""

    id: int
    name: str
    version: int
    content: str


class Provider(NamedTuple):
    """A row of "Provider"."""

    id: int
    name: str
    endpoint: str | None


class Model(NamedTuple):
    """A row of "Model", decoded, with its provider."""

    id: int
    name: str
    internal_name: str
    type: str
    description: str | None
    max_context: int
    max_output: int
    max_reasoning: int
    cost1k_input: Decimal
    cost1k_output: Decimal
    cost1k_cache_read: Decimal
    cost1k_cache_write: Decimal
    default_parameters: Any
    created_at: datetime
    updated_at: datetime
    provider: Provider


class Tool(NamedTuple):
    """A row of "Tool", decoded."""

    id: int
    name: str
    description: str
    type: str
    authentication_type: str | None
    endpoint: str | None
    transport_type: str | None
    custom_config: Any


class Agent(NamedTuple):
    """A row of "Agent", decoded, with all that belongs to it."""

    id: int
    user_id: int | None
    name: str
    description: str
    model_parameters: Any
    created_at: datetime
    updated_at: datetime
    prompt: Prompt
    model: Model
    tools: list[Tool]
