"""Users and a view of what is sent, for the tests of the services."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from agentdb import Database, Model
from agentdb.engine import Steps
from agentdb.records import Conversation, User
from agentdb.testing.factory import DatabaseFactory
from tests.services.telling import Telling


@pytest.fixture
async def ada(agent_db: Database) -> User:
    """A user with a budget of 10 US dollars."""
    return await agent_db.access.create_user(email="ada@example.org", budget=Decimal(10))


@pytest.fixture
async def bob(agent_db: Database) -> User:
    """Another user, without a limit."""
    return await agent_db.access.create_user(email="bob@example.org")


@pytest.fixture
async def talk(agent_db: Database, ada: User) -> Conversation:
    """A conversation of Ada."""
    return await agent_db.conversations.start(user_id=ada.id, agent_id=1, title="A talk")


@pytest.fixture
async def dollar(agent_db: Database) -> str:
    """A model whose every thousand input tokens cost one US dollar."""
    with agent_db.use():
        await Model.create(name="Dollar", internal_name="dollar", type="chat", cost1k_input=Decimal(1))
    return "dollar"


@pytest.fixture
def statements(agent_db: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that services send from now on."""
    sent: list[str] = []
    client = agent_db.session.client
    fetch, query, write = client.fetch, client.query, client.write

    async def spy(sql: str, values: Any = None) -> Any:
        sent.append(sql)
        return await fetch(sql, values)

    def watched(steps: Callable[[], Steps[Any]]) -> Callable[[], Steps[Any]]:
        def run() -> Steps[Any]:
            running = steps()
            try:
                step = next(running)
                while True:
                    sent.append(step.sql)
                    step = running.send((yield step))
            except StopIteration as end:
                return end.value

        return run

    monkeypatch.setattr(client, "fetch", spy)
    monkeypatch.setattr(client, "answered_at_once", lambda steps: None)
    monkeypatch.setattr(client, "written_at_once", lambda steps, told: None)
    monkeypatch.setattr(client, "query", lambda steps, **options: query(watched(steps), **options))
    monkeypatch.setattr(client, "write", lambda steps, **options: write(watched(steps), **options))
    return sent


@pytest.fixture
def telling(agent_db_engine: str, agent_db_factory: DatabaseFactory, monkeypatch: pytest.MonkeyPatch) -> Telling:
    """What handles that are opened from now on tell OpenTelemetry."""
    with agent_db_factory(engine=agent_db_engine):
        pass  # from now on there is a template, and making it is not told
    return Telling(monkeypatch)


@pytest.fixture
def watched_db(telling: Telling, agent_db_engine: str, agent_db_factory: DatabaseFactory) -> Iterator[Database]:
    """A database that tells."""
    with agent_db_factory(engine=agent_db_engine) as database:
        yield database
