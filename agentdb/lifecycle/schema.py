"""The schema that the models promise, compared with the one that a database has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tortoise.fields.base import Field
from tortoise.fields.relational import ForeignKeyFieldInstance

from agentdb.engine import Dialect, Session
from agentdb.engine.introspection import Catalogue, Column, ForeignKey, NamedColumns, Schema, Table
from agentdb.models import INTERNAL_TABLES, TABLES, Record
from agentdb.models.fields import NamedIndex, NowDefault, NumberField


async def read_schema(session: Session) -> Schema:
    """The tables of a database as its catalogue tells them. Reads only."""
    with session.use():
        return await session.dialect.catalogue.read(session.client)


def expected_schema(
    dialect: Dialect, models: Iterable[type[Record]] = (*TABLES.values(), *INTERNAL_TABLES.values())
) -> Schema:
    """The tables that `models` need, as the engine's catalogue would tell them."""
    return {model._meta.db_table: _expected_table(dialect, model) for model in models}


def differences(found: Schema, expected: Schema) -> list[str]:
    """What is missing in `found` or different there, one sentence each.

    What else is there does not matter, since other apps live in the same database, except a column that refuses our
    rows.
    """
    return [sentence for name, table in expected.items() for sentence in _of_table(name, found.get(name), table)]


def _expected_table(dialect: Dialect, model: type[Record]) -> Table:
    meta, catalogue = model._meta, dialect.catalogue
    columns = {"id": catalogue.id_column(meta.db_table)}
    foreign_keys = {}
    for field in meta.fields_map.values():
        # Once Tortoise has connected the models, a relation's source is its attribute, which has a field of its own.
        name = meta.fields_db_projection.get(str(field.source_field), str(field.source_field))
        if target := _target(field):
            key = ForeignKey(f"{meta.db_table}_{name}_fkey", name, target.table, "id", target.on_delete)
            foreign_keys[name] = key
        if isinstance(field, ForeignKeyFieldInstance):
            columns[name] = Column(name, catalogue.type_name("BIGINT"), field.null)
        elif field.has_db_field and not field.pk and name not in columns:
            columns[name] = _expected_column(dialect.name, catalogue, field)
    indexes = {str(index.name): _expected_index(index) for index in meta.indexes if isinstance(index, NamedIndex)}
    return Table(columns, ("id",), foreign_keys, indexes)


class _Target(NamedTuple):
    table: str
    on_delete: str


def _target(field: Field[Any]) -> _Target | None:
    if isinstance(field, ForeignKeyFieldInstance):
        return _Target(str(field.model_name).rpartition(".")[2], field.on_delete.value)
    if isinstance(field, NumberField) and field.points_to is not None:
        table, on_delete = field.points_to
        return _Target(table, on_delete.value)
    return None


def _expected_column(dialect: str, catalogue: Catalogue, field: Field[Any]) -> Column:
    declared = catalogue.type_name(field.get_for_dialect(dialect, "SQL_TYPE"))
    return Column(str(field.source_field), declared, field.null, _expected_default(dialect, catalogue, field))


def _expected_default(dialect: str, catalogue: Catalogue, field: Field[Any]) -> str | None:
    if not field.has_db_default():
        return None
    if isinstance(field.db_default, NowDefault):
        return field.db_default.get_sql(dialect=dialect)
    return catalogue.literal(field.db_default)


def _expected_index(index: NamedIndex) -> NamedColumns:
    return NamedColumns(str(index.name), tuple(index.field_names), index.is_unique)


def _of_table(name: str, found: Table | None, expected: Table) -> Iterator[str]:
    if found is None:
        yield f"Table {name} is missing."
        return
    for sentence in (
        *_of_columns(found, expected),
        *_of_foreign_keys(found, expected),
        *_of_indexes(found, expected),
    ):
        yield f"Table {name}: {sentence}."


def _of_columns(found: Table, expected: Table) -> Iterator[str]:
    if found.primary_key != expected.primary_key:
        yield f"the primary key is {_listed(found.primary_key)}, not {_listed(expected.primary_key)}"
    for name, column in expected.columns.items():
        yield from _of_column(found.columns.get(name), column)
    for name, column in found.columns.items():
        if name not in expected.columns and not column.is_nullable and column.default is None:
            yield f"column {name} is not ours, may not be null and has no default, so no row of ours can be stored"


def _of_column(found: Column | None, expected: Column) -> Iterator[str]:
    if found is None:
        yield f"column {expected.name} is missing"
        return
    if found.type != expected.type:
        yield f"column {found.name} is {found.type}, not {expected.type}"
    if found.is_nullable and not expected.is_nullable:
        yield f"column {found.name} may be null and should not"
    if expected.is_nullable and not found.is_nullable:
        yield f"column {found.name} may not be null and should"
    if _bare(found.default) != _bare(expected.default):
        yield f"column {found.name} has the default {found.default}, not {expected.default}"


def _of_foreign_keys(found: Table, expected: Table) -> Iterator[str]:
    for column, key in expected.foreign_keys.items():
        other = found.foreign_keys.get(column)
        if other is None:
            yield f"foreign key {key.name} is missing"
        elif _told(other) != _told(key):
            yield f"foreign key {key.name} is {_told(other)}, not {_told(key)}"
        elif None not in (other.name, key.name) and other.name != key.name:
            yield f"foreign key {key.name} is named {other.name}"


def _of_indexes(found: Table, expected: Table) -> Iterator[str]:
    for name, index in expected.indexes.items():
        other = found.indexes.get(name)
        if other is None:
            yield f"index {name} is missing"
            continue
        if other.columns != index.columns:
            yield f"index {name} is on {_listed(other.columns)}, not {_listed(index.columns)}"
        if other.is_unique != index.is_unique:
            yield f"index {name} is {'unique and should not be' if other.is_unique else 'not unique and should be'}"
        if other.is_partial != index.is_partial:
            yield f"index {name} leaves rows out"


def _bare(default: str | None) -> str | None:
    """A default without the parentheses that some engines need around an expression and some take away."""
    return default.removeprefix("(").removesuffix(")") if default and default.startswith("(") else default


def _told(key: ForeignKey) -> str:
    return f"to {key.table} ({key.to}) on delete {key.on_delete}"


def _listed(columns: Iterable[str | None]) -> str:
    return f"({', '.join(column or 'an expression' for column in columns)})"
