"""Short writes on the event loop's own thread; where a commit waits for the disk, it alone is on the writer's."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from functools import partial
from typing import Any

import pytest

from agentdb.engine import Query, Session, Steps, group, inline_writer
from agentdb.errors import ConflictError
from tests.engine.engines import MODULES, file_of, names, opened, session_on

INSERT = 'INSERT INTO "Role" ("name") VALUES (?1) RETURNING "id"'


def add(name: str, found: list[int]) -> Steps[None]:
    """One role, and on which thread it is added."""
    found.append(threading.get_ident())
    yield Query(INSERT, [name])


@pytest.fixture
async def session(sqlite_url: str) -> AsyncIterator[Session]:
    """A session whose commits do not wait."""
    async with opened(sqlite_url, durability="fast") as made:
        yield made


async def where(session: Session, *written: str, is_short: bool = True) -> list[bool]:
    """Of writes one after another, which ran on this thread."""
    found: list[int] = []
    for name in written:
        await session.write(partial(add, name, found), is_short=is_short)
    return [one == threading.get_ident() for one in found]


@pytest.mark.parametrize("durability", ["full", "fast"])
async def test_a_short_write_runs_where_it_is_asked_for(sqlite_url: str, durability: str) -> None:
    """The way to another thread and back would take longer."""
    async with opened(sqlite_url, durability=durability) as session:
        found = await where(session, "a", "b", "c", "d")

    assert found == [True, True, True, True]
    assert {"a", "b", "c", "d"} <= set(await names(sqlite_url))


@pytest.mark.parametrize("durability", ["full", "fast"])
async def test_only_a_commit_that_does_not_wait_runs_there_too(
    sqlite_url: str, durability: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop never waits for the disk."""
    found: list[int] = []
    commit = group.commit

    def noted(raw: sqlite3.Connection) -> None:
        found.append(threading.get_ident())
        commit(raw)

    monkeypatch.setattr(group, "commit", noted)
    async with opened(sqlite_url, durability=durability) as session:
        await asyncio.gather(*[session.write(partial(add, name, []), is_short=True) for name in ("a", "b")])

    assert [one == threading.get_ident() for one in found] == [durability == "fast"]


async def test_a_write_that_may_be_long_does_not(session: Session) -> None:
    """Only who calls knows what is short."""
    found = await where(session, "a", "b", "c", is_short=False)

    assert found == [False, False, False]


@pytest.mark.parametrize("durability", ["full", "fast"])
async def test_no_write_does_where_that_was_switched_off(sqlite_url: str, durability: str) -> None:
    """As it should be on a slow disk."""
    async with opened(sqlite_url, durability=durability, inline_writes="false") as session:
        found = await where(session, "a", "b", "c")

    assert found == [False, False, False]


@pytest.mark.parametrize("durability", ["full", "fast"])
async def test_writes_of_many_callers_share_commits(
    sqlite_url: str, durability: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a round in which the first one came alone."""
    commits: list[sqlite3.Connection] = []
    commit = group.commit

    def noted(raw: sqlite3.Connection) -> None:
        commits.append(raw)
        commit(raw)

    monkeypatch.setattr(group, "commit", noted)
    monkeypatch.setattr(inline_writer, "commit", noted)
    async with opened(sqlite_url, durability=durability) as session:
        await where(session, "a", "b", "c")
        commits.clear()
        for turn in range(5):
            written = [f"{turn}-{caller}" for caller in range(64)]
            await asyncio.gather(*[session.write(partial(add, name, []), is_short=True) for name in written])
        fallbacks = session.client.fallbacks

    assert len(commits) < 64  # the first ones of the first round cannot know that they are not alone
    assert fallbacks == 0


async def test_other_tasks_get_their_turns(session: Session) -> None:
    """However many writes follow each other without waiting for anything."""
    await where(session, "a", "b", "c")
    turns = 0

    async def tick() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    await where(session, *[f"n{number}" for number in range(200)])
    ticking.cancel()

    assert turns > 5


async def test_a_lock_that_another_process_holds_keeps_nobody_from_the_loop(session: Session, sqlite_url: str) -> None:
    """The write waits on the writer's thread."""
    await where(session, "a", "b")
    found: list[int] = []
    turns = 0
    with closing(sqlite3.connect(file_of(sqlite_url), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(session.write(partial(add, "c", found), is_short=True))
        while turns < 20:
            await asyncio.sleep(0.01)
            turns += 1
        is_waiting = not writing.done()
        other.execute("ROLLBACK")
        await writing

    assert is_waiting
    assert found
    assert threading.get_ident() not in found
    assert "c" in await names(sqlite_url)


async def test_a_refused_write_leaves_nothing_open(session: Session, sqlite_url: str) -> None:
    """The next one begins anew, on either thread."""
    await where(session, "a", "b")
    with pytest.raises(ConflictError):
        await where(session, "a")
    found = await where(session, "c", "d")

    assert found == [True, True]
    assert len(await names(sqlite_url)) == len(set(await names(sqlite_url)))


async def test_a_write_is_told_after_its_commit(session: Session, sqlite_url: str) -> None:
    """Another connection sees it when its caller is told."""
    await where(session, "a", "b")
    seen: list[int] = []

    def look(_: Any) -> None:
        with closing(sqlite3.connect(file_of(sqlite_url))) as other:
            seen.append(other.execute("""SELECT count(*) FROM "Role" WHERE "name" = 'c'""").fetchone()[0])

    told: Callable[[Any], None] = look
    await session.write(partial(add, "c", []), is_short=True, on_commit=told)

    assert seen == [1]


@pytest.mark.parametrize("durability", ["full", "fast"])
async def test_what_takes_long_is_done_on_the_writers_thread(sqlite_url: str, durability: str) -> None:
    """Nothing of it was kept, and other tasks have had their turns."""
    async with opened(sqlite_url, durability=durability) as session:
        await where(session, "a", "b", "c")
        found: list[int] = []
        await session.write(partial(add_slowly, "slow", found), is_short=True)
        stored = await names(sqlite_url)

    assert found[0] == threading.get_ident()
    assert found[-1] != threading.get_ident()
    assert stored.count("slow") == 1


def add_slowly(name: str, found: list[int]) -> Steps[None]:
    """One role, after a look that takes a tenth of a second."""
    found.append(threading.get_ident())
    yield Query(INSERT, [name])
    yield Query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT max(i) FROM n"
    )


class SignalError(BaseException):
    """What the handler of a signal raises."""


@pytest.mark.parametrize("durability", ["full", "fast"])
async def test_a_signal_leaves_nothing_open(sqlite_url: str, durability: str) -> None:
    """It may come between any two steps on the thread of the event loop."""

    def interrupted() -> Steps[None]:
        yield Query(INSERT, ["never"])
        raise SignalError

    async with opened(sqlite_url, durability=durability) as session:
        await where(session, "a", "b", "c")
        with pytest.raises(SignalError):
            await session.write(interrupted, is_short=True)
        await where(session, "d")
        stored = await names(sqlite_url)

    assert sorted(stored) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("durability", ["full", "fast"])
async def test_other_tasks_get_their_turns_among_failures(sqlite_url: str, durability: str) -> None:
    """A write that fails waits for nothing either."""
    async with opened(sqlite_url, durability=durability) as session:
        await where(session, "a", "b", "c")
        turns = 0

        async def tick() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        for _ in range(200):
            with pytest.raises(ConflictError):
                await where(session, "a")
        ticking.cancel()

    assert turns > 5


async def test_a_commit_that_meets_a_lock_keeps_nobody_from_the_loop(sqlite_url: str) -> None:
    """Without a write-ahead log a reader keeps a writer from committing, and may be a task of the same loop."""
    with closing(sqlite3.connect(file_of(sqlite_url))) as raw:
        raw.execute("PRAGMA journal_mode = DELETE")
    session = session_on(sqlite_url, create=False, durability="fast")
    await session.open(MODULES)
    try:
        await where(session, "a", "b", "c")
        with closing(sqlite3.connect(file_of(sqlite_url), isolation_level=None)) as other:
            other.execute("BEGIN")
            other.execute('SELECT * FROM "Role"').fetchall()
            writing = [asyncio.create_task(session.write(partial(add, name, []), is_short=True)) for name in ("d", "e")]
            await asyncio.sleep(0.1)
            are_waiting = [not one.done() for one in writing]
            other.execute("ROLLBACK")
            await asyncio.gather(*writing)
        stored = await names(sqlite_url)
    finally:
        await session.close()

    assert are_waiting == [True, True]
    assert sorted(stored) == ["a", "b", "c", "d", "e"]
