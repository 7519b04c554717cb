"""Units of work that share a commit on SQLite: each gets the answer that it would have got alone."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from contextvars import Context
from functools import partial
from typing import Any

import pytest

from agentdb.engine import Many, Query, Session, Steps
from agentdb.engine.sqlite_client import SqliteClient
from agentdb.errors import (
    AgentDBError,
    ConflictError,
    DeadlineError,
    NotFoundError,
    OutcomeUnknownError,
    TransactionError,
    UnavailableError,
)
from tests.engine.engines import MODULES, file_of, names, opened, outside, session_on

ENDLESS = """
INSERT INTO "Role" ("displayOrder")
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n
"""
INSERT = 'INSERT INTO "Role" ("name") VALUES (?1) RETURNING "id"'


def add(name: str) -> Steps[str]:
    """One role."""
    yield Query(INSERT, [name])
    return name


def add_and_refuse(name: str) -> Steps[None]:
    """A refusal that comes too late to have changed nothing."""
    yield Query(INSERT, [name])
    raise NotFoundError("role", name)


def refuse(name: str) -> Steps[None]:
    """A refusal after a look."""
    yield Query('SELECT "id" FROM "Role" WHERE "name" = ?1', [name])
    raise NotFoundError("role", name)


def endless() -> Steps[None]:
    """A statement that somebody has to stop."""
    yield Query(ENDLESS)


@pytest.fixture
async def session(sqlite_url: str) -> AsyncIterator[Session]:
    """An open session on a file."""
    async with opened(sqlite_url) as made:
        yield made


def client_of(session: Session) -> SqliteClient:
    """Its client, as this engine has it."""
    assert isinstance(session.client, SqliteClient)
    return session.client


async def traced(session: Session) -> list[str]:
    """What the writer's connection runs from now on."""
    told: list[str] = []
    writer = client_of(session)._writer
    assert writer is not None
    await writer.on_thread(lambda raw: raw.set_trace_callback(told.append))
    return told


async def together(session: Session, *units: Callable[[], Steps[Any]]) -> list[Any]:
    """The results or errors of units that are sent at the same time."""
    return await asyncio.gather(*(session.write(unit) for unit in units), return_exceptions=True)


async def test_units_that_wait_share_a_commit(session: Session, sqlite_url: str) -> None:
    """In their order; also those that come while others are being committed."""
    told = await traced(session)

    async def writes(first: int) -> None:
        for number in range(first, first + 10):
            await session.write(partial(add, f"{number:03}"))

    await asyncio.gather(*(writes(10 * task) for task in range(16)))

    assert len(await names(sqlite_url)) == 160
    assert 10 <= told.count("COMMIT") <= 20
    assert session.client.fallbacks == 0


async def test_results_come_to_their_callers(session: Session, sqlite_url: str) -> None:
    """And ids are made in order of arrival."""
    found = await together(session, *(partial(add, f"{number:03}") for number in range(200)))

    assert found == [f"{number:03}" for number in range(200)]
    assert await outside(sqlite_url, 'SELECT "name" FROM "Role" ORDER BY "id"') == [(name,) for name in found]


async def test_one_that_fails_fails_alone(session: Session, sqlite_url: str) -> None:
    """The group is rolled back and its members run one by one."""
    await session.write(partial(add, "taken"))
    units = [partial(add, f"{number:02}") for number in range(15)]
    found = await together(session, *units[:8], partial(add, "taken"), *units[8:])

    assert [place for place, one in enumerate(found) if not isinstance(one, str)] == [8]
    assert isinstance(found[8], ConflictError)
    assert await names(sqlite_url) == [f"{number:02}" for number in range(15)] + ["taken"]
    assert session.client.fallbacks == 1


async def test_a_refusal_that_wrote_nothing_costs_nothing(session: Session, sqlite_url: str) -> None:
    """It is an answer like any other."""
    told = await traced(session)
    found = await together(session, partial(add, "a"), partial(refuse, "nobody"), partial(add, "b"))

    assert isinstance(found[1], NotFoundError)
    assert await names(sqlite_url) == ["a", "b"]
    assert (told.count("COMMIT"), session.client.fallbacks) == (1, 0)


async def test_a_refusal_that_wrote_leaves_nothing(session: Session, sqlite_url: str) -> None:
    """Alone, and among others."""
    alone = await together(session, partial(add_and_refuse, "never"))
    among = await together(session, partial(add, "a"), partial(add_and_refuse, "never"), partial(add, "b"))

    assert [type(one) for one in (*alone, *among)] == [NotFoundError, str, NotFoundError, str]
    assert await names(sqlite_url) == ["a", "b"]
    assert session.client.fallbacks == 1


async def test_a_value_that_no_engine_may_see(session: Session, sqlite_url: str) -> None:
    """Is refused in a unit as everywhere."""
    found = await together(session, partial(add, "a"), partial(add, "nul\x00"), partial(add, "b"))

    assert [type(one).__name__ for one in found] == ["str", "InvalidInputError", "str"]
    assert await names(sqlite_url) == ["a", "b"]


async def test_many_rows_in_one_unit(session: Session, sqlite_url: str) -> None:
    """All or none, and the others are answered as well."""

    def bulk(last: str) -> Steps[None]:
        yield Many('INSERT INTO "Role" ("name") VALUES (?1)', [*([f"{row:05}"] for row in range(20_000)), [last]])

    async def read() -> int:
        (row,) = await session.query(lambda: rows('SELECT count(*) AS "n" FROM "Role"'), is_short=True)
        return int(row["n"])

    failing = asyncio.create_task(session.write(partial(bulk, "00000")))
    await asyncio.sleep(0)
    seen = [await read() for _ in range(20)]
    with pytest.raises(ConflictError):
        await failing
    await together(session, partial(bulk, "last"), partial(add, "beside"))

    assert set(seen) == {0}
    assert len(await names(sqlite_url)) == 20_002


# Who is told, and when.


async def test_callbacks_come_in_order_before_the_callers_go_on(session: Session) -> None:
    """One that fails undoes nothing."""
    told: list[str] = []

    def tell(name: str) -> None:
        told.append(f"kept {name}")
        if name == "b":
            raise ValueError(name)

    async def write(name: str) -> None:
        await session.write(partial(add, name), on_commit=tell)
        told.append(f"answered {name}")

    await asyncio.gather(*map(write, "abc"))
    await together(session, partial(refuse, "d"))

    assert told == ["kept a", "kept b", "kept c", "answered a", "answered b", "answered c"]


async def test_a_unit_inside_a_transaction_is_a_part_of_it(session: Session, sqlite_url: str) -> None:
    """It can fail alone, a refused read ends nothing, and callbacks wait for the outermost commit."""
    told: list[str] = []
    async with session.transaction():
        await session.write(partial(add, "a"), on_commit=told.append)
        with pytest.raises(ConflictError):
            await session.write(partial(add, "a"), on_commit=told.append)
        with pytest.raises(NotFoundError):
            await session.write(partial(add_and_refuse, "never"))
        with pytest.raises(NotFoundError):
            await session.query(partial(refuse, "nobody"), is_short=True)
        await session.write(partial(add, "b"), on_commit=told.append)
        before = list(told)
        inside = await session.query(lambda: rows('SELECT "name" FROM "Role"'), is_short=True)

    assert (before, told) == ([], ["a", "b"])
    assert [row["name"] for row in inside] == ["a", "b"]
    assert await names(sqlite_url) == ["a", "b"]


# Who is cancelled.


async def test_cancelled_while_it_waits(session: Session, sqlite_url: str) -> None:
    """It never runs, and who waits behind it does."""
    async with session.transaction():
        waiting = in_new_context(session, "never")
        behind = in_new_context(session, "b")
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await behind

    assert await names(sqlite_url) == ["b"]


async def test_late_while_it_waits(session: Session, sqlite_url: str) -> None:
    """It never runs either."""
    async with session.transaction():
        waiting = in_new_context(session, "never", timeout_s=0.05)
        with pytest.raises(DeadlineError, match=r"within 0.05 s"):
            await waiting

    assert await names(sqlite_url) == []


async def test_nobody_waits_for_ever(sqlite_url: str) -> None:
    """A task that holds a transaction and waits for another's unit is told, and goes on."""
    async with opened(sqlite_url, acquire_timeout_s=0.1) as session:
        async with session.transaction():
            for waiting in [in_new_context(session, name) for name in "ab"]:
                with pytest.raises(DeadlineError, match="No connection was free"):
                    await waiting
        await session.write(partial(add, "c"))

    assert await names(sqlite_url) == ["c"]


async def test_cancelled_while_it_runs(session: Session, sqlite_url: str) -> None:
    """Nobody else wants its result, so it is stopped and rolled back; the writer is free again."""
    running = asyncio.create_task(session.write(endless))
    await asyncio.sleep(0.05)
    running.cancel()
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await running
        await session.write(partial(add, "a"))

    assert await names(sqlite_url) == ["a"]


async def test_late_while_it_runs(session: Session, sqlite_url: str) -> None:
    """It is rolled back with its group, whose other members are run again."""
    async with asyncio.timeout(20):
        late, other = await asyncio.gather(
            session.write(endless, timeout_s=0.2), session.write(partial(add, "a")), return_exceptions=True
        )
        first, also_late = await asyncio.gather(
            session.write(partial(add, "b")), session.write(endless, timeout_s=0.2), return_exceptions=True
        )

    assert isinstance(late, DeadlineError)
    assert isinstance(also_late, DeadlineError)
    assert (other, first) == ("a", "b")
    assert await names(sqlite_url) == ["a", "b"]


async def test_a_unit_has_the_limit_of_a_transaction(sqlite_url: str) -> None:
    """Without any deadline of its own; who shared its group is not hurt."""
    async with opened(sqlite_url, transaction_timeout_s=0.2) as session:
        async with asyncio.timeout(20):
            found = await together(session, partial(add, "a"), endless, partial(add, "b"))
            await asyncio.sleep(0.1)  # the clock that was set for those before goes off in the midst of this one
            (late,) = await together(session, endless)

    assert [type(one) for one in (found[1], late)] == [DeadlineError, DeadlineError]
    assert await names(sqlite_url) == ["a", "b"]


async def test_cancelled_at_any_moment(session: Session, sqlite_url: str) -> None:
    """What was told is there, what is there was told, and no unit is half there."""
    told: list[str] = []

    def two(name: str) -> Steps[str]:
        yield Query(INSERT, [f"{name} a"])
        yield Query(INSERT, [f"{name} b"])
        return name

    async def one(number: int) -> None:
        name = f"{number:03}"
        try:
            async with asyncio.timeout(0.0002 * (number % 40)):
                await session.write(partial(two, name), on_commit=told.append)
        except TimeoutError:
            pass

    for first in range(0, 400, 20):
        await asyncio.gather(*(one(number) for number in range(first, first + 20)))

    assert await names(sqlite_url) == [f"{name} {part}" for name in sorted(told) for part in "ab"]


# Other processes, and the end.


async def test_another_process_holds_the_lock(sqlite_url: str) -> None:
    """Units wait for it; one that is late or cancelled does not, and never runs."""
    async with opened(sqlite_url) as session:
        with closing(sqlite3.connect(file_of(sqlite_url), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            patient = asyncio.create_task(session.write(partial(add, "patient")))
            late = asyncio.create_task(session.write(partial(add, "late"), timeout_s=0.1))
            cancelled = asyncio.create_task(session.write(partial(add, "cancelled")))
            await asyncio.sleep(0.05)
            cancelled.cancel()
            found = await asyncio.gather(late, cancelled, return_exceptions=True)
            is_patient = not patient.done()
            other.execute("ROLLBACK")
        await patient

    assert [type(one) for one in found] == [DeadlineError, asyncio.CancelledError]
    assert is_patient
    assert await names(sqlite_url) == ["patient"]


async def test_another_process_never_gives_the_lock_back(sqlite_url: str) -> None:
    """Nothing was done, so it may be tried again."""
    async with opened(sqlite_url, acquire_timeout_s=0.1) as session:
        with closing(sqlite3.connect(file_of(sqlite_url), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            found = await asyncio.gather(
                *(session.client.write(partial(add, name)) for name in "ab"), return_exceptions=True
            )

    assert [type(one) for one in found] == [UnavailableError, UnavailableError]


@pytest.mark.parametrize(
    ("code", "error"), [("SQLITE_IOERR_FSYNC", OutcomeUnknownError), ("SQLITE_BUSY", UnavailableError)]
)
async def test_a_commit_that_fails(sqlite_url: str, code: str, error: type[AgentDBError]) -> None:
    """Either it is certain that nothing was done, or every member has to find out; a refusal stays one."""
    async with opened(sqlite_url, acquire_timeout_s=0.1) as session:
        failing_commit(session, code)
        found = await asyncio.gather(
            *(session.client.write(unit) for unit in (partial(add, "a"), partial(refuse, "x"), partial(add, "b"))),
            return_exceptions=True,
        )

    assert [type(one) for one in found] == [error, NotFoundError, error]
    assert found[0] is not found[2]


async def test_closing_answers_everybody(sqlite_url: str) -> None:
    """Who runs is kept, who waits is told, and so is who comes later."""
    session = session_on(sqlite_url)
    await session.open(MODULES)
    tasks = [asyncio.create_task(session.write(partial(add, f"{number:03}"))) for number in range(300)]
    await asyncio.sleep(0.001)
    await session.close()
    found = await asyncio.gather(*tasks, return_exceptions=True)

    assert {type(one) for one in found} <= {str, TransactionError}
    assert await names(sqlite_url) == [one for one in found if isinstance(one, str)]
    with pytest.raises(TransactionError, match="closed"):
        await session.write(partial(add, "late"))


async def test_closing_stops_a_unit_that_does_not_end(sqlite_url: str) -> None:
    """Its caller is told."""
    session = session_on(sqlite_url, connect_timeout_s=0.1)
    await session.open(MODULES)
    running = asyncio.create_task(session.write(endless))
    await asyncio.sleep(0.02)
    async with asyncio.timeout(10):
        await session.close()
        with pytest.raises(AgentDBError):
            await running

    assert await names(sqlite_url) == []


def rows(sql: str) -> Steps[Any]:
    """What one statement gives."""
    return (yield Query(sql))


def in_new_context(session: Session, name: str, **options: Any) -> asyncio.Task[str]:
    """A unit of a task that does not know of the caller's transaction."""
    return asyncio.get_running_loop().create_task(session.write(partial(add, name), **options), context=Context())


def failing_commit(session: Session, code: str) -> None:
    """Let the next COMMIT fail with `code`, which cannot be had from a healthy disk."""
    client = client_of(session)
    writer = client._writer
    assert writer is not None

    class Failing:
        def __init__(self, raw: sqlite3.Connection) -> None:
            self._raw = raw

        def __getattr__(self, name: str) -> Any:
            return getattr(self._raw, name)

        def execute(self, sql: str, *values: Any) -> Any:
            if sql == "COMMIT":
                error = sqlite3.OperationalError("injected")
                error.sqlite_errorname = code
                raise error
            return self._raw.execute(sql, *values)

    writer._connection._connection = Failing(writer.raw)  # type: ignore[assignment]  # looks like one
