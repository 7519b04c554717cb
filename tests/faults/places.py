"""Databases of each engine for the fault tests: made once, and copied for each test.

The fixtures are imported by the modules that use them, each of which has a server of its own.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from typing import Any, TypeAlias

import asyncpg
import pytest

import agentdb
from tests.faults.private_server import PrivateServer, Wire, server_directory
from tests.faults.units import Place

TEMPLATE = "made"
COUNT = 'SELECT count(*) FROM "Message"'


def apart(work: Coroutine[Any, Any, Any]) -> Any:
    """Run `work` in a loop of its own, out of the way of the tests' loops."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def made(url: str, *, create: bool) -> tuple[int, int]:
    """Make a database with a user who has a conversation."""
    async with agentdb.connect(url, create_database=create) as db:
        user = await db.access.create_user(email="ada@example.org")
        talk = await db.conversations.start(user_id=user.id)
        return talk.id, user.id


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[PrivateServer, tuple[int, int]]]:
    """A server with a template, and whose conversation is in it."""
    with server_directory() as directory:
        server = PrivateServer(directory)
        apart(server.start())
        try:
            yield server, apart(made(server.url(TEMPLATE), create=True))
        finally:
            apart(server.stop())


@asynccontextmanager
async def on_postgres(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """A database of the private server."""
    own, ids = request.getfixturevalue("server")
    await own.start()
    async with Wire(own.socket).opened() as wire, own.database(TEMPLATE) as name:

        async def messages() -> int:
            try:
                ((count,),) = await own.run(COUNT, database=name)
            except (asyncpg.UndefinedTableError, asyncpg.DataCorruptedError, asyncpg.IndexCorruptedError):
                return 0
            return int(count)

        yield Place(name, own.url(name), ids, messages=messages, server=own, wire=wire)


@pytest.fixture(scope="module")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, tuple[int, int]]:
    """The bytes of a file, and whose conversation is in it."""
    file = tmp_path_factory.mktemp("template") / "agent.db"
    ids = apart(made(f"sqlite:///{file}", create=False))
    return file.read_bytes(), ids


@asynccontextmanager
async def on_sqlite(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """A file."""
    content, ids = request.getfixturevalue("sqlite_template")
    file = request.getfixturevalue("tmp_path") / "agent.db"
    file.write_bytes(content)

    async def messages() -> int:
        with closing(sqlite3.connect(file)) as raw:
            try:
                return int(raw.execute(COUNT).fetchone()[0])
            except sqlite3.DatabaseError:
                return 0

    yield Place(str(file), f"sqlite:///{file}", ids, messages=messages)


OpenPlace: TypeAlias = Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Place]]
