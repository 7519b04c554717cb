"""What every contestant can do. Each call does the whole job that `workloads.py` states for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from benchmarks.data import Talk

Content = list[dict[str, Any]]


class Contestant(ABC):
    """One way to use one database. Results have the attribute names of agentdb's records, so that they compare.

    Attributes:
        is_synchronous: Its calls never wait, so that many tasks are no different from one.
    """

    is_synchronous = False

    @abstractmethod
    async def open(self) -> None:
        """Connect."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnect."""

    @abstractmethod
    async def append(self, talk: Talk, content: Content) -> Any:
        """W1: a message."""

    @abstractmethod
    async def history(self, talk: Talk) -> Sequence[Any]:
        """W2: the last 50 messages, oldest first."""

    @abstractmethod
    async def record(self, user_id: int, input_tokens: int, output_tokens: int) -> Charged:
        """W3: usage and its charge."""

    @abstractmethod
    async def resolve(self, agent_id: int, user_id: int) -> Any:
        """W4: an agent."""

    @abstractmethod
    async def authenticate(self, api_key: str) -> Any:
        """W5: a user."""

    @abstractmethod
    async def bulk(self, talk: Talk, messages: Sequence[dict[str, Any]]) -> None:
        """W6: many messages in one transaction."""

    async def bulk_beside(self, talk: Talk, messages: Sequence[dict[str, Any]]) -> None:
        """W9: the same while other tasks read."""
        await self.bulk(talk, messages)

    @abstractmethod
    async def recent(self, user_id: int) -> Sequence[Any]:
        """W7: conversations with their last messages."""


class Charged(NamedTuple):
    """What a call cost in US dollars and what is left of the budget; SQLite's own count of 1e-10 dollars as int."""

    cost: Decimal | int
    remaining: Decimal | int


class Policy(NamedTuple):
    """A right."""

    id: int
    name: str
    resource: str
    action: str


class Caller(NamedTuple):
    """An authenticated user."""

    user: Any
    role: Any
    policies: Sequence[Any]
    access: dict[str, frozenset[str]]


class Preview(NamedTuple):
    """A conversation and its last message."""

    conversation: Any
    last_message: Any


def access_of(granted: Sequence[Any], known: Sequence[Any]) -> dict[str, frozenset[str]]:
    """The actions that are granted on each resource, of all that any policy names, wildcards written out."""
    actions: dict[str, set[str]] = {}
    for policy in known:
        if policy.resource != "*" and policy.action != "*":
            actions.setdefault(policy.resource, set()).add(policy.action)
    found: dict[str, set[str]] = {}
    for policy in granted:
        for resource in actions if policy.resource == "*" else (policy.resource,):
            named = actions.get(resource, set()) if policy.action == "*" else {policy.action}
            found.setdefault(resource, set()).update(named)
    return {resource: frozenset(names) for resource, names in found.items()}
