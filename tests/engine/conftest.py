"""A migrated, empty database of each engine in turn, and sessions on it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import Any

import pytest

from agentdb.engine import Session
from agentdb.lifecycle.migrate import Migrator
from agentdb.testing.factory import DatabaseFactory
from tests.engine.engines import empty_tables, file_of, opened


@pytest.fixture(scope="session")
def postgres_database(agent_db_factory: DatabaseFactory) -> Iterator[str]:
    """The URL of a migrated database that all tests share, one after the other."""
    with agent_db_factory.empty(engine="postgresql") as url:
        apart(migrate(url))
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy."""
    url = f"sqlite:///{tmp_path_factory.mktemp('template') / 'agent.db'}"
    apart(migrate(url))
    with closing(connect(file_of(url))) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return file_of(url)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated file."""
    shutil.copyfile(sqlite_template, tmp_path / "agent.db")
    return f"sqlite:///{tmp_path / 'agent.db'}"


@pytest.fixture
async def postgres_url(postgres_database: str) -> str:
    """The migrated database, without rows."""
    await empty_tables(postgres_database)
    return postgres_database


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """A migrated database without rows, on each engine in turn."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture
async def session(url: str) -> AsyncIterator[Session]:
    """An open session on each engine in turn."""
    async with opened(url) as made:
        yield made


async def migrate(url: str) -> None:
    """Bring a new database to the newest version."""
    async with opened(url) as session:
        await Migrator(session).upgrade()


def apart(work: Coroutine[Any, Any, Any]) -> None:
    """Run `work` in a loop of its own, out of the way of the tests' loops."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()
