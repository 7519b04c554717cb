"""Rows on their way between databases: read in batches from one snapshot, as lines with a digest, and written.

A row is a tuple in the order of its table's columns, of values that mean the same on every engine: ids and numbers are
int, money is Decimal, times are datetimes in UTC, JSON is its text as it is stored. A line is the same as canonical
JSON, so equal rows of any two databases give equal lines, and the SHA-256 of a table is that of its lines.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

import orjson

from agentdb.engine import Client
from agentdb.engine.misread import reading
from agentdb.engine.money import dollars, from_database
from agentdb.engine.snapshot import Snapshot
from agentdb.engine.values import INTEGER_MIN, canonical, instant
from agentdb.errors import AgentDBError
from agentdb.operations.tables import Column, Kind, Table

BATCH_ROWS: Final = 1000
BATCH_CHARACTERS: Final = 4 * 1024 * 1024
"""What the growing columns of a batch hold together at most, unless a single row holds more."""

NO_ID: Final = INTEGER_MIN
"""Smaller than the id of any row that is carried."""

TableRow: TypeAlias = tuple[Any, ...]
Link: TypeAlias = tuple[int | None, ...]
"""The id of a row, and the values of its table's late columns."""

_Convert: TypeAlias = Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


def _json_text(stored: Any) -> str:
    # SQLite keeps a JSON text that is a number as a number.
    return stored if isinstance(stored, str) else orjson.dumps(stored).decode()


_FROM_DATABASE: Final[Mapping[Kind, _Convert]] = {
    "boolean": bool,
    "time": instant,
    "money": from_database,
    "json": _json_text,
}
_TO_LINE: Final[Mapping[Kind, _Convert]] = {
    "time": lambda moment: moment.isoformat(sep=" ", timespec="microseconds"),  # as `time_text`: it is in UTC already
    "money": lambda amount: f"{amount:f}",
    "json": lambda text: canonical(orjson.loads(text)),
}
_FROM_LINE: Final[Mapping[Kind, _Convert]] = {
    "time": datetime.fromisoformat,
    "money": dollars,
    "json": lambda value: orjson.dumps(value).decode(),
}


@dataclass(frozen=True, slots=True)
class TableDigest:
    """What a table holds, in short.

    Attributes:
        sha256: Of all lines in the order of ids, in hexadecimal.
    """

    rows: int
    sha256: str


class Digest:
    """Grows with every batch of lines.

    Attributes:
        rows: How many there were so far.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._hash = hashlib.sha256()

    def add(self, lines: Sequence[bytes]) -> None:
        """Take the next lines in the order of ids."""
        self.rows += len(lines)
        for line in lines:
            self._hash.update(line)

    @property
    def result(self) -> TableDigest:
        """Of all lines so far."""
        return TableDigest(self.rows, self._hash.hexdigest())


async def read_batches(snapshot: Snapshot, table: Table, *, after: int = NO_ID) -> AsyncIterator[list[TableRow]]:
    """The rows with greater ids than `after` in the order of ids, some at a time, so that memory stays bounded.

    A batch has at most `BATCH_ROWS` rows, and `BATCH_CHARACTERS` in its growing columns or one row.

    Raises:
        StorageError: A row holds what its column cannot.
    """
    limits, rows = _limits_sql(snapshot.client, table), _rows_sql(snapshot.client, table)
    while True:
        (found,) = await snapshot.rows(limits, [after, BATCH_CHARACTERS])
        if found["last_id"] is None:
            return
        batch = _rows(table, await snapshot.rows(rows, [after, found["last_id"]]))
        after = found["last_id"]
        yield batch


async def digest_table(snapshot: Snapshot, table: Table, *, tell: Callable[[int], None] | None = None) -> TableDigest:
    """The digest of all rows; equal on every engine for equal contents.

    Args:
        tell: Called with the number of rows so far, after every batch.
    """
    digest = Digest()
    async for batch in read_batches(snapshot, table):
        digest.add(lines_of(table, batch))
        if tell is not None:
            tell(digest.rows)
    return digest.result


def lines_of(table: Table, rows: Iterable[TableRow]) -> list[bytes]:
    """Each row as one line of canonical JSON: an object by column, where a NULL has no key and a JSON null has one.

    Money is a decimal text with ten decimals, a time a text of 32 characters in UTC.

    Raises:
        StorageError: The text of a JSON column is none.
    """
    converts = [(column.name, _TO_LINE.get(column.kind, _same)) for column in table.columns]
    with reading():
        return [
            orjson.dumps(
                {
                    name: convert(value)
                    for (name, convert), value in zip(converts, row, strict=True)
                    if value is not None
                },
                option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE,
            )
            for row in rows
        ]


def row_of(table: Table, line: bytes) -> TableRow:
    """The row that a line tells. Columns that it does not name are NULL, names that are no columns are not looked at.

    Raises:
        ValueError: No such line.
        InvalidInputError: An amount of money that is none.
    """
    values = orjson.loads(line)
    return tuple(
        _FROM_LINE[column.kind](values[column.name])
        if column.name in values and column.kind in _FROM_LINE
        else values.get(column.name)
        for column in table.columns
    )


async def insert_rows(client: Client, table: Table, rows: Sequence[TableRow]) -> None:
    """Write rows with the ids that they have, in their order, inside the caller's transaction.

    What points to a row that is not there yet is left NULL, until `link_rows` sets it when all rows are there.

    Raises:
        InvalidInputError: A value that not every engine can keep.
        ConflictError: An id that is there, a row that points to nothing, or a unique column says no.
    """
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    places = ", ".join(client.dialect.placeholder(at) for at in range(1, len(table.columns) + 1))
    written = _without_late(table, rows) if table.late else rows
    sql = f'INSERT INTO "{table.name}" ({names}) VALUES ({places})'  # noqa: S608 - names of our models
    try:
        await client.execute_many(sql, written)
    except AgentDBError as error:
        error.add_note(f"Among rows {rows[0][0]} to {rows[-1][0]} of {table.name}.")
        raise


def links_of(table: Table, rows: Iterable[TableRow]) -> list[Link]:
    """What `insert_rows` leaves NULL in these rows."""
    late = [table.columns.index(column) for column in table.late]
    return [
        (row[0], *(row[at] for at in late))
        for row in rows
        if any(row[at] is not None and not _is_there(table, table.columns[at], row) for at in late)
    ]


async def read_links(snapshot: Snapshot, table: Table, *, after: int = NO_ID) -> AsyncIterator[list[Link]]:
    """The same of all rows with greater ids than `after`, in the order of ids, some at a time."""
    first = snapshot.client.dialect.placeholder(1)
    names = ", ".join(f'"{column.name}"' for column in table.late)
    conditions = " OR ".join(_is_late_sql(table, column) for column in table.late)
    sql = (
        f'SELECT "id", {names} FROM "{table.name}" '  # noqa: S608 - names of our models
        f'WHERE "id" > {first} AND ({conditions}) ORDER BY "id" LIMIT {BATCH_ROWS}'
    )
    while links := [
        (row["id"], *(row[column.name] for column in table.late)) for row in await snapshot.rows(sql, [after])
    ]:
        after = links[-1][0]
        yield links


async def link_rows(client: Client, table: Table, links: Sequence[Link]) -> None:
    """Set what `insert_rows` left NULL, when all rows are there, inside the caller's transaction. Twice is harmless."""
    if not links:
        return
    place = client.dialect.placeholder
    changes = ", ".join(f'"{column.name}" = {place(at)}' for at, column in enumerate(table.late, 2))
    sql = f'UPDATE "{table.name}" SET {changes} WHERE "id" = {place(1)}'  # noqa: S608 - names of our models
    await client.execute_many(sql, links)


def _rows(table: Table, stored: Iterable[Any]) -> list[TableRow]:
    converts = [_FROM_DATABASE.get(column.kind, _same) for column in table.columns]
    with reading():
        return [
            tuple([None if value is None else convert(value) for convert, value in zip(converts, row, strict=True)])
            for row in stored
        ]


def _without_late(table: Table, rows: Sequence[TableRow]) -> Sequence[TableRow]:
    places = [(table.columns.index(column), column) for column in table.late]
    written = list(rows)
    for at, row in enumerate(rows):
        late = {place for place, column in places if row[place] is not None and not _is_there(table, column, row)}
        if late:
            written[at] = tuple(None if place in late else value for place, value in enumerate(row))
    return written


def _is_late_sql(table: Table, column: Column) -> str:
    is_set = f'"{column.name}" IS NOT NULL'
    return f'{is_set} AND "{column.name}" >= "id"' if column.points_to == table.name else is_set


def _is_there(table: Table, column: Column, row: TableRow) -> bool:
    """Whether the row that it points to was written before: in its own table, if that has a smaller id."""
    return column.points_to == table.name and row[table.columns.index(column)] < row[0]


def _rows_sql(client: Client, table: Table) -> str:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    first, last = client.dialect.placeholder(1), client.dialect.placeholder(2)
    # Names of our models.
    return f'SELECT {names} FROM "{table.name}" WHERE "id" > {first} AND "id" <= {last} ORDER BY "id"'  # noqa: S608


def _limits_sql(client: Client, table: Table) -> str:
    """The last id of the next batch, which is found without holding what its rows hold."""
    first, most = client.dialect.placeholder(1), client.dialect.placeholder(2)
    sizes = [f'COALESCE(length(CAST("{column.name}" AS TEXT)), 0)' for column in table.growing]
    return f"""
    SELECT max("id") AS "last_id" FROM (
        SELECT "id", sum("size") OVER (ORDER BY "id") AS "total", row_number() OVER (ORDER BY "id") AS "place"
        FROM (
            SELECT "id", {" + ".join(sizes) or "0"} AS "size"
            FROM "{table.name}" WHERE "id" > {first} ORDER BY "id" LIMIT {BATCH_ROWS}
        ) AS "next"
    ) AS "summed"
    WHERE "total" <= {most} OR "place" = 1
    """  # noqa: S608 - names of our models
