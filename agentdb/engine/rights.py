"""What one service may do to the tables, asked once for each text of a statement before it is ever sent.

It keeps a service from doing by mistake what is another one's work, the same on every engine. Against a service that
means harm the rights of its PostgreSQL role hold, which `agentdb grants` prints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from agentdb.engine.access_scopes import ALL, MENTION, Access
from agentdb.engine.accesses import accesses
from agentdb.errors import AccessDeniedError

Columns: TypeAlias = frozenset[str] | None
"""Columns in lower case; None for all of a table."""

_NOBODY: Final = "the owner of the database alone"
_READS: Final = "SELECT"
_CHANGES: Final = ("UPDATE", "LOCK")


@dataclass(frozen=True, slots=True)
class Rights:
    """Tables and columns are named in lower case.

    Attributes:
        tables: Every table that rights are about, with its name as it is written. Others are free.
        owners: The services that write a table; nobody stands for the owner of the database.
        reads: Tables that are read, and which columns.
        updates: Tables in which columns are updated, and rows locked.
        writes: Tables whose rows are made, changed and deleted.
        columns_of: All columns of a table. It is asked only where the text of a statement leaves open what it reads.
    """

    service: str
    tables: Mapping[str, str]
    owners: Mapping[str, tuple[str, ...]]
    reads: Mapping[str, Columns]
    updates: Mapping[str, Columns]
    writes: frozenset[str]
    columns_of: Callable[[str], frozenset[str]]

    def check(self, sql: str) -> None:
        """
        Raises:
            AccessDeniedError: A statement of `sql` does what this service may not.
        """
        refused = [access for access in accesses(sql) if not self._allows(access)]
        if refused:
            # What it would have changed says more than what it would have read for that.
            verb = min((_told(access) for access in refused), key=lambda verb: (verb == _READS, verb))
            tables = {access.table for access in refused if _told(access) == verb and access.table}
            raise self.refusal(verb, tuple(self.tables[table] for table in sorted(tables)))

    def denied(self, what: Literal["read", "write"], places: Iterable[str]) -> tuple[str, ...]:
        """The tables of those `places` that are not free: `Table` for all of it, or `Table.column`."""
        found: dict[str, None] = {}
        for place in places:
            table, _, column = place.partition(".")
            verb = _READS if what == "read" else "UPDATE" if column else "INSERT"
            if not self._allows(Access(verb, table.lower(), frozenset([column.lower()] if column else []))):
                found[table] = None
        return tuple(found)

    def refusal(self, verb: str, tables: tuple[str, ...]) -> AccessDeniedError:
        """Why it may not.

        Args:
            verb: A call such as `agents.create`, or what SQL calls it.
            tables: Which of those that it needs are not its own.
        """
        owners = {table: self.owners.get(table.lower(), ()) for table in tables}
        what = f"call {verb}" if "." in verb else verb
        return AccessDeniedError(
            f"The service {self.service!r} may not {what}: {_whose(owners)}. It was not sent. Let the owner do it, or "
            "change the ownership (AGENTDB_OWNERSHIP).",
            service=self.service,
            verb=verb,
            tables=tables,
            owners=tuple(sorted({name for names in owners.values() for name in names})),
        )

    def _allows(self, access: Access) -> bool:
        if not access.table:
            return False
        if access.table not in self.tables or access.table in self.writes:
            return True
        if access.verb == _READS:
            return _covers(self.reads, access)
        if access.verb == MENTION:
            return self._allows_mention(access)
        return access.verb in _CHANGES and _covers(self.updates, access)

    def _allows_mention(self, access: Access) -> bool:
        if self.reads.get(access.table, frozenset()) is None:
            return True
        columns = access.columns & (self.columns_of(access.table) | {ALL})
        return not columns or _covers(self.reads, Access(_READS, access.table, columns))


def _told(access: Access) -> str:
    return _READS if access.verb == MENTION else access.verb


def _covers(rights: Mapping[str, Columns], access: Access) -> bool:
    if access.table not in rights:
        return False
    columns = rights[access.table]
    return columns is None or access.columns <= columns


def _whose(owners: Mapping[str, tuple[str, ...]]) -> str:
    """Who writes which table; what is read may be refused in part."""
    if not owners:
        return f"the schema belongs to {_NOBODY}"
    of_whom: dict[str, list[str]] = {}
    for table, names in owners.items():
        of_whom.setdefault(" and ".join(names) or _NOBODY, []).append(table)
    return "; ".join(
        f"{', '.join(tables)} {'is' if len(tables) == 1 else 'are'} written by {whom}"
        for whom, tables in of_whom.items()
    )
