"""Users and a view of what is sent, for the tests of the services."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from agentdb import Database
from agentdb.records import User


@pytest.fixture
async def ada(agent_db: Database) -> User:
    """A user with a budget of 10 US dollars."""
    return await agent_db.access.create_user(email="ada@example.org", budget=Decimal(10))


@pytest.fixture
async def bob(agent_db: Database) -> User:
    """Another user, without a limit."""
    return await agent_db.access.create_user(email="bob@example.org")


@pytest.fixture
def statements(agent_db: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that services send from now on."""
    sent: list[str] = []
    fetch = agent_db.session.client.fetch

    async def spy(sql: str, values: Any = None) -> Any:
        sent.append(sql)
        return await fetch(sql, values)

    monkeypatch.setattr(agent_db.session.client, "fetch", spy)
    return sent
