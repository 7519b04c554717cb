"""What the tables hold, for whoever carries whole databases: read from the models, in the order for inserting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from graphlib import TopologicalSorter
from typing import Any, Final, Literal, TypeAlias

from tortoise.fields import BooleanField, TextField
from tortoise.fields.base import Field
from tortoise.fields.relational import ForeignKeyFieldInstance

from agentdb.models import INTERNAL_TABLES, TABLES, Record, SearchEntry, SearchMark, State
from agentdb.models.fields import JsonField, MoneyField, NumberField, TimestampField

Kind: TypeAlias = Literal["integer", "text", "boolean", "time", "money", "json"]

_KINDS: Final[Mapping[type[Field[Any]], Kind]] = {
    NumberField: "integer",
    ForeignKeyFieldInstance: "integer",
    TextField: "text",
    BooleanField: "boolean",
    TimestampField: "time",
    MoneyField: "money",
    JsonField: "json",
}
_DERIVED: Final = (SearchEntry, SearchMark)
_GROWING: Final = ("text", "json")


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        kind: What it holds, whatever the engine calls that.
        points_to: The table whose row it names, if any.
        is_late: That table comes later, or is its own: some rows can only be pointed to when all are there.
    """

    name: str
    kind: Kind
    points_to: str | None = None
    is_late: bool = False


@dataclass(frozen=True)
class Table:
    """A table. `id` is the first column."""

    name: str
    columns: tuple[Column, ...]

    @cached_property
    def late(self) -> tuple[Column, ...]:
        """The columns that are set when all rows are there."""
        return tuple(column for column in self.columns if column.is_late)

    @cached_property
    def growing(self) -> tuple[Column, ...]:
        """The columns whose values can be large."""
        return tuple(column for column in self.columns if column.kind in _GROWING)


@lru_cache(maxsize=1)
def carried_tables() -> tuple[Table, ...]:
    """The tables that make up a database, parents before their children.

    Left out are `aerich`, which the migrator writes; `agentdb_search` and `agentdb_search_mark`, which a search makes
    again from the messages; and `agentdb_state`, which says that all the others are complete: see `state_table`.
    """
    models = {model._meta.db_table: model for model in (*TABLES.values(), *INTERNAL_TABLES.values())}
    parents = {name: _parents(model) - {name} for name, model in models.items()}
    order = [*TopologicalSorter(parents).static_order()]
    left_out = {model._meta.db_table for model in (*_DERIVED, State)}
    return tuple(_table(models[name], before=order[:at]) for at, name in enumerate(order) if name not in left_out)


@lru_cache(maxsize=1)
def state_table() -> Table:
    """`agentdb_state`, whose one row lets services attach: written last, in a transaction after all others."""
    return _table(State, before=())


def all_table_names() -> tuple[str, ...]:
    """Every table of ours that the migrator does not fill, parents first: what an empty database has no row in."""
    derived = (model._meta.db_table for model in _DERIVED)
    return (*(table.name for table in carried_tables()), *derived, state_table().name)


def _parents(model: type[Record]) -> set[str]:
    """What Tortoise knows of. The other of two tables that point at each other is not among it."""
    fields = model._meta.fields_map.values()
    return {_parent(field) for field in fields if isinstance(field, ForeignKeyFieldInstance)}


def _parent(field: ForeignKeyFieldInstance[Any]) -> str:
    return str(field.model_name).rpartition(".")[2]


def _table(model: type[Record], *, before: tuple[str, ...] | list[str]) -> Table:
    meta = model._meta
    columns = {"id": Column("id", "integer")}
    for field in meta.fields_map.values():
        # Once Tortoise has connected the models, a relation's source is its attribute, which has a field of its own.
        name = meta.fields_db_projection.get(str(field.source_field), str(field.source_field))
        if isinstance(field, ForeignKeyFieldInstance):
            parent = _parent(field)
            columns[name] = Column(name, "integer", parent, parent not in before)
        elif isinstance(field, NumberField) and field.points_to is not None:
            parent, _ = field.points_to
            columns[name] = Column(name, "integer", parent, parent not in before)
        elif field.has_db_field and not field.pk and name not in columns:
            columns[name] = Column(name, _kind(field))
    return Table(meta.db_table, tuple(columns.values()))


def _kind(field: Field[Any]) -> Kind:
    return next(kind for kind_of_field, kind in _KINDS.items() if isinstance(field, kind_of_field))
