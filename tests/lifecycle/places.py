"""Databases of the proofs of seeding, start and attach, looked at from outside, without agentdb."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import unquote

import asyncpg

from agentdb.config import Settings
from agentdb.models import TABLES

if TYPE_CHECKING:
    from agentdb.testing.factory import DatabaseFactory

Rows: TypeAlias = list[tuple[Any, ...]]
Contents: TypeAlias = dict[str, list[dict[str, Any]]]
Ask: TypeAlias = Callable[..., Awaitable[list[Any]]]

KEY: Final = "the secret key of these tests"

_TIMES: Final = {"createdAt", "updatedAt", "completedAt"}
_FILE_TABLES: Final = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
_SERVER_TABLES: Final = (
    "SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
)


def configured(**settings: Any) -> Settings:
    """The settings of a test: what it names, over an environment that names nothing."""
    return Settings.load(env_file=None, **settings)


@dataclass(frozen=True, slots=True)
class Place:
    """One database of a test's own.

    Attributes:
        path: The file; None on a server.
    """

    url: str
    path: Path | None

    @property
    def is_on_server(self) -> bool:
        return self.path is None

    async def rows(self, sql: str, *values: Any) -> Rows:
        """What a statement gives; parameters are $1, $2..."""
        async with self._asked() as ask:
            return [tuple(row) for row in await ask(sql, *values)]

    async def tables(self) -> list[str]:
        """All tables, sorted; empty where there is no database."""
        return sorted(await self.contents())

    async def contents(self) -> Contents:
        """Every row of every table with all its columns, times included."""
        if self.path is not None and not self.path.exists():
            return {}
        async with self._asked() as ask:
            names = [row["name"] for row in await ask(_SERVER_TABLES if self.is_on_server else _FILE_TABLES)]
            return {name: [dict(row) for row in await ask(f'SELECT * FROM "{name}" ORDER BY 1')] for name in names}

    async def counts(self) -> dict[str, int]:
        """How many rows the tables have, empty ones left out."""
        return {table: len(rows) for table, rows in (await self.contents()).items() if rows}

    async def text(self) -> str:
        """All that is stored, as one text to look for what must not be there."""
        return repr(await self.contents())

    @asynccontextmanager
    async def _asked(self) -> AsyncIterator[Ask]:
        if self.path is None:
            connection = await asyncpg.connect(self.url)
            try:
                yield partial(_ask_server, connection)
            finally:
                await connection.close()
            return
        with closing(sqlite3.connect(self.path, isolation_level=None, timeout=10)) as raw:
            raw.row_factory = sqlite3.Row
            yield partial(_ask_file, raw)


async def _ask_server(connection: Any, sql: str, *values: Any) -> list[Any]:
    return [*await connection.fetch(sql, *values)]


async def _ask_file(raw: sqlite3.Connection, sql: str, *values: Any) -> list[Any]:
    return raw.execute(sql, {str(at): value for at, value in enumerate(values, 1)}).fetchall()


def lasting(contents: Contents) -> Contents:
    """What two databases that were made in the same way share: no times, and no ids of agentdb's own rows."""
    return {
        table: [
            {name: value for name, value in row.items() if name not in _TIMES and (table in TABLES or name != "id")}
            for row in rows
        ]
        for table, rows in contents.items()
    }


@dataclass(frozen=True, slots=True)
class Places:
    """Makes the databases of one test, all on one engine; they go with `stack`."""

    engine: str
    factory: DatabaseFactory
    stack: ExitStack

    def empty(self) -> Place:
        """A file that is not there yet, or a database without tables."""
        return place_of(self.stack.enter_context(self.factory.empty(engine=self.engine)))

    def ready(self) -> Place:
        """Migrated, and seeded with the packaged files."""
        return place_of(self.stack.enter_context(self.factory(engine=self.engine)).url)


def place_of(url: str) -> Place:
    """The database of a URL."""
    file = url.removeprefix("sqlite:///")
    return Place(url, None if file == url else Path(unquote(file)))


def listing(directory: Path) -> Sequence[str]:
    """Every file and directory below, sorted."""
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))
