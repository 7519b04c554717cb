"""Starting: once, many at a time, killed half-way, beside older services, and on a database that does not fit."""

from __future__ import annotations

import logging
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

import agentdb
from agentdb import Agent, Role, SchemaError, SeedError, StorageError
from agentdb.lifecycle.packaged import packaged_versions
from tests.counts import COUNTS
from tests.lifecycle.places import KEY, Place, Places, configured, lasting, listing
from tests.lifecycle.releases import NEXT, OURS, next_release
from tests.lifecycle.starters import barrier, event, serve, start

ROWS = {
    "Role": 3,
    "Policy": 6,
    "RolePolicy": 6,
    "Provider": 3,
    "Model": 8,
    "Prompt": 3,
    "Agent": 3,
    "Tool": 7,
    "AgentTool": 17,
    "agentdb_seed": 56,
    "agentdb_state": 1,
    "aerich": len(packaged_versions()),
}


@pytest.fixture
def bad_seeds(tmp_path: Path) -> Path:
    """A directory that cannot be used."""
    directory = tmp_path / "bad seeds"
    directory.mkdir()
    (directory / "roles.csv").write_text("id,name\n1,pilot\n2,pilot\n", encoding="utf-8")
    return directory


def connect(place: Place, *, skip_sync: bool = False) -> agentdb.Connector:
    return agentdb.connect(place.url, settings=configured(), skip_sync=skip_sync)


# One start.


async def test_a_database_is_opened_by_with_or_by_await(empty_place: Place) -> None:
    """It is closed at the end of the block or by `close`, twice if you like, and says so when it is used afterwards."""
    async with connect(empty_place) as db:
        pass
    with pytest.raises(agentdb.TransactionError, match="closed"):
        await db.catalog.models()
    again = await connect(empty_place)
    models = await again.catalog.models()
    await again.close()
    await again.close()

    assert len(models) == 8
    with pytest.raises(agentdb.TransactionError, match="closed"):
        await again.catalog.models()


async def test_the_status_of_a_started_database(empty_place: Place) -> None:
    """Engine, place without secrets, version, rows, and nothing pending."""
    async with connect(empty_place) as db:
        status = await db.status()

        assert (status.engine, status.source) == ("PostgreSQL" if empty_place.is_on_server else "SQLite", "argument")
        assert status.location.startswith(
            "postgresql://" if empty_place.is_on_server else f"sqlite:///{empty_place.path}"
        )
        assert (status.schema_version, status.expected_version) == (OURS, OURS)
        assert (status.pending, status.is_ready) == ((), True)
        assert status.completed_at is not None
        assert (status.row_counts["AgentTool"], status.row_counts["User"], len(status.row_counts)) == (17, 0, 17)
        assert db.started is not None
        assert db.started.applied == packaged_versions()


async def test_starting_again_changes_nothing(ready_place: Place) -> None:
    """Not one row, times included."""
    before = await ready_place.contents()
    for _ in range(2):
        async with connect(ready_place) as db:
            assert db.started is not None
            assert db.started.applied == ()
            assert (await db.check()).is_clean

    assert await ready_place.contents() == before


async def test_a_failing_seed_leaves_it_not_ready(empty_place: Place, bad_seeds: Path) -> None:
    """Services do not attach, and the next start completes it."""
    with pytest.raises(SeedError, match=r"roles\.csv, line 3"):
        await agentdb.connect(empty_place.url, settings=configured(), seed_directory=bad_seeds)
    with pytest.raises(SchemaError, match="not ready"):
        await connect(empty_place, skip_sync=True)
    unready = await empty_place.counts()
    async with connect(empty_place) as db:
        status = await db.status()

    assert unready == {"aerich": len(packaged_versions())}
    assert status.is_ready
    assert await empty_place.counts() == ROWS


async def test_the_directory_of_the_start_is_the_one_of_later_seeds(empty_place: Place, tmp_path: Path) -> None:
    """`db.seed()` without a directory means the one that the database was started with."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "roles.csv").write_text("id,name\n1,pilot\n", encoding="utf-8")
    async with agentdb.connect(empty_place.url, settings=configured(), seed_directory=tmp_path / "own") as db:
        report = await db.seed()

        assert report.directory == tmp_path / "own"
        assert list(report.tables) == ["Role"]


# Files.


async def test_the_default_place_is_made_and_a_mistyped_one_is_not(tmp_path: Path, clean_environment: None) -> None:
    """Directories come into being only where no setting named the file."""
    home = tmp_path / "a" / "b"
    async with agentdb.connect(settings=configured(home=home)) as db:
        status = await db.status()
    with pytest.raises(StorageError, match="no directory"):
        await agentdb.connect(f"sqlite:///{tmp_path}/missing/agent.db", settings=configured())

    assert status.source == "default"
    assert listing(tmp_path) == ["a", "a/b", "a/b/agent.db", "a/b/agent.db.key", "a/b/agent.db.migrate-lock"]


async def test_the_key_of_a_file_is_made_once(tmp_path: Path, clean_environment: None) -> None:
    """For its owner alone, and kept on every later start; a key from the settings makes none."""
    place = Place(f"sqlite:///{tmp_path}/agent.db", tmp_path / "agent.db")
    key_file = tmp_path / "agent.db.key"
    async with connect(place) as db:
        made = db.started
        created = await db.access.create_user(email="a@example.org", with_api_key=True)
    first = key_file.read_bytes()
    async with connect(place) as db:
        kept = db.started
        assert created.api_key is not None
        identity = await db.access.authenticate(created.api_key)
    other = Place(f"sqlite:///{tmp_path}/other.db", tmp_path / "other.db")
    async with agentdb.connect(other.url, settings=configured(secret_key=KEY)):
        pass

    assert made is not None
    assert kept is not None
    assert (made.key_file, kept.key_file) == (key_file, None)
    assert key_file.read_bytes() == first
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert identity.id == created.id
    assert not (tmp_path / "other.db.key").exists()


# Many starts.


async def test_eight_processes_start_one_database(places: Places) -> None:
    """Nobody fails; one of them migrates, seeds and makes the key, and the others find it done."""
    for _ in range(COUNTS.simultaneous_starts):
        place, at_once = places.empty(), barrier(8)
        workers = [start(place.url, at_once=at_once) for _ in range(8)]
        answers = [worker.answer() for worker in workers]

        assert [worker.ended() for worker in workers] == [0] * 8
        assert sorted(applied for applied, _ in answers) == [()] * 7 + [packaged_versions()]
        assert sum(has_made_key for _, has_made_key in answers) == (0 if place.is_on_server else 1)
        assert await place.counts() == ROWS
        assert await place.rows('SELECT "version" FROM "aerich" ORDER BY "id"') == [
            (f"{version}.py",) for version in packaged_versions()
        ]
        if place.path is not None:
            assert stat.S_IMODE(place.path.with_name("agent.db.key").stat().st_mode) == 0o600


async def test_a_start_that_is_killed_is_completed_by_the_next(places: Places) -> None:
    """Whatever the moment: the result is that of a start that nobody disturbed."""
    clean = places.empty()
    async with connect(clean):
        pass
    expected = lasting(await clean.contents())
    duration = [_duration(places.empty()) for _ in range(2)][-1]  # the first also starts the server of forks
    codes = []
    for number in range(COUNTS.killed_initialisers):
        place = places.empty()
        worker = start(place.url)
        worker.process.join(duration * (number + 0.5) / COUNTS.killed_initialisers)
        codes.append(worker.kill())
        async with connect(place) as db:
            status = await db.status()
            found = await db.check()

        assert status.is_ready
        assert found.is_clean
        assert lasting(await place.contents()) == expected
    assert set(codes) <= {-9, 0}
    assert -9 in codes


async def test_a_server_may_still_be_at_work_for_a_starter_that_was_killed(server_places: Places) -> None:
    """Its last statement goes on although nobody waits for it; the next start does."""
    async with connect(server_places.empty()):
        pass  # has everything imported, so that the next start is quick
    while not await _is_killed_while_migrating(place := server_places.empty()):
        pass  # it was faster than we could look
    async with connect(place) as db:
        assert (await db.check()).is_clean
        assert (await db.status()).is_ready


async def _is_killed_while_migrating(place: Place) -> bool:
    watching = await asyncpg.connect(place.url)
    worker = start(place.url)
    is_migrating = False
    while worker.process.is_alive() and not is_migrating:
        is_migrating = await watching.fetchval(
            """
            SELECT count(*) > 0 FROM pg_stat_activity
            WHERE datname = current_database() AND state = 'active' AND query LIKE '%CREATE TABLE "Role"%'
                AND pid <> pg_backend_pid()
            """
        )
    code = worker.kill()
    await watching.close()
    return is_migrating and code == -9


def _duration(place: Place) -> float:
    """How long a process takes to start a database, in seconds."""
    clock = time.monotonic
    begun = clock()
    worker = start(place.url)
    worker.answer()
    worker.ended()
    return clock() - begun


# Releases side by side.


async def test_an_older_service_works_on_while_the_owner_migrates(
    ready_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It neither fails nor loses a message, before, during and after an additive migration."""
    stop = event()
    service = serve(ready_place.url, until=stop)
    greeting = service.answer()
    next_release(monkeypatch, tmp_path)
    async with connect(ready_place) as db:
        applied = db.started and db.started.applied
    stop.set()
    written = service.answer()

    assert greeting == "hello"
    assert applied == (NEXT,)
    assert service.ended() == 0
    assert await ready_place.rows('SELECT "id", "note" FROM "Message" ORDER BY "id"') == [
        (id_, None) for id_ in written
    ]


async def test_an_older_service_attaches_to_a_newer_database_that_admits_it(
    ready_place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With one warning that names both versions."""
    await _upgraded(ready_place, tmp_path, compatible_since=OURS)
    caplog.clear()
    async with connect(ready_place, skip_sync=True) as db:
        user = await db.access.create_user(email="a@example.org")
        status = await db.status()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]

    assert user.id == 1
    assert len(warnings) == 1
    assert NEXT in warnings[0]
    assert OURS in warnings[0]
    assert (status.schema_version, status.expected_version, status.is_ready) == (NEXT, OURS, True)


async def test_a_newer_database_may_refuse_an_older_service(ready_place: Place, tmp_path: Path) -> None:
    """Attaching, starting and seeding all say which package is needed, and change nothing."""
    await _upgraded(ready_place, tmp_path, compatible_since=NEXT)
    before = await ready_place.contents()
    for skip_sync in (True, False):
        with pytest.raises(SchemaError, match=f"{NEXT}.*{OURS}.*Upgrade the package") as caught:
            await connect(ready_place, skip_sync=skip_sync)

        assert (caught.value.found, caught.value.expected) == (NEXT, OURS)
    assert await ready_place.contents() == before


async def test_an_owner_that_was_rolled_back_leaves_a_newer_database_alone(ready_place: Place, tmp_path: Path) -> None:
    """It serves, but its older seeds and its older version are not written over the newer ones."""
    await _upgraded(ready_place, tmp_path, compatible_since=OURS)
    await ready_place.rows("""UPDATE "agentdb_seed" SET "digests" = '{}' WHERE "tableName" = 'Role' """)
    before = await ready_place.contents()
    async with connect(ready_place) as db:
        started = db.started
        with pytest.raises(SchemaError, match=f"{NEXT}.*newer"):
            await db.seed()

    assert started is not None
    assert (started.applied, started.seed.has_changed) == ((), False)
    assert await ready_place.contents() == before


async def _upgraded(place: Place, directory: Path, *, compatible_since: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        next_release(patch, directory, compatible_since=compatible_since)
        async with connect(place):
            pass


# The audit.


async def test_the_audit_finds_a_foreign_key_that_is_missing(ready_place: Place) -> None:
    """The start fails and names it, unless it skips the audit."""
    await _drop_foreign_key(ready_place)
    with pytest.raises(SchemaError, match="foreign key Agent_modelID_fkey is missing"):
        await connect(ready_place)
    async with agentdb.connect(ready_place.url, settings=configured(), skip_audit=True) as db:
        by_argument = await db.check()
    async with agentdb.connect(ready_place.url, settings=configured(skip_audit=True)) as db:
        by_setting = await db.check()

    assert by_argument == by_setting
    assert by_argument.orphans == ()
    assert len(by_argument.drift) == 1


async def test_the_audit_finds_rows_that_point_to_nothing(
    ready_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On request, and at the start that migrates."""
    await _drop_foreign_key(ready_place)
    await ready_place.rows('UPDATE "Agent" SET "modelID" = 4711 WHERE "id" IN (1, 2)')
    orphans = "2 rows of Agent point with modelID to no row of Model."
    async with connect(ready_place, skip_sync=True) as db:
        found = await db.check()
    next_release(monkeypatch, tmp_path)
    with pytest.raises(SchemaError, match=orphans):
        await connect(ready_place)
    async with agentdb.connect(ready_place.url, settings=configured(), skip_audit=True) as db:
        with db.use():
            agents = await Agent.filter(model_id=4711).count()

    assert found.orphans == (orphans,)
    assert agents == 2


async def test_a_table_of_somebody_else_is_no_drift(ready_place: Place) -> None:
    """Other applications live in the same database."""
    await ready_place.rows('CREATE TABLE "theirs" ("id" INTEGER PRIMARY KEY, "roleID" BIGINT)')
    await ready_place.rows('ALTER TABLE "Role" ADD COLUMN "theirs" TEXT')
    async with connect(ready_place) as db:
        with db.use():
            role = await Role.create(name="next")
        found = await db.check()

    assert role.id == 4
    assert found.is_clean


async def _drop_foreign_key(place: Place) -> None:
    if place.path is None:
        await place.rows('ALTER TABLE "Agent" DROP CONSTRAINT "Agent_modelID_fkey"')
        return
    with closing(sqlite3.connect(place.path, isolation_level=None)) as raw:
        raw.execute("PRAGMA writable_schema = ON")
        constraint = ' CONSTRAINT "Agent_modelID_fkey" REFERENCES "Model" ("id") ON DELETE SET NULL'
        changed = raw.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, ?, '') WHERE name = 'Agent' AND instr(sql, ?)",
            (constraint, constraint),
        )
        assert changed.rowcount == 1
