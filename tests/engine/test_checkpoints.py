"""The write-ahead log of SQLite: copied back in the background, bounded, and gone when the database is closed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from functools import partial
from pathlib import Path
from sqlite3 import Connection, connect

import pytest

from agentdb.engine import Many, Query, Session, Steps, checkpoints
from agentdb.engine.checkpoints import Checkpoints
from agentdb.engine.sqlite_client import SqliteClient
from agentdb.errors import InvalidInputError
from tests.engine.engines import file_of, opened

TEXT = "x" * 100_000


@pytest.fixture
async def session(sqlite_url: str) -> AsyncIterator[Session]:
    """An open session on a file."""
    async with opened(sqlite_url) as made:
        yield made


def add(name: str) -> Steps[None]:
    """One long row, or the same one anew."""
    yield Query('INSERT INTO "Prompt" ("name", "content") VALUES (?1, ?2)', [name, TEXT])


def checkpoints_of(session: Session) -> Checkpoints:
    """Those of a session on a file."""
    assert isinstance(session.client, SqliteClient)
    assert session.client.checkpoints is not None
    return session.client.checkpoints


def log_of(session: Session) -> Path:
    """The log beside the database."""
    file = file_of(session.target.shown)
    return file.with_name(f"{file.name}-wal")


async def write(session: Session, megabytes: int) -> None:
    """Rows of so much text, by several writers at once."""
    for number in range(0, megabytes * 10, 10):
        await asyncio.gather(*(session.write(partial(add, f"{number + place:05}")) for place in range(10)))


async def idle(session: Session) -> None:
    """Until no checkpoint is under way."""
    while checkpoints_of(session)._task is not None:
        await asyncio.sleep(0.01)


async def test_the_log_does_not_grow_with_what_is_written(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under writes that never pause, where it would not start anew by itself."""
    monkeypatch.setattr(checkpoints, "LARGEST_BYTES", 16_000_000)
    await write(session, 60)
    await idle(session)

    assert log_of(session).stat().st_size < 40_000_000
    assert file_of(session.target.shown).stat().st_size > 20_000_000


async def test_what_is_committed_meanwhile_is_copied_too(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the next commit uses the log from its beginning, though writes never pause."""
    passive, is_written = checkpoints._passive, threading.Event()
    copied: list[Connection] = []

    def waiting(raw: Connection) -> bool:
        is_whole = passive(raw)
        copied.append(raw)
        is_written.wait(10)
        return is_whole

    monkeypatch.setattr(checkpoints, "_passive", waiting)
    await write(session, 5)
    while not copied:
        await asyncio.sleep(0.01)
    await session.write(partial(add, "meanwhile"))
    size = log_of(session).stat().st_size
    is_written.set()
    await idle(session)
    await session.write(partial(add, "afterwards"))

    assert len(copied) == 2
    assert log_of(session).stat().st_size == size


async def test_many_small_commits_are_copied_back_too(session: Session) -> None:
    """The log is used again from its beginning, so its length does not tell."""
    await write(session, 6)
    await idle(session)
    touch = 'UPDATE "Prompt" SET "name" = \'changed\' WHERE "id" = 1'

    def change() -> Steps[None]:
        yield Query(touch)

    for _ in range(checkpoints.COMMITS + 1):
        await session.write(change)
    await idle(session)

    assert b"changed" in file_of(session.target.shown).read_bytes()
    assert checkpoints_of(session)._commits < checkpoints.COMMITS


async def test_what_wrote_nothing_brings_no_checkpoint(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two checkpoints there are always commits: without them, releases of SQLite may lose the log."""
    await write(session, 6)
    await idle(session)
    begun: list[Connection] = []
    monkeypatch.setattr(checkpoints, "_passive", begun.append)

    def refused() -> Steps[None]:
        yield Query('SELECT 1 FROM "Prompt"')
        raise InvalidInputError("refused")

    for _ in range(checkpoints.COMMITS + 1):
        with pytest.raises(InvalidInputError):
            await session.write(refused)
    await idle(session)

    assert begun == []


async def test_a_reader_that_does_not_end_keeps_the_log_only_for_its_time(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for it; when it has gone, the writer empties what has become too long."""
    monkeypatch.setattr(checkpoints, "LARGEST_BYTES", 8_000_000)
    with closing(connect(file_of(session.target.shown), isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute('SELECT count(*) FROM "Role"').fetchone()
        async with asyncio.timeout(60):
            await write(session, 20)
            await idle(session)
        while_it_reads = log_of(session).stat().st_size
        reader.execute("COMMIT")
    await write(session, 30)
    await idle(session)

    assert while_it_reads > 20_000_000
    assert log_of(session).stat().st_size < 20_000_000


async def test_the_writer_leaves_it_to_the_background(session: Session) -> None:
    """Its own commits never copy anything."""
    assert [tuple(row) for row in await on_writer(session, "PRAGMA wal_autocheckpoint")] == [(0,)]


async def on_writer(session: Session, sql: str) -> list[tuple[int, ...]]:
    """What the writer's connection answers."""
    async with session.transaction():
        return [tuple(row) for row in (await session.client.fetch(sql)).rows]


async def test_closing_leaves_one_whole_file(sqlite_url: str) -> None:
    """Also in the middle of a checkpoint; what was acknowledged is there."""
    async with opened(sqlite_url) as session:
        await write(session, 12)
        log = log_of(session)

        def bulk() -> Steps[None]:
            yield Many('INSERT INTO "Role" ("name") VALUES (?1)', [[f"bulk {row}"] for row in range(5000)])

        await session.write(bulk)

    assert not log.exists()
    with closing(connect(file_of(sqlite_url))) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert raw.execute('SELECT count(*) FROM "Role"').fetchall() == [(5000,)]
        assert raw.execute('SELECT count(*) FROM "Prompt"').fetchall() == [(120,)]


async def test_a_database_in_memory_has_none() -> None:
    """There is no log."""
    async with opened("sqlite://:memory:") as session:
        assert isinstance(session.client, SqliteClient)
        assert session.client.checkpoints is None
