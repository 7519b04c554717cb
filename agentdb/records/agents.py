"""Agents, resolved: with everything that a turn needs."""

from __future__ import annotations

from typing import Literal, TypeAlias

from agentdb.records.base import FrozenRecord, Json, Moment
from agentdb.records.catalog import Model

Visibility: TypeAlias = Literal["own", "shared", "global"]


class Prompt(FrozenRecord):
    """One version of a system prompt."""

    id: int
    name: str | None = None
    version: int | None = None
    content: str | None = None


class Tool(FrozenRecord):
    """Something an agent can call. Credentials are never part of it.

    Attributes:
        type: `builtin`, or anything else for a tool of single users.
    """

    id: int
    name: str | None = None
    description: str | None = None
    type: str | None = None
    authentication_type: str | None = None
    endpoint: str | None = None
    transport_type: str | None = None
    custom_config: Json = None


class Agent(FrozenRecord):
    """An agent as one user sees it.

    Attributes:
        user_id: Its owner; None for a global agent.
        visibility: Why this user sees it.
        prompt: The version that the agent points to, which need not be the newest.
        model: The agent's own, else the default one.
        model_parameters: JSON that goes before the model's default parameters.
        tools: In the order of their ids.
    """

    id: int
    user_id: int | None = None
    visibility: Visibility
    name: str | None = None
    description: str | None = None
    prompt: Prompt | None = None
    model: Model
    model_parameters: Json = None
    tools: tuple[Tool, ...] = ()
    created_at: Moment | None = None
    updated_at: Moment | None = None
