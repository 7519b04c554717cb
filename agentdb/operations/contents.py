"""What a whole database holds, in short: to show how far a work is, and to compare two of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from agentdb.engine.snapshot import Snapshot
from agentdb.operations.advance import Told
from agentdb.operations.rows import TableDigest, digest_table
from agentdb.operations.tables import Table, carried_tables


class Content(NamedTuple):
    """What a table holds, as far as it can be told quickly.

    Attributes:
        changed_at: The newest `updatedAt`, as the engine keeps it.
    """

    rows: int
    changed_at: Any


async def read_contents(snapshot: Snapshot) -> dict[str, Content]:
    """Of every carried table."""
    found = {}
    for table in carried_tables():
        sql = f'SELECT count(*) AS "rows", max("updatedAt") AS "changedAt" FROM "{table.name}"'  # noqa: S608 - ours
        (row,) = await snapshot.rows(sql)
        found[table.name] = Content(row["rows"], row["changedAt"])
    return found


class Comparison:
    """Whether another database holds the same as this one.

    Args:
        known: Digests of this one that need not be made again.

    Attributes:
        digests: Of this one, by table, once it was compared.
    """

    def __init__(self, ours: Snapshot, *, known: Mapping[str, TableDigest], told: Told) -> None:
        self.digests: dict[str, TableDigest] = {}
        self._ours = ours
        self._known = known
        self._told = told

    async def differences(self, theirs: Snapshot) -> list[str]:
        """The tables that do not hold the same."""
        different = []
        for table in carried_tables():
            known = self._known.get(table.name)
            expected = known or await digest_table(self._ours, table)
            self.digests[table.name] = expected
            if await self._digest(theirs, table, expected.rows) != expected:
                different.append(table.name)
        return different

    async def _digest(self, snapshot: Snapshot, table: Table, total: int) -> TableDigest:
        def tell(done: int) -> None:
            self._told(f"verifying {table.name}", min(done, total), total)

        return await digest_table(snapshot, table, tell=tell)
