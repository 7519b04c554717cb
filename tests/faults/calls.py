"""Every public call of the six services that is awaited, and which of them only read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from agentdb import Database, UnavailableError
from tests.services.bad_calls import CALLS
from tests.services.bad_values import World

ALL: Final = CALLS
NOT_AWAITED: Final = "usage.tokens_of"
ASKS_NOTHING: Final = "access.delete_user"
"""It refuses before it looks."""

NAMES: Final = tuple(name for name in ALL if name not in (NOT_AWAITED, ASKS_NOTHING))
READS: Final = frozenset(
    {
        "access.access_of_role",
        "access.allows",
        "access.authenticate",
        "access.find_user",
        "access.identity",
        "access.policies",
        "access.roles",
        "access.user",
        "access.users",
        "agents.get",
        "agents.list",
        "agents.prompts",
        "agents.resolve",
        "agents.shares",
        "agents.tool_credential",
        "agents.tools",
        "catalog.find_model",
        "catalog.model",
        "catalog.models",
        "catalog.price",
        "catalog.provider",
        "catalog.provider_secret",
        "catalog.providers",
        "conversations.begin_turn",
        "conversations.context",
        "conversations.count",
        "conversations.get",
        "conversations.history",
        "conversations.index_messages",
        "conversations.list",
        "conversations.replies",
        "conversations.search",
        "conversations.thread",
        "knowledge.chunks",
        "knowledge.get",
        "knowledge.list",
        "knowledge.memories",
        "knowledge.search_chunks",
        "knowledge.similar",
        "usage.list",
        "usage.remaining",
        "usage.report",
    }
)
WRITES: Final = tuple(name for name in NAMES if name not in READS)
MERGED: Final = frozenset({"conversations.append", "conversations.finish_turn", "usage.record", "usage.record_many"})
"""Writes that PostgreSQL does in one statement, which is its own transaction: once sent, it may be done."""


ALONE: Final = tuple(name for name in NAMES if name not in MERGED)
"""All others: unless their COMMIT was sent, nothing is done."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended.

    Attributes:
        error: The class of its error; None for a result.
        took_s: How long it took.
    """

    error: type[BaseException] | None
    took_s: float
    text: str

    @property
    def is_unavailable(self) -> bool:
        """Whether it said that the database cannot be reached."""
        return self.error is not None and issubclass(self.error, UnavailableError)


async def outcome_of(db: Database, name: str, arguments: Mapping[str, Any]) -> Outcome:
    """Make a call, and see how it ends."""
    service, verb = name.split(".")
    begun = asyncio.get_running_loop().time()
    error: Exception | None = None
    try:
        await getattr(getattr(db, service), verb)(**arguments)
    except Exception as caught:
        error = caught
    took_s = asyncio.get_running_loop().time() - begun
    return Outcome(None if error is None else type(error), took_s, str(error))


async def outcomes(
    db: Database, world: World, names: Iterable[str] = NAMES, *, keys: str | None = None, **arguments: Any
) -> dict[str, Outcome]:
    """Make these calls at the same time.

    Args:
        keys: How the request_id of each begins, of those that take one.
    """
    chosen, calls = list(names), []
    for name in chosen:
        key = {"request_id": f"{keys} {name}"} if keys is not None and "request_id" in ALL[name].refused else {}
        calls.append(outcome_of(db, name, {**ALL[name].fine(world), **arguments, **key}))
    return dict(zip(chosen, await asyncio.gather(*calls), strict=True))


async def assert_answers(db: Database, world: World) -> None:
    """The handle works: every call is answered as ever, and then taken back."""
    for name in NAMES:
        found = Outcome(None, 0, "not made")
        with suppress(_UndoError):
            async with db.transaction(timeout=60):
                found = await outcome_of(db, name, ALL[name].fine(world))
                raise _UndoError

        assert found.error is ALL[name].refuses, (name, found)


class _UndoError(Exception):
    """Takes back what a call did."""
