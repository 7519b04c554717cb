"""The filled database of each engine, and copies of it for the contestants."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg

import agentdb
from agentdb.config import Secret, Settings
from agentdb.engine.embedded import release_server, start_server
from agentdb.engine.sqlite import dialect as sqlite
from agentdb.testing.postgres_server import VARIABLE
from benchmarks.data import BUDGET_USD, SECRET_KEY, Size, World
from benchmarks.digest import digester
from benchmarks.places import Place, PostgresPlace, SqlitePlace

# What the seeds leave empty, so that there is JSON to decode.
_JSON_TO_DECODE = (
    """UPDATE "Model" SET "defaultParameters" = '{"temperature": 0.7, "maxTokens": 4096}'""",
    """UPDATE "Tool" SET "customConfig" = '{"timeout": 30, "parameters": {"query": {"type": "string"}}}'""",
)


class Store(ABC):
    """A migrated, seeded and filled database that nobody uses but to copy it."""

    @abstractmethod
    def copy(self, name: str) -> Place:
        """A contestant's own database, removed with the store."""


@contextmanager
def sqlite_store(directory: Path, size: Size, *, is_fast: bool) -> Iterator[Store]:
    """Files in `directory`, which should lie on a disk like that of a service."""
    template = SqlitePlace(str(directory / "template.db"))
    asyncio.run(_make_ready(template.url))
    with closing(sqlite3.connect(template.path)) as db, db:
        _fill_sqlite(db, World(size))
    yield _SqliteStore(directory, template, is_fast=is_fast)


@contextmanager
def postgres_store(server: PostgresPlace, size: Size) -> Iterator[Store]:
    """Databases beside that of `server`, whose user may create them."""
    with ExitStack() as stack:
        store = _PostgresStore(server)
        stack.callback(store.drop)
        template = store.create("template")
        asyncio.run(_make_ready(template.url))
        asyncio.run(_fill_postgres(template, World(size)))
        store.template = template
        yield store


@contextmanager
def postgres_server(directory: Path) -> Iterator[PostgresPlace]:
    """The server that AGENTDB_TEST_POSTGRES_URL names, else one started in `directory`.

    That one keeps PostgreSQL's own settings, durable commits among them.
    """
    if os.environ.get(VARIABLE):
        yield PostgresPlace.of_url(os.environ[VARIABLE])
        return
    server = start_server(directory, settings={"max_connections": "200"})
    try:
        yield PostgresPlace(server.host, server.port, server.user, server.database)
    finally:
        release_server(server)
        shutil.rmtree(directory, ignore_errors=True)


class _SqliteStore(Store):
    def __init__(self, directory: Path, template: SqlitePlace, *, is_fast: bool) -> None:
        self._directory = directory
        self._template = template
        self._is_fast = is_fast

    def copy(self, name: str) -> SqlitePlace:
        path = self._directory / f"{name}.db"
        shutil.copyfile(self._template.path, path)
        return SqlitePlace(str(path), is_fast=self._is_fast)


class _PostgresStore(Store):
    def __init__(self, server: PostgresPlace) -> None:
        self._server = server
        self._prefix = f"agentdb_bench_{secrets.token_hex(4)}"
        self._made: list[str] = []
        self.template: PostgresPlace | None = None

    def copy(self, name: str) -> PostgresPlace:
        assert self.template is not None
        return self.create(name, template=self.template.database)

    def create(self, name: str, template: str = "template1") -> PostgresPlace:
        database = f"{self._prefix}_{name}"
        self._execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"', "CHECKPOINT")
        self._made.append(database)
        return replace(self._server, database=database)

    def drop(self) -> None:
        for database in reversed(self._made):
            self._execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def _execute(self, *statements: str) -> None:
        asyncio.run(_execute(self._server, *statements))


async def _make_ready(url: str) -> None:
    settings = Settings.load(env_file=None, secret_key=Secret(SECRET_KEY))
    async with agentdb.connect(url, settings=settings):
        pass


def _fill_sqlite(db: sqlite3.Connection, world: World) -> None:
    for table, columns, rows in world.rows(digester(SECRET_KEY)):
        names, marks = ", ".join(f'"{name}"' for name in columns), ", ".join("?" * len(columns))
        db.executemany(
            f'INSERT INTO "{table}" ({names}) VALUES ({marks})',
            map(sqlite.encode, rows),
        )
    budget = BUDGET_USD * 10**10
    for statement in _JSON_TO_DECODE:
        db.execute(statement)
    db.execute('UPDATE "User" SET "budget" = ?, "remaining" = ?', (budget, budget))


async def _fill_postgres(place: PostgresPlace, world: World) -> None:
    connection = await asyncpg.connect(**place.arguments)
    try:
        async with connection.transaction():
            for table, columns, rows in world.rows(digester(SECRET_KEY)):
                await connection.copy_records_to_table(table, columns=columns, records=rows)
                await connection.execute(
                    f"""SELECT setval(pg_get_serial_sequence('"{table}"', 'id'), (SELECT max("id") FROM "{table}"))"""
                )
            for statement in _JSON_TO_DECODE:
                await connection.execute(statement)
            await connection.execute(f'UPDATE "User" SET "budget" = {BUDGET_USD}, "remaining" = {BUDGET_USD}')
        await connection.execute("VACUUM (ANALYZE)")
    finally:
        await connection.close()


async def _execute(place: PostgresPlace, *statements: str) -> None:
    connection: Any = await asyncpg.connect(**place.arguments)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
