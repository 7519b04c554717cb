"""Agents: resolved, with everything that a turn needs, or in a list; and with whom they are shared."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, Literal, TypeAlias

import orjson

from agentdb.records.base import FrozenRecord, Json, Moment
from agentdb.records.catalog import Model
from agentdb.records.reader import column_of, reader_of

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
    return tuple(reader_of(Tool, _TOOL)(_tool_rows(text)))


_TOOL: Final = tuple(map(column_of, Tool.model_fields))


# By the whole text, so that it never answers for tools that have changed. JSON in it stays text: what a caller may
# change is parsed for each.
@lru_cache(maxsize=256)
def _tool_rows(text: str | None) -> Sequence[Sequence[Any]]:
    return sorted(orjson.loads(text or "[]"), key=itemgetter(0))


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
