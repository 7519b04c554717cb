"""Erasing a person: nothing of theirs is left in any table or file, sums stay, and nobody else loses anything."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import agentdb
from agentdb import Database, InvalidInputError, NotFoundError, TransactionError
from agentdb.database import look
from agentdb.operations.personal import REMOVED, SHOWN, SUMMED
from agentdb.records import User
from tests.operations.aged import days_ago
from tests.operations.person import MARK, make_person, marked, rows_of, tables_of_persons
from tests.services.talking import HELLO

pytestmark = pytest.mark.agentdb(engine="both")

SPAN: dict[str, Any] = {"since": days_ago(1000), "until": days_ago(-2, 0)}


async def everything(db: Database) -> str:
    """All rows of all tables, as text."""
    return "\n".join([str([dict(row) for row in await db.session.fetch(f'SELECT * FROM "{t}"')]) for t in SHOWN])


def test_every_table_that_leads_from_a_user_is_known() -> None:
    """A new table that can hold what is somebody's has to be erased or summed, and shown."""
    assert tables_of_persons() | {"Prompt", "Tool"} == {*REMOVED, *SUMMED}
    assert SHOWN.keys() == {*REMOVED, *SUMMED}


async def test_nothing_is_left_in_any_table(agent_db: Database) -> None:
    """Everything is counted and gone; another person has all of theirs; erasing twice is NotFoundError."""
    ada, bob = await make_person(agent_db, "ada"), await make_person(agent_db, "bob")
    had, others = await rows_of(agent_db, ada), await rows_of(agent_db, bob)
    done = await agent_db.erase_user(ada.id)
    left = await rows_of(agent_db, ada)

    assert min(had.values()) > 0
    assert {**done.removed, **done.summed} == {**had, "Tool": 1}
    assert set(left.values()) == {0}
    assert await rows_of(agent_db, bob) == others
    assert marked("ada") not in await everything(agent_db)
    assert (await agent_db.check()).is_clean
    with pytest.raises(NotFoundError):
        await agent_db.erase_user(ada.id)


async def test_sums_stay_under_a_pseudonym(agent_db: Database) -> None:
    """What was spent, by how many, on which day; without who it was, and what they called it."""
    ada = await make_person(agent_db, "ada")
    (before,) = await agent_db.usage.report(by=[], **SPAN)
    days = await agent_db.usage.report(by="day", **SPAN)
    await agent_db.erase_user(ada.id)
    (after,) = await agent_db.usage.report(by=[], **SPAN)
    (by_user,) = await agent_db.usage.report(by=("user", "type"), **SPAN)

    assert after == before
    assert await agent_db.usage.report(by="day", **SPAN) == days
    assert (by_user.user_id, by_user.type, by_user.users) == (None, None, 1)
    assert by_user.pseudonym is not None
    assert str(ada.id) != by_user.pseudonym


async def test_others_keep_their_conversations_with_shared_agents(agent_db: Database) -> None:
    """The agent goes, also where others use it; what they said to it stays, without it."""
    ada, bob = await make_person(agent_db, "ada"), await agent_db.access.create_user(email="bob@example.org")
    agent = next(one for one in (await agent_db.agents.list(user_id=ada.id)).items if one.user_id == ada.id)
    await agent_db.agents.share(agent.id, user_id=ada.id, with_user_id=bob.id, role="owner")
    talk = await agent_db.conversations.start(user_id=bob.id, agent_id=agent.id)
    await agent_db.conversations.append(talk.id, user_id=bob.id, role="user", content=HELLO)
    await agent_db.erase_user(ada.id)
    context = await agent_db.conversations.context(talk.id, user_id=bob.id)

    assert (await agent_db.conversations.get(talk.id, user_id=bob.id)).agent_id is None
    assert len(context.messages) == 1
    with pytest.raises(NotFoundError):
        await agent_db.agents.resolve(agent.id, user_id=bob.id)


async def search_for_ever(db: Database, user: User) -> None:
    """Which indexes what was said since the last time."""
    while True:
        await db.conversations.search("hello", user_id=user.id)
        await asyncio.sleep(0)


async def test_calls_that_run_meanwhile_find_nobody(agent_db: Database) -> None:
    """They are done before, and erased with the rest, or get NotFoundError; no row appears again."""
    ada = await make_person(agent_db, "ada")
    talk = await agent_db.conversations.start(user_id=ada.id, agent_id=1)
    errors: list[BaseException] = []

    async def write(call: Any) -> None:
        try:
            while True:
                await call()
                await asyncio.sleep(0)
        except agentdb.AgentDBError as error:
            errors.append(error)

    given: dict[str, Any] = {"user_id": ada.id}
    calls = [
        lambda: agent_db.conversations.append(talk.id, role="user", content=HELLO, **given),
        lambda: agent_db.conversations.start(agent_id=1, **given),
        lambda: agent_db.usage.record(model="mock-model", input_tokens=1, **given),
        lambda: agent_db.usage.reserve(amount_usd="0.001", **given),
        lambda: agent_db.knowledge.store(name="late", content="late", **given),
        lambda: agent_db.conversations.start(agent_id=1, request_id="r", **given),
    ]
    searching = asyncio.create_task(search_for_ever(agent_db, ada))
    tasks = [asyncio.create_task(write(call)) for call in calls]
    await asyncio.sleep(0.2)
    await agent_db.erase_user(ada.id)
    await asyncio.wait_for(asyncio.gather(*tasks), 60)
    is_still_searching = searching.cancel()

    assert is_still_searching
    assert [type(error) for error in errors] == [NotFoundError] * len(calls)
    assert set((await rows_of(agent_db, ada)).values()) == {0}
    assert (await agent_db.check()).is_clean


async def test_an_id_is_an_int_outside_of_transactions(agent_db: Database) -> None:
    for user_id in ("1", None, 1.0, True):
        with pytest.raises(InvalidInputError, match="user_id is an int"):
            await agent_db.erase_user(user_id)  # type: ignore[arg-type]  # wrong on purpose
    async with agent_db.transaction():
        with pytest.raises(TransactionError, match="Leave yours first"):
            await agent_db.erase_user(1)


@pytest.mark.agentdb(engine="sqlite")
async def test_nothing_is_left_in_the_files(tmp_path: Path) -> None:
    """Neither in the file nor in its log or a backup, also of what was changed or deleted long before."""
    path = tmp_path / "agent.db"
    url = f"sqlite:///{path}"
    async with agentdb.connect(url) as db:
        ada, bob = await make_person(db, "ada"), await make_person(db, "bob")
        await _leave_traces(db, ada)
        assert MARK in _bytes(path)
        await db.erase_user(bob.id)
        done = await db.erase_user(ada.id)
        backup = tmp_path / "backup.db"
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(backup)) as target:
            source.backup(target)

        assert (done.is_scrubbed, done.remains) == (True, None)
        assert MARK not in _bytes(path)
        assert MARK not in _bytes(backup)
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.agentdb(engine="sqlite")
async def test_a_reader_of_before_is_told_of(tmp_path: Path) -> None:
    """While somebody reads an earlier state, its pages stay in the log: maintenance clears them afterwards."""
    path = tmp_path / "agent.db"
    url = f"sqlite:///{path}?acquire_timeout_s=0.3"
    async with agentdb.connect(url) as db:
        ada = await make_person(db, "ada")
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute('SELECT COUNT(*) FROM "Message"').fetchone()
        async with await look(url) as db:
            done = await db.erase_user(ada.id)
            reader.execute("ROLLBACK")
            await db.maintain(vacuum=True)

            assert not done.is_scrubbed
            assert "agentdb maintain --vacuum" in str(done.remains)
            assert MARK not in _bytes(path)


async def _leave_traces(db: Database, ada: User) -> None:
    """What was said, changed, deleted and destroyed before leaves free pages, and an index of words in parts."""
    for number in range(30):
        talk = await db.conversations.start(user_id=ada.id, agent_id=1, title=f"{MARK}{number}")
        await db.conversations.append(
            talk.id, user_id=ada.id, role="user", content=[{"text": f"{MARK}{number} " * 400}]
        )
        await db.conversations.search(f"{MARK}{number}", user_id=ada.id)
        await db.conversations.rename(talk.id, user_id=ada.id, title=f"{MARK} renamed")
        if number % 3 == 0:
            await db.conversations.delete(talk.id, user_id=ada.id)
            await db.conversations.purge(talk.id, user_id=ada.id)


def _bytes(path: Path) -> str:
    """The file with what lies beside it, as text in which a word is found as it stands."""
    files = [file for suffix in ("", "-wal", "-shm") if (file := path.with_name(path.name + suffix)).exists()]
    return "\n".join(file.read_bytes().decode("latin-1") for file in files)
