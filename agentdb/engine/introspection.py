"""What a database's own catalogue says of its tables, in one shape for every engine.

Types, defaults and names are the catalogue's spelling: an expectation is told in it (`Catalogue.type_name` and the
like), because what a catalogue gives back is not what was written.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from agentdb.engine.client import Client


class Column(NamedTuple):
    """A column; `default` is an SQL expression."""

    name: str
    type: str
    is_nullable: bool
    default: str | None = None


class ForeignKey(NamedTuple):
    """A reference from one column to one column; `name` is None where the engine does not keep it."""

    name: str | None
    column: str
    table: str
    to: str
    on_delete: str


class NamedColumns(NamedTuple):
    """An index over all rows or, if it is partial, some. An expression in place of a column is None."""

    name: str
    columns: tuple[str | None, ...]
    is_unique: bool
    is_partial: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table by its parts; the index behind the primary key is not among the indexes."""

    columns: Mapping[str, Column]
    primary_key: tuple[str, ...] = ("id",)
    foreign_keys: Mapping[str, ForeignKey] = field(default_factory=dict)
    indexes: Mapping[str, NamedColumns] = field(default_factory=dict)


Schema: TypeAlias = Mapping[str, Table]


class Catalogue(ABC):
    """How an engine tells its schema."""

    @abstractmethod
    async def read(self, client: Client) -> Schema:
        """All ordinary tables of the current schema by name, their foreign keys by column. Reads only."""

    async def intruders(self, client: Client, tables: Sequence[str]) -> list[str]:
        """What stands in the place of `tables`, or acts on them, and is not ours, one sentence each. Reads only.

        A server is its owner's; a file may come from anywhere.
        """
        return []

    @abstractmethod
    def id_column(self, table: str) -> Column:
        """The column of ids that the database makes."""

    @abstractmethod
    def type_name(self, declared: str) -> str:
        """A type as the catalogue spells it."""

    @abstractmethod
    def literal(self, value: Any) -> str:
        """A constant default as the catalogue spells it."""


def assemble(
    columns: Sequence[Mapping[str, Any]],
    foreign_keys: Sequence[Mapping[str, Any]],
    indexes: Sequence[Mapping[str, Any]],
) -> Schema:
    """Tables from the rows of three catalogue queries, each with `table_name` and its parts in order."""
    parts: dict[str, _Parts] = {}
    for row in columns:
        table = parts.setdefault(row["table_name"], _Parts())
        column = Column(row["name"], row["type"], bool(row["is_nullable"]), row["default"])
        table.columns[column.name] = column
        if row["key_position"]:
            table.primary_key[row["key_position"]] = column.name
    for row in foreign_keys:
        key = ForeignKey(row["name"], row["column"], row["to_table"], row["to_column"], row["on_delete"])
        parts[row["table_name"]].foreign_keys[key.column] = key
    for row in indexes:
        known = parts[row["table_name"]].indexes
        before = known[row["name"]].columns if row["name"] in known else ()
        known[row["name"]] = NamedColumns(
            row["name"], (*before, row["column"]), bool(row["is_unique"]), bool(row["is_partial"])
        )
    return {name: table.whole() for name, table in parts.items()}


class _Parts:
    def __init__(self) -> None:
        self.columns: dict[str, Column] = {}
        self.primary_key: dict[int, str] = {}
        self.foreign_keys: dict[str, ForeignKey] = {}
        self.indexes: dict[str, NamedColumns] = {}

    def whole(self) -> Table:
        key = tuple(name for _, name in sorted(self.primary_key.items()))
        return Table(self.columns, key, self.foreign_keys, self.indexes)
