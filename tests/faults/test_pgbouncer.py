"""PgBouncer in transaction mode."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

import pytest

import agentdb
from agentdb.testing.factory import DatabaseFactory
from tests.faults.pgbouncer import Place, pgbouncer

pytestmark = pytest.mark.pgbouncer


@pytest.fixture
def place(agent_db_factory: DatabaseFactory) -> Iterator[Place]:
    """PgBouncer before an empty database."""
    with agent_db_factory.empty(engine="postgresql") as url:
        server = urlsplit(url)
        assert server.hostname is not None
        assert server.port is not None
        assert server.username is not None
        with pgbouncer(unquote(server.hostname), server.port, server.path.removeprefix("/"), server.username) as place:
            yield place


async def test_a_start_goes_through_it(place: Place) -> None:
    """Migrations and seeds of an empty database go through the pooler, and what a service writes after them."""
    async with agentdb.connect(place.url) as db:
        user = await db.access.create_user(email="a@example.org", with_api_key=False)

        assert (await db.access.user(user.id)).email == "a@example.org"
