"""SQLite as Tortoise sees it."""

from __future__ import annotations

from pypika_tortoise.dialects import SQLLiteQuery
from tortoise.backends.sqlite.client import SqliteClient
from tortoise.backends.sqlite.executor import SqliteExecutor
from tortoise.backends.sqlite.schema_generator import SqliteSchemaGenerator

from agentdb.engine.orm import DialectExecutor, TortoiseClient


class _Executor(DialectExecutor, SqliteExecutor):
    pass


class SqliteTortoiseClient(TortoiseClient):
    """Tortoise's own SQLite, over a client of ours."""

    query_class = SQLLiteQuery
    executor_class = _Executor
    schema_generator = SqliteSchemaGenerator
    capabilities = SqliteClient.capabilities
