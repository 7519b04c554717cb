"""The floor of PostgreSQL: prepared statements written by hand on dedicated connections, one round trip for each call.

It validates nothing, repeats nothing and has no pool.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson

from benchmarks.contestant import Caller, Charged, Content, Contestant, Policy, Preview, access_of
from benchmarks.data import MODEL, SECRET_KEY, Talk
from benchmarks.digest import digester
from benchmarks.floor_records import Agent, Conversation, Message, Model, Prompt, Provider, Role, Tool, User
from benchmarks.places import PostgresPlace

# An index walk for the last 50 of a long conversation, where the default makes the planner read and sort all of it.
_SETTINGS = {"random_page_cost": "1.1", "jit": "off"}

_STATEMENTS = {
    # The row of the conversation is locked before the message gets its id.
    "append": """WITH touched AS (
    UPDATE "Conversation" SET "updatedAt" = $5 WHERE "id" = $1 AND "userID" = $2 AND NOT "deleted" RETURNING "id"
)
INSERT INTO "Message" ("conversationID", "role", "content", "createdAt", "updatedAt")
SELECT "id", $3, $4, $5, $5 FROM touched RETURNING "id" """,
    "insert_message": """INSERT INTO "Message" ("conversationID", "role", "content", "createdAt", "updatedAt")
VALUES ($1, $2, $3, $4, $4)""",
    "history": """SELECT "id", "conversationID", "parentID", "role", "content", "createdAt", "updatedAt" FROM "Message"
WHERE "conversationID" = $1
    AND EXISTS (SELECT 1 FROM "Conversation" WHERE "id" = $1 AND "userID" = $2 AND NOT "deleted")
ORDER BY "id" DESC LIMIT 50""",
    "record": """WITH price AS (
    SELECT "id", round(($3::BIGINT * "cost1kInput" + $4::BIGINT * "cost1kOutput") / 1000, 10) AS "cost"
    FROM "Model" WHERE "internalName" = $2
), charged AS (
    UPDATE "User" SET "remaining" = COALESCE("remaining", "budget") - price."cost", "updatedAt" = $5 FROM price
    WHERE "User"."id" = $1 AND COALESCE("remaining", "budget") - price."cost" BETWEEN -900000000 AND 900000000
    RETURNING "remaining"
), recorded AS (
    INSERT INTO "Usage" (
        "userID", "modelID", "inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens", "cost",
        "createdAt", "updatedAt"
    )
    SELECT $1, price."id", $3, $4, 0, 0, price."cost", $5, $5 FROM price, charged
)
SELECT price."cost", charged."remaining" FROM price, charged""",
    "insert_usage": """INSERT INTO "Usage" (
    "userID", "modelID", "inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens", "cost",
    "createdAt", "updatedAt"
) VALUES ($1, 2, $2, $3, 0, 0, 0.00153, $4, $4)""",
    "resolve": """SELECT a."id", a."userID", a."name", a."description", a."modelParameters", a."createdAt",
    a."updatedAt", p."id", p."name", p."version", p."content",
    m."id", m."name", m."internalName", m."type", m."description", m."maxContext", m."maxOutput", m."maxReasoning",
    COALESCE(m."cost1kInput", 0), COALESCE(m."cost1kOutput", 0), COALESCE(m."cost1kCacheRead", 0),
    COALESCE(m."cost1kCacheWrite", 0), m."defaultParameters", m."createdAt", m."updatedAt",
    r."id", r."name", r."endpoint",
    ARRAY(
        SELECT ROW(
            t."id", t."name", t."description", t."type", t."authenticationType", t."endpoint", t."transportType",
            t."customConfig"
        )
        FROM "AgentTool" l JOIN "Tool" t ON t."id" = l."toolID"
        WHERE l."agentID" = a."id" AND (
            t."type" = 'builtin' OR EXISTS (SELECT 1 FROM "UserTool" s WHERE s."userID" = $2 AND s."toolID" = t."id")
        ) ORDER BY t."id"
    )
FROM "Agent" a JOIN "Prompt" p ON p."id" = a."promptID" JOIN "Model" m ON m."id" = a."modelID"
JOIN "Provider" r ON r."id" = m."providerID"
WHERE a."id" = $1 AND (
    a."userID" = $2 OR a."userID" IS NULL
    OR EXISTS (SELECT 1 FROM "UserAgent" s WHERE s."userID" = $2 AND s."agentID" = a."id")
)""",
    "authenticate": """SELECT u."id", u."email", u."firstName", u."lastName", u."status", u."budget", u."remaining",
    u."createdAt", u."updatedAt", r."id", r."name",
    ARRAY(
        SELECT ROW(
            p."id", p."name", p."resource", p."action",
            EXISTS (SELECT 1 FROM "RolePolicy" l WHERE l."roleID" = u."roleID" AND l."policyID" = p."id")
        ) FROM "Policy" p ORDER BY p."id"
    )
FROM "User" u JOIN "Role" r ON r."id" = u."roleID" WHERE u."apiKey" = $1""",
    "recent": """SELECT c."id", c."userID", c."agentID", c."title", c."createdAt", c."updatedAt",
    m."id", m."conversationID", m."parentID", m."role", m."content", m."createdAt", m."updatedAt"
FROM (
    SELECT * FROM "Conversation" WHERE "userID" = $1 AND NOT "deleted" ORDER BY "updatedAt" DESC, "id" DESC LIMIT 20
) c LEFT JOIN LATERAL (
    SELECT * FROM "Message" WHERE "conversationID" = c."id" ORDER BY "id" DESC LIMIT 1
) m ON TRUE
ORDER BY c."updatedAt" DESC, c."id" DESC""",
}


class PostgresFloor(Contestant):
    """A dedicated connection for each task that there is, 16 at most, and another one for bulk inserts."""

    def __init__(self, place: PostgresPlace) -> None:
        self._place = place
        self._digest = digester(SECRET_KEY)

    async def open(self) -> None:
        self._idle = [await _Prepared.connect(self._place)]
        self._bulk: Any = None

    async def close(self) -> None:
        for prepared in self._idle:
            await prepared.connection.close()
        if self._bulk is not None:
            await self._bulk.close()

    async def _fetch(self, name: str, *values: Any) -> Any:
        prepared = self._idle.pop() if self._idle else await _Prepared.connect(self._place)
        try:
            return await prepared.statements[name].fetch(*values)
        finally:
            self._idle.append(prepared)

    async def append(self, talk: Talk, content: Content) -> Message:
        moment = datetime.now(UTC)
        ((message_id,),) = await self._fetch("append", talk.conversation_id, talk.user_id, "user", content, moment)
        return Message(message_id, talk.conversation_id, None, "user", content, moment, moment)

    async def insert_message(self, talk: Talk, content: Content) -> None:
        """Only the insert of W1."""
        await self._fetch("insert_message", talk.conversation_id, "user", content, datetime.now(UTC))

    async def history(self, talk: Talk) -> Sequence[Message]:
        rows = await self._fetch("history", talk.conversation_id, talk.user_id)
        if not rows:
            raise LookupError(talk)
        return [Message._make(row) for row in reversed(rows)]

    async def record(self, user_id: int, input_tokens: int, output_tokens: int) -> Charged:
        moment = datetime.now(UTC)
        ((cost, remaining),) = await self._fetch("record", user_id, MODEL, input_tokens, output_tokens, moment)
        return Charged(cost, remaining)

    async def insert_usage(self, user_id: int, input_tokens: int, output_tokens: int) -> None:
        """Only the insert of W3."""
        await self._fetch("insert_usage", user_id, input_tokens, output_tokens, datetime.now(UTC))

    async def resolve(self, agent_id: int, user_id: int) -> Agent:
        (record,) = await self._fetch("resolve", agent_id, user_id)
        row = tuple(record)
        model = Model._make((*row[11:26], Provider._make(row[26:29])))
        return Agent._make((*row[:7], Prompt._make(row[7:11]), model, list(map(Tool._make, row[29]))))

    async def authenticate(self, api_key: str) -> Caller:
        (record,) = await self._fetch("authenticate", self._digest(api_key))
        row = tuple(record)
        if row[4] != "active":
            raise LookupError("api key")
        known = [Policy._make(tuple(policy)[:4]) for policy in row[11]]
        granted = [policy for policy, one in zip(known, row[11], strict=True) if one[4]]
        return Caller(User._make(row[:9]), Role._make(row[9:11]), granted, access_of(granted, known))

    async def bulk(self, talk: Talk, messages: Sequence[dict[str, Any]]) -> None:
        moment = datetime.now(UTC)
        if self._bulk is None:
            self._bulk = await asyncpg.connect(**self._place.arguments)
        async with self._bulk.transaction():
            touched = await self._bulk.execute(
                'UPDATE "Conversation" SET "updatedAt" = $3 WHERE "id" = $1 AND "userID" = $2 AND NOT "deleted"',
                talk.conversation_id,
                talk.user_id,
                moment,
            )
            if touched != "UPDATE 1":
                raise LookupError(talk)
            await self._bulk.copy_records_to_table(
                "Message",
                columns=("conversationID", "role", "content", "createdAt", "updatedAt"),
                records=[
                    (talk.conversation_id, one["role"], orjson.dumps(one["content"]).decode(), moment, moment)
                    for one in messages
                ],
            )

    async def recent(self, user_id: int) -> Sequence[Preview]:
        rows = [tuple(row) for row in await self._fetch("recent", user_id)]
        return [
            Preview(Conversation._make(row[:6]), Message._make(row[6:]) if row[6] is not None else None) for row in rows
        ]


class _Prepared:
    """A connection with all its statements."""

    __slots__ = ("connection", "statements")

    @classmethod
    async def connect(cls, place: PostgresPlace) -> _Prepared:
        made = cls()
        made.connection = await asyncpg.connect(**place.arguments, server_settings=_SETTINGS)
        await made.connection.set_type_codec(
            "jsonb",
            schema="pg_catalog",
            encoder=lambda value: b"\x01" + orjson.dumps(value),
            decoder=lambda stored: orjson.loads(stored[1:]),
            format="binary",
        )
        made.statements = {name: await made.connection.prepare(sql) for name, sql in _STATEMENTS.items()}
        return made

    connection: Any
    statements: dict[str, Any]
