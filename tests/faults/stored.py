"""What a database holds, read without agentdb."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import asyncpg

from tests.faults.intents import Fact

_Read: TypeAlias = Callable[[str], Sequence[Any]]

_STATEMENTS: Final = {
    "messages": """
        SELECT "id", "conversationID", "role", CAST("content" AS TEXT) FROM "Message" ORDER BY "id"
    """,
    "usage": """
        SELECT "id", "type", "userID", "inputTokens", "outputTokens", "cost" FROM "Usage" ORDER BY "id"
    """,
    "reservations": """
        SELECT "id", "requestId", "userID", "amount", "held", "state", "usageID"
        FROM "agentdb_reservation" ORDER BY "id"
    """,
    "conversations": """
        SELECT "id", "title", "userID" FROM "Conversation" WHERE "title" IS NOT NULL ORDER BY "id"
    """,
    "users": 'SELECT "id", "budget", "remaining" FROM "User" WHERE "budget" IS NOT NULL ORDER BY "id"',
}


class Row(NamedTuple):
    """
    Attributes:
        key: The intent that is written in it.
    """

    id: int
    key: str
    fact: Fact


class Held(NamedTuple):
    """A reservation as it is now."""

    user_id: int
    held: Decimal
    state: str
    usage_id: int | None


class Balance(NamedTuple):
    """Of a user."""

    budget: Decimal
    remaining: Decimal


@dataclass(slots=True)
class Stored:
    """
    Attributes:
        rows: Messages, usage, reservations and conversations with a title, of each table in the order of ids.
        damage: What the engine finds wrong with its files.
    """

    rows: list[Row] = field(default_factory=list)
    reservations: dict[int, Held] = field(default_factory=dict)
    balances: dict[int, Balance] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)


def read_sqlite(path: Path) -> Stored:
    """What is in a file that nobody writes to."""
    with closing(sqlite3.connect(path)) as raw:
        found = _stored(lambda sql: raw.execute(sql).fetchall(), lambda units: Decimal(units).scaleb(-10))
        found.damage += [line for (line,) in raw.execute("PRAGMA integrity_check") if line != "ok"]
        found.damage += [f"foreign key: {row}" for row in raw.execute("PRAGMA foreign_key_check")]
    return found


async def read_postgres(**place: Any) -> Stored:
    """What is in a database, in one snapshot; `place` is how asyncpg gets there."""
    connection = await asyncpg.connect(**place)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            tables = {sql: await connection.fetch(sql) for sql in _STATEMENTS.values()}
    finally:
        await connection.close()
    return _stored(lambda sql: [tuple(row) for row in tables[sql]], Decimal)


def _stored(read: _Read, money: Callable[[Any], Decimal]) -> Stored:
    found = Stored()
    for id_, conversation, role, content in read(_STATEMENTS["messages"]):
        text = json.loads(content)[0]["text"]
        found.rows.append(Row(id_, text.split(" ", 1)[0], Fact("Message", (conversation, role, text))))
    for id_, key, user, input_, output, cost in read(_STATEMENTS["usage"]):
        found.rows.append(Row(id_, key or "", Fact("Usage", (user, input_, output, money(cost)))))
    for id_, key, user, amount, held, state, usage in read(_STATEMENTS["reservations"]):
        found.rows.append(Row(id_, key or "", Fact("Reservation", (user, money(amount)))))
        found.reservations[id_] = Held(user, money(held), state, usage)
    for id_, title, user in read(_STATEMENTS["conversations"]):
        found.rows.append(Row(id_, title, Fact("Conversation", (user,))))
    for id_, budget, remaining in read(_STATEMENTS["users"]):
        whole = money(budget)
        found.balances[id_] = Balance(whole, whole if remaining is None else money(remaining))
    return found
