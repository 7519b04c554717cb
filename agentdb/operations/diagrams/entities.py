"""The tables as a diagram shows them: columns with their types, keys, and what may be null."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from agentdb.engine.introspection import Column, Table
from agentdb.engine.location import dialect_of
from agentdb.lifecycle.schema import expected_schema
from agentdb.models import INTERNAL_TABLES, TABLES
from agentdb.models.names import DOMAINS, Domain


@dataclass(frozen=True, slots=True)
class Attribute:
    """One column.

    Attributes:
        type: As PostgreSQL calls it, which has a type of its own for each kind of value.
        is_unique: No two rows have the same value.
        unique_with: Other columns, together with which no two rows have the same values.
        points_to: The table whose id it holds.
        on_delete: What becomes of the row, or of the column, when that row is deleted.
    """

    name: str
    type: str
    is_nullable: bool
    is_primary: bool
    is_unique: bool
    unique_with: tuple[str, ...]
    points_to: str | None
    on_delete: str | None


@dataclass(frozen=True, slots=True)
class Entity:
    """One table."""

    name: str
    domain: str
    attributes: tuple[Attribute, ...]

    @property
    def references(self) -> Iterator[tuple[Attribute, str]]:
        """Its foreign keys, each with the table that it points to."""
        return ((one, one.points_to) for one in self.attributes if one.points_to is not None)


def entities(domains: Iterable[Domain] = DOMAINS) -> tuple[Entity, ...]:
    """The tables of `domains`, grouped by domain, parents before their children."""
    schema, wanted = expected_schema(dialect_of("postgresql")), set(domains)
    found = [
        Entity(name, model.__module__.rpartition(".")[2], tuple(_attributes(schema[name])))
        for name, model in {**TABLES, **INTERNAL_TABLES}.items()
    ]
    names: list[str] = list(DOMAINS)
    return tuple(sorted((one for one in found if one.domain in wanted), key=lambda one: names.index(one.domain)))


def _attributes(table: Table) -> Iterator[Attribute]:
    unique = [index.columns for index in table.indexes.values() if index.is_unique]
    for column in table.columns.values():
        yield _attribute(column, table, unique)


def _attribute(column: Column, table: Table, unique: Iterable[tuple[str | None, ...]]) -> Attribute:
    key = table.foreign_keys.get(column.name)
    together = [columns for columns in unique if column.name in columns and len(columns) > 1]
    return Attribute(
        name=column.name,
        type=_SHORT.get(column.type, column.type),
        is_nullable=column.is_nullable,
        is_primary=column.name in table.primary_key,
        is_unique=(column.name,) in unique,
        unique_with=tuple(str(name) for columns in together for name in columns if name != column.name),
        points_to=key.table if key else None,
        on_delete=key.on_delete if key else None,
    )


_SHORT: Final = {"timestamp with time zone": "timestamptz"}
