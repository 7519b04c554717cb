"""Databases that are whole, and made to mislead whoever opens them: by their schema, or by values of the wrong kind."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

_TABLES: Final = ("User", "Role", "Model", "Agent", "Prompt", "Conversation", "Message", "Usage", "agentdb_state")

# Without an end, and without an end of memory: whoever only counts the rows, or reads the first one.
_ENDLESS: Final = 'WITH RECURSIVE "n"("id") AS (SELECT 1 UNION ALL SELECT "id" + 1 FROM "n") SELECT * FROM "n"'
_HUGE: Final = 'SELECT zeroblob(900000000) AS "name", 1 AS "id"'

_VALUES: Final[Sequence[Any]] = [
    *(b"\xff\xfe", b"", "", "nonsense", "[", "{}", "null", '["', "9" * 30, "2026-99-99", "\x00"),
    *(0, -1, 2**63 - 1, -(2**63), 1.5, 1e308, float("inf"), None),
]
"""What no column of ours has, or only some. As a blob, a text is one that is not UTF-8 when it is cast."""

_BAD_SQL: Final = (
    "\"sql\" = replace(\"sql\", 'TEXT', 'INT')",
    "\"sql\" = replace(\"sql\", ')', ' CHECK (load_extension(''x''))')",
    '"sql" = "sql" || \' garbage\'',
    '"sql" = NULL',
    '"rootpage" = 1',
    '"rootpage" = 100000000',
    '"rootpage" = -5',
    '"rootpage" = 0',
    '"rootpage" = ("rootpage" + 1)',
    "\"type\" = 'view'",
    '"name" = upper("name"), "tbl_name" = upper("tbl_name")',
    '"sql" = \'CREATE TABLE "\' || "name" || \'" ("id" INTEGER PRIMARY KEY)\'',
)


def _scripted(make: Callable[[Random], str], path: Path, chance: Random) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("PRAGMA foreign_keys = OFF")
        raw.execute("PRAGMA legacy_alter_table = ON")
        raw.executescript(make(chance))


def _greedy_trigger(chance: Random) -> str:
    """Whoever writes makes everybody rich."""
    table = chance.choice(["Usage", "Message", "User", "Conversation"])
    when = chance.choice(["AFTER INSERT", "BEFORE INSERT", "AFTER UPDATE"])
    return (
        f'CREATE TRIGGER "harmless" {when} ON "{table}" '
        'BEGIN UPDATE "User" SET "remaining" = 1000000000000 WHERE "remaining" < 1000000000000; END'
    )


def _deaf_trigger(chance: Random) -> str:
    """Writes are told to be done and are not."""
    table = chance.choice(["Usage", "Message"])
    return (
        'DROP TRIGGER "agentdb_search_deletion"; '
        f'CREATE TRIGGER "agentdb_search_deletion" BEFORE INSERT ON "{table}" BEGIN SELECT RAISE(IGNORE); END'
    )


def _view_as_table(chance: Random) -> str:
    table = chance.choice(_TABLES)
    body = chance.choice([f'SELECT * FROM "hidden_{table}"', _ENDLESS, _HUGE])
    return f'ALTER TABLE "{table}" RENAME TO "hidden_{table}"; CREATE VIEW "{table}" AS {body}'


def _view_that_is_written(chance: Random) -> str:
    return (
        'ALTER TABLE "Usage" RENAME TO "hidden"; CREATE VIEW "Usage" AS SELECT * FROM "hidden"; '
        'CREATE TRIGGER "t" INSTEAD OF INSERT ON "Usage" BEGIN SELECT 1; END'
    )


def _virtual_table(chance: Random) -> str:
    table = chance.choice(_TABLES)
    return f'DROP TABLE "{table}"; CREATE VIRTUAL TABLE "{table}" USING fts5("id", "name", "email", "content")'


def _unknown_module(chance: Random) -> str:
    table = chance.choice(_TABLES)
    return (
        f'DROP TABLE "{table}"; PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES '
        f"('table', '{table}', '{table}', 0, 'CREATE VIRTUAL TABLE \"{table}\" USING nowhere(1)')"
    )


def _generated(chance: Random) -> str:
    expression = chance.choice(
        ["zeroblob(900000000)", 'abs("id")', "printf('%.*c', 900000000, 'x')", 'CAST("id" AS BLOB)']
    )
    return (
        'ALTER TABLE "Role" RENAME TO "hidden"; CREATE TABLE "Role" ("id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, '
        f'"name" TEXT GENERATED ALWAYS AS ({expression}) VIRTUAL, "displayOrder" BIGINT, '
        '"createdAt" TIMESTAMP, "updatedAt" TIMESTAMP); INSERT INTO "Role" ("id") SELECT "id" FROM "hidden"'
    )


def _checking(chance: Random) -> str:
    check = chance.choice(["load_extension('x')", '"id" < 0', 'length(zeroblob(900000000)) > "id"', "nothing(1)"])
    escaped = check.replace("'", "''")
    return _edited(f'substr("sql", 1, length("sql") - 1) || \', CHECK ({escaped}))\'', chance)


def _edited(expression: str, chance: Random) -> str:
    table = chance.choice(_TABLES)
    return f'PRAGMA writable_schema = ON; UPDATE "sqlite_schema" SET "sql" = {expression} WHERE "name" = \'{table}\''


def _rewritten(chance: Random) -> str:
    change, table = chance.choice(_BAD_SQL), chance.choice(_TABLES)
    where = chance.choice([f"\"name\" = '{table}'", f"\"tbl_name\" = '{table}'", "\"type\" = 'index'"])
    return f'PRAGMA writable_schema = ON; UPDATE "sqlite_schema" SET {change} WHERE {where}'


def _swapped_roots(chance: Random) -> str:
    one, other = chance.sample(_TABLES, 2)
    return (
        'PRAGMA writable_schema = ON; CREATE TEMP TABLE "r" AS SELECT "name", "rootpage" FROM "sqlite_schema"; '
        f'UPDATE "sqlite_schema" SET "rootpage" = (SELECT "rootpage" FROM "r" WHERE "r"."name" = '
        f"CASE \"sqlite_master\".\"name\" WHEN '{one}' THEN '{other}' ELSE '{one}' END) "
        f"WHERE \"name\" IN ('{one}', '{other}')"
    )


def _state(chance: Random) -> str:
    column = chance.choice(["schemaVersion", "compatibleSince", "completedAt"])
    value = chance.choice(["'nonsense'", "x'ff'", "''", "'9999_later'", "12", "'0'", "'2026-13-01'", "1e400"])
    return f'UPDATE "agentdb_state" SET "{column}" = {value}'


def _values(path: Path, chance: Random) -> None:
    """Values of another kind than their columns', in a few columns of a few tables."""
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("PRAGMA foreign_keys = OFF")
        raw.execute("PRAGMA ignore_check_constraints = ON")
        for _ in range(12):
            table = chance.choice(_TABLES[:-1])
            names = [row[1] for row in raw.execute(f'PRAGMA table_info("{table}")') if row[1] != "id"]
            column, value = chance.choice(names), chance.choice(_VALUES)
            cast = "CAST(?1 AS TEXT)" if isinstance(value, bytes) and chance.random() < 0.5 else "?1"
            change = f'UPDATE OR IGNORE "{table}" SET "{column}" = {cast} WHERE "id" % 2 = 0'
            try:
                raw.execute(change, [value])
            except sqlite3.IntegrityError:  # NOT NULL
                continue


HOSTILE: Final[dict[str, Callable[[Path, Random], None]]] = {
    "greedy trigger": partial(_scripted, _greedy_trigger),
    "deaf trigger": partial(_scripted, _deaf_trigger),
    "view as table": partial(_scripted, _view_as_table),
    "view that is written": partial(_scripted, _view_that_is_written),
    "virtual table": partial(_scripted, _virtual_table),
    "unknown module": partial(_scripted, _unknown_module),
    "generated column": partial(_scripted, _generated),
    "check": partial(_scripted, _checking),
    "rewritten schema": partial(_scripted, _rewritten),
    "swapped roots": partial(_scripted, _swapped_roots),
    "state": partial(_scripted, _state),
    "values": _values,
}
