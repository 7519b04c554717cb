"""The whole schema, written by hand: what every engine's catalogue must say after all migrations.

It shares nothing with the models or the migrations, so that a mistake in either shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from agentdb.engine.introspection import Column, ForeignKey, NamedColumns, Schema, Table


class Kind(NamedTuple):
    """A type as the two catalogues spell it."""

    sqlite: str
    postgres: str


NUMBER: Final = Kind("BIGINT", "bigint")
TEXT: Final = Kind("TEXT", "text")
TIME: Final = Kind("TEXT", "timestamp with time zone")
MONEY: Final = Kind("INTEGER", "numeric(20,10)")
JSON: Final = Kind("JSON", "jsonb")
TRUTH: Final = Kind("INT", "boolean")

NOW: Final = Kind("strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'", "now()")
FALSE: Final = Kind("0", "false")

CASCADE: Final = "CASCADE"
SET_NULL: Final = "SET NULL"


@dataclass(frozen=True)
class Expected:
    """A table without its id and times, which all have.

    Attributes:
        keys: Column, table that it points to, on delete. Indexes are told by their columns, which give their names.
    """

    columns: dict[str, Kind]
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    defaults: dict[str, Kind] = field(default_factory=dict)
    indexes: tuple[tuple[str, ...], ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()


EXPECTED: Final = {
    "User": Expected(
        {
            "email": TEXT,
            "firstName": TEXT,
            "lastName": TEXT,
            "status": TEXT,
            "roleID": NUMBER,
            "apiKey": TEXT,
            "budget": MONEY,
            "remaining": MONEY,
        },
        keys={"roleID": ("Role", SET_NULL)},
        indexes=(("roleID",),),
        unique=(("email",), ("apiKey",)),
    ),
    "Role": Expected({"name": TEXT, "displayOrder": NUMBER}, indexes=(("displayOrder",),), unique=(("name",),)),
    "Policy": Expected({"name": TEXT, "resource": TEXT, "action": TEXT}, unique=(("name",),)),
    "RolePolicy": Expected(
        {"roleID": NUMBER, "policyID": NUMBER},
        keys={"roleID": ("Role", CASCADE), "policyID": ("Policy", CASCADE)},
        required=("roleID", "policyID"),
        indexes=(("policyID",),),
        unique=(("roleID", "policyID"),),
    ),
    "Provider": Expected({"name": TEXT, "apiKey": TEXT, "endpoint": TEXT}, unique=(("name",),)),
    "Model": Expected(
        {
            "providerID": NUMBER,
            "name": TEXT,
            "internalName": TEXT,
            "type": TEXT,
            "description": TEXT,
            "maxContext": NUMBER,
            "maxOutput": NUMBER,
            "maxReasoning": NUMBER,
            "cost1kInput": MONEY,
            "cost1kOutput": MONEY,
            "cost1kCacheRead": MONEY,
            "cost1kCacheWrite": MONEY,
            "defaultParameters": JSON,
        },
        keys={"providerID": ("Provider", SET_NULL)},
        indexes=(("providerID",),),
        unique=(("internalName",),),
    ),
    "Usage": Expected(
        {
            "userID": NUMBER,
            "modelID": NUMBER,
            "type": TEXT,
            "agentID": NUMBER,
            "messageID": NUMBER,
            "inputTokens": NUMBER,
            "outputTokens": NUMBER,
            "cacheReadTokens": NUMBER,
            "cacheWriteTokens": NUMBER,
            "cost": MONEY,
            "requestId": TEXT,
            "requestIndex": NUMBER,
        },
        keys={
            "userID": ("User", SET_NULL),
            "modelID": ("Model", SET_NULL),
            "agentID": ("Agent", SET_NULL),
            "messageID": ("Message", SET_NULL),
        },
        indexes=(("createdAt",), ("modelID",), ("userID", "createdAt"), ("userID",), ("agentID",), ("messageID",)),
        unique=(("userID", "requestId", "requestIndex"),),
    ),
    "Prompt": Expected(
        {"name": TEXT, "version": NUMBER, "content": TEXT}, indexes=(("name",),), unique=(("name", "version"),)
    ),
    "Agent": Expected(
        {
            "userID": NUMBER,
            "modelID": NUMBER,
            "name": TEXT,
            "description": TEXT,
            "promptID": NUMBER,
            "modelParameters": JSON,
        },
        keys={"userID": ("User", CASCADE), "modelID": ("Model", SET_NULL), "promptID": ("Prompt", SET_NULL)},
        indexes=(("modelID",), ("promptID",), ("userID",)),
    ),
    "Tool": Expected(
        {
            "name": TEXT,
            "description": TEXT,
            "type": TEXT,
            "authenticationType": TEXT,
            "endpoint": TEXT,
            "transportType": TEXT,
            "customConfig": JSON,
        }
    ),
    "Conversation": Expected(
        {
            "userID": NUMBER,
            "agentID": NUMBER,
            "title": TEXT,
            "deleted": TRUTH,
            "deletedAt": TIME,
            "summaryMessageID": NUMBER,
        },
        keys={
            "userID": ("User", CASCADE),
            "agentID": ("Agent", SET_NULL),
            "summaryMessageID": ("Message", SET_NULL),
        },
        required=("userID",),
        defaults={"deleted": FALSE},
        indexes=(
            ("agentID",),
            ("deleted",),
            ("userID", "createdAt"),
            ("userID", "updatedAt"),
            ("summaryMessageID",),
        ),
    ),
    "Message": Expected(
        {
            "conversationID": NUMBER,
            "parentID": NUMBER,
            "role": TEXT,
            "content": JSON,
            "requestId": TEXT,
            "requestIndex": NUMBER,
        },
        keys={"conversationID": ("Conversation", CASCADE), "parentID": ("Message", SET_NULL)},
        required=("conversationID",),
        indexes=(("conversationID", "createdAt"), ("conversationID",), ("conversationID", "id"), ("parentID",)),
        unique=(("conversationID", "requestId", "requestIndex"),),
    ),
    "Resource": Expected(
        {
            "agentID": NUMBER,
            "messageID": NUMBER,
            "name": TEXT,
            "type": TEXT,
            "content": TEXT,
            "s3Uri": TEXT,
            "metadata": JSON,
            "userID": NUMBER,
            "conversationID": NUMBER,
        },
        keys={
            "agentID": ("Agent", SET_NULL),
            "messageID": ("Message", SET_NULL),
            "userID": ("User", CASCADE),
            "conversationID": ("Conversation", CASCADE),
        },
        indexes=(("agentID",), ("messageID",), ("userID",), ("conversationID",)),
    ),
    "Vector": Expected(
        {
            "conversationID": NUMBER,
            "resourceID": NUMBER,
            "toolID": NUMBER,
            "order": NUMBER,
            "content": TEXT,
            "embedding": JSON,
        },
        keys={
            "conversationID": ("Conversation", CASCADE),
            "resourceID": ("Resource", CASCADE),
            "toolID": ("Tool", SET_NULL),
        },
        indexes=(("conversationID",), ("resourceID", "order"), ("toolID",)),
    ),
    "UserAgent": Expected(
        {"userID": NUMBER, "agentID": NUMBER, "role": TEXT},
        keys={"userID": ("User", CASCADE), "agentID": ("Agent", CASCADE)},
        required=("userID", "agentID"),
        indexes=(("agentID",),),
        unique=(("userID", "agentID"),),
    ),
    "UserTool": Expected(
        {"userID": NUMBER, "toolID": NUMBER, "credential": JSON},
        keys={"userID": ("User", CASCADE), "toolID": ("Tool", CASCADE)},
        required=("userID", "toolID"),
        indexes=(("toolID",),),
        unique=(("userID", "toolID"),),
    ),
    "AgentTool": Expected(
        {"toolID": NUMBER, "agentID": NUMBER},
        keys={"toolID": ("Tool", CASCADE), "agentID": ("Agent", CASCADE)},
        required=("toolID", "agentID"),
        indexes=(("agentID",),),
        unique=(("toolID", "agentID"),),
    ),
    "agentdb_state": Expected(
        {"schemaVersion": TEXT, "compatibleSince": TEXT, "seedDigest": TEXT, "completedAt": TIME},
        required=("schemaVersion", "compatibleSince", "completedAt"),
    ),
    "agentdb_seed": Expected(
        {"source": TEXT, "tableName": TEXT, "key": TEXT, "rowID": NUMBER, "digests": JSON},
        required=("source", "tableName", "key", "rowID", "digests"),
        unique=(("source", "tableName", "key"),),
    ),
    "agentdb_request": Expected(
        {"userID": NUMBER, "operation": TEXT, "requestId": TEXT, "digest": TEXT, "resultID": NUMBER},
        keys={"userID": ("User", CASCADE)},
        required=("userID", "operation", "requestId", "digest", "resultID"),
        unique=(("userID", "operation", "requestId"),),
    ),
    "agentdb_reservation": Expected(
        {
            "userID": NUMBER,
            "modelID": NUMBER,
            "amount": MONEY,
            "held": MONEY,
            "state": TEXT,
            "expiresAt": TIME,
            "requestId": TEXT,
            "digest": TEXT,
            "settledDigest": TEXT,
            "usageID": NUMBER,
            "cost": MONEY,
        },
        keys={"userID": ("User", CASCADE), "modelID": ("Model", SET_NULL)},
        required=("userID", "amount", "held", "state", "expiresAt", "digest"),
        indexes=(("userID", "state", "expiresAt"), ("state", "expiresAt"), ("modelID",)),
        unique=(("userID", "requestId"),),
    ),
    "agentdb_budget_reset": Expected(
        {"period": TEXT, "scope": TEXT, "userID": NUMBER, "users": NUMBER},
        keys={"userID": ("User", CASCADE)},
        required=("period", "scope", "users"),
        indexes=(("userID",),),
        unique=(("period", "scope"),),
    ),
    "agentdb_search": Expected(
        {"messageID": NUMBER, "userID": NUMBER, "words": TEXT},
        keys={"messageID": ("Message", CASCADE), "userID": ("User", CASCADE)},
        required=("messageID", "userID", "words"),
        indexes=(("userID",),),
        unique=(("messageID",),),
    ),
    "agentdb_search_mark": Expected(
        {"conversationID": NUMBER, "messageID": NUMBER},
        keys={"conversationID": ("Conversation", CASCADE)},
        required=("conversationID", "messageID"),
        unique=(("conversationID",),),
    ),
    "agentdb_usage_day": Expected(
        {
            "day": TIME,
            "userID": NUMBER,
            "pseudonym": TEXT,
            "modelID": NUMBER,
            "type": TEXT,
            "agentID": NUMBER,
            "inputTokens": NUMBER,
            "outputTokens": NUMBER,
            "cacheReadTokens": NUMBER,
            "cacheWriteTokens": NUMBER,
            "cost": MONEY,
            "rows": NUMBER,
            "requests": NUMBER,
        },
        keys={"userID": ("User", SET_NULL), "modelID": ("Model", SET_NULL), "agentID": ("Agent", SET_NULL)},
        required=(
            "day",
            "inputTokens",
            "outputTokens",
            "cacheReadTokens",
            "cacheWriteTokens",
            "cost",
            "rows",
            "requests",
        ),
        indexes=(("day",), ("userID", "day"), ("modelID",), ("agentID",)),
    ),
}

# Indexes on expressions, whose columns a catalogue cannot name.
EXPRESSION_INDEXES: Final = {"postgres": (NamedColumns("agentdb_search_words_idx", (None,), is_unique=False),)}

# The indexes that the mirrored system has, under its names.
MIRRORED_INDEXES: Final = frozenset(
    {
        "User_email_idx",
        "User_roleID_idx",
        "Role_displayOrder_idx",
        "RolePolicy_roleID_policyID_idx",
        "Model_internalName_idx",
        "Model_providerID_idx",
        "Usage_createdAt_idx",
        "Usage_modelID_idx",
        "Usage_userID_createdAt_idx",
        "Usage_userID_idx",
        "Prompt_name_idx",
        "Prompt_name_version_idx",
        "Agent_modelID_idx",
        "Agent_promptID_idx",
        "Agent_userID_idx",
        "Conversation_agentID_idx",
        "Conversation_deleted_idx",
        "Conversation_userID_createdAt_idx",
        "Message_conversationID_createdAt_idx",
        "Message_conversationID_idx",
        "Resource_agentID_idx",
        "Resource_messageID_idx",
        "Vector_conversationID_idx",
        "Vector_resourceID_order_idx",
        "Vector_toolID_idx",
        "UserAgent_userID_agentID_idx",
        "UserTool_userID_toolID_idx",
        "AgentTool_toolID_agentID_idx",
    }
)


def schema_for(dialect: str) -> Schema:
    """The expectation in the words of one engine's catalogue."""
    return {name: _table(name, table, dialect) for name, table in EXPECTED.items()}


def _table(name: str, expected: Expected, dialect: str) -> Table:
    kinds = {**expected.columns, "createdAt": TIME, "updatedAt": TIME}
    defaults = {**expected.defaults, "createdAt": NOW, "updatedAt": NOW}
    columns = {
        column: Column(
            column,
            getattr(kind, dialect),
            column not in expected.required,
            getattr(defaults[column], dialect) if column in defaults else None,
        )
        for column, kind in kinds.items()
    }
    keys = {
        # SQLite's catalogue does not tell the names of foreign keys.
        column: ForeignKey(None if dialect == "sqlite" else f"{name}_{column}_fkey", column, table, "id", on_delete)
        for column, (table, on_delete) in expected.keys.items()
    }
    indexes = [_index(name, columns, is_unique=False) for columns in expected.indexes]
    indexes += [_index(name, columns, is_unique=True) for columns in expected.unique]
    indexes += [index for index in EXPRESSION_INDEXES.get(dialect, ()) if index.name.startswith(f"{name}_words")]
    return Table({"id": _id(name, dialect), **columns}, ("id",), keys, {index.name: index for index in indexes})


def _id(table: str, dialect: str) -> Column:
    if dialect == "sqlite":
        return Column("id", "INTEGER", is_nullable=False)
    sequence = f"{table}_id_seq" if table.startswith("agentdb_") else f'"{table}_id_seq"'
    return Column("id", "bigint", is_nullable=False, default=f"nextval('{sequence}'::regclass)")


def _index(table: str, columns: tuple[str, ...], *, is_unique: bool) -> NamedColumns:
    return NamedColumns("_".join([table, *columns, "idx"]), columns, is_unique)
