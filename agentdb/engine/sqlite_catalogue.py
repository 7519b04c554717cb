"""SQLite's catalogue, read through its table-valued pragmas."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from agentdb.engine.introspection import Catalogue, Column, Schema, assemble
from agentdb.engine.steps import Row
from agentdb.engine.values import json_text
from agentdb.engine.word_table import TRIGGER
from agentdb.errors import excerpt

if TYPE_CHECKING:
    from agentdb.engine.client import Client

# A virtual table has no root page. Asking for the columns of one fails where its extension is not loaded.
_COLUMNS: Final = """
    SELECT "tables"."name" AS "table_name", "part"."name" AS "name", "part"."type" AS "type",
        NOT "part"."notnull" AS "is_nullable", "part"."dflt_value" AS "default", "part"."pk" AS "key_position"
    FROM "sqlite_schema" AS "tables" JOIN pragma_table_info("tables"."name") AS "part"
    WHERE "tables"."type" = 'table' AND "tables"."rootpage" > 0 AND "tables"."name" NOT GLOB 'sqlite_*'
    ORDER BY "tables"."name", "part"."cid"
"""

_FOREIGN_KEYS: Final = """
    SELECT "tables"."name" AS "table_name", NULL AS "name", "part"."from" AS "column", "part"."table" AS "to_table",
        "part"."to" AS "to_column", "part"."on_delete" AS "on_delete"
    FROM "sqlite_schema" AS "tables" JOIN pragma_foreign_key_list("tables"."name") AS "part"
    WHERE "tables"."type" = 'table' AND "tables"."rootpage" > 0 AND "tables"."name" NOT GLOB 'sqlite_*'
    ORDER BY "tables"."name", "part"."id"
"""

# An index on a name that is no column is an index on a constant: its column has no name here.
_INDEXES: Final = """
    SELECT "tables"."name" AS "table_name", "index"."name" AS "name", "index"."unique" AS "is_unique",
        "index"."partial" AS "is_partial", "part"."name" AS "column"
    FROM "sqlite_schema" AS "tables" JOIN pragma_index_list("tables"."name") AS "index"
    JOIN pragma_index_xinfo("index"."name") AS "part"
    WHERE "tables"."type" = 'table' AND "tables"."rootpage" > 0 AND "tables"."name" NOT GLOB 'sqlite_*'
        AND "index"."origin" = 'c' AND "part"."key"
    ORDER BY "tables"."name", "index"."name", "part"."seqno"
"""

# Names of tables are the same in capitals and small letters.
_OBJECTS: Final = """
    SELECT "type", "name", "tbl_name" AS "table_name", "rootpage" AS "root", "sql" FROM "sqlite_schema"
    WHERE "type" <> 'index' AND lower("tbl_name") IN (SELECT "value" FROM json_each(?1))
"""

# Inside a table it is a cast, or how a column is generated.
_GENERATED: Final = re.compile(r"\bAS\s*\(", re.IGNORECASE)


class SqliteCatalogue(Catalogue):
    """Types are what the CREATE TABLE says."""

    async def read(self, client: Client) -> Schema:
        columns, foreign_keys, indexes = [(await client.fetch(sql)).rows for sql in (_COLUMNS, _FOREIGN_KEYS, _INDEXES)]
        return assemble(columns, foreign_keys, indexes)

    async def intruders(self, client: Client, tables: Sequence[str]) -> list[str]:
        names = json_text([name.lower() for name in tables])
        rows = (await client.fetch(_OBJECTS, [names])).rows
        return [sentence for row in rows if (sentence := _intruder(row))]

    def id_column(self, table: str) -> Column:
        return Column("id", "INTEGER", is_nullable=False)

    def type_name(self, declared: str) -> str:
        return declared

    def literal(self, value: Any) -> str:
        return str(int(value)) if isinstance(value, bool) else repr(value)


def _intruder(row: Row) -> str | None:
    table, sql = f"Table {row['table_name']}", str(row["sql"])
    if row["type"] == "trigger":
        is_ours = " ".join(sql.split()) == TRIGGER
        return None if is_ours else f"{table} has the trigger {excerpt(row['name'])}."
    if row["type"] != "table":
        return f"{table} is a {row['type']}."
    if not isinstance(row["root"], int) or row["root"] <= 0:
        return f"{table} is a virtual table."
    return f"{table} has a generated column." if _GENERATED.search(sql) else None
