"""A person's data as JSON: every row of theirs, of one state of the database, without secrets.

    {
      "format": "agentdb-user", "version": 1, "schema": "0003_maintenance", "exportedAt": "2026-11-21T12:00:00+00:00",
      "userID": 7,
      "tables": {"User": [{"id": 7, "email": "ada@example.org", ...}], "Agent": [...], ...}
    }

Every table stands there, with its columns under their own names: ids and counts are numbers, amounts are texts of US
dollars, times are texts in UTC, and JSON is JSON.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import orjson

from agentdb.engine import Row, Session, Steps
from agentdb.engine.misread import reading
from agentdb.engine.private_files import create_private
from agentdb.engine.steps import Query
from agentdb.engine.values import now
from agentdb.errors import InvalidInputError, NotFoundError, StorageError
from agentdb.lifecycle.start import check_at_head, head
from agentdb.models import INTERNAL_TABLES, TABLES
from agentdb.operations.erasure import check_user_id
from agentdb.operations.personal import SHOWN, UNSHOWN, query_of

VERSION: Final = 1

_BATCH: Final = 100
_PATIENCE_S: Final = 30 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Export:
    """What was written.

    Attributes:
        rows: By table.
    """

    rows: Mapping[str, int]


class Exporter:
    """Writes what one person has in an open database."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def to_path(self, user_id: int, path: Path) -> Export:
        """Write a new file that only its owner may read; nothing is there if it fails.

        Raises:
            StorageError: There is a file already, or none can be made or written.
        """
        check_user_id(user_id)
        file = await asyncio.to_thread(_made, path)
        try:
            with file:
                done = await self.to_file(user_id, file)
                await asyncio.to_thread(os.fsync, file.fileno())
        except BaseException as error:
            os.unlink(path)
            if isinstance(error, OSError):
                raise _unwritten(path, error) from error
            raise
        return done

    async def to_file(self, user_id: int, file: BinaryIO) -> Export:
        """Write into an open file, from its present place on. It can be sought in, as it is begun anew if need be.

        Raises:
            InvalidInputError: It is no such file.
            StorageError: It cannot be written.
        """
        check_user_id(user_id)
        start = _start(file)
        await check_at_head(self._session)
        try:
            return await self._session.query(partial(self._written, user_id, file, start), timeout_s=_PATIENCE_S)
        except OSError as error:
            name = getattr(file, "name", None)  # a number for one without a name
            raise _unwritten(name if isinstance(name, str) else "The file", error) from error

    def _written(self, user_id: int, file: BinaryIO, start: int) -> Steps[Export]:
        file.seek(start)
        file.truncate()
        if not (yield from self._ids("User", user_id)):
            raise NotFoundError("user", user_id)
        heading = {
            "format": "agentdb-user",
            "version": VERSION,
            "schema": head()["version"],
            "exportedAt": now().isoformat(timespec="seconds"),
            "userID": user_id,
        }
        file.write(orjson.dumps(heading)[:-1] + b',"tables":{')
        counts = {}
        for number, table in enumerate(SHOWN):
            file.write(b"%s\n%s:[" % (b"," if number else b"", orjson.dumps(table)))
            ids = yield from self._ids(table, user_id)
            for place in range(0, len(ids), _BATCH):
                rows = yield self._rows_query(table, ids[place : place + _BATCH])
                file.write((b"," if place else b"") + b",".join(_lines(table, rows)))
            file.write(b"]")
            counts[table] = len(ids)
        file.write(b"\n}}\n")
        file.flush()
        return Export(counts)

    def _ids(self, table: str, user_id: int) -> Steps[Sequence[int]]:
        # All of them first: to ask for page after page of a long list would look for it each time.
        rows = yield query_of(
            self._session,
            f'SELECT "id" FROM "{table}" WHERE {SHOWN[table]} ORDER BY "id"',  # noqa: S608 - all of it is ours
            user_id,
        )
        return [row["id"] for row in rows]

    def _rows_query(self, table: str, ids: Sequence[int]) -> Query:
        places = ", ".join(map(self._session.dialect.placeholder, range(1, len(ids) + 1)))
        sql = f'SELECT * FROM "{table}" WHERE "id" IN ({places}) ORDER BY "id"'  # noqa: S608 - ours
        self._session.check_rights(sql)
        return Query(sql, ids)


def _made(path: Path) -> BinaryIO:
    try:
        if create_private(path):
            return open(path, "wb")
    except OSError as error:
        raise _unwritten(path, error) from error
    raise StorageError(f"{path} is there already. Name another file, or remove it.", reason="read-only")


def _start(file: Any) -> int:
    """The place of a file that can be written and sought in, asked of the file itself: many kinds are none of io's."""
    try:
        file.write(b"")
        start = file.tell()
        file.seek(start)
    except (AttributeError, TypeError, ValueError, OSError) as error:
        raise InvalidInputError(
            f"file is a path, or a file open for bytes that can be sought in, found {type(file).__name__}."
        ) from error
    return int(start)


def _unwritten(path: object, error: OSError) -> StorageError:
    reason: Literal["full", "read-only"] = "full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "read-only"
    return StorageError(f"{path} cannot be written: {error.strerror}.", reason=reason)


def _lines(table: str, rows: Sequence[Row]) -> list[bytes]:
    meta = {**TABLES, **INTERNAL_TABLES}[table]._meta
    fields = {
        column: meta.fields_map[name]
        for name, column in meta.fields_db_projection.items()
        if column not in UNSHOWN.get(table, frozenset())
    }
    with reading():
        shown = [{column: field.to_python_value(row[column]) for column, field in fields.items()} for row in rows]
    return [b"\n" + orjson.dumps(row, default=_text) for row in shown]


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise TypeError(type(value).__name__)
