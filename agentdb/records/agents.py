"""Agents: resolved, with everything that a turn needs, or in a list; and with whom they are shared."""

from __future__ import annotations

from functools import lru_cache
from operator import itemgetter
from typing import Literal, TypeAlias

import orjson

from agentdb.records.base import FrozenRecord, Json, Moment
from agentdb.records.catalog import Model

Visibility: TypeAlias = Literal["own", "shared", "global"]

AgentRole: TypeAlias = Literal["viewer", "editor", "owner"]
"""What a user may do with an agent: see and use it, also change it, also share and delete it."""


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


def stored_tools(text: str | None) -> tuple[Tool, ...]:
    """The tools in a JSON list with the values of each, in the order of their ids."""
    # What a caller may change, the caller gets for itself.
    return tuple(tool if tool.custom_config is None else tool.model_copy(deep=True) for tool in _tools(text))


# By the whole text, so that it never answers for tools that have changed.
@lru_cache(maxsize=256)
def _tools(text: str | None) -> tuple[Tool, ...]:
    found = sorted(orjson.loads(text or "[]"), key=itemgetter(0))
    return tuple(Tool.model_validate(dict(zip(Tool.model_fields, values, strict=True))) for values in found)


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


class AgentSummary(FrozenRecord):
    """An agent in a list, without the text of its prompt.

    Attributes:
        user_id: Its owner; None for a global agent.
        visibility: Why this user sees it.
        role: What this user may do with it; a global agent can be seen and used.
        model: Internal name of its own model; None if it runs on the default one.
        tools: Names, in the order of the tools' ids.
    """

    id: int
    user_id: int | None = None
    visibility: Visibility
    role: AgentRole = "viewer"
    name: str | None = None
    description: str | None = None
    prompt_id: int | None = None
    model: str | None = None
    tools: tuple[str, ...] = ()
    created_at: Moment | None = None
    updated_at: Moment | None = None


class AgentShare(FrozenRecord):
    """A user with whom an agent is shared, and what they may do with it."""

    user_id: int
    role: AgentRole
    created_at: Moment | None = None
    updated_at: Moment | None = None
