"""SQLite's answers: a file, one writer at a time in all processes, many readers."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from pydantic import NonNegativeInt

from agentdb.config import Settings
from agentdb.engine.dialect import (
    Dialect,
    Options,
    Read,
    Target,
    common_options,
    read_options,
)
from agentdb.engine.misread import corrupt
from agentdb.engine.money import to_units
from agentdb.engine.private_files import make_private_directory
from agentdb.engine.sqlite_catalogue import SqliteCatalogue
from agentdb.engine.sqlite_errors import translated
from agentdb.engine.sqlite_files import beside, check_file, file_uri, make_file
from agentdb.engine.url import Url
from agentdb.engine.values import CHECKS, Checks, time_text
from agentdb.engine.vectors import sqlite_vec
from agentdb.engine.word_table import WordTable
from agentdb.errors import (
    AgentDBError,
    ConfigurationError,
    SchemaError,
    StorageError,
    UnavailableError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from agentdb.engine.channel import Channel
    from agentdb.engine.client import Client
    from agentdb.engine.diagnosis import Diagnosis
    from agentdb.engine.introspection import Catalogue
    from agentdb.engine.native_copy import NativeCopy
    from agentdb.engine.orm import TortoiseClient
    from agentdb.engine.upkeep import Upkeep

_MEMORY: Final = ":memory:"


class SqliteOptions(Options):
    """What a sqlite URL may say.

    Attributes:
        durability: "full" survives a power failure with every acknowledged write; "fast" may lose the last ones, never
            the file.
        readers: Reader connections at most; with 0 reads take turns with writes.
        inline_reads: Short reads run on the event loop's thread. Switch it off where the file lies on a slow or remote
            disk, which would hold up everything else.
        inline_writes: So do the statements of short writes, and with "fast" their commit, which then does not wait for
            the disk. Switch it off there too.
    """

    durability: Literal["full", "fast"]
    readers: NonNegativeInt = 4
    inline_reads: bool = True
    inline_writes: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteTarget(Target):
    """A file, or with `path` None a database in memory that only its own handle sees."""

    path: Path | None
    sqlite_options: SqliteOptions

    @property
    def options(self) -> SqliteOptions:
        return self.sqlite_options

    @property
    def shown(self) -> str:
        return f"sqlite:///{self.path}" if self.path else f"sqlite:///{_MEMORY}"

    @property
    def storage(self) -> Path | None:
        return self.path

    @property
    def key_file(self) -> Path | None:
        return beside(self.path, ".key") if self.path else None

    @property
    def is_ephemeral(self) -> bool:
        return self.path is None


class SqliteDialect(Dialect):
    """SQLite 3.35 or newer, through aiosqlite."""

    name: ClassVar[str] = "sqlite"
    title: ClassVar[str] = "SQLite"
    alters_columns: ClassVar[bool] = False
    word_table: ClassVar[WordTable | None] = WordTable()
    checks: ClassVar[Checks] = Checks({**CHECKS, datetime: time_text, Decimal: to_units})

    def target(self, url: Url, settings: Settings, *, source: str) -> SqliteTarget:
        if url.hosts or url.user or url.password:
            raise ConfigurationError(
                "A sqlite URL has no host or user: three slashes for a relative file (sqlite:///agent.db), "
                "four for an absolute one (sqlite:////srv/agent.db)."
            )
        defaults = {**common_options(settings), "durability": settings.durability}
        return SqliteTarget(
            dialect=self,
            source=source,
            path=None if url.path in ("", _MEMORY) else Path(url.path).absolute(),
            sqlite_options=read_options(SqliteOptions, defaults, url),
        )

    def client(self, target: Target, *, create: bool) -> Client:
        from agentdb.engine.sqlite_client import SqliteClient

        assert isinstance(target, SqliteTarget)
        return SqliteClient(target, create=create)

    def tortoise_client(self, client: Client) -> TortoiseClient:
        from agentdb.engine.sqlite_orm import SqliteTortoiseClient

        return SqliteTortoiseClient(client)

    async def prepare(self, target: Target, *, create_database: bool) -> None:
        assert isinstance(target, SqliteTarget)
        if target.path is None or target.path.parent.is_dir():
            return
        directory = target.path.parent
        if target.source != "default":  # a mistyped path makes no directories
            raise StorageError(f"There is no directory {directory}. Make it, or correct the path.", reason="unreadable")
        try:
            make_private_directory(directory)
        except OSError as error:
            raise StorageError(
                f"The directory {directory} cannot be made: {error.strerror}. Have it made for the account that the "
                "services run as, or let AGENTDB_HOME name another.",
                reason="read-only",
            ) from error

    @asynccontextmanager
    async def migration_lock(self, client: Client, *, timeout_s: float) -> AsyncIterator[None]:
        target = client.target
        assert isinstance(target, SqliteTarget)
        if target.path is None:
            yield
            return
        # A sibling database and not the database itself, whose own lock the migration needs. The operating system
        # frees it when a process dies; the empty file stays, because removing it would race with the next waiter.
        lock_file = beside(target.path, ".migrate-lock")
        make_file(lock_file)
        check_file(lock_file)
        with self.translating():
            lock = sqlite3.connect(file_uri(lock_file), uri=True, isolation_level=None, timeout=0)
        try:
            with self.translating():
                await _begin_exclusive(lock, timeout_s)
            yield
        finally:
            lock.close()

    @asynccontextmanager
    async def migration(self, client: Client) -> AsyncIterator[None]:
        async with client.transaction(is_patient=True, around=_without_foreign_keys):
            yield
            await _check_foreign_keys(client)

    @property
    def catalogue(self) -> Catalogue:
        return SqliteCatalogue()

    @property
    def diagnosis(self) -> Diagnosis:
        from agentdb.engine.sqlite_diagnosis import SqliteDiagnosis

        return SqliteDiagnosis()

    @property
    def native_copy(self) -> NativeCopy:
        from agentdb.engine.sqlite_copy import SqliteCopy

        return SqliteCopy()

    @property
    def upkeep(self) -> Upkeep:
        from agentdb.engine.sqlite_upkeep import SqliteUpkeep

        return SqliteUpkeep()

    async def lock_table(self, client: Client, table: str) -> None:
        """Nothing to do: a write transaction has the whole file to itself."""

    async def identity(self, client: Client) -> str:
        target = client.target
        assert isinstance(target, SqliteTarget)
        if target.path is None:
            return f"memory {id(client)}"
        found = target.path.stat()
        return f"file {found.st_dev} {found.st_ino}"

    async def last_id(self, read: Read, table: str) -> int:
        rows = await read('SELECT "seq" AS "last_id" FROM "sqlite_sequence" WHERE "name" = ?1', [table])
        return rows[0]["last_id"] if rows else 0

    async def advance_ids(self, client: Client, table: str, *, at_least: int = 0) -> None:
        # AUTOINCREMENT goes on from the greatest id by itself.
        if not at_least:
            return
        async with client.transaction():
            if at_least > await self.last_id(client.rows, table):
                # No constraint keeps its names unique.
                await client.fetch('DELETE FROM "sqlite_sequence" WHERE "name" = ?1', [table])
                await client.fetch('INSERT INTO "sqlite_sequence" ("name", "seq") VALUES (?1, ?2)', [table, at_least])

    async def empty_tables(self, client: Client, tables: Sequence[str]) -> None:
        for table in reversed(tables):
            await client.fetch(f'DELETE FROM "{table}"')  # noqa: S608 - the table's name is ours

    async def original_columns(self, client: Client) -> tuple[set[tuple[str, str]], set[str]]:
        raise UnsupportedError("The original package keeps its data in PostgreSQL. Give a postgresql:// URL.")

    async def enable_vectors(self, client: Client) -> bool:
        from agentdb.engine.sqlite_client import SqliteClient

        assert isinstance(client, SqliteClient)
        # It is looked for on another thread, because to find and try it touches files.
        load = await asyncio.to_thread(sqlite_vec)
        if load is not None:
            client.extend(load)
        return load is not None

    def placeholder(self, position: int) -> str:
        return f"?{position}"

    @property
    def begin_snapshot(self) -> str:
        return "BEGIN"

    def begin(self, isolation: str | None) -> str:
        # A deferred transaction that becomes a writer later does not wait for the lock: 297 of 600 failed.
        return "BEGIN IMMEDIATE"

    def translate(self, error: Exception) -> AgentDBError | None:
        # SQLite names the object of a damaged schema, and Python's module cannot read the name.
        return translated(error) if isinstance(error, sqlite3.Error) else _damaged(error)


dialect: Final = SqliteDialect()


def _damaged(error: Exception) -> AgentDBError | None:
    return corrupt(error) if isinstance(error, UnicodeDecodeError) else None


@asynccontextmanager
async def _without_foreign_keys(channel: Channel) -> AsyncIterator[None]:
    # Dropping the old table of a rebuild would delete what points to it. Inside a transaction the pragma does nothing.
    try:
        await channel.control("PRAGMA foreign_keys = OFF")
        yield
    finally:
        await channel.control("PRAGMA foreign_keys = ON")


async def _check_foreign_keys(client: Client) -> None:
    violations = (await client.fetch("PRAGMA foreign_key_check")).rows
    if violations:
        first = violations[0]
        raise SchemaError(
            f"The migration was rolled back: after it, {len(violations)} rows would point to nothing, "
            f"first of them row {first['rowid']} of {first['table']} to {first['parent']}.",
            found=None,
            expected="head",
        )


async def _begin_exclusive(lock: sqlite3.Connection, timeout_s: float) -> None:
    deadline = asyncio.get_running_loop().time() + timeout_s
    while True:
        try:
            lock.execute("BEGIN EXCLUSIVE")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY":
                raise
        if asyncio.get_running_loop().time() > deadline:
            raise UnavailableError(
                f"Another process has been migrating or seeding this database for over {timeout_s} s."
            )
        await asyncio.sleep(0.05)
