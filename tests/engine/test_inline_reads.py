"""Short reads on the event loop's own thread: they see what is committed, and never hold anybody up."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import closing
from contextvars import Context
from functools import partial
from typing import Any

import pytest

from agentdb.engine import Query, Session, Steps
from agentdb.engine.inline_reader import InlineReader
from agentdb.engine.sqlite_client import SqliteClient
from agentdb.errors import DeadlineError, NotFoundError, SchemaError, StorageError, TransactionError
from agentdb.models import Role
from tests.engine.engines import MODULES, file_of, opened, session_on

SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT count(*) AS c FROM n"
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
async def session(sqlite_url: str) -> AsyncIterator[Session]:
    """An open session on a file."""
    async with opened(sqlite_url) as made:
        yield made


def rows(sql: str, *values: Any) -> Steps[Any]:
    """What one statement gives."""
    return (yield Query(sql, values))


def where(sql: str, found: list[int]) -> Steps[None]:
    """On which threads a unit runs."""
    yield Query(sql)
    found.append(threading.get_ident())


def inline_of(session: Session) -> InlineReader:
    """The reader of a session that has one."""
    assert isinstance(session.client, SqliteClient)
    assert session.client.inline is not None
    return session.client.inline


async def threads(session: Session, sql: str, *, is_short: bool = True) -> list[int]:
    """Where a statement has run to its end."""
    found: list[int] = []
    await session.query(partial(where, sql, found), is_short=is_short)
    return found


async def test_a_short_read_runs_where_it_is_asked_for(session: Session) -> None:
    """Any other does not, nor does a short one that turns out to be long."""
    here = threading.get_ident()

    assert await threads(session, "SELECT 1") == [here]
    assert here not in await threads(session, "SELECT 1", is_short=False)
    assert inline_of(session).given_up == 0
    assert here not in await threads(session, SLOW)
    assert inline_of(session).given_up == 1


@pytest.mark.parametrize("options", [{"inline_reads": "false"}, {"readers": 0}])
async def test_it_can_be_switched_off(sqlite_url: str, options: dict[str, Any]) -> None:
    """And is off where reads take turns with writes."""
    async with opened(sqlite_url, **options) as session:
        assert threading.get_ident() not in await threads(session, "SELECT 1")


async def test_a_database_in_memory() -> None:
    """Has one connection for everything."""
    async with opened("sqlite://:memory:") as session:
        await session.client.execute_script("CREATE TABLE t (a); INSERT INTO t VALUES (1)")

        for is_short in (True, False):
            assert [tuple(row) for row in await session.query(partial(rows, "SELECT a FROM t"), is_short=is_short)] == [
                (1,)
            ]


async def test_rows_that_take_too_long_to_fetch_are_fetched_elsewhere(session: Session) -> None:
    """SQLite finds them quickly, but there are too many or they are too long; all of them come, once."""
    many = """
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) SELECT i, zeroblob(4000000) FROM n
    """
    found = await session.query(partial(rows, many), is_short=True)

    assert [row[0] for row in found] == list(range(1, 41))
    assert inline_of(session).given_up == 1


async def test_the_deadline_of_a_statement_counts_elsewhere(sqlite_url: str) -> None:
    """And the connection is free again."""
    async with opened(sqlite_url, statement_timeout_s=0.2, readers=1) as session:
        for is_short in (True, False):
            with pytest.raises(DeadlineError):
                await session.query(partial(rows, ENDLESS), is_short=is_short)
        with pytest.raises(DeadlineError, match=r"within 0.05 s"):
            await session.query(partial(rows, ENDLESS), is_short=True, timeout_s=0.05)

        assert len(await session.query(partial(rows, "SELECT 1"), is_short=False)) == 1


async def test_reads_see_what_was_acknowledged(session: Session) -> None:
    """At once, and nothing that was not."""

    def add(name: str) -> Steps[None]:
        yield Query('INSERT INTO "Role" ("name") VALUES (?1)', [name])

    async def count() -> int:
        return len(await session.query(partial(rows, 'SELECT "id" FROM "Role"'), is_short=True))

    seen = []
    for number in range(20):
        await session.write(partial(add, str(number)))
        seen.append(await count())
    with session.use():
        async with session.transaction():
            await Role.create(name="inside")
            inside = await count()
            outside = await asyncio.to_thread(asyncio.run, apart(session.target.shown, 'SELECT "id" FROM "Role"'))

    assert seen == list(range(1, 21))
    assert (inside, outside) == (21, 20)


async def test_a_read_that_is_not_short_sees_one_state(session: Session) -> None:
    """However many statements it has, and whoever writes in between."""
    url = session.target.shown

    def two() -> Steps[tuple[int, int]]:
        before = yield Query('SELECT count(*) AS "n" FROM "Role"')
        with closing(sqlite3.connect(file_of(url), isolation_level=None)) as other:
            other.execute('INSERT INTO "Role" ("name") VALUES (\'between\')')
        after = yield Query('SELECT count(*) AS "n" FROM "Role"')
        return before[0]["n"], after[0]["n"]

    assert await session.query(two, is_short=False) == (0, 0)
    assert await session.query(partial(rows, 'SELECT "name" FROM "Role"'), is_short=True)


@pytest.mark.parametrize("is_short", [True, False])
async def test_errors_are_ours(session: Session, is_short: bool) -> None:
    """Whether SQLite or the unit raises them; a read cannot write."""

    def refuse() -> Steps[None]:
        yield Query("SELECT 1")
        raise NotFoundError("role", 1)

    for unit, error in (
        (partial(rows, 'SELECT * FROM "Nothing"'), SchemaError),
        (partial(rows, 'DELETE FROM "Role"'), StorageError),
        (refuse, NotFoundError),
    ):
        with pytest.raises(error):
            await session.query(unit, is_short=is_short)


async def test_a_lock_sends_it_elsewhere(sqlite_url: str) -> None:
    """Outside of write-ahead logging a writer keeps readers out for a moment: there it is waited for."""
    with closing(sqlite3.connect(file_of(sqlite_url), isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        async with opened(sqlite_url, create=False) as session:
            await threads(session, "SELECT 1")
            other.execute("BEGIN EXCLUSIVE")
            waiting = asyncio.create_task(session.query(partial(rows, 'SELECT "id" FROM "Role"'), is_short=True))
            await asyncio.sleep(0.02)
            other.execute("ROLLBACK")

            assert await waiting == []
            assert inline_of(session).given_up == 1


async def test_reads_never_wait_for_the_writer(session: Session) -> None:
    """Not for its transactions, and not for who waits for it."""
    with session.use():
        async with session.transaction():
            await Role.create(name="a")
            for is_short in (True, False):
                reading = from_outside(session.query(partial(rows, 'SELECT "id" FROM "Role"'), is_short=is_short))
                async with asyncio.timeout(5):
                    assert await reading == []


async def test_a_closed_handle_is_told(sqlite_url: str) -> None:
    """Also when the loop went on in another thread."""
    session = session_on(sqlite_url)
    await session.open(MODULES)
    await threads(session, "SELECT 1")
    await session.close()

    for is_short in (True, False):
        with pytest.raises(TransactionError, match="handle is closed"):
            await session.query(partial(rows, "SELECT 1"), is_short=is_short)
        with pytest.raises(TransactionError, match="handle is closed"):
            await session.client.query(partial(rows, "SELECT 1"), is_short=is_short)


async def apart(url: str, sql: str) -> int:
    """How many rows another handle sees."""
    async with opened(url) as session:
        return len(await session.query(partial(rows, sql), is_short=True))


def from_outside(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """A task that does not know of the caller's transaction."""
    return asyncio.get_running_loop().create_task(work, context=Context())
