"""What a turn is taken with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agentdb import (
    Database,
)
from agentdb.engine.postgres_channel import PostgresConnection
from agentdb.records import Agent, Conversation, User


@pytest.fixture
async def agent(agent_db: Database, ada: User) -> Agent:
    """An agent of Ada."""
    return await agent_db.agents.create(user_id=ada.id, name="Hers", prompt="Help her.", tools=["search"])


@pytest.fixture
async def talk(agent_db: Database, ada: User, agent: Agent) -> Conversation:
    """A conversation of Ada with her agent."""
    return await agent_db.conversations.start(user_id=ada.id, agent_id=agent.id, title="A talk")


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is sent to PostgreSQL from now on, BEGIN and COMMIT included."""
    sent: list[str] = []

    def watched(name: str) -> Callable[..., Awaitable[Any]]:
        original = getattr(PostgresConnection, name)

        async def send(connection: Any, sql: str, *values: Any, **options: Any) -> Any:
            sent.append(sql)
            return await original(connection, sql, *values, **options)

        return send

    for name in ("execute", "executemany", "fetch"):
        monkeypatch.setattr(PostgresConnection, name, watched(name))
    return sent
