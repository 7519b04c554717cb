"""Every row of the table of error classes, by a real fault through the public API.

Each is met in a caller's own transaction, where nothing is repeated, and in `db.run`, which repeats what is safe.
"""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime

import pytest

import agentdb
from agentdb.errors import ConfigurationError, DeadlineError, StorageError, UnavailableError
from tests.faults import postgres_rows, sqlite_rows
from tests.faults.places import OpenPlace, on_postgres, on_sqlite, server, sqlite_template
from tests.faults.private_server import until
from tests.faults.units import TEXT, Row, in_transaction, in_unit, no_fault, opened

__all__ = ["server", "sqlite_template"]

JANUARY, FEBRUARY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

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


# what has no row of its own: deadlines of ours, and places that cannot be used


@pytest.mark.parametrize("on_engine", [on_postgres, on_sqlite])
async def test_our_own_deadline(on_engine: OpenPlace, request: pytest.FixtureRequest) -> None:
    """A unit that takes too long is stopped, rolled back and not repeated; SQLite confirms its interruption."""
    async with on_engine(request) as place:
        async with agentdb.connect(place.url, skip_sync=True) as db:

            async def work() -> None:
                place.attempts += 1
                await place.append(db)
                await db.session.fetch(ENDLESS)

            with pytest.raises(DeadlineError) as caught:
                await db.run(work, timeout=0.5)
            stored = await place.messages()
            await place.append(db)

        assert not caught.value.is_retryable
        assert (place.attempts, stored) == (1, 0)
        assert await place.messages() == 1


async def test_a_password_that_is_wrong(request: pytest.FixtureRequest) -> None:
    """28P01: nothing to repeat, and the message does not hold it."""
    async with on_postgres(request) as place:
        own, rules = place.own_server, place.own_server.directory / "agentdb-server.hba"
        before = rules.read_text()
        await own.run("CREATE ROLE guarded LOGIN PASSWORD 'right'")
        rules.write_text(f"local all guarded scram-sha-256\n{before}")
        try:
            await own.run("SELECT pg_reload_conf()")
            await until(lambda: own.run("SELECT 1 FROM pg_hba_file_rules WHERE user_name = '{guarded}'"))
            with pytest.raises(ConfigurationError) as caught:
                await agentdb.connect(own.url(place.name, role="guarded:hunter2"), skip_sync=True)
        finally:
            rules.write_text(before)
            await own.run("SELECT pg_reload_conf()", "DROP ROLE guarded")

    assert (caught.value.engine_code, caught.value.is_retryable) == ("28P01", False)
    assert "hunter2" not in f"{caught.value} {vars(caught.value)}"


async def test_a_file_that_is_no_database(request: pytest.FixtureRequest) -> None:
    """Told when it is opened."""
    async with on_sqlite(request) as place:
        place.file.write_text("no database " * 1000)
        with pytest.raises(StorageError) as caught:
            await agentdb.connect(place.url, skip_sync=True)

    assert (caught.value.engine_code, caught.value.reason) == ("SQLITE_NOTADB", "unreadable")
    assert not caught.value.is_retryable


@contextmanager
def few_files() -> Iterator[None]:
    """Inside the block this process can open no further file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = os.dup(0)  # the smallest number that is free
    os.close(spare)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_file_that_cannot_be_opened(request: pytest.FixtureRequest) -> None:
    """The process has too many files open when further connections are opened."""
    async with on_sqlite(request) as place, agentdb.connect(place.url) as db:
        await db.usage.report(by="user", since=JANUARY, until=FEBRUARY)  # which opens one, and imports what it needs
        with few_files():
            reports = [db.usage.report(by="user", since=JANUARY, until=FEBRUARY) for _ in range(4)]
            found = await asyncio.gather(*reports, return_exceptions=True)
        repetitions = db.session.repeats.count
    errors = [one for one in found if isinstance(one, StorageError)]

    assert errors
    assert {(error.engine_code, error.reason) for error in errors} == {("SQLITE_CANTOPEN", "unreadable")}
    assert repetitions == 0
