"""Every row of the table of error classes, by a real fault through the public API.

Each is met in a caller's own transaction, where nothing is repeated, and in `db.run`, which repeats what is safe.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, nullcontext
from typing import Any, TypeAlias

import asyncpg
import pytest

import agentdb
from agentdb.errors import UnavailableError
from tests.faults import postgres_rows, sqlite_rows
from tests.faults.private_server import PrivateServer, Wire, server_directory
from tests.faults.units import TEXT, Place, Row, in_transaction, in_unit, no_fault, opened

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

        yield Place(name, own.url(name), *ids, messages=messages, server=own, wire=wire)


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

    yield Place(str(file), f"sqlite:///{file}", *ids, messages=messages)


OpenPlace: TypeAlias = Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Place]]

ROWS = [pytest.param(on_postgres, row, id=row.name) for row in postgres_rows.ROWS] + [
    pytest.param(on_sqlite, row, id=row.name) for row in sqlite_rows.ROWS
]


@pytest.mark.parametrize(("on_engine", "row"), ROWS)
async def test_its_class(on_engine: OpenPlace, row: Row, request: pytest.FixtureRequest) -> None:
    """Class, code and whether it may be repeated; in a transaction of the caller nothing is repeated or half done."""
    async with on_engine(request) as place:
        await row.prepare(place)
        async with opened(place, row) as db:
            with pytest.raises(row.kind) as caught:
                await in_transaction(place, row, db)
            repetitions = db.session.repeats.count
        stored = await place.messages()
    error = caught.value

    assert error.engine_code in row.codes
    assert error.is_retryable is issubclass(row.kind, UnavailableError)
    assert getattr(error, "reason", None) == row.reason
    assert repetitions == 0
    assert TEXT not in f"{error} {vars(error)}"
    assert stored == row.stored


@pytest.mark.parametrize(("on_engine", "row"), ROWS)
async def test_its_action(on_engine: OpenPlace, row: Row, request: pytest.FixtureRequest) -> None:
    """What was surely not done is done again and is there once; anything else is told after one attempt."""
    async with on_engine(request) as place:
        await row.prepare(place)
        async with opened(place, row) as db:
            with nullcontext() if row.is_repeated else pytest.raises(row.kind):
                await in_unit(place, row, db)
            repetitions = db.session.repeats.count
        stored = await place.messages()

    assert stored == (1 if row.is_repeated else row.stored)
    assert (repetitions > 0) is row.is_repeated
    assert place.attempts == (2 if row.is_repeated and row.inside is not no_fault else place.attempts)
    assert row.is_repeated or place.attempts <= 1
