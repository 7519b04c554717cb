"""What a statement does to a table, and the parentheses in which the names of its tables hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

ALL: Final = "*"
"""Every column."""

MENTION: Final = "MENTION"
"""The verb of what may be read: names that are columns of a table if it has such."""


class Access(NamedTuple):
    """What a statement does to a table.

    Attributes:
        verb: SELECT, MENTION, INSERT, UPDATE, DELETE, LOCK for rows that are locked only, or whatever else a statement
            begins with: it changes more than rows, and `table` is empty.
        columns: Those that are read or updated, in lower case; empty if it does not matter which.
    """

    verb: str
    table: str
    columns: frozenset[str] = frozenset()


@dataclass(slots=True)
class Scope:
    """What stands between two parentheses.

    Attributes:
        opener: The word before the parenthesis.
        tables: By the names that they have here.
        into: The same of the table that rows are inserted into: what they are made of is not read from it.
        columns: With the table's name, where that is told.
        mentions: Words that may be columns.
        changed: The table that is written.
        is_list: A comma comes before another table.
        orders: What follows sorts, by the names of the result before those of columns.
        sets: A comma comes before another column to set.
        verb: What is done to the table that comes next; empty if none does.
    """

    outer: Scope | None = None
    opener: str = ""
    tables: dict[str, str] = field(default_factory=dict)
    into: dict[str, str] = field(default_factory=dict)
    columns: list[tuple[str | None, str]] = field(default_factory=list)
    mentions: set[str] = field(default_factory=set)
    changed: str = ""
    is_list: bool = False
    orders: bool = False
    sets: bool = False
    verb: str = ""

    def inner(self, opener: str, *, is_query: bool) -> Scope:
        """That of a parenthesis that opens here. One around tables that are joined is no query of its own."""
        is_join = bool(self.verb) and not is_query
        inner = Scope(self, opener, self.tables if is_join else {}, verb=self.verb)
        self.verb = ""
        return inner

    def after_insert(self) -> Scope:
        """That of what an INSERT says of its own table, after its rows."""
        return Scope(self.outer, self.opener, self.into, changed=self.changed)

    def table_called(self, name: str) -> str | None:
        """The table that a name stands for, here or further out."""
        return next((scope.tables[name] for scope in self._outward() if name in scope.tables), None)

    @property
    def read(self) -> set[str]:
        """The tables that an unqualified column may belong to."""
        return next((set(scope.tables.values()) for scope in self._outward() if scope.tables), set())

    def _outward(self) -> Iterator[Scope]:
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.outer
