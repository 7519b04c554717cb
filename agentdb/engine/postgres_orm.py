"""PostgreSQL as Tortoise sees it."""

from __future__ import annotations

from pypika_tortoise.dialects import PostgreSQLQuery
from tortoise.backends.asyncpg.executor import AsyncpgExecutor
from tortoise.backends.asyncpg.schema_generator import AsyncpgSchemaGenerator
from tortoise.backends.base_postgres.client import BasePostgresClient

from agentdb.engine.orm import DialectExecutor, TortoiseClient


class _Executor(DialectExecutor, AsyncpgExecutor):
    pass


class PostgresTortoiseClient(TortoiseClient):
    """Tortoise's own PostgreSQL, over a client of ours."""

    query_class = PostgreSQLQuery
    executor_class = _Executor
    schema_generator = AsyncpgSchemaGenerator
    capabilities = BasePostgresClient.capabilities
