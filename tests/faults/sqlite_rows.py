"""The rows of the table of error classes on SQLite, each by a fault of a real file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Final

from agentdb import Database
from agentdb.errors import ConflictError, StorageError, UnavailableError
from tests.faults.postgres_rows import duplicate, orphan
from tests.faults.private_server import until
from tests.faults.units import Place, Row


@asynccontextmanager
async def busy(place: Place, db: Database) -> AsyncIterator[None]:
    """Another program holds the file's lock, until the unit is tried again."""
    with closing(sqlite3.connect(place.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        async def free() -> None:
            await until(lambda: db.session.repeats.count)
            other.execute("ROLLBACK")

        freeing = asyncio.create_task(free())
        try:
            yield
        finally:
            freeing.cancel()
            await asyncio.gather(freeing, return_exceptions=True)


@asynccontextmanager
async def full(place: Place, db: Database) -> AsyncIterator[None]:
    """The file has its largest size."""
    ((pages,),) = [tuple(row) for row in await db.session.fetch("PRAGMA page_count")]
    await db.session.client.execute_script(f"PRAGMA max_page_count = {pages}")
    content = [{"text": "x" * 1_000_000}]
    await db.conversations.append(place.conversation_id, user_id=place.user_id, role="user", content=content)
    yield


@asynccontextmanager
async def query_only(place: Place, db: Database) -> AsyncIterator[None]:
    """The connection only reads."""
    await db.session.client.execute_script("PRAGMA query_only = ON")
    try:
        yield
    finally:
        await db.session.client.execute_script("PRAGMA query_only = OFF")


async def damaged(place: Place) -> None:
    """The first page of messages is overwritten in the file."""
    with closing(sqlite3.connect(place.file)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ((page, size),) = raw.execute(
            "SELECT rootpage, page_size FROM sqlite_schema, pragma_page_size WHERE name = 'Message'"
        )
    with place.file.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)


ROWS: Final = (
    Row(
        name="SQLITE_BUSY", kind=UnavailableError, codes=("SQLITE_BUSY",), around=busy, is_repeated=True,
        options="?acquire_timeout_s=0.2",
    ),
    Row(name="SQLITE_CONSTRAINT_UNIQUE", kind=ConflictError, codes=("SQLITE_CONSTRAINT_UNIQUE",), inside=duplicate),
    Row(
        name="SQLITE_CONSTRAINT_FOREIGNKEY", kind=ConflictError, codes=("SQLITE_CONSTRAINT_FOREIGNKEY",),
        inside=orphan,
    ),
    Row(name="SQLITE_FULL", kind=StorageError, codes=("SQLITE_FULL",), inside=full, reason="full"),
    Row(name="SQLITE_READONLY", kind=StorageError, codes=("SQLITE_READONLY",), around=query_only, reason="read-only"),
    Row(name="SQLITE_CORRUPT", kind=StorageError, codes=("SQLITE_CORRUPT",), prepare=damaged, reason="corrupt"),
)  # fmt: skip
