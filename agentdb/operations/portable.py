"""All rows of a database as lines, for an archive that any engine can be filled from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import nullcontext
from typing import IO, Any, Final, Protocol

import orjson

from agentdb.engine import Client, Row, settle
from agentdb.engine.snapshot import Snapshot
from agentdb.engine.threads import Told as ToldCount
from agentdb.errors import InvalidInputError, StorageError
from agentdb.operations.advance import Told
from agentdb.operations.archive import LINES, Archive, ArchiveWriter, damaged
from agentdb.operations.manifest import TableFacts
from agentdb.operations.rows import (
    BATCH_CHARACTERS,
    BATCH_ROWS,
    Digest,
    TableRow,
    digest_table,
    insert_rows,
    lines_of,
    link_rows,
    links_of,
    read_batches,
    row_of,
)
from agentdb.operations.tables import Table, all_table_names, carried_tables, state_table

_LONGEST_LINE: Final = 256 * 1024 * 1024
"""No row has more, on any engine."""


class RowSource(Protocol):
    """Rows of a whole database."""

    @property
    def facts(self) -> Mapping[str, TableFacts]:
        """What the tables hold."""

    def batches(self, table: Table) -> AsyncIterator[list[TableRow]]:
        """All rows of a table in the order of ids."""


class SnapshotRows:
    """Those of a database that is open."""

    def __init__(self, snapshot: Snapshot, facts: Mapping[str, TableFacts]) -> None:
        self.facts = facts
        self._snapshot = snapshot

    def batches(self, table: Table) -> AsyncIterator[list[TableRow]]:
        return read_batches(self._snapshot, table)


class ArchiveRows:
    """Those of a portable backup."""

    def __init__(self, archive: Archive) -> None:
        self.facts = archive.manifest.tables
        self._archive = archive

    async def batches(self, table: Table) -> AsyncIterator[list[TableRow]]:
        with self._archive.member(LINES.format(table.name)) as member:
            while lines := await settle(asyncio.to_thread(_next_lines, member)):
                yield [_row(self._archive, table, line) for line in lines]


async def read_tables(snapshot: Snapshot, *, told: Told, archive: ArchiveWriter | None = None) -> dict[str, TableFacts]:
    """What all tables hold; with an archive, their lines are written into it."""
    found = {}
    for table in carried_tables():
        [counted] = await snapshot.rows(f'SELECT count(*) AS "rows" FROM "{table.name}"')  # noqa: S608 - our own name
        digest = Digest()
        with archive.member(LINES.format(table.name)) if archive else nullcontext() as member:
            async for rows in read_batches(snapshot, table):
                await settle(asyncio.to_thread(_take, table, rows, digest, member))
                told(f"reading {table.name}", digest.rows, counted["rows"])
        last_id = await snapshot.client.dialect.last_id(snapshot.rows, table.name)
        found[table.name] = TableFacts(rows=digest.result.rows, sha256=digest.result.sha256, last_id=last_id)
    return found


async def read_state(snapshot: Snapshot) -> dict[str, Any] | None:
    """The ready row as a line tells it; None if there is none."""
    async for rows in read_batches(snapshot, state_table()):
        found: dict[str, Any] = orjson.loads(lines_of(state_table(), rows)[0])
        return found
    return None


async def write_state(client: Client, state: dict[str, Any] | None) -> None:
    """Let services attach, if they might where the rows came from. Inside the caller's transaction."""
    if state is not None:
        await insert_rows(client, state_table(), [row_of(state_table(), orjson.dumps(state))])


async def fill(client: Client, source: RowSource, *, told: Told) -> None:
    """Put all rows of `source` in the place of those of a migrated database, inside the caller's transaction.

    It then has no ready row.

    Raises:
        StorageError: A row cannot be read, or what stands in the database then is not what the source is.
        ConflictError: A row points to nothing, or a unique column says no.
    """
    await client.dialect.empty_tables(client, all_table_names())
    for table in carried_tables():
        done = 0
        async for rows in source.batches(table):
            await insert_rows(client, table, rows)
            done += len(rows)
            told(f"writing {table.name}", done, source.facts[table.name].rows)
    for table in carried_tables():
        if table.late:
            async for rows in source.batches(table):
                await link_rows(client, table, links_of(table, rows))
        await client.dialect.advance_ids(client, table.name, at_least=source.facts[table.name].last_id)


async def check_tables(snapshot: Snapshot, facts: Mapping[str, TableFacts], *, told: Told) -> None:
    """Compare the rows of a database with what a backup says of its own.

    Raises:
        StorageError: They differ; says in which tables.
    """
    different = []
    for table in carried_tables():
        expected = facts[table.name]
        found = await digest_table(snapshot, table)
        told(f"comparing {table.name}", found.rows, expected.rows)
        if (found.rows, found.sha256) != (expected.rows, expected.sha256):
            different.append(f"{table.name} ({found.rows} rows, {expected.rows} in the backup)")
    if different:
        raise StorageError(
            f"What was restored is not what the backup says it holds: {', '.join(different)}. If something else "
            "wrote meanwhile, stop it and restore again; else take another backup.",
            reason="corrupt",
        )


class OwnRows(Snapshot):
    """What the transaction that the caller is in sees, with what it wrote itself."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def rows(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Row]:
        return await self.client.rows(sql, values)


def check_lines(archive: Archive, name: str, table: Table | None, *, told: ToldCount) -> None:
    """Read all lines of a table, and see that they are those that the manifest tells of. Blocks.

    Args:
        table: What they have to be rows of, if that is known.

    Raises:
        StorageError: They are not.
    """
    expected, digest = archive.manifest.tables[name], Digest()
    with archive.member(LINES.format(name)) as member:
        while lines := _next_lines(member):
            if table is not None and lines_of(table, [_row(archive, table, line) for line in lines]) != lines:
                raise damaged(archive.path, f"a row of {name} is not as agentdb writes it")
            digest.add(lines)
            told(digest.rows, expected.rows)
    if (digest.result.rows, digest.result.sha256) != (expected.rows, expected.sha256):
        raise damaged(archive.path, f"the rows of {name} are not those that its manifest tells of")


def _take(table: Table, rows: Sequence[TableRow], digest: Digest, member: IO[bytes] | None) -> None:
    lines = lines_of(table, rows)
    digest.add(lines)
    if member is not None:
        member.writelines(lines)


def _next_lines(member: IO[bytes]) -> list[bytes]:
    """As many as a batch of rows may hold."""
    lines, length = list[bytes](), 0
    while len(lines) < BATCH_ROWS and length < BATCH_CHARACTERS and (line := member.readline(_LONGEST_LINE)):
        lines.append(line)
        length += len(line)
    return lines


def _row(archive: Archive, table: Table, line: bytes) -> TableRow:
    try:
        return row_of(table, line)
    except (ValueError, AttributeError, TypeError, InvalidInputError) as error:
        # The cause may tell what stands there.
        raise damaged(archive.path, f"a row of {table.name} cannot be read ({type(error).__name__})") from None
