"""Databases of the original package with every kind of damage, and the statements that its services send."""

from __future__ import annotations

from typing import Any, Final

import asyncpg

from agentdb.models import TABLES
from tests.lifecycle.places import Place
from tests.lifecycle.test_attach_original import original_ddl

SOUND: Final = """
INSERT INTO "Role" ("id", "name", "displayOrder") VALUES (1, 'admin', 2), (3, 'user', 0);
INSERT INTO "Policy" ("id", "name", "resource", "action") VALUES (1, 'All', '*', '*');
INSERT INTO "RolePolicy" ("id", "roleID", "policyID") VALUES (1, 1, 1);
INSERT INTO "User" ("id", "email", "status", "roleID", "apiKey", "budget", "remaining") VALUES
    (1, 'ada@example.org', 'active', 1, 'rsk_ada', NULL, NULL),
    (2, 'bob@example.org', 'active', 3, NULL, 5, 4.25);
INSERT INTO "Provider" ("id", "name", "apiKey") VALUES (1, 'bedrock', NULL), (2, 'google', 'a provider''s key');
INSERT INTO "Model" ("id", "providerID", "name", "internalName", "type", "maxContext", "cost1kInput", "cost1kOutput",
    "defaultParameters")
VALUES (1, 1, 'Sonnet', 'us.anthropic.claude-sonnet-4-6', 'chat', 1000000, 0.003, 0.015, '{"temperature": 0.1}');
INSERT INTO "Prompt" ("id", "name", "version", "content") VALUES (1, 'kind', 1, 'Be kind.');
INSERT INTO "Agent" ("id", "userID", "modelID", "name", "promptID", "modelParameters") VALUES
    (1, NULL, 1, 'Standard Chat', 1, NULL), (2, 2, 1, 'Bob''s', 1, '{}');
INSERT INTO "Tool" ("id", "name", "type") VALUES (1, 'search', 'builtin'), (2, 'mail', 'user');
INSERT INTO "AgentTool" ("id", "agentID", "toolID") VALUES (1, 1, 1);
INSERT INTO "UserTool" ("id", "userID", "toolID", "credential") VALUES (1, 2, 2, '{"password": "p"}');
INSERT INTO "UserAgent" ("id", "userID", "agentID", "role") VALUES (1, 1, 2, 'viewer');
INSERT INTO "Conversation" ("id", "userID", "agentID", "title", "summaryMessageID") VALUES
    (1, 2, 2, 'A talk', NULL), (2, 1, 1, 'Another', NULL);
INSERT INTO "Message" ("id", "conversationID", "parentID", "role", "content") VALUES
    (1, 1, NULL, 'user', '[{"text": "Hello"}]'), (2, 1, 1, 'assistant', '[{"text": "Hi  there", "text": "Hi"}]'),
    (3, 2, NULL, 'user', '[{"text": "Else"}]');
INSERT INTO "Usage" ("id", "userID", "modelID", "agentID", "messageID", "inputTokens", "outputTokens", "cost") VALUES
    (1, 2, 1, 2, 2, 12, 90, 0.001386);
"""
"""Rows that are as they should be."""


async def make_original(place: Place, *scripts: str) -> None:
    """The original's tables in an empty database, with rows, and ids that go on after them."""
    moved = (
        f'SELECT setval(\'"{table}_id_seq"\', (SELECT COALESCE(max("id"), 0) + 1 FROM "{table}"), false)'
        for table in TABLES
    )
    noted = "INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('h', 1772234123128)"
    await run_scripts(place, original_ddl(), noted, *scripts, *moved)


async def run_scripts(place: Place, *scripts: str) -> None:
    """Run statements as they are. Their values are texts in quotes, whose type the server finds: so it is for what a
    JavaScript driver sends.
    """
    connection = await asyncpg.connect(place.url)
    try:
        for script in scripts:
            await connection.execute(script)
    finally:
        await connection.close()


CATALOGUE: Final = (
    """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'session' ORDER BY 1, 2
    """,
    """
    SELECT conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND contype IN ('f', 'u', 'c', 'p') AND conname <> 'session_pkey'
    ORDER BY 1
    """,
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'session' ORDER BY 1",
    "SELECT sequencename, data_type::text, max_value FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1",
)


async def catalogue(place: Place) -> list[Any]:
    """All that the server knows of the tables, apart from the order of columns."""
    return [await place.rows(sql) for sql in CATALOGUE]
