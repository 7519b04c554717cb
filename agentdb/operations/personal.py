"""Which rows are one person's, table by table: what an erasure removes and an export shows.

A row is theirs that points to their user, or to something that is theirs. Of what they share with others it is theirs
if nobody else has it. A test derives from the models which tables can hold such rows, and fails if one is missing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agentdb.engine import Session
from agentdb.engine.steps import Query
from agentdb.sql import Statement

_AGENTS: Final = 'SELECT "id" FROM "Agent" WHERE "userID" = :user_id'
_TALKS: Final = 'SELECT "id" FROM "Conversation" WHERE "userID" = :user_id'
_MESSAGES: Final = f'SELECT "id" FROM "Message" WHERE "conversationID" IN ({_TALKS})'  # noqa: S608 - all of it is ours
_TOOLS: Final = 'SELECT "toolID" FROM "UserTool" WHERE "userID" = :user_id'
_OWN_TOOL: Final = (
    f"COALESCE(\"type\", '') <> 'builtin' AND \"id\" IN ({_TOOLS}) "  # noqa: S608 - all of it is ours
    'AND NOT EXISTS (SELECT 1 FROM "UserTool" o WHERE o."toolID" = "Tool"."id" AND o."userID" <> :user_id)'
)
_RESOURCE: Final = (
    f'"userID" = :user_id OR "conversationID" IN ({_TALKS}) OR "messageID" IN ({_MESSAGES}) '
    f'OR ("userID" IS NULL AND "conversationID" IS NULL AND "messageID" IS NULL AND "agentID" IN ({_AGENTS}))'
)

REMOVED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Vector": (
            f'"conversationID" IN ({_TALKS}) OR "resourceID" IN (SELECT "id" FROM "Resource" WHERE {_RESOURCE}) '  # noqa: S608
            f'OR ("resourceID" IS NULL AND "conversationID" IS NULL '
            f'AND "toolID" IN (SELECT "id" FROM "Tool" WHERE {_OWN_TOOL}))'
        ),
        "Resource": _RESOURCE,
        "agentdb_search": f'"userID" = :user_id OR "messageID" IN ({_MESSAGES})',
        "agentdb_search_mark": f'"conversationID" IN ({_TALKS})',
        "Message": f'"conversationID" IN ({_TALKS})',
        "Conversation": '"userID" = :user_id',
        "AgentTool": f'"agentID" IN ({_AGENTS}) OR "toolID" IN (SELECT "id" FROM "Tool" WHERE {_OWN_TOOL})',  # noqa: S608
        # A version that another's agent uses is that agent's by now.
        "Prompt": (
            f'"name" IN (SELECT \'agent:\' || "id" FROM ({_AGENTS}) own) AND NOT EXISTS ('  # noqa: S608
            'SELECT 1 FROM "Agent" o WHERE o."promptID" = "Prompt"."id" '
            'AND (o."userID" IS NULL OR o."userID" <> :user_id))'
        ),
        "Tool": _OWN_TOOL,
        "UserTool": '"userID" = :user_id',
        "UserAgent": f'"userID" = :user_id OR "agentID" IN ({_AGENTS})',
        "Agent": '"userID" = :user_id',
        "agentdb_request": '"userID" = :user_id',
        "agentdb_reservation": '"userID" = :user_id',
        "agentdb_budget_reset": '"userID" = :user_id',
        "User": '"id" = :user_id',
    }
)
"""The rows that go, as conditions on their table, in an order in which they can go."""

SUMMED: Final[Mapping[str, str]] = MappingProxyType(
    {"Usage": '"userID" = :user_id', "agentdb_usage_day": '"userID" = :user_id'}
)
"""Rows whose sums stay without their user."""

SHOWN: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{table: REMOVED[table] for table in reversed(tuple(REMOVED))},
        "Tool": f'"id" IN ({_TOOLS})',
        **SUMMED,
    }
)
"""The rows that are shown to the person, parents first."""

UNSHOWN: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "User": frozenset({"apiKey"}),
        "UserTool": frozenset({"credential"}),
        "agentdb_request": frozenset({"digest"}),
        "agentdb_reservation": frozenset({"digest", "settledDigest"}),
    }
)
"""Columns that hold secrets, or digests that tell nobody anything."""


def query_of(session: Session, sql: str, user_id: int) -> Query:
    """A statement with a condition from above, as this database takes it.

    Raises:
        AccessDeniedError: The service of `session` may not do what it does.
    """
    compiled = Statement("personal", None, sql).compiled(session.dialect, session.abilities)
    session.check_rights(compiled.sql)
    return Query(compiled.sql, compiled.values({"user_id": user_id}))
