"""All tables together, which is what Tortoise takes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agentdb.models.access import Policy, Role, RolePolicy, User
from agentdb.models.agents import Agent, AgentTool, Prompt, Tool, UserAgent, UserTool
from agentdb.models.base import Record
from agentdb.models.catalog import Model, Provider
from agentdb.models.conversations import Conversation, Message
from agentdb.models.internal import (
    BudgetReset,
    Request,
    Reservation,
    SearchEntry,
    SearchMark,
    SeedEntry,
    State,
    UsageDay,
)
from agentdb.models.knowledge import Resource, Vector
from agentdb.models.usage import Usage

_SCHEMA = (Role, Policy, RolePolicy, User, Provider, Model, Prompt, Agent, Tool, AgentTool, UserAgent, UserTool)
_CONTENT = (Conversation, Message, Resource, Vector, Usage)

TABLES: Final[Mapping[str, type[Record]]] = MappingProxyType({one.__name__: one for one in (*_SCHEMA, *_CONTENT)})
"""The seventeen tables of the schema by name, parents before their children."""

INTERNAL_TABLES: Final[Mapping[str, type[Record]]] = MappingProxyType(
    {
        one._meta.db_table: one
        for one in (State, SeedEntry, Request, Reservation, BudgetReset, SearchEntry, SearchMark, UsageDay)
    }
)
"""Tables that agentdb keeps for itself, parents first."""

# What Tortoise takes as the models of this module.
__models__ = [*TABLES.values(), *INTERNAL_TABLES.values()]
