"""Copying all rows of one database into another, batch by batch, each kept with the note of how far it came."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import lru_cache

from agentdb.engine import Client
from agentdb.engine.snapshot import Snapshot
from agentdb.lifecycle.unfinished import Unfinished, note_unfinished
from agentdb.operations.advance import Told
from agentdb.operations.rows import (
    NO_ID,
    Digest,
    TableDigest,
    insert_rows,
    lines_of,
    link_rows,
    read_batches,
    read_links,
)
from agentdb.operations.tables import Table, carried_tables


@dataclass(frozen=True, slots=True)
class Part:
    """All rows of one table, or all its references to rows that come later."""

    table: Table
    is_links: bool


@lru_cache(maxsize=1)
def parts() -> Sequence[Part]:
    """What a copy is made of, in the order in which it is done."""
    tables = carried_tables()
    return (*(Part(one, False) for one in tables), *(Part(one, True) for one in tables if one.late))


class Copier:
    """Copies from one state of a database into another database.

    Args:
        counts: How many rows the tables have in that state.
        is_digested: Whether digests are made on the way.

    Attributes:
        digests: Of the tables that were copied from their first row to their last.
    """

    def __init__(
        self, source: Snapshot, target: Client, *, counts: Mapping[str, int], is_digested: bool, told: Told
    ) -> None:
        self.digests: dict[str, TableDigest] = {}
        self._source = source
        self._target = target
        self._counts = counts
        self._is_digested = is_digested
        self._told = told

    async def run(self, note: Unfinished) -> None:
        """Do what is left after `note`, which stands in the target, and let ids go on where the source is.

        Raises:
            InvalidInputError: A value that not every engine can keep; what was copied before it stays.
            ConflictError: A row that points to nothing, or that a unique column refuses.
        """
        for step, part in enumerate(parts()[note.step :], note.step):
            here = replace(note, step=step, last_id=note.last_id if step == note.step else NO_ID)
            await (self._link(part.table, here) if part.is_links else self._copy(part.table, here))
        for table in carried_tables():
            last_id = await self._source.client.dialect.last_id(self._source.rows, table.name)
            await self._target.dialect.advance_ids(self._target, table.name, at_least=last_id)

    async def _copy(self, table: Table, note: Unfinished) -> None:
        digest = Digest() if self._is_digested and note.last_id == NO_ID else None
        done = await self._count_until(table, note.last_id)
        async for rows in read_batches(self._source, table, after=note.last_id):
            async with self._kept(replace(note, last_id=rows[-1][0])):
                await insert_rows(self._target, table, rows)
            done += len(rows)
            if digest is not None:
                digest.add(lines_of(table, rows))
            self._told(f"copying {table.name}", done, self._counts[table.name])
        if digest is not None:
            self.digests[table.name] = digest.result

    async def _link(self, table: Table, note: Unfinished) -> None:
        async for links in read_links(self._source, table, after=note.last_id):
            last_id = links[-1][0]
            assert last_id is not None
            async with self._kept(replace(note, last_id=last_id)):
                await link_rows(self._target, table, links)

    @asynccontextmanager
    async def _kept(self, note: Unfinished) -> AsyncIterator[None]:
        async with self._target.transaction(isolation="read committed", is_patient=True):
            yield
            await note_unfinished(self._target, note)

    async def _count_until(self, table: Table, last_id: int) -> int:
        place = self._source.client.dialect.placeholder(1)
        (found,) = await self._source.rows(
            f'SELECT count(*) AS "rows" FROM "{table.name}" WHERE "id" <= {place}',  # noqa: S608 - a name of our models
            [last_id],
        )
        return int(found["rows"])
