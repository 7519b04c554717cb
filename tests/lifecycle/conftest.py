"""Databases of a test's own, on each engine in turn: empty or ready, opened or seen from outside."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest

from agentdb.config import Settings
from agentdb.engine import Session, resolve
from agentdb.testing.factory import DatabaseFactory
from tests.lifecycle.places import Place, Places


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


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the person who runs the tests reaches a database."""
    aliases = [getattr(field.validation_alias, "choices", ()) for field in Settings.model_fields.values()]
    for name in {"GEMINI_API_KEY", *(str(name) for names in aliases for name in names)} & set(os.environ):
        monkeypatch.delenv(name)


@pytest.fixture
def places(agent_db_engine: str, agent_db_factory: DatabaseFactory, clean_environment: None) -> Iterator[Places]:
    """Makes databases on the engine whose turn it is."""
    with ExitStack() as stack:
        yield Places(agent_db_engine, agent_db_factory, stack)


@pytest.fixture
def empty_place(places: Places) -> Place:
    """Nothing has run here yet."""
    return places.empty()


@pytest.fixture
def ready_place(places: Places) -> Place:
    """Migrated, and seeded with the packaged files."""
    return places.ready()


@pytest.fixture
def server_places(agent_db_factory: DatabaseFactory, clean_environment: None) -> Iterator[Places]:
    """Makes databases of a server, for what only a server can show."""
    with ExitStack() as stack:
        yield Places("postgresql", agent_db_factory, stack)


@pytest.fixture
def empty_server_place(server_places: Places) -> Place:
    """A database of a server without tables."""
    return server_places.empty()
