"""A full-text index beside a table of words, where the engine's own indexes cannot serve one.

PostgreSQL indexes the words where they are. SQLite has FTS5, if it was compiled in: a virtual table that is made at the
first search and follows `agentdb_search`, whose ids only grow. A trigger may not touch it (`trusted_schema` is off), so
it is told at the next search what has been added and deleted since.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from agentdb.engine.steps import Query, Steps

State: TypeAlias = Literal["absent", "missing", "behind", "current"]

MODULE: Final = "fts5"
BATCH: Final = 5000
TRIGGER: Final = (
    'CREATE TRIGGER "agentdb_search_deletion" AFTER DELETE ON "agentdb_search" BEGIN '
    'INSERT INTO "agentdb_search_deleted" ("id", "words") VALUES (old."id", old."words"); END'
)
"""The only one that agentdb makes. Whoever compares it with one that is there lets all whitespace be equal."""


class WordTable:
    """The virtual table of SQLite. Its methods are units of work."""

    def state(self) -> Steps[State]:
        """Whether the words can be looked up, in a unit that only reads: "absent" where there is no FTS5."""
        (there,) = yield Query(_IS_THERE, [MODULE])
        if not there["hasModule"]:
            return "absent"
        if not there["isMade"]:
            return "missing"
        (found,) = yield Query(_IS_BEHIND)
        return "behind" if found["isBehind"] else "current"

    def make(self) -> Steps[None]:
        """Make the table, empty, in a unit that writes. One whose trigger is gone belonged to other rows."""
        (there,) = yield Query(_IS_THERE, [MODULE])
        if there["hasModule"] and not there["isMade"]:
            for statement in _MAKE:
                yield Query(statement)

    def follow(self) -> Steps[None]:
        """Take out what was deleted, then put in a batch of what was added, in a unit that writes."""
        for statement in _TAKE_OUT:
            yield Query(statement)
        yield Query(_PUT_IN, [BATCH])


_IS_THERE: Final = """
SELECT EXISTS (SELECT 1 FROM pragma_module_list WHERE "name" = ?1) AS "hasModule",
    EXISTS (SELECT 1 FROM "sqlite_schema" WHERE "name" = 'agentdb_search_deletion' AND "type" = 'trigger') AS "isMade"
"""

# FTS5 keeps the rowids of a table without contents in their order.
_LAST: Final = 'COALESCE((SELECT "rowid" FROM "agentdb_search_fts" ORDER BY "rowid" DESC LIMIT 1), 0)'

_IS_BEHIND: Final = f"""
SELECT COALESCE((SELECT MAX("id") FROM "agentdb_search"), 0) > {_LAST}
    OR EXISTS (SELECT 1 FROM "agentdb_search_deleted") AS "isBehind"
"""  # noqa: S608 - all of it is ours

# Our words are normalised: to the tokenizer `ascii` any other character is part of one, and so is the underscore of
# `user_7`. What is deleted from such a table has to be told as it was put in.
_MAKE: Final = (
    'DROP TABLE IF EXISTS "agentdb_search_fts"',
    'DROP TABLE IF EXISTS "agentdb_search_deleted"',
    """
    CREATE VIRTUAL TABLE "agentdb_search_fts"
    USING fts5("words", content = '', detail = none, tokenize = "ascii tokenchars '_'")
    """,
    'CREATE TABLE "agentdb_search_deleted" ("id" INTEGER PRIMARY KEY NOT NULL, "words" TEXT NOT NULL)',
    TRIGGER,
)

_TAKE_OUT: Final = (
    f"""
    INSERT INTO "agentdb_search_fts" ("agentdb_search_fts", "rowid", "words")
    SELECT 'delete', "id", "words" FROM "agentdb_search_deleted" WHERE "id" <= {_LAST}
    """,  # noqa: S608 - all of it is ours
    'DELETE FROM "agentdb_search_deleted"',
)

_PUT_IN: Final = f"""
INSERT INTO "agentdb_search_fts" ("rowid", "words")
SELECT "id", "words" FROM "agentdb_search" WHERE "id" > {_LAST} ORDER BY "id" LIMIT ?1
"""  # noqa: S608 - all of it is ours
