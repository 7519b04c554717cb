"""The floor of SQLite: statements written by hand, on one synchronous connection, as fast as Python's `sqlite3` goes.

Each call commits by itself and returns decoded values, but validates nothing, keeps no deadline and blocks its caller.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson

from benchmarks.contestant import Caller, Charged, Content, Contestant, Policy, Preview, access_of
from benchmarks.data import MODEL, SECRET_KEY, Talk
from benchmarks.digest import digester
from benchmarks.floor_records import Agent, Conversation, Message, Model, Prompt, Provider, Role, Tool, User
from benchmarks.places import SqlitePlace

_UNIT = Decimal("1e-10")
_LIMIT = 9_000_000_000_000_000_000

_TOUCH = """UPDATE "Conversation" SET "updatedAt" = ?1 WHERE "id" = ?2 AND "userID" = ?3 AND NOT "deleted" """
_APPEND = """INSERT INTO "Message" ("conversationID", "role", "content", "createdAt", "updatedAt")
VALUES (?1, ?2, ?3, ?4, ?4)"""
_HISTORY = """SELECT "id", "conversationID", "parentID", "role", "content", "createdAt", "updatedAt" FROM "Message"
WHERE "conversationID" = ?1
    AND EXISTS (SELECT 1 FROM "Conversation" WHERE "id" = ?1 AND "userID" = ?2 AND NOT "deleted")
ORDER BY "id" DESC LIMIT 50"""
_PRICE = """SELECT "id", "cost1kInput", "cost1kOutput", "cost1kCacheRead", "cost1kCacheWrite" FROM "Model"
WHERE "internalName" = ?1"""
_RECORD = """INSERT INTO "Usage" (
    "userID", "modelID", "inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens", "cost",
    "createdAt", "updatedAt"
) VALUES (?1, ?2, ?3, ?4, 0, 0, ?5, ?6, ?6)"""
_CHARGE = f"""UPDATE "User" SET "remaining" = COALESCE("remaining", "budget") - ?2, "updatedAt" = ?3
WHERE "id" = ?1 AND COALESCE("remaining", "budget") - ?2 BETWEEN -{_LIMIT} AND {_LIMIT} RETURNING "remaining" """
_AGENT = """SELECT a."id", a."userID", a."name", a."description", a."modelParameters", a."createdAt", a."updatedAt",
    p."id", p."name", p."version", p."content",
    m."id", m."name", m."internalName", m."type", m."description", m."maxContext", m."maxOutput", m."maxReasoning",
    m."cost1kInput", m."cost1kOutput", m."cost1kCacheRead", m."cost1kCacheWrite", m."defaultParameters",
    m."createdAt", m."updatedAt", r."id", r."name", r."endpoint"
FROM "Agent" a JOIN "Prompt" p ON p."id" = a."promptID" JOIN "Model" m ON m."id" = a."modelID"
JOIN "Provider" r ON r."id" = m."providerID"
WHERE a."id" = ?1 AND (
    a."userID" = ?2 OR a."userID" IS NULL
    OR EXISTS (SELECT 1 FROM "UserAgent" s WHERE s."userID" = ?2 AND s."agentID" = a."id")
)"""
_TOOLS = """SELECT t."id", t."name", t."description", t."type", t."authenticationType", t."endpoint", t."transportType",
    t."customConfig"
FROM "AgentTool" l JOIN "Tool" t ON t."id" = l."toolID"
WHERE l."agentID" = ?1 AND (
    t."type" = 'builtin' OR EXISTS (SELECT 1 FROM "UserTool" s WHERE s."userID" = ?2 AND s."toolID" = t."id")
) ORDER BY t."id" """
_CALLER = """SELECT u."id", u."email", u."firstName", u."lastName", u."status", u."budget", u."remaining",
    u."createdAt", u."updatedAt", r."id", r."name"
FROM "User" u JOIN "Role" r ON r."id" = u."roleID" WHERE u."apiKey" = ?1"""
_POLICIES = """SELECT p."id", p."name", p."resource", p."action",
    EXISTS (SELECT 1 FROM "RolePolicy" l WHERE l."roleID" = ?1 AND l."policyID" = p."id")
FROM "Policy" p ORDER BY p."id" """
_RECENT = """SELECT c."id", c."userID", c."agentID", c."title", c."createdAt", c."updatedAt",
    m."id", m."conversationID", m."parentID", m."role", m."content", m."createdAt", m."updatedAt"
FROM (
    SELECT * FROM "Conversation" WHERE "userID" = ?1 AND NOT "deleted" ORDER BY "updatedAt" DESC, "id" DESC LIMIT 20
) c LEFT JOIN "Message" m ON m."id" = (SELECT MAX("id") FROM "Message" WHERE "conversationID" = c."id")
ORDER BY c."updatedAt" DESC, c."id" DESC"""


class SqliteFloor(Contestant):
    """One connection for everything; a bulk insert beside reads gets a thread and a connection of its own."""

    is_synchronous = True

    def __init__(self, place: SqlitePlace) -> None:
        self._place = place
        self._digest = digester(SECRET_KEY)

    async def open(self) -> None:
        self._db = self._connect()

    async def close(self) -> None:
        self._db.close()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._place.path, isolation_level=None, timeout=30)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute(f"PRAGMA synchronous = {self._place.synchronous}")
        return db

    async def append(self, talk: Talk, content: Content) -> Message:
        moment = datetime.now(UTC)
        stamp = moment.isoformat(sep=" ", timespec="microseconds")
        text = orjson.dumps(content).decode()
        db = self._db
        with _Transaction(db):
            if db.execute(_TOUCH, (stamp, talk.conversation_id, talk.user_id)).rowcount != 1:
                raise LookupError(talk)
            message_id = db.execute(_APPEND, (talk.conversation_id, "user", text, stamp)).lastrowid
        return Message(message_id or 0, talk.conversation_id, None, "user", content, moment, moment)

    async def insert_message(self, talk: Talk, content: Content) -> None:
        """Only the insert of W1."""
        stamp = datetime.now(UTC).isoformat(sep=" ", timespec="microseconds")
        self._db.execute(_APPEND, (talk.conversation_id, "user", orjson.dumps(content).decode(), stamp))

    async def history(self, talk: Talk) -> Sequence[Message]:
        rows = self._db.execute(_HISTORY, (talk.conversation_id, talk.user_id)).fetchall()
        if not rows:
            raise LookupError(talk)
        return [_message(row) for row in reversed(rows)]

    async def record(self, user_id: int, input_tokens: int, output_tokens: int) -> Charged:
        stamp = datetime.now(UTC).isoformat(sep=" ", timespec="microseconds")
        db = self._db
        with _Transaction(db):
            model_id, price_in, price_out, _, _ = db.execute(_PRICE, (MODEL,)).fetchone()
            cost = _half_even(input_tokens * price_in + output_tokens * price_out, 1000)
            db.execute(_RECORD, (user_id, model_id, input_tokens, output_tokens, cost, stamp))
            ((remaining,),) = db.execute(_CHARGE, (user_id, cost, stamp)).fetchall()
        return Charged(cost * _UNIT, remaining * _UNIT)

    async def insert_usage(self, user_id: int, input_tokens: int, output_tokens: int) -> None:
        """Only the insert of W3."""
        stamp = datetime.now(UTC).isoformat(sep=" ", timespec="microseconds")
        self._db.execute(_RECORD, (user_id, 2, input_tokens, output_tokens, 15_300_000, stamp))

    async def resolve(self, agent_id: int, user_id: int) -> Agent:
        row = self._db.execute(_AGENT, (agent_id, user_id)).fetchone()
        if row is None:
            raise LookupError(agent_id)
        tools = [_tool(tool) for tool in self._db.execute(_TOOLS, (agent_id, user_id)).fetchall()]
        prices = [(price or 0) * _UNIT for price in row[19:23]]
        provider = Provider._make(row[26:])
        model = Model._make((*row[11:19], *prices, _json(row[23]), _time(row[24]), _time(row[25]), provider))
        return Agent._make(
            (*row[:4], _json(row[4]), _time(row[5]), _time(row[6]), Prompt._make(row[7:11]), model, tools)
        )

    async def authenticate(self, api_key: str) -> Caller:
        row = self._db.execute(_CALLER, (self._digest(api_key),)).fetchone()
        if row is None or row[4] != "active":
            raise LookupError("api key")
        rows = self._db.execute(_POLICIES, (_id_of_role := row[9],)).fetchall()
        known = [Policy._make(one[:4]) for one in rows]
        granted = [policy for policy, one in zip(known, rows, strict=True) if one[4]]
        user = User._make((*row[:5], row[5] * _UNIT, row[6] * _UNIT, _time(row[7]), _time(row[8])))
        return Caller(user, Role(_id_of_role, row[10]), granted, access_of(granted, known))

    async def bulk(self, talk: Talk, messages: Sequence[dict[str, Any]]) -> None:
        self._insert(self._db, talk, messages)

    async def bulk_beside(self, talk: Talk, messages: Sequence[dict[str, Any]]) -> None:
        await asyncio.to_thread(self._insert_alone, talk, messages)

    def _insert_alone(self, talk: Talk, messages: Sequence[dict[str, Any]]) -> None:
        with closing(self._connect()) as db:
            self._insert(db, talk, messages)

    def _insert(self, db: sqlite3.Connection, talk: Talk, messages: Sequence[dict[str, Any]]) -> None:
        stamp = datetime.now(UTC).isoformat(sep=" ", timespec="microseconds")
        with _Transaction(db):
            if db.execute(_TOUCH, (stamp, talk.conversation_id, talk.user_id)).rowcount != 1:
                raise LookupError(talk)
            db.executemany(
                _APPEND,
                [(talk.conversation_id, one["role"], orjson.dumps(one["content"]).decode(), stamp) for one in messages],
            )

    async def recent(self, user_id: int) -> Sequence[Preview]:
        rows = self._db.execute(_RECENT, (user_id,)).fetchall()
        return [
            Preview(
                Conversation._make((*row[:4], _time(row[4]), _time(row[5]))),
                _message(row[6:]) if row[6] is not None else None,
            )
            for row in rows
        ]


class _Transaction:
    """BEGIN IMMEDIATE and COMMIT; a generator would be slower."""

    __slots__ = ("_db",)

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")


_time = datetime.fromisoformat


def _json(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


def _message(row: Sequence[Any]) -> Message:
    return Message(row[0], row[1], row[2], row[3], orjson.loads(row[4]), _time(row[5]), _time(row[6]))


def _tool(row: Sequence[Any]) -> Tool:
    return Tool._make((*row[:7], _json(row[7])))


def _half_even(amount: int, divisor: int) -> int:
    whole, rest = divmod(amount, divisor)
    return whole + (rest * 2 > divisor or (rest * 2 == divisor and whole % 2 == 1))
