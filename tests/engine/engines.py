"""The two engines as the tests of the engine room see them: from inside, and past agentdb from outside."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

import asyncpg

from agentdb.config import Settings
from agentdb.engine import Session, resolve
from agentdb.models import INTERNAL_TABLES, TABLES

MODULES: Final = ["agentdb.models"]


def session_on(url: str, *, create: bool = True, **options: object) -> Session:
    """A session on `url`, not yet open, with these options in place of the defaults."""
    return Session(resolve(with_options(url, **options), Settings.load(env_file=None)), create=create)


def with_options(url: str, **options: object) -> str:
    """`url` with these options."""
    return f"{url}?{'&'.join(f'{name}={value}' for name, value in options.items())}" if options else url


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[Session]:
    """A session on `url` for the length of the block."""
    session = session_on(url, **options)
    await session.open(MODULES)
    try:
        yield session
    finally:
        await session.close()


def file_of(url: str) -> Path:
    """The file of a SQLite URL."""
    return Path(url.removeprefix("sqlite:///"))


async def outside(url: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """What a statement gives on a connection of its own, without agentdb. Parameters are $1, $2... on both engines."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(file_of(url), isolation_level=None)) as raw:
            return raw.execute(sql, {str(place): value for place, value in enumerate(values, 1)}).fetchall()
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(sql, *values)]
    finally:
        await connection.close()


async def names(url: str) -> list[str]:
    """The names of all roles, as they are committed."""
    return [name for (name,) in await outside(url, 'SELECT "name" FROM "Role" ORDER BY "name"')]


async def empty_tables(url: str) -> None:
    """Remove every row of a database on the server. TRUNCATE would write files anew."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(";".join(f'DELETE FROM "{table}"' for table in reversed([*TABLES, *INTERNAL_TABLES])))
    finally:
        await connection.close()


def placeholders(session: Session, count: int) -> Sequence[str]:
    """How this engine names its parameters."""
    return [session.dialect.placeholder(position) for position in range(1, count + 1)]
