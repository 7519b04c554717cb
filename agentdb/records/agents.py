"""Agents: resolved, with everything that a turn needs, or in a list; and with whom they are shared."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, Literal, TypeAlias

import orjson

from agentdb.records.base import FrozenRecord, Json, Moment
from agentdb.records.catalog import Model
from agentdb.records.reader import RecordT, column_of, reader_of, trusted

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
    return tuple([_own(tool, "custom_config", config) for tool, config in _tools(text)])


def stored_model(text: str) -> Model:
    """The model in a JSON list of its values; of its prices one that is a text is in dollars."""
    return _own(*_model(text))


def _own(record: RecordT, field: str, stored: Any) -> RecordT:
    """A record with a JSON value for one caller, who may change it."""
    if not isinstance(stored, str):  # nothing, or a number, which a column of SQLite keeps as one
        return record
    return trusted(type(record), {**record.__dict__, field: orjson.loads(stored)}, record.__pydantic_fields_set__)


_TOOL: Final = tuple(map(column_of, Tool.model_fields))
_PRICES: Final = ("price.input", "price.output", "price.cache_read", "price.cache_write")
_MODEL: Final = (
    "id", "name", "internalName", "type", "description", "maxContext", "maxOutput", "maxReasoning", *_PRICES,
    "defaultParameters", "createdAt", "updatedAt", "provider.id", "provider.name", "provider.endpoint",
)  # fmt: skip


# Both by the whole text, so that they never answer for what has changed, and with the text of what a caller may change.
@lru_cache(maxsize=256)
def _tools(text: str | None) -> Sequence[tuple[Tool, Any]]:
    rows = sorted(orjson.loads(text or "[]"), key=itemgetter(0))
    return [(tool, row[-1]) for tool, row in zip(reader_of(Tool, _TOOL)(rows), rows, strict=True)]


@lru_cache(maxsize=256)
def _model(text: str) -> tuple[Model, str, Any]:
    row = dict(zip(_MODEL, orjson.loads(text), strict=True))
    row |= {name: Decimal(row[name]) for name in _PRICES if isinstance(row[name], str)}
    return Model.from_row(row), "default_parameters", row["defaultParameters"]


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
