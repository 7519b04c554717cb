"""Moving a database: everything arrives, whatever is killed, and nothing half-moved is taken for a database."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import agentdb
from agentdb import ConfigurationError, ConflictError, InvalidInputError, SchemaError
from agentdb.config import Secret
from agentdb.database import look
from agentdb.operations import copying
from agentdb.operations.rows import insert_rows
from agentdb.testing.factory import DatabaseFactory
from agentdb.testing.handle import TemporaryDatabase
from tests.counts import COUNTS
from tests.lifecycle.places import place_of
from tests.lifecycle.starters import launched
from tests.operations.odd_rows import odd_rows
from tests.operations.transferring import interrupted, moved, next_message_id, records

ENGINES = ("sqlite", "postgresql")
ACROSS = [("sqlite", "postgresql"), ("postgresql", "sqlite")]


@pytest.fixture
def engines(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Of source and target."""
    found: tuple[str, str] = getattr(request, "param", ACROSS[0])
    return found


@pytest.fixture
async def source(engines: tuple[str, str], agent_db_factory: DatabaseFactory) -> AsyncIterator[TemporaryDatabase]:
    """Seeded, with nothing else in it."""
    with agent_db_factory(engine=engines[0]) as db:
        yield db
        await db.close()


@pytest.fixture
def target(engines: tuple[str, str], agent_db_factory: DatabaseFactory) -> Iterator[str]:
    """The URL of a database that is empty, or a file that is not there yet."""
    with agent_db_factory.empty(engine=engines[1]) as url:
        yield url


async def move(source: TemporaryDatabase, target: str, **options: Any) -> agentdb.Transfer:
    """Transfer with the settings of the source."""
    return await agentdb.transfer(source.url, target, settings=source.settings, **options)


async def assert_same(source: TemporaryDatabase, target: str) -> None:
    """The target is ready and holds the same, as the models see it."""
    assert await records(target, source.settings) == await records(source.url, source.settings)


async def assert_unusable(source: TemporaryDatabase, target: str) -> None:
    """Nobody attaches to the target, and nobody makes it ready."""
    for skip_sync in (True, False):
        with pytest.raises(SchemaError, match="not ready" if skip_sync else "unfinished target of a transfer"):
            await agentdb.connect(target, skip_sync=skip_sync, settings=source.settings)
    async with await look(target, settings=source.settings) as db:
        assert not (await db.status()).is_ready
        with pytest.raises(SchemaError, match="unfinished target of a transfer"):
            await db.seed()


@pytest.mark.parametrize("engines", [(one, other) for one in ENGINES for other in ENGINES], indirect=True)
async def test_everything_arrives(source: TemporaryDatabase, target: str) -> None:
    """Every value is equal as the models read it, nobody's id is made again, and a second run has nothing to do."""
    gone = await odd_rows(source)
    done = await move(source, target)

    assert (done.is_resumed, done.was_done, done.changed, done.findings) == (False, False, (), ())
    assert done.digests is not None
    await assert_same(source, target)
    again = await move(source, target)
    assert again.was_done
    assert again.digests == done.digests
    assert await next_message_id(target, source.settings) == gone + 1
    with pytest.raises(ConflictError, match="not empty"):
        await move(source, target)


async def test_what_is_derived_is_made_again(source: TemporaryDatabase, target: str) -> None:
    """A search finds in the target what it finds in the source."""
    user = await source.access.create_user(email="ada@example.org")
    talk = await source.conversations.start(user_id=user.id)
    message = await source.conversations.append(talk.id, user_id=user.id, role="user", content=[{"text": "Find me"}])
    await source.conversations.search("find", user_id=user.id)
    await move(source, target)

    async with agentdb.connect(target, skip_sync=True, settings=source.settings) as db:
        hits = await db.conversations.search("find", user_id=user.id)
    assert [hit.message_id for hit in hits] == [message.id]


@pytest.mark.parametrize("engines", ACROSS, indirect=True)
async def test_one_connection_to_each_is_enough(source: TemporaryDatabase, target: str) -> None:
    options = {"sqlite": "readers=0", "postgresql": "pool_size=1"}
    here, there = (f"{url}?{options[url.partition(':')[0]]}" for url in (source.url, target))
    await agentdb.transfer(here, there, settings=source.settings.model_copy(update={"acquire_timeout_s": 1.0}))

    await assert_same(source, target)


@pytest.mark.parametrize("engines", ACROSS, indirect=True)
async def test_killed_at_any_point_it_goes_on(source: TemporaryDatabase, target: str) -> None:
    """No row twice, none missing, and until the end nobody can use the target."""
    gone = await odd_rows(source)
    await source.close()
    key = source.settings.secret_key
    assert key is not None
    draw = random.Random(COUNTS.killed_transfers)
    has_begun = False
    for _ in range(COUNTS.killed_transfers):
        worker = await asyncio.to_thread(launched, moved, source.url, target, key.reveal())
        for _ in range(draw.randint(0, 2 + 200 // COUNTS.killed_transfers)):
            said = await asyncio.to_thread(worker.answer)
            assert not isinstance(said, bool), "It was over before it was killed."
            has_begun = has_begun or said != "begun"
        await asyncio.to_thread(worker.kill)
        if has_begun:
            await assert_unusable(source, target)
    done = await move(source, target)

    assert done.is_resumed or not has_begun
    await assert_same(source, target)
    assert await next_message_id(target, source.settings) == gone + 1


@pytest.mark.parametrize("engines", ACROSS, indirect=True)
async def test_a_source_that_changed_meanwhile_is_copied_anew(source: TemporaryDatabase, target: str) -> None:
    """Also where the rows of now do not fit those that were copied."""
    await odd_rows(source)
    await interrupted(source, target, after=60)
    await assert_unusable(source, target)
    await source.access.create_role("late")
    await source.access.create_user(email="late@example.org")
    talk = await source.conversations.start(user_id=1, agent_id=1)
    await source.conversations.append(talk.id, user_id=1, role="user", content=[{"text": "late"}])
    done = await move(source, target, verify=False)

    assert not done.is_resumed
    assert done.digests is None
    await assert_same(source, target)


async def test_what_was_copied_before_is_always_compared(source: TemporaryDatabase, target: str) -> None:
    """Also with verify=False, because somebody may have changed the source in between."""
    await odd_rows(source)
    await interrupted(source, target, after=60)
    with source.use():
        await agentdb.Role.filter(id=1).update(name="renamed")
    await move(source, target, verify=False)

    await assert_same(source, target)


async def test_writes_during_a_transfer_are_told(source: TemporaryDatabase, target: str) -> None:
    """They are not in the target, which holds one state of the source."""
    await odd_rows(source)
    writes: list[asyncio.Task[Any]] = []

    def told(what: str, done: int, total: int | None) -> None:
        if not writes and what == "copying Message":
            writes.append(asyncio.ensure_future(source.access.create_role("late")))

    done = await move(source, target, told=told)
    await writes[0]

    assert done.changed == ("Role",)
    assert "late" not in {role["name"] for role in (await records(target, source.settings))["Role"]}


async def test_a_target_with_rows_is_left_alone(source: TemporaryDatabase, agent_db_factory: DatabaseFactory) -> None:
    """Unless told: then nothing of it remains but its last ids."""
    await odd_rows(source)
    with agent_db_factory(engine="postgresql") as other:
        for name in ("bob", "eve", "ida"):
            await other.access.create_user(email=f"{name}@example.org")
        await other.close()
        before = await place_of(other.url).contents()
        with pytest.raises(ConflictError, match="not empty, and nothing was changed"):
            await move(source, other.url)

        assert await place_of(other.url).contents() == before
        await move(source, other.url, replace=True)
        await assert_same(source, other.url)


async def test_the_beginning_of_another_transfer_is_left_alone(
    source: TemporaryDatabase, target: str, agent_db_factory: DatabaseFactory
) -> None:
    """It says whose it is; with replace=True it is thrown away."""
    await odd_rows(source)
    with agent_db_factory(engine="sqlite") as other:
        await interrupted(other, target, after=5)
        with pytest.raises(ConflictError, match=f"beginning of a transfer from {other.url}"):
            await move(source, target)
        await other.close()
    await move(source, target, replace=True)

    await assert_same(source, target)


@pytest.mark.parametrize("engines", [("sqlite", "sqlite")], indirect=True)
async def test_a_file_is_the_same_by_any_name(source: TemporaryDatabase, tmp_path: Path) -> None:
    """By another spelling, a symbolic link, a hard link."""
    file = Path(source.url.removeprefix("sqlite:///"))
    (tmp_path / "symbolic.db").symlink_to(file)
    (tmp_path / "hard.db").hardlink_to(file)
    names = (file, file.parent / ".." / file.parent.name / file.name, tmp_path / "symbolic.db", tmp_path / "hard.db")
    for name in names:
        with pytest.raises((ConfigurationError, agentdb.StorageError)):
            await move(source, f"sqlite:///{name}", replace=True)
    async with agentdb.connect(source.url, skip_sync=True, settings=source.settings) as db:
        assert len(await db.access.roles()) == 3


@pytest.mark.parametrize("engines", [("postgresql", "sqlite")], indirect=True)
async def test_a_servers_database_is_the_same_by_any_name(source: TemporaryDatabase) -> None:
    for url in (source.url, f"{source.url}?application_name=other", source.url.replace("postgresql://", "postgres://")):
        with pytest.raises(ConfigurationError, match="same database"):
            await move(source, url, replace=True)
    async with agentdb.connect(source.url, skip_sync=True, settings=source.settings) as db:
        assert len(await db.access.roles()) == 3


async def test_memory_is_neither_source_nor_target(source: TemporaryDatabase, target: str) -> None:
    for one, other in ((":memory:", target), (source.url, "sqlite://")):
        with pytest.raises(ConfigurationError, match="in memory"):
            await agentdb.transfer(one, other, settings=source.settings)


@pytest.mark.parametrize("url", [None, 5, b"sqlite:///a.db", "sqlite:///a%00b", "sqlite:///\udcff"])
async def test_what_is_no_url_is_no_target(url: Any, source: TemporaryDatabase) -> None:
    """None would be the configured database."""
    with pytest.raises(ConfigurationError, match="database URL"):
        await agentdb.transfer(source.url, url, settings=source.settings)


@pytest.mark.parametrize("engines", [("sqlite", "sqlite")], indirect=True)
async def test_a_source_that_is_not_ready_makes_no_target(
    source: TemporaryDatabase, target: str, tmp_path: Path, agent_db_factory: DatabaseFactory
) -> None:
    """Missing, empty, or itself half-moved."""
    with agent_db_factory.empty(engine="postgresql") as empty, agent_db_factory.empty(engine="postgresql") as half:
        await interrupted(source, half, after=5)
        for url in (f"sqlite:///{tmp_path}/missing.db", empty, half):
            with pytest.raises(SchemaError):
                await agentdb.transfer(url, target, settings=source.settings)

    assert await place_of(target).tables() == []


async def test_a_value_that_the_target_cannot_keep_names_its_rows(source: TemporaryDatabase, target: str) -> None:
    """The target is not made ready, and a run after its mending finishes."""
    file = source.url.removeprefix("sqlite:///")
    await source.access.create_user(email="ada@example.org")
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("UPDATE \"User\" SET \"firstName\" = 'a' || char(0) || 'b'")
        raw.commit()
    with pytest.raises(InvalidInputError, match="NUL") as refused:
        await move(source, target)

    assert refused.value.__notes__ == ["Among rows 1 to 1 of User."]
    await assert_unusable(source, target)
    with closing(sqlite3.connect(file)) as raw:
        raw.execute('UPDATE "User" SET "firstName" = NULL')
        raw.commit()
    await move(source, target)
    await assert_same(source, target)


async def test_a_row_that_points_to_nothing_is_not_copied(source: TemporaryDatabase, target: str) -> None:
    with closing(sqlite3.connect(source.url.removeprefix("sqlite:///"))) as raw:
        raw.execute('INSERT INTO "Conversation" ("id", "userID") VALUES (7, 99)')
        raw.commit()
    with pytest.raises(ConflictError) as refused:
        await move(source, target)

    assert refused.value.__notes__ == ["Among rows 7 to 7 of Conversation."]
    await assert_unusable(source, target)


@pytest.mark.parametrize("engines", ACROSS, indirect=True)
async def test_a_target_that_differs_is_not_made_ready(
    source: TemporaryDatabase, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One letter is enough. Nobody looks with verify=False."""
    await odd_rows(source)

    async def alter(client: Any, table: Any, rows: Any) -> None:
        if table.name == "Role":
            at = [column.name for column in table.columns].index("name")
            rows = [(*row[:at], f"{row[at]}.", *row[at + 1 :]) for row in rows]
        await insert_rows(client, table, rows)

    monkeypatch.setattr(copying, "insert_rows", alter)
    with pytest.raises(ConflictError, match="differs from the source in Role, and was not made ready"):
        await move(source, target)

    await assert_unusable(source, target)
    done = await move(source, target, verify=False)
    assert done.digests is None
    assert {row["name"][-1] for row in (await records(target, source.settings))["Role"]} == {"."}


async def test_secrets_that_the_target_cannot_read_are_told(source: TemporaryDatabase, target: str) -> None:
    """The key is not copied, and without it they are worth nothing."""
    await source.access.create_user(email="ada@example.org", with_api_key=True)
    others = source.settings.model_copy(update={"secret_key": Secret("quite another key of these tests")})
    found = await agentdb.transfer(source.url, target, settings=others)

    assert [one.code for one in found.findings] == ["secrets-of-another-key"]
    assert (await move(source, target)).findings == ()


async def test_a_key_file_is_told_and_not_copied(source: TemporaryDatabase, tmp_path: Path) -> None:
    """Where no setting names a key it lies beside the file."""
    settings = source.settings.model_copy(update={"secret_key": None})
    here, there = f"sqlite:///{tmp_path}/here.db", f"sqlite:///{tmp_path}/there.db"
    async with agentdb.connect(here, settings=settings) as db:
        await db.access.create_user(email="ada@example.org", with_api_key=True)
    done = await agentdb.transfer(here, there, settings=settings)

    assert done.key_file == tmp_path / "here.db.key"
    assert [one.code for one in done.findings] == ["secrets-of-another-key"]
    assert not (tmp_path / "there.db.key").exists()
