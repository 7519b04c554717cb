"""Backups and what they are restored into: any engine, with equal digests, or a refusal that changes nothing."""

from __future__ import annotations

import asyncio
import os
import stat
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest

import agentdb
from agentdb import (
    AccessDeniedError,
    ConflictError,
    Database,
    InvalidInputError,
    SchemaError,
    StorageError,
    UnavailableError,
    UnsupportedError,
)
from agentdb.database import look
from agentdb.engine import postgres_copy
from agentdb.lifecycle.packaged import packaged_versions
from agentdb.operations.backup import BackupReport
from agentdb.operations.manifest import BackupFormat
from agentdb.operations.restoration import RestoreReport, restore
from agentdb.operations.verification import verify
from agentdb.testing.factory import DatabaseFactory
from tests.lifecycle.places import KEY, Place, Places, configured
from tests.operations.backing_up import facts_of, take_backup
from tests.operations.odd_rows import odd_rows


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the backup of a test is to appear."""
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups" / "agent.backup"


@pytest.fixture
def other_places(agent_db_engine: str, agent_db_factory: DatabaseFactory) -> Iterator[Places]:
    """Makes databases on the other engine."""
    other = "sqlite" if agent_db_engine == "postgresql" else "postgresql"
    with ExitStack() as stack:
        yield Places(other, agent_db_factory, stack)


async def backed_up(place: Place, file: Path, **options: Any) -> BackupReport:
    async with await look(place.url, settings=configured(secret_key=KEY)) as db:
        return await db.backup(file, **options)


async def restored(file: Path, place: Place, **options: Any) -> RestoreReport:
    settings = configured(secret_key=KEY)
    return await restore(file, place.url, settings=settings, **options)


async def fill(place: Place) -> None:
    """With rows that break naive copies."""
    async with agentdb.connect(place.url, settings=configured(secret_key=KEY), skip_sync=True) as db:
        await odd_rows(db)


async def check_next_ids(url: str) -> None:
    """What is made next gets an id that nothing had."""
    async with agentdb.connect(url, settings=configured(secret_key=KEY), skip_sync=True) as db:
        [known] = await db.session.fetch('SELECT max("id") AS "last" FROM "Message"')
        user = await db.access.create_user(email="new@example.org")
        talk = await db.conversations.start(user_id=user.id)
        message = await db.conversations.append(talk.id, user_id=user.id, role="user", content=[{"text": "Hi"}])
        assert message.id > known["last"]


def names_in(file: Path | None) -> list[str]:
    """All files beside one."""
    assert file is not None
    return sorted(path.name for path in file.parent.iterdir())


def write(file: Path, content: bytes) -> None:
    file.write_bytes(content)


def content_of(file: Path) -> bytes:
    return file.read_bytes()


def mode_of(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


async def test_a_native_backup_gives_the_same_database(ready_place: Place, places: Places, file: Path) -> None:
    """On the same engine, with ids that go on."""
    await fill(ready_place)
    before = await facts_of(ready_place.url)
    taken, place = await backed_up(ready_place, file), places.empty()
    done = await restored(file, place)

    assert taken.kind == ("pg_dump" if ready_place.is_on_server else "sqlite")
    assert taken.why_portable is None
    assert taken.tables == done.tables == before == await facts_of(place.url)
    assert done.is_ready
    assert done.replaced == {}
    async with await look(place.url, settings=configured(secret_key=KEY)) as db:
        assert (await db.check()).is_clean
    await check_next_ids(place.url)


async def test_a_portable_backup_gives_equal_digests_on_the_other_engine(
    ready_place: Place, other_places: Places, file: Path
) -> None:
    """Also those of a backup that is taken there."""
    await fill(ready_place)
    taken = await backed_up(ready_place, file, format="portable")
    place = other_places.empty()
    await restored(file, place)
    again = await backed_up(place, file.with_name("again.backup"), format="portable")

    assert taken.kind == "portable"
    assert {name: (one.rows, one.sha256) for name, one in again.tables.items()} == {
        name: (one.rows, one.sha256) for name, one in taken.tables.items()
    }
    await check_next_ids(place.url)


@pytest.mark.agentdb(engine="sqlite")
async def test_a_sqlite_backup_fills_a_server(ready_place: Place, other_places: Places, file: Path) -> None:
    """Because the file in it can be opened; what pg_dump gives only PostgreSQL takes."""
    await fill(ready_place)
    place = other_places.empty()
    taken = await backed_up(ready_place, file)
    await restored(file, place)

    assert {name: one.sha256 for name, one in (await facts_of(place.url)).items()} == {
        name: one.sha256 for name, one in taken.tables.items()
    }
    await check_next_ids(place.url)


async def test_a_dump_goes_to_no_other_engine(server_places: Places, tmp_path: Path, file: Path) -> None:
    """The refusal says what does."""
    target = Place(f"sqlite:///{tmp_path}/new.db", tmp_path / "new.db")
    await backed_up(server_places.ready(), file)
    with pytest.raises(UnsupportedError, match="--format portable"):
        await restored(file, target)

    assert names_in(target.path) == ["backups", "new.db.migrate-lock"]


@pytest.mark.parametrize("kind", ["native", "portable"])
async def test_only_an_empty_database_is_filled_unasked(
    kind: BackupFormat, ready_place: Place, places: Places, file: Path
) -> None:
    """`replace` puts the backup in the place of all that is there."""
    await backed_up(ready_place, file, format=kind)
    place = places.ready()
    await fill(place)
    before = await facts_of(place.url)
    with pytest.raises(ConflictError, match=r"not empty.*--replace"):
        await restored(file, place)
    kept = await facts_of(place.url)
    done = await restored(file, place, replace=True)

    assert kept == before
    assert done.replaced["Message"] == before["Message"].rows
    assert {name: one.sha256 for name, one in (await facts_of(place.url)).items()} == {
        name: one.sha256 for name, one in done.tables.items()
    }


async def test_a_database_that_was_not_ready_is_not(
    agent_db_factory: DatabaseFactory, places: Places, file: Path
) -> None:
    """Services do not attach to the restored one either."""
    with agent_db_factory(engine=places.engine, seed=False) as db:
        try:
            await db.session.fetch('DELETE FROM "agentdb_state"')
            await db.backup(file)
        finally:
            await db.close()
    place = places.empty()
    done = await restored(file, place)

    assert not done.is_ready
    with pytest.raises(SchemaError, match="not ready"):
        await agentdb.connect(place.url, settings=configured(), skip_sync=True)


async def test_a_backup_before_an_upgrade(ready_place: Place, places: Places, file: Path) -> None:
    """A database of an earlier release is copied as it is; after its restore it can be migrated, and put back again."""
    *_, before, newest = packaged_versions()
    async with await look(ready_place.url, settings=configured(secret_key=KEY)) as db:
        await db.downgrade()
        with pytest.raises(SchemaError, match="portable"):
            await db.backup(file, format="portable")
        taken = await db.backup(file)
    place = places.empty()
    done = await restored(file, place)

    assert (taken.schema_version, taken.tables) == (before, {})
    assert any("another schema" in sentence for sentence in (await verify(file)).leaves_open)
    assert done.pending == (newest,)
    for _ in range(2):
        async with agentdb.connect(place.url, settings=configured(secret_key=KEY)) as db:
            assert (await db.status()).is_ready
            assert (await db.check()).is_clean
        assert (await restored(file, place, replace=True)).pending == (newest,)


async def test_what_is_empty_is_not_backed_up(empty_place: Place, file: Path) -> None:
    """A mistyped URL gives no backup."""
    with pytest.raises(SchemaError, match=r"nothing to back up|no database"):
        await backed_up(empty_place, file)

    assert names_in(file) == []


@pytest.mark.agentdb(engine="sqlite")
async def test_the_database_is_not_replaced_by_its_backup(tmp_path: Path) -> None:
    """Nor what lies beside it, by whatever name."""
    (tmp_path / "link").symlink_to(tmp_path / "agent.db")
    url, settings = f"sqlite:///{tmp_path}/link", configured(secret_key=None)
    async with agentdb.connect(f"sqlite:///{tmp_path}/agent.db", settings=settings):
        pass
    before = names_in(tmp_path / "agent.db")
    async with await look(url, settings=settings) as db:
        for name in ("agent.db", "link", "agent.db-wal", "agent.db.key", "agent.db.migrate-lock", "x/../agent.db"):
            with pytest.raises(InvalidInputError, match="of the database itself"):
                await db.backup(tmp_path / name, overwrite=True)

    assert names_in(tmp_path / "agent.db") == before
    assert (tmp_path / "agent.db").read_bytes().startswith(b"SQLite format 3")


async def test_a_service_backs_up_what_it_may_read(ready_place: Place, file: Path) -> None:
    """A copy would show it the rest: it is refused on every engine."""
    settings = configured(secret_key=KEY)
    for kind in ("native", "portable"):
        async with agentdb.connect(ready_place.url, settings=settings, skip_sync=True, service="gateway") as db:
            with pytest.raises(AccessDeniedError, match=r"db\.backup"):
                await db.backup(file, format=kind)

    assert names_in(file) == []


@pytest.mark.agentdb(engine="sqlite")
async def test_a_file_that_is_there_stays_unless_told(ready_place: Place, file: Path) -> None:
    """Also when the backup that was to replace it fails."""
    write(file, b"precious")
    with pytest.raises(ConflictError, match="--overwrite"):
        await backed_up(ready_place, file)
    with pytest.raises(RuntimeError, match="of this test"):
        await backed_up(ready_place, file, overwrite=True, told=_failing)
    kept = content_of(file)
    await backed_up(ready_place, file, overwrite=True)

    assert kept == b"precious"
    assert names_in(file) == ["agent.backup"]
    await verify(file)


async def test_all_files_are_private(ready_place: Place, places: Places, file: Path) -> None:
    """Whatever the umask, from their first byte on."""
    seen: set[tuple[str, int]] = set()

    def look_around(what: str, done: int, total: int | None) -> None:
        for path in file.parent.rglob("*"):
            seen.add((str(path), mode_of(path)))

    place, before = places.empty(), os.umask(0)
    try:
        await backed_up(ready_place, file, told=look_around)
        await restored(file, place)
    finally:
        os.umask(before)

    assert {mode for _, mode in seen} <= {0o600, 0o700}
    assert any(".agentdb-draft/" in path for path, _ in seen)
    assert mode_of(file) == 0o600
    assert names_in(file) == ["agent.backup"]
    if place.path is not None:
        assert mode_of(place.path) == 0o600


@pytest.mark.agentdb(engine="sqlite")
async def test_what_a_service_has_open_is_not_replaced(ready_place: Place, file: Path) -> None:
    """It goes on; when it has ended, the restore works."""
    await backed_up(ready_place, file)
    async with agentdb.connect(ready_place.url, settings=configured(), skip_sync=True) as db:
        user = await db.access.create_user(email="ada@example.org")
        with pytest.raises(UnavailableError, match="open in another process"):
            await restored(file, ready_place, replace=True)
        assert (await db.access.user(user.id)).email == "ada@example.org"
        await db.access.create_user(email="bob@example.org")
    done = await restored(file, ready_place, replace=True)

    assert done.replaced["User"] == 2
    assert (await facts_of(ready_place.url))["User"].rows == 0


@pytest.mark.agentdb(engine="sqlite")
async def test_what_cannot_be_read_is_not_replaced(ready_place: Place, file: Path, tmp_path: Path) -> None:
    """It may be all that somebody has; the message says how to go on."""
    await backed_up(ready_place, file)
    target = tmp_path / "damaged.db"
    write(target, b"no database at all" * 300)
    with pytest.raises(StorageError, match="move it away"):
        await restored(file, Place(f"sqlite:///{target}", target), replace=True)

    assert content_of(target) == b"no database at all" * 300


@pytest.mark.agentdb(engine="sqlite")
async def test_logs_of_a_database_that_is_gone_do_not_count(ready_place: Place, file: Path, tmp_path: Path) -> None:
    """SQLite would take them for those of the restored one."""
    await backed_up(ready_place, file)
    target = tmp_path / "new.db"
    for suffix in ("-wal", "-journal"):
        write(target.with_name(f"new.db{suffix}"), b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" * 500)
    await restored(file, Place(f"sqlite:///{target}", target))

    assert await facts_of(f"sqlite:///{target}") == await facts_of(ready_place.url)


async def test_a_limit_on_transactions_ends_no_backup(server_places: Places, file: Path) -> None:
    """An administrator's, which is meant for services."""
    place = server_places.ready()
    await place.rows(f'ALTER DATABASE "{place.url.rpartition("/")[2]}" SET transaction_timeout = 400')
    waits = iter([0.5])

    def wait_once(what: str, done: int, total: int | None) -> None:
        time.sleep(next(waits, 0))

    taken = await backed_up(place, file, format="portable", told=wait_once)

    assert taken.tables["Role"].rows == 3


async def test_without_pg_dump_it_is_portable(
    server_places: Places, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says why; who wants a native one is refused."""
    monkeypatch.setattr(postgres_copy, "find_program", lambda name, *, major: None)
    place = server_places.ready()
    taken = await backed_up(place, file)
    with pytest.raises(UnsupportedError, match="no pg_dump of PostgreSQL"):
        await backed_up(place, file.with_name("native.backup"), format="native")

    assert taken.kind == "portable"
    assert "no pg_dump of PostgreSQL" in str(taken.why_portable)
    assert names_in(file) == ["agent.backup"]


async def test_without_pg_restore_a_dump_stays_a_dump(
    server_places: Places, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bits are compared, and what that leaves open is told; it is not restored."""
    await backed_up(server_places.ready(), file)
    target = server_places.empty()
    monkeypatch.setattr(postgres_copy, "find_program", lambda name, *, major: None)
    found = await verify(file)
    with pytest.raises(UnsupportedError, match="no pg_restore"):
        await restored(file, target)

    assert any("not installed" in sentence for sentence in found.leaves_open)
    assert await target.tables() == []


async def test_the_missing_key_is_named(ready_place: Place, places: Places, file: Path) -> None:
    """By its id, which gives nothing away; who has it is told nothing."""
    await backed_up(ready_place, file)
    place = places.empty()
    known = await restored(file, place)
    settings = configured(secret_key="another key than that one")
    unknown = await restore(file, place.url, settings=settings, replace=True)

    assert known.missing_keys == ()
    assert len(unknown.missing_keys) == 1


@pytest.mark.agentdb(engine="both")
async def test_secrets_stay_sealed_in_it(agent_db: Database, file: Path) -> None:
    """And the key is not in it."""
    provider = await agent_db.catalog.create_provider("openai")
    await agent_db.catalog.set_provider_secret(provider.id, "sk-a-planted-secret")
    user = await agent_db.access.create_user(email="ada@example.org", with_api_key=True)
    assert user.api_key is not None
    kinds: tuple[BackupFormat, ...] = ("native", "portable")
    for kind in kinds:
        await agent_db.backup(file, format=kind, overwrite=True)
        with zipfile.ZipFile(file) as archive:
            held = b"".join(map(archive.read, archive.namelist()))
            manifest = orjson.loads(archive.read("manifest.json"))
        assert b"sk-a-planted-secret" not in held
        assert user.api_key.reveal().encode() not in held
        assert len(manifest["key_ids"]) == 1


async def test_a_database_in_memory_is_backed_up(file: Path) -> None:
    """As lines, because it has no file."""
    async with agentdb.connect("sqlite:///:memory:", settings=configured()) as db:
        await db.access.create_user(email="ada@example.org")
        taken = await db.backup(file)

    assert taken.kind == "portable"
    assert taken.tables["User"].rows == 1


@pytest.mark.parametrize("kind", ["native", "portable"])
@pytest.mark.agentdb(engine="sqlite")
async def test_a_full_disk_is_told_and_leaves_nothing(kind: BackupFormat, ready_place: Place, file: Path) -> None:
    """What cannot be finished goes again."""
    worker = take_backup(ready_place, file, kind=kind, room=10_000)
    with pytest.raises(StorageError) as failure:
        worker.answer()
    worker.ended()

    assert failure.value.reason == "full"
    assert names_in(file) == []


@pytest.mark.parametrize("kind", ["native", "portable"])
async def test_a_backup_that_is_cancelled_leaves_nothing(kind: BackupFormat, ready_place: Place, file: Path) -> None:
    """Wherever it is; the database goes on, and so does the next backup."""
    async with await look(ready_place.url, settings=configured(secret_key=KEY)) as db:
        for part in ("reading Role", "reading agentdb_seed", "writing"):
            canceller = _Canceller(part)
            canceller.task = asyncio.ensure_future(db.backup(file, format=kind, told=canceller))
            with pytest.raises(asyncio.CancelledError):
                await canceller.task
            assert names_in(file) == []
        await db.access.create_user(email="ada@example.org")
        assert (await db.backup(file, format=kind)).tables["User"].rows == 1


def _failing(what: str, done: int, total: int | None) -> None:
    if what == "reading Role":
        raise RuntimeError("a failure of this test")


class _Canceller:
    """Cancels a task when that comes to a part of its work."""

    task: asyncio.Future[Any]

    def __init__(self, part: str) -> None:
        self._part = part

    def __call__(self, what: str, done: int, total: int | None) -> None:
        if what == self._part:
            self.task.cancel()
