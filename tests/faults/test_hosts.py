"""Several hosts: the one that takes writes is found, and found again when it moves."""

from __future__ import annotations

import asyncio

from agentdb.engine.postgres_client import PostgresClient
from agentdb.testing.factory import DatabaseFactory
from tests.engine.engines import opened

PID = "SELECT pg_backend_pid() AS pid"


async def test_a_renewed_client_uses_no_old_connection(agent_db_factory: DatabaseFactory) -> None:
    """Neither one that was idle nor one that was in use, which its call keeps to its end."""
    with agent_db_factory.empty(engine="postgresql") as url:
        async with opened(url, pool_size=3) as session:
            client = session.client
            assert isinstance(client, PostgresClient)

            async def pid() -> int:
                return int((await session.fetch(PID))[0]["pid"])

            async def three() -> set[int]:
                async def one() -> int:
                    return int((await session.fetch(f"{PID}, pg_sleep(0.2)"))[0]["pid"])

                return set(await asyncio.gather(one(), one(), one()))

            before = await three()
            async with session.transaction():
                inside = await pid()
                await client.renew()
                assert await pid() == inside
            after = await three()

            assert len(before) == len(after) == 3
            assert inside in before
            assert not before & after
