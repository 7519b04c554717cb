"""Copies of SQLite files, by SQLite's own backup interface.

The file itself is never copied while somebody may write: of twelve such copies ten were silently stale and one damaged.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from agentdb.config import Settings
from agentdb.engine.native_copy import Facts, NativeCopy
from agentdb.engine.private_files import publish
from agentdb.engine.sqlite import SqliteTarget, dialect
from agentdb.engine.sqlite_files import SQLITES_OWN, beside, check_file, file_uri
from agentdb.engine.threads import Told, on_thread
from agentdb.engine.url import Url
from agentdb.errors import StorageError, UnavailableError

if TYPE_CHECKING:
    from agentdb.engine.client import Client
    from agentdb.engine.dialect import Target
    from agentdb.engine.snapshot import Snapshot

STEP_PAGES = 1000
"""4 MB take some milliseconds, after which a cancelled copy stops."""

_PATIENCE_S: Final = 5.0


class SqliteCopy(NativeCopy):
    """A file that SQLite opens."""

    kind: ClassVar[str] = "sqlite"
    is_compressed: ClassVar[bool] = False
    leaves_out: ClassVar[tuple[str, ...]] = ()
    takes_all: ClassVar[bool] = True

    async def obstacle(self, client: Client) -> str | None:
        return "A database in memory has no file to copy." if client.target.is_ephemeral else None

    @asynccontextmanager
    async def copied(
        self, client: Client, file: Path, *, tables: Sequence[str], told: Told
    ) -> AsyncIterator[tuple[Snapshot, Facts]]:
        source = _path(client)
        await on_thread(lambda told: copy_file(source, file, told=told), told)
        await self.prove(file, {})
        copy = dialect.client(self.as_target(file), create=False)
        await copy.connect()
        try:
            async with copy.snapshot() as snapshot:
                yield snapshot, {}
        finally:
            await copy.close()

    async def prove(self, file: Path, facts: Facts) -> str | None:
        await asyncio.to_thread(_check_integrity, file)
        return "SQLite finds the file whole (integrity_check)."

    def as_target(self, file: Path) -> SqliteTarget:
        return dialect.target(Url("sqlite", path=str(file)), Settings.load(env_file=None), source="argument")

    def place_of(self, target: Target) -> Path | None:
        assert isinstance(target, SqliteTarget)
        return Path(os.path.realpath(target.path)) if target.path is not None else None

    async def check_place(self, client: Client, facts: Facts) -> None:
        """Any file will do."""

    async def put(self, file: Path, client: Client, facts: Facts, *, tables: Sequence[str], told: Told) -> None:
        place = _path(client)
        if not place.exists():
            _remove_leftovers(place)
        if not await asyncio.to_thread(publish, file, place):
            await on_thread(lambda told: replace_file(file, place, told=told), told)


def copy_file(source: Path, copy: Path, *, told: Told) -> None:
    """Copy a database, as it is at this moment, while others write to it."""
    check_file(source)
    with dialect.translating(), _opened(source) as raw, _opened(copy) as fresh:
        # Nobody else sees it, and nobody will if it does not become whole.
        fresh.execute("PRAGMA journal_mode = OFF")
        fresh.execute("PRAGMA synchronous = OFF")
        raw.execute("PRAGMA query_only = ON")
        # Held open over all steps: otherwise the copy begins anew whenever somebody commits between two of them.
        raw.execute("BEGIN")
        raw.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        _copy_pages(raw, fresh, told)
        raw.execute("ROLLBACK")


def replace_file(source: Path, place: Path, *, told: Told) -> None:
    """Give the database at `place` the content of `source`, in one transaction of SQLite.

    Its file stays the same one, with its rights, so that nobody who opens it meanwhile goes on with a deleted file.

    Raises:
        UnavailableError: Somebody has it open.
    """
    check_file(place)
    with dialect.translating(), _opened(source) as raw, _opened(place, timeout_s=0) as replaced:
        try:
            # The log of writes can only be given up by who is alone.
            replaced.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY"):
                raise
            raise UnavailableError(
                f"{place} is open in another process, or in this one. Stop what uses it, and run this again. "
                "Nothing was changed.",
                engine_code=error.sqlite_errorname,
            ) from error
        try:
            replaced.execute("PRAGMA synchronous = FULL")
            _copy_pages(raw, replaced, told)
        finally:
            replaced.execute("PRAGMA journal_mode = WAL")
    _check_integrity(place)


def _remove_leftovers(place: Path) -> None:
    """Of a database that is gone: SQLite would take them for those of the one that comes."""
    for suffix in SQLITES_OWN:
        beside(place, suffix).unlink(missing_ok=True)


def _path(client: Client) -> Path:
    target = client.target
    assert isinstance(target, SqliteTarget)
    assert target.path is not None
    return target.path


@contextmanager
def _opened(path: Path, *, timeout_s: float = _PATIENCE_S) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file_uri(path), uri=True, isolation_level=None, timeout=timeout_s)) as raw:
        raw.execute("PRAGMA trusted_schema = OFF")
        yield raw


def _copy_pages(source: sqlite3.Connection, target: sqlite3.Connection, told: Told) -> None:
    source.backup(target, pages=STEP_PAGES, progress=lambda _, left, total: told(total - left, total))


def _check_integrity(file: Path) -> None:
    with dialect.translating(), _opened(file) as raw:
        raw.execute("PRAGMA query_only = ON")
        found = [row[0] for row in raw.execute("PRAGMA integrity_check(3)")]
    if found != ["ok"]:
        raise StorageError(f"The SQLite file is damaged: {'; '.join(found)}.", reason="corrupt")
