"""Whatever agentdb writes can be read by its owner only, from the first byte on; what was there stays as it was."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

import agentdb
from agentdb import SchemaError, StorageError
from agentdb.config import Settings
from agentdb.engine.private_files import create_private, make_private_directory
from agentdb.engine.sqlite_client import SqliteClient
from tests.faults.without_rights import without_rights

UMASKS = [0o000, 0o022, 0o077]


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty directory that everybody may enter, under one that everybody may enter."""
    path = Path(tempfile.mkdtemp(prefix="agentdb-modes-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def settings(**more: Any) -> Settings:
    """Those of a test, over an environment that names nothing."""
    return Settings.load(env_file=None, **more)


@contextmanager
def umask_of(mask: int) -> Iterator[None]:
    """Inside the block new files have all rights but these."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    """The permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def modes(directory: Path) -> dict[str, int]:
    """The permissions of all that is in a directory, by name."""
    return {path.name: mode(path) for path in directory.iterdir()}


async def started(url: str | None, **more: Any) -> agentdb.Database:
    """A database that its owner has made ready, with something in its log."""
    db = await agentdb.connect(url, skip_sync=False, settings=settings(**more))
    await db.access.create_user(email="ada@example.org")
    return db


@pytest.mark.parametrize("mask", UMASKS)
@pytest.mark.parametrize("is_root", [True, False], ids=["as whoever runs this", "without rights"])
async def test_all_files_of_a_database_are_private(place: Path, mask: int, is_root: bool) -> None:
    """The database, its log, the shared memory, the lock and the key, whatever the umask is and whoever starts it."""
    if not is_root:
        await (await started("sqlite:///:memory:")).close()  # what it takes is imported
        os.chmod(place, 0o700)
        with without_rights(place), umask_of(mask):
            found = await modes_while_open(place)
    else:
        with umask_of(mask):
            found = await modes_while_open(place)

    assert found == dict.fromkeys(
        ["agent.db", "agent.db-wal", "agent.db-shm", "agent.db.key", "agent.db.migrate-lock"], 0o600
    )


async def modes_while_open(place: Path) -> dict[str, int]:
    """The permissions of a new database's files while it is in use."""
    async with await started(f"sqlite:///{place}/agent.db"):
        return modes(place)


async def test_sqlite_opens_only_files_that_are_private_already(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So there is no moment in which a new file has more rights: SQLite itself never makes one."""
    opened: list[tuple[str, int]] = []
    genuine = sqlite3.connect

    def watched(database: str, *arguments: Any, **options: Any) -> sqlite3.Connection:
        path = Path(str(database).removeprefix("file:").removesuffix("?mode=rw"))
        opened.append((path.name, mode(path)))
        connection: sqlite3.Connection = genuine(database, *arguments, **options)
        return connection

    monkeypatch.setattr(sqlite3, "connect", watched)
    with umask_of(0):
        await (await started(f"sqlite:///{place}/agent.db")).close()

    assert set(opened) == {("agent.db", 0o600), ("agent.db.migrate-lock", 0o600)}


def test_a_rollback_journal_is_as_private_as_its_database(place: Path) -> None:
    """SQLite gives it the same rights, also before the database is in write-ahead mode."""
    path = place / "agent.db"
    with umask_of(0):
        create_private(path)
        with closing(sqlite3.connect(path, isolation_level=None)) as raw:
            raw.execute('CREATE TABLE "t" ("a")')
            raw.execute("BEGIN IMMEDIATE")
            raw.execute('INSERT INTO "t" VALUES (1)')
            found = modes(place)

    assert found == {"agent.db": 0o600, "agent.db-journal": 0o600}


@pytest.mark.parametrize("kept", [0o640, 0o660, 0o600])
async def test_a_file_that_is_there_keeps_its_mode(place: Path, kept: int) -> None:
    """An operator may let a group in; then it can read the log too, and still not the key."""
    path = place / "agent.db"
    path.touch()
    path.chmod(kept)
    os.chmod(place, 0o750)
    with umask_of(0):
        async with await started(f"sqlite:///{path}"):
            found = modes(place)

    assert {found[name] for name in ("agent.db", "agent.db-wal", "agent.db-shm")} == {kept}
    assert {found[name] for name in ("agent.db.key", "agent.db.migrate-lock")} == {0o600}
    assert mode(place) == 0o750


@pytest.mark.parametrize("mask", UMASKS)
async def test_directories_that_are_made_are_private(place: Path, mask: int) -> None:
    """All that are missing on the way to AGENTDB_HOME, and none that is there."""
    home = place / "data" / "agentdb"
    with umask_of(mask):
        async with await started(None, home=home):
            found = [mode(home), mode(home.parent), mode(place)]

    assert found == [0o700, 0o700, 0o755]


async def test_a_home_that_is_there_keeps_its_mode(place: Path) -> None:
    """Nobody's directory is closed to others unasked."""
    with umask_of(0o077):
        async with await started(None, home=place):
            found = mode(place)

    assert found == 0o755


async def test_the_default_home_below_a_file(place: Path) -> None:
    """Is refused as a place, with the setting that names another."""
    (place / "file").touch()
    with pytest.raises(StorageError, match="AGENTDB_HOME"):
        await started(None, home=place / "file" / "agentdb")


async def test_attaching_makes_no_file(place: Path) -> None:
    """Only what SQLite itself needs to read a log is there while it is open, as private as the database."""
    url = f"sqlite:///{place}/agent.db"
    with pytest.raises(SchemaError, match="no database"):
        await agentdb.connect(url, skip_sync=True, settings=settings())
    nothing = modes(place)
    await (await started(url)).close()
    (place / "agent.db.migrate-lock").unlink()
    (place / "agent.db.key").unlink()
    with umask_of(0):
        async with agentdb.connect(url, skip_sync=True, settings=settings()) as db:
            await db.catalog.models()
            found = modes(place)

    assert nothing == {}
    assert found == dict.fromkeys(["agent.db", "agent.db-wal", "agent.db-shm"], 0o600)
    assert modes(place) == {"agent.db": 0o600}


async def test_nothing_is_made_through_a_link(place: Path) -> None:
    """Somebody who can plant a link to nothing does not choose where the database comes to lie."""
    (place / "agent.db").symlink_to(place / "elsewhere.db")
    with pytest.raises(StorageError, match=r"link to .*elsewhere\.db"):
        await started(f"sqlite:///{place}/agent.db")

    assert os.listdir(place) == ["agent.db"]
    assert os.readlink(place / "agent.db") == str(place / "elsewhere.db")


async def test_a_link_to_a_database_is_the_database(place: Path) -> None:
    """With one lock, one key and one log for all its names, and checkpoints that see the log."""
    real = place / "real"
    real.mkdir()
    await (await started(f"sqlite:///{real}/agent.db")).close()
    (place / "link.db").symlink_to(real / "agent.db")
    async with agentdb.connect(f"sqlite:///{place}/link.db", skip_sync=False, settings=settings()) as db:
        await db.access.create_user(email="bob@example.org", with_api_key=True)
        assert isinstance(db.session.client, SqliteClient)
        assert db.session.client.checkpoints is not None
        assert db.session.client.checkpoints._size() > 0
    names = sorted(os.listdir(place))

    assert names == ["link.db", "real"]
    assert sorted(modes(real)) == ["agent.db", "agent.db.key", "agent.db.migrate-lock"]


@pytest.mark.parametrize("make", [create_private, make_private_directory], ids=["a file", "a directory"])
def test_what_is_there_is_left_alone(place: Path, make: Callable[[Path], object]) -> None:
    """Its rights and its contents."""
    path = place / "there"
    if make is create_private:
        path.write_text("text")
    else:
        path.mkdir()
    path.chmod(0o755)
    make(path)

    assert mode(path) == 0o755
    assert path.is_dir() or path.read_text() == "text"


def test_a_file_is_made_once(place: Path) -> None:
    """Whoever made it is told."""
    assert [create_private(place / "new"), create_private(place / "new")] == [True, False]
    assert mode(place / "new") == 0o600


@pytest.mark.agentdb(engine="sqlite")
def test_databases_for_tests_are_private(agent_db_url: str) -> None:
    """The plugin's clones may hold what a user's tests put into them."""
    path = Path(agent_db_url.removeprefix("sqlite:///"))

    assert [mode(path), mode(path.parent)] == [0o600, 0o700]
