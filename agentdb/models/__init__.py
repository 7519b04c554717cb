"""The tables, one module for each domain.

A name is imported when it is first asked for: with Tortoise the tables take 100 ms, and services that only run named
statements never need them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    from agentdb.models.tables import INTERNAL_TABLES, TABLES
    from agentdb.models.usage import Usage

__all__ = [
    "INTERNAL_TABLES",
    "TABLES",
    "Agent",
    "AgentTool",
    "BudgetReset",
    "Conversation",
    "Message",
    "Model",
    "Policy",
    "Prompt",
    "Provider",
    "Record",
    "Request",
    "Reservation",
    "Resource",
    "Role",
    "RolePolicy",
    "SearchEntry",
    "SearchMark",
    "SeedEntry",
    "State",
    "Tool",
    "Usage",
    "UsageDay",
    "User",
    "UserAgent",
    "UserTool",
    "Vector",
]

if not TYPE_CHECKING:  # a type checker would take any name for one that is here

    def __getattr__(name: str) -> object:
        if name in __all__ or name == "__models__":
            from agentdb.models import tables

            return globals().setdefault(name, getattr(tables, name))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
