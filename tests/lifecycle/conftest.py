"""An empty database of each engine, and sessions on it."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Protocol

import asyncpg
import pytest

from agentdb.config import Settings
from agentdb.engine import Session, resolve


class Opener(Protocol):
    """Opens a session that knows agentdb's models and those in `modules`."""

    def __call__(self, url: str, *modules: str) -> Awaitable[Session]: ...


@pytest.fixture
async def postgres_url() -> AsyncIterator[str]:
    """A new database, dropped afterwards."""
    server = os.environ.get("AGENTDB_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
    name = f"agentdb_test_{secrets.token_hex(6)}"
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
        yield f"{server.rpartition('/')[0]}/{name}"
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await connection.close()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'agent.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database of each engine in turn."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture
async def open_session() -> AsyncIterator[Opener]:
    """Opens sessions that are closed after the test. Name it after the database, which is dropped then."""
    sessions: list[Session] = []

    async def opener(url: str, *modules: str) -> Session:
        session = Session(resolve(url, Settings.load(env_file=None)), create=True)
        await session.open(["agentdb.models", *modules])
        sessions.append(session)
        return session

    yield opener
    for session in sessions:
        await session.close()


@pytest.fixture
async def session(url: str, open_session: Opener) -> Session:
    """A session on an empty database of each engine in turn."""
    return await open_session(url)
