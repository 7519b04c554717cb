"""An empty database of each engine, and sessions on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Protocol

import pytest

from agentdb.config import Settings
from agentdb.engine import Session, resolve
from agentdb.testing.factory import DatabaseFactory


class Opener(Protocol):
    """Opens a session that knows agentdb's models and those in `modules`."""

    def __call__(self, url: str, *modules: str) -> Awaitable[Session]: ...


@pytest.fixture
def postgres_url(agent_db_factory: DatabaseFactory) -> Iterator[str]:
    """An empty database of a server."""
    with agent_db_factory.empty(engine="postgresql") as url:
        yield url


@pytest.fixture
def sqlite_url(agent_db_factory: DatabaseFactory) -> Iterator[str]:
    """A file that does not exist yet."""
    with agent_db_factory.empty(engine="sqlite") as url:
        yield url


@pytest.fixture
def url(empty_db_url: str) -> str:
    """An empty database of each engine in turn."""
    return empty_db_url


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
