"""PostgreSQL's upkeep, on a connection beside the pool: VACUUM takes no transaction and no deadline."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from agentdb.engine.postgres import PostgresTarget
from agentdb.engine.postgres_client import PostgresClient
from agentdb.engine.upkeep import Space, Upkeep
from agentdb.errors import UnsupportedError

if TYPE_CHECKING:
    from agentdb.engine.client import Client

_IS_AVAILABLE: Final = "SELECT EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'vector')"
_SPACE: Final = """
    SELECT COALESCE(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
    WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
"""


class PostgresUpkeep(Upkeep):
    """Services go on meanwhile: nothing here takes a lock that reads or writes wait for."""

    async def space(self, client: Client) -> Space:
        async with _beside(client) as connection:
            return Space(await connection.fetchval(_SPACE), None)

    async def damage(self, client: Client) -> list[str]:
        return []  # a server checks its own pages

    async def analyze(self, client: Client, tables: Sequence[str]) -> None:
        await _each("ANALYZE", client, tables)

    async def trim(self, client: Client) -> None:
        """Nothing to do: autovacuum does."""

    async def checkpoint(self, client: Client) -> bool:
        return True  # the server's own business

    async def vacuum(self, client: Client, tables: Sequence[str]) -> bool:
        await _each("VACUUM (ANALYZE)", client, tables)
        return True

    async def create_vector_extension(self, client: Client) -> None:
        async with _beside(client) as connection:
            if not await connection.fetchval(_IS_AVAILABLE):
                raise UnsupportedError(
                    "This server has no pgvector; embeddings are compared without it. Install the package pgvector of "
                    "its version on the server."
                )
            await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")


async def _each(verb: str, client: Client, tables: Sequence[str]) -> None:
    async with _beside(client) as connection:
        for table in tables:
            await connection.execute(f'{verb} "{table}"')


@asynccontextmanager
async def _beside(client: Client) -> AsyncIterator[Any]:
    assert isinstance(client, PostgresClient)
    target = client.target
    assert isinstance(target, PostgresTarget)
    async with client.single_connection() as connection:
        with client.dialect.translating():
            if target.options.pooler == "none":  # behind one the setting would stay with whoever comes next
                await connection.execute("SET statement_timeout = 0")
            yield connection
