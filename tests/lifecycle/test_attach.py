"""Attaching: in all its forms, with nothing but reads, and with a clear error where there is nothing to attach to."""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import agentdb
from agentdb import SchemaError
from agentdb.config import Settings
from agentdb.engine.embedded import release_server, start_server
from agentdb.lifecycle.seed import Seeder
from tests.lifecycle.places import Place, configured, listing
from tests.lifecycle.releases import NEXT, OURS, next_release
from tests.lifecycle.starters import start

READS = re.compile(r"\s*(SELECT|WITH|VALUES|EXPLAIN)\b", re.IGNORECASE)
WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE|REPLACE|CREATE|ALTER|DROP|LOCK|NEXTVAL|SETVAL)\b")
# The catalogue's table-valued functions show up as comments that assign to a pragma.
READING_PRAGMA = re.compile(
    r"PRAGMA \w+;?|(-- )?PRAGMA (table_x?info|index_list|index_x?info|foreign_key_list)(\(\S+\)|='[^']*')",
    re.IGNORECASE,
)
# They say how our own connection behaves, and leave the file alone.
OWN_SETTINGS = re.compile(
    r"PRAGMA (foreign_keys|trusted_schema|cell_size_check|synchronous|query_only|busy_timeout|cache_size"
    r"|wal_autocheckpoint|temp_store)\b",
    re.IGNORECASE,
)


def is_harmless(statement: str) -> bool:
    """Whether a statement only reads, or sets up our own connection."""
    if OWN_SETTINGS.match(statement) or READING_PRAGMA.fullmatch(statement):
        return True
    return bool(READS.match(statement)) and not WRITES.search(statement)


def attached(place: Place, **arguments: Any) -> agentdb.Connector:
    return agentdb.connect(place.url, skip_sync=True, settings=configured(), **arguments)


# All its forms.

FORMS: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "the argument": ({}, {"skip_sync": True}),
    "the argument, whatever the variable says": ({"AGENTDB_SKIP_SYNC": "false"}, {"skip_sync": True}),
    "AGENTDB_SKIP_SYNC": ({"AGENTDB_SKIP_SYNC": "true"}, {}),
    "DB_SKIP_SYNC": ({"DB_SKIP_SYNC": "true"}, {}),
    "the variable of the service": ({"AGENTDB_GATEWAY_SKIP_SYNC": "1"}, {"service": "gateway"}),
    "the variable of the service before the common one": (
        {"AGENTDB_AGENT_GATEWAY_SKIP_SYNC": "yes", "AGENTDB_SKIP_SYNC": "no"},
        {"service": "agent-gateway"},
    ),
    "the common variable for a service without one": ({"AGENTDB_SKIP_SYNC": "on"}, {"service": "gateway"}),
}
OWNER_FORMS: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "nothing": ({}, {}),
    "the argument, whatever the variable says": ({"AGENTDB_SKIP_SYNC": "true"}, {"skip_sync": False}),
    "another service's variable": ({"AGENTDB_GATEWAY_SKIP_SYNC": "true"}, {"service": "web"}),
    "a service's variable without its name": ({"AGENTDB_GATEWAY_SKIP_SYNC": "true"}, {}),
    "the variable of the service before the common one": (
        {"AGENTDB_WEB_SKIP_SYNC": "false", "AGENTDB_SKIP_SYNC": "true"},
        {"service": "web"},
    ),
}


@pytest.mark.parametrize("form", FORMS)
async def test_skip_sync_makes_nothing(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    """However it is said: a database that is missing stays missing."""
    variables, arguments = FORMS[form]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SchemaError, match=r"no database at .*agentdb init"):
        await agentdb.connect(f"sqlite:///{tmp_path}/agent.db", settings=configured(), **arguments)
    assert listing(tmp_path) == []


@pytest.mark.parametrize("form", OWNER_FORMS)
async def test_everybody_else_starts_it(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    """A variable counts for the service that it names."""
    variables, arguments = OWNER_FORMS[form]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    async with agentdb.connect(f"sqlite:///{tmp_path}/agent.db", settings=configured(), **arguments) as db:
        assert db.started is not None


# Only reads.


async def everything_that_reads(db: agentdb.Database) -> None:
    """What a service may do before its first write."""
    await db.status()
    await db.check()
    await db.catalog.models()
    await db.catalog.model("mock-model")
    await db.agents.resolve("Standard Chat", user_id=None)
    with pytest.raises(agentdb.AuthenticationError):
        await db.access.authenticate("nobody's key")
    with db.use():
        await agentdb.Agent.all().prefetch_related("prompt", "agent_tools__tool")


@pytest.mark.agentdb(engine="sqlite")
async def test_attaching_only_reads_a_file(ready_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite itself tells every statement of every connection, until the caller's first write."""
    told: list[str] = []
    opened: list[str] = []
    genuine = sqlite3.connect

    def traced(database: str, *arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = genuine(database, *arguments, **options)
        connection.set_trace_callback(told.append)
        opened.append(database)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    async with agentdb.connect(
        ready_place.url, skip_sync=True, settings=configured(secret_key="a secret key of the tests")
    ) as db:
        await everything_that_reads(db)
        before_the_first_write = list(told)
        await db.access.create_user(email="a@example.org")
        with_the_write = told[len(before_the_first_write) :]

    assert [statement for statement in before_the_first_write if not is_harmless(statement)] == []
    assert len(before_the_first_write) > 20
    assert any("INSERT" in statement for statement in with_the_write)
    assert len(opened) >= 2
    assert all("mode=rw" in name and "mode=rwc" not in name for name in opened)


@pytest.fixture
def telling_server(clean_environment: None) -> Iterator[Path]:
    """A server of its own that logs every statement with the name of the application."""
    parent = Path(tempfile.mkdtemp(prefix="agentdb-log-"))
    parent.chmod(0o755)
    directory = parent / "server"
    settings = {"log_statement": "all", "log_line_prefix": "%a|", "fsync": "off"}
    server = start_server(directory, settings=settings)
    yield directory
    release_server(server)
    shutil.rmtree(parent)


async def test_attaching_only_reads_a_server(telling_server: Path) -> None:
    """The server's log holds every statement that reached it, until the caller's first write."""
    url, log = f"postgresql+embedded:///{telling_server}", telling_server / "agentdb-server.log"
    async with agentdb.connect(url, settings=configured()):
        pass
    quiet = log.stat().st_size
    async with agentdb.connect(f"{url}?application_name=attached", skip_sync=True, settings=configured()) as db:
        await everything_that_reads(db)
        before_the_first_write = log.stat().st_size
        await db.access.create_user(email="a@example.org")
    text = log.read_bytes()
    reading = statements(text[quiet:before_the_first_write].decode())

    assert [statement for statement in reading if not is_harmless(statement)] == []
    assert len(reading) > 8
    assert any("INSERT" in statement for statement in statements(text[before_the_first_write:].decode()))


def statements(log: str) -> list[str]:
    """The statements of our sessions in a piece of the server's log; a line that goes on begins with a tab."""
    found = re.findall(r"^attached\|LOG:  (?:statement|execute [^:]*): (.*(?:\n\t.*)*)", log, re.MULTILINE)
    return [str(statement) for statement in found]


@pytest.mark.agentdb(engine="sqlite")
@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
async def test_attaching_leaves_the_file_as_it_is(ready_place: Place, journal_mode: str) -> None:
    """Bytes, times and journal mode, also of a file that somebody took out of WAL."""
    path = ready_place.path
    assert path is not None
    with closing(sqlite3.connect(path)) as raw:
        raw.execute(f"PRAGMA journal_mode = {journal_mode}")
    before, entries = (path.stat().st_mtime_ns, path.read_bytes()), listing(path.parent)
    async with attached(ready_place) as db:
        await everything_that_reads_without_a_key(db)

    assert (path.stat().st_mtime_ns, path.read_bytes()) == before
    assert [name for name in listing(path.parent) if not name.endswith(("-wal", "-shm"))] == entries
    assert await ready_place.rows("PRAGMA journal_mode") == [(journal_mode,)]


async def everything_that_reads_without_a_key(db: agentdb.Database) -> None:
    await db.status()
    await db.check()
    await db.catalog.models()


# Nothing to attach to.


@pytest.mark.agentdb(engine="sqlite")
@pytest.mark.parametrize("wait_s", [0, 0.3])
async def test_a_missing_file_stays_missing(empty_place: Place, wait_s: float) -> None:
    """Nor does anything else appear beside it."""
    assert empty_place.path is not None
    with pytest.raises(SchemaError, match=r"no database at .*agentdb init.*skip_sync") as caught:
        await attached(empty_place, wait_s=wait_s)

    assert caught.value.found is None
    assert listing(empty_place.path.parent) == []


async def test_an_empty_database_is_not_ready(empty_place: Place) -> None:
    """The error says what to do, and nothing is created."""
    if empty_place.path is not None:
        empty_place.path.touch()
    with pytest.raises(SchemaError, match=r"not ready.*agentdb init.*skip_sync.*wait_s") as caught:
        await attached(empty_place)

    assert (caught.value.found, caught.value.expected) == (None, OURS)
    assert await empty_place.tables() == []
    if empty_place.path is not None:
        assert (listing(empty_place.path.parent), empty_place.path.stat().st_size) == (["agent.db"], 0)


async def test_an_older_schema_is_refused(ready_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With both versions and the command that helps; nothing is changed."""
    before = await ready_place.contents()
    next_release(monkeypatch, tmp_path)
    with pytest.raises(SchemaError, match=rf"'{OURS}'.*'{NEXT}'.*agentdb migrate") as caught:
        await attached(ready_place)

    assert (caught.value.found, caught.value.expected) == (OURS, NEXT)
    assert await ready_place.contents() == before


async def test_a_database_that_is_being_changed_is_not_ready(ready_place: Place) -> None:
    """Between a migration and its seed, and after a downgrade."""
    async with agentdb.connect(ready_place.url, settings=configured()) as db:
        await db.downgrade()
        with pytest.raises(SchemaError, match="not ready"):
            await attached(ready_place)
        await db.migrate()
        with pytest.raises(SchemaError, match="not ready"):
            await attached(ready_place)
        await db.seed()
        async with attached(ready_place) as service:
            models = await service.catalog.models()

        assert len(models) == 8


# Waiting.


@pytest.mark.parametrize("by", ["argument", "setting"])
async def test_a_service_waits_for_an_owner_that_starts_later(empty_place: Place, by: str) -> None:
    """In another process; the service attaches when it has finished."""
    settings: dict[str, Settings] = {"settings": configured(wait_s=60)} if by == "setting" else {}
    arguments: dict[str, Any] = {"wait_s": 60} if by == "argument" else {}
    service = asyncio.ensure_future(counted(empty_place, **{"settings": configured(), **settings, **arguments}))
    await asyncio.sleep(0.5)
    is_waiting = not service.done()
    owner = start(empty_place.url)
    models = await service

    assert is_waiting
    assert models == 8
    assert await asyncio.to_thread(owner.ended) == 0


async def test_a_service_waits_for_an_owner_that_is_still_seeding(
    empty_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables are there and so are the rows, but not for others to see."""
    held, go_on = asyncio.Event(), asyncio.Event()
    genuine = Seeder.seed

    async def slowly(seeder: Seeder, *arguments: Any, **options: Any) -> Any:
        async with seeder._session.transaction():
            report = await genuine(seeder, *arguments, **options)
            held.set()
            await go_on.wait()
            return report

    monkeypatch.setattr(Seeder, "seed", slowly)
    owner = asyncio.ensure_future(started(empty_place))
    await held.wait()
    service = asyncio.ensure_future(counted(empty_place, wait_s=60, settings=configured()))
    await asyncio.sleep(0.5)
    is_waiting = not service.done()
    go_on.set()
    models = await service
    await owner

    assert is_waiting
    assert models == 8


async def test_waiting_comes_to_an_end(empty_place: Place) -> None:
    """With the error that says what is missing."""
    if empty_place.path is not None:
        empty_place.path.touch()

    with pytest.raises(SchemaError, match="not ready"):
        await attached(empty_place, wait_s=0.3)
    assert await empty_place.tables() == []


async def counted(place: Place, **arguments: Any) -> int:
    """How many models a service sees that attaches."""
    async with agentdb.connect(place.url, skip_sync=True, **arguments) as db:
        return len(await db.catalog.models())


async def started(place: Place) -> None:
    async with agentdb.connect(place.url, settings=configured()):
        pass
