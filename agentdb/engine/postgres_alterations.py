"""The statements that turn tables as they are found into tables as they should be, on PostgreSQL.

They keep the rows. What a column cannot be turned into stays as it is, so `altered` tells what will still differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final, Literal, NamedTuple, TypeAlias

from agentdb.engine.introspection import Column, ForeignKey, Schema, Table

Kind: TypeAlias = Literal["column", "type", "default", "null", "index", "foreign key"]


class Alteration(NamedTuple):
    """One change of one table.

    Attributes:
        what: For people, without the table.
        sql: An action of ALTER TABLE, or for an index or foreign key whole statements.
    """

    kind: Kind
    table: str
    what: str
    sql: str


_LONE_ESCAPES: Final = (
    r"\\u0000|\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
# What looks around is slow (it made converting 200,000 messages take 33 s in place of 9), and few texts need it.
_SUSPECT: Final = r"\\u(?:0000|[dD][89a-fA-F])"
_REPLACEMENT: Final = r"\\ufffd"

# By the types as found, without their length, and as expected.
_CONVERSIONS: Final[Mapping[tuple[str, str], str]] = {
    **{(found, "bigint"): "{column}" for found in ("smallint", "integer")},
    **{(found, "bigint"): "trunc({column})::bigint" for found in ("real", "double precision", "numeric")},
    **{
        (found, "numeric(20,10)"): "round({column}::numeric, 10)"
        for found in ("smallint", "integer", "bigint", "real", "double precision", "numeric")
    },
    ("json", "jsonb"): (
        "(CASE WHEN {column}::text ~ '{suspect}' "
        "THEN regexp_replace({plain}, '{escapes}', '{replacement}', 'g') ELSE {column}::text END)::jsonb"
    ),
    ("character varying", "text"): "{column}",
}


def has_lone_escapes(column: str) -> str:
    """A condition: this `json` has escapes that `jsonb` refuses, of NUL and of lone surrogates."""
    return f"{column}::text ~ '{_SUSPECT}' AND {_plain_escapes(column)} ~ '{_LONE_ESCAPES}'"


def alterations(found: Schema, expected: Schema) -> list[Alteration]:
    """What has to be done to the tables of `expected` that are there."""
    return [
        change
        for name, table in expected.items()
        if name in found
        for change in (*_columns(name, found[name], table), *_indexes(name, found[name], table))
    ] + [
        change
        for name, table in expected.items()
        if name in found
        for change in _foreign_keys(name, found[name], table)
    ]


def altered(found: Schema, expected: Schema) -> Schema:
    """The schema after `alterations`."""
    return {name: _altered(table, expected[name]) if name in expected else table for name, table in found.items()}


def table_statements(changes: Sequence[Alteration]) -> Iterator[tuple[str, str]]:
    """The changes of columns as (table, statement): one statement for each table, which is written anew at most once.

    The sequence of an id that was a 32-bit number counts on in 64 bits.
    """
    columns = [change for change in changes if change.kind not in ("index", "foreign key")]
    for table, actions in groupby(columns, key=lambda change: change.table):
        several = list(actions)
        yield table, f'ALTER TABLE "{table}" {", ".join(action.sql for action in several)}'
        if any(action.kind == "type" and action.what.startswith("id:") for action in several):
            yield table, f'ALTER SEQUENCE "{table}_id_seq" AS bigint'


def _columns(table: str, found: Table, expected: Table) -> Iterator[Alteration]:
    for name, column in expected.columns.items():
        before = found.columns.get(name)
        if before is None:
            yield Alteration("column", table, f"{name}: {column.type}", f'ADD COLUMN "{name}" {_declared(column)}')
            continue
        using = _conversion(before, column)
        if using is not None:
            action = f'ALTER COLUMN "{name}" TYPE {column.type} USING {using}'
            yield Alteration("type", table, f"{name}: {before.type} becomes {column.type}", action)
        if before.default != column.default:
            told = f"{name}: {column.default or 'none'} in place of {before.default or 'none'}"
            setting = f"SET DEFAULT {column.default}" if column.default else "DROP DEFAULT"
            yield Alteration("default", table, told, f'ALTER COLUMN "{name}" {setting}')
        if before.is_nullable != column.is_nullable:
            told = f"{name}: {'may' if column.is_nullable else 'may not'} be null"
            verb = "DROP" if column.is_nullable else "SET"
            yield Alteration("null", table, told, f'ALTER COLUMN "{name}" {verb} NOT NULL')


def _declared(column: Column) -> str:
    default = f" DEFAULT {column.default}" if column.default else ""
    return f"{column.type}{default}{'' if column.is_nullable else ' NOT NULL'}"


def _conversion(found: Column, expected: Column) -> str | None:
    """None if there is nothing to convert, or no way to."""
    if found.type == expected.type:
        return None
    column = f'"{found.name}"'
    using = _CONVERSIONS.get((found.type.partition("(")[0], expected.type))
    for name, part in (
        ("plain", _plain_escapes(column)),
        ("column", column),
        ("suspect", _SUSPECT),
        ("escapes", _LONE_ESCAPES),
        ("replacement", _REPLACEMENT),
    ):
        using = using and using.replace(f"{{{name}}}", part)
    return using


def _plain_escapes(column: str) -> str:
    """JSON of the same value, in which every backslash before a `u` begins an escape."""
    return rf"replace({column}::text, '\\', '\u005c')"


def _indexes(table: str, found: Table, expected: Table) -> Iterator[Alteration]:
    for name, index in expected.indexes.items():
        if found.indexes.get(name) != index:
            unique = "UNIQUE " if index.is_unique else ""
            columns = ", ".join(f'"{column}"' for column in index.columns)
            told = f"{name}: {'unique ' if index.is_unique else ''}on {', '.join(map(str, index.columns))}"
            dropped = f'DROP INDEX "{name}"; ' if name in found.indexes else ""
            yield Alteration("index", table, told, f'{dropped}CREATE {unique}INDEX "{name}" ON "{table}" ({columns})')


def _foreign_keys(table: str, found: Table, expected: Table) -> Iterator[Alteration]:
    for column, key in expected.foreign_keys.items():
        before = found.foreign_keys.get(column)
        if before != key:
            dropped = f'ALTER TABLE "{table}" DROP CONSTRAINT "{before.name}"; ' if before else ""
            told = f"{key.name}: to {key.table}, on delete {key.on_delete.lower()}"
            yield Alteration("foreign key", table, told, dropped + _constraint(table, key))


def _constraint(table: str, key: ForeignKey) -> str:
    return (
        f'ALTER TABLE "{table}" ADD CONSTRAINT "{key.name}" FOREIGN KEY ("{key.column}") '
        f'REFERENCES "{key.table}" ("{key.to}") ON DELETE {key.on_delete}'
    )


def _altered(found: Table, expected: Table) -> Table:
    columns = {name: _altered_column(found.columns.get(name), column) for name, column in expected.columns.items()}
    indexes = {**found.indexes, **expected.indexes}
    foreign_keys = {**found.foreign_keys, **expected.foreign_keys}
    return replace(found, columns={**found.columns, **columns}, indexes=indexes, foreign_keys=foreign_keys)


def _altered_column(found: Column | None, expected: Column) -> Column:
    if found is None or found.type == expected.type or _conversion(found, expected):
        return expected
    return Column(expected.name, found.type, expected.is_nullable, expected.default)
