"""PostgreSQL's catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agentdb.engine.introspection import Catalogue, Column, Schema, assemble

if TYPE_CHECKING:
    from agentdb.engine.client import Client

_COLUMNS: Final = """
    SELECT "table".relname AS "table_name", "column".attname AS "name",
        format_type("column".atttypid, "column".atttypmod) AS "type", NOT "column".attnotnull AS "is_nullable",
        pg_get_expr("default".adbin, "default".adrelid) AS "default",
        array_position("key".conkey, "column".attnum) AS "key_position"
    FROM pg_class AS "table"
    JOIN pg_attribute AS "column" ON "column".attrelid = "table".oid
    LEFT JOIN pg_attrdef AS "default" ON "default".adrelid = "table".oid AND "default".adnum = "column".attnum
    LEFT JOIN pg_constraint AS "key" ON "key".conrelid = "table".oid AND "key".contype = 'p'
    WHERE "table".relnamespace = current_schema()::regnamespace AND "table".relkind IN ('r', 'p')
        AND "column".attnum > 0 AND NOT "column".attisdropped
    ORDER BY "table".relname, "column".attnum
"""

_FOREIGN_KEYS: Final = """
    SELECT "table".relname AS "table_name", "key".conname AS "name", "column".attname AS "column",
        "target".relname AS "to_table", "to".attname AS "to_column",
        CASE "key".confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT'
            WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION' END AS "on_delete"
    FROM pg_constraint AS "key"
    JOIN pg_class AS "table" ON "table".oid = "key".conrelid
    JOIN pg_class AS "target" ON "target".oid = "key".confrelid
    JOIN pg_attribute AS "column" ON "column".attrelid = "table".oid AND "column".attnum = "key".conkey[1]
    JOIN pg_attribute AS "to" ON "to".attrelid = "target".oid AND "to".attnum = "key".confkey[1]
    WHERE "table".relnamespace = current_schema()::regnamespace AND "key".contype = 'f'
        AND cardinality("key".conkey) = 1
    ORDER BY "table".relname, "key".conname
"""

# An index whose concurrent creation failed is not used, so it is not there.
_INDEXES: Final = """
    SELECT "table".relname AS "table_name", "name".relname AS "name", "index".indisunique AS "is_unique",
        "index".indpred IS NOT NULL AS "is_partial", "column".attname AS "column"
    FROM pg_index AS "index"
    JOIN pg_class AS "name" ON "name".oid = "index".indexrelid
    JOIN pg_class AS "table" ON "table".oid = "index".indrelid
    CROSS JOIN LATERAL unnest("index".indkey::int2[]) WITH ORDINALITY AS "part" ("number", "position")
    LEFT JOIN pg_attribute AS "column" ON "column".attrelid = "table".oid AND "column".attnum = "part"."number"
    WHERE "table".relnamespace = current_schema()::regnamespace AND NOT "index".indisprimary AND "index".indisvalid
        AND "part"."position" <= "index".indnkeyatts
    ORDER BY "table".relname, "name".relname, "part"."position"
"""

_TYPE_NAMES: Final = {
    "BOOL": "boolean",
    "INT": "integer",
    "SMALLINT": "smallint",
    "TIMESTAMPTZ": "timestamp with time zone",
    "DOUBLE PRECISION": "double precision",
}


class PostgresCatalogue(Catalogue):
    """Types are spelled out in small letters."""

    async def read(self, client: Client) -> Schema:
        columns, foreign_keys, indexes = [(await client.fetch(sql)).rows for sql in (_COLUMNS, _FOREIGN_KEYS, _INDEXES)]
        return assemble(columns, foreign_keys, indexes)

    def id_column(self, table: str) -> Column:
        sequence = f"{table}_id_seq"
        shown = sequence if sequence.islower() else f'"{sequence}"'
        return Column("id", "bigint", is_nullable=False, default=f"nextval('{shown}'::regclass)")

    def type_name(self, declared: str) -> str:
        return _TYPE_NAMES.get(declared, declared.lower())

    def literal(self, value: Any) -> str:
        return str(value).lower() if isinstance(value, (bool, int)) else f"'{value}'::text"
