"""SQLite's catalogue, read through its table-valued pragmas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agentdb.engine.introspection import Catalogue, Column, Schema, assemble

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


class SqliteCatalogue(Catalogue):
    """Types are what the CREATE TABLE says."""

    async def read(self, client: Client) -> Schema:
        columns, foreign_keys, indexes = [(await client.fetch(sql)).rows for sql in (_COLUMNS, _FOREIGN_KEYS, _INDEXES)]
        return assemble(columns, foreign_keys, indexes)

    def id_column(self, table: str) -> Column:
        return Column("id", "INTEGER", is_nullable=False)

    def type_name(self, declared: str) -> str:
        return declared

    def literal(self, value: Any) -> str:
        return str(int(value)) if isinstance(value, bool) else repr(value)
