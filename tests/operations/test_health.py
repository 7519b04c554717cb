"""`db.health()`: what it says of a database in every state, within its time, and without leaving anything behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import agentdb
from agentdb import Database, Health, InvalidInputError, TransactionError
from agentdb.config import Settings
from agentdb.lifecycle.packaged import packaged_versions
from agentdb.testing.handle import TemporaryDatabase
from agentdb.testing.loop_thread import LoopThread
from tests.counts import COUNTS
from tests.engine.engines import file_of, outside

pytestmark = pytest.mark.agentdb(engine="both")

# The statement works, its COMMIT does not: a row that points to nothing is looked at when the transaction ends.
FAILING_COMMIT = {
    "sqlite": """
        CREATE TABLE "parent" ("id" INTEGER PRIMARY KEY);
        CREATE TABLE "child" ("parentID" INTEGER REFERENCES "parent" ("id") DEFERRABLE INITIALLY DEFERRED);
        CREATE TRIGGER "fails_later" AFTER INSERT ON "agentdb_seed" BEGIN INSERT INTO "child" VALUES (1); END;
    """,
    "postgresql": """
        CREATE TABLE "parent" ("id" INTEGER PRIMARY KEY);
        CREATE TABLE "child" ("parentID" INTEGER REFERENCES "parent" ("id") DEFERRABLE INITIALLY DEFERRED);
        CREATE FUNCTION fails_later() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN INSERT INTO "child" VALUES (1); RETURN NULL; END $$;
        CREATE TRIGGER "fails_later" AFTER INSERT ON "agentdb_seed" FOR EACH ROW EXECUTE FUNCTION fails_later();
    """,
}
SEEDS = 'SELECT "source", "tableName", "key" FROM "agentdb_seed" ORDER BY "id"'
OLD_ROW = """
    INSERT INTO "agentdb_seed" ("source", "tableName", "key", "rowID", "digests", "createdAt")
    VALUES ('agentdb health', 'agentdb health', 'of a killed process', 1, '{}', '2026-01-02 03:04:05.000000+00:00')
"""
NEW_ROW = """
    INSERT INTO "agentdb_seed" ("source", "tableName", "key", "rowID", "digests")
    VALUES ('agentdb health', 'agentdb health', 'of another process', 1, '{}')
"""
FULL_DISK = """
import asyncio, resource, sys
from pathlib import Path
import agentdb

async def main():
    async with agentdb.connect(sys.argv[1], skip_sync=True) as db:
        await db.access.create_user(email="before@example.org")
        log = Path(sys.argv[1].removeprefix("sqlite:///") + "-wal")
        resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, resource.RLIM_INFINITY))
        full = await db.health(deep=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        again = await db.health(deep=True)
        print(full.status, full.is_ready, *(finding.code for finding in full.findings), again.status)

asyncio.run(main())
"""
READ_ONLY_FILE = """
import asyncio, sys
from pathlib import Path
import agentdb

async def main():
    file = Path(sys.argv[1].removeprefix("sqlite:///"))
    async with agentdb.connect(sys.argv[1], skip_sync=True) as db:
        file.chmod(0o444)
        seen = await db.health()
        file.chmod(0o600)
        print(seen.status, *(finding.code for finding in seen.findings))

asyncio.run(main())
"""


def codes(health: Health) -> list[str]:
    """What was found, by its codes."""
    return [finding.code for finding in health.findings]


@asynccontextmanager
async def handle(url: str, **options: Any) -> AsyncIterator[Database]:
    """A further handle on a database, with these options in its URL."""
    shown = "&".join(f"{name}={value}" for name, value in options.items())
    async with agentdb.connect(f"{url}?{shown}" if shown else url, skip_sync=True) as db:
        yield db


async def run_script(url: str, sql: str) -> None:
    """Run several statements past agentdb."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(file_of(url))) as raw:
            raw.executescript(sql)
        return
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def within(limit_s: float, look: Coroutine[Any, Any, Health]) -> Health:
    """The answer, which has to come in time."""
    begun = time.monotonic()
    health = await look
    assert time.monotonic() - begun < limit_s + COUNTS.deadline_slack_s
    return health


async def test_a_healthy_database_is_ok(agent_db: Database, agent_db_engine: str) -> None:
    """With versions, latency and connections; nothing is written."""
    health = await agent_db.health()

    assert (health.status, health.findings) == ("ok", ())
    assert (health.is_ready, health.schema_version, health.pending) == (True, packaged_versions()[-1], ())
    assert health.read_s is not None
    assert 0 < health.read_s < 5
    assert (health.is_deep, health.write_s) == (False, None)
    assert health.engine == {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[agent_db_engine]
    assert health.location == agent_db.session.target.shown


async def test_it_tells_the_version_of_the_engine(agent_db: Database, agent_db_engine: str, agent_db_url: str) -> None:
    """Of SQLite's library, or of the server."""
    sql = {"sqlite": "SELECT sqlite_version()", "postgresql": "SHOW server_version"}[agent_db_engine]
    [(version,)] = await outside(agent_db_url, sql)

    assert (await agent_db.health()).version == version.split()[0]


async def test_a_deep_look_leaves_nothing_behind(agent_db: Database, agent_db_url: str) -> None:
    """The row that it wrote is gone, and it says how long that took."""
    before = await outside(agent_db_url, SEEDS)
    health = await agent_db.health(deep=True)

    assert (health.status, health.is_deep) == ("ok", True)
    assert health.write_s is not None
    assert health.write_s > 0
    assert await outside(agent_db_url, SEEDS) == before


async def test_a_deep_look_proves_a_commit(agent_db: Database, agent_db_engine: str, agent_db_url: str) -> None:
    """Where statements work and COMMIT fails, a row that is written and rolled back would prove nothing."""
    await run_script(agent_db_url, FAILING_COMMIT[agent_db_engine])
    health = await agent_db.health(deep=True)

    assert (health.status, codes(health), health.is_deep) == ("degraded", ["no-write"], False)
    assert health.findings[0].found.startswith("ConflictError: ")
    assert (await agent_db.health()).status == "ok"


async def test_deep_looks_do_not_meet(agent_db: Database, agent_db_url: str) -> None:
    """Any number at once, through several handles, are all well, and nothing is left."""
    before = await outside(agent_db_url, SEEDS)
    async with handle(agent_db_url) as one, handle(agent_db_url) as other:
        looks = [db.health(deep=True, timeout=60) for db in (agent_db, one, other) for _ in range(6)]
        answers = await asyncio.gather(*looks)

    assert [(health.status, health.is_deep) for health in answers] == [("ok", True)] * 18
    assert await outside(agent_db_url, SEEDS) == before


async def test_a_deep_look_tidies_up_after_killed_ones(agent_db: Database, agent_db_url: str) -> None:
    """What was left an hour ago or earlier; a look that another process has just begun is left alone."""
    before = await outside(agent_db_url, SEEDS)
    await run_script(agent_db_url, f"{OLD_ROW};{NEW_ROW}")
    await agent_db.health(deep=True)

    assert await outside(agent_db_url, SEEDS) == [*before, ("agentdb health", "agentdb health", "of another process")]


@pytest.mark.agentdb(engine="sqlite")
async def test_a_full_disk_is_degraded(agent_db: Database, agent_db_url: str) -> None:
    """Reads go on, so it is not down, and it is well again as soon as there is room."""
    shown = await in_a_process(FULL_DISK, agent_db_url)

    assert shown == "degraded True storage-full ok"
    assert (await agent_db.health(deep=True)).status == "ok"


@pytest.mark.agentdb(engine="sqlite")
async def test_a_read_only_file_is_degraded(agent_db_url: str) -> None:
    """Root can write to any file, unless it gives up that right."""
    assert await in_a_process(READ_ONLY_FILE, agent_db_url) == "degraded storage-read-only"


@pytest.mark.agentdb(engine="postgresql")
async def test_a_read_only_server_is_degraded(agent_db: Database, agent_db_url: str) -> None:
    """As a standby is; without a write it is seen too."""
    _, _, name = agent_db_url.rpartition("/")
    await outside(agent_db_url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    shallow, deep = await agent_db.health(), await agent_db.health(deep=True)

    assert (shallow.status, codes(shallow)) == ("degraded", ["storage-read-only"])
    assert (deep.status, codes(deep)) == ("degraded", ["storage-read-only", "storage-read-only"])
    assert shallow.is_ready


@pytest.mark.agentdb(engine="sqlite")
async def test_a_file_that_is_no_database_is_down(agent_db: Database, agent_db_url: str) -> None:
    """An answer with the class and the message, not an error."""
    file = file_of(agent_db_url)
    whole = file.read_bytes()
    file.write_bytes(b"this is no database" * 1000)
    health = await agent_db.health(deep=True)
    file.write_bytes(whole)  # the fixture looks into it

    assert (health.status, codes(health)) == ("down", ["storage-unreadable"])
    assert "StorageError: The file is not a SQLite database." in health.findings[0].found
    assert (health.version, health.read_s, health.is_ready) == (None, None, False)


@pytest.mark.agentdb(engine="postgresql")
async def test_a_database_that_was_dropped_is_down(agent_db: Database, agent_db_url: str) -> None:
    """Its connections end, and no new one can be made."""
    assert (await agent_db.health()).status == "ok"
    server, _, name = agent_db_url.rpartition("/")
    await outside(f"{server}/postgres", f'DROP DATABASE "{name}" WITH (FORCE)')
    health = await within(5, agent_db.health(timeout=5))
    health = await within(5, agent_db.health(timeout=5))

    assert (health.status, codes(health)) == ("down", ["no-answer"])
    await outside(f"{server}/postgres", f'CREATE DATABASE "{name}"')  # the fixture drops it


@pytest.mark.agentdb(engine="postgresql")
async def test_a_server_that_never_answers_is_down_in_time() -> None:
    """The connection is taken and nothing comes; the password of the URL is not told."""
    with socket.create_server(("127.0.0.1", 0)) as silent, LoopThread() as thread:
        port = silent.getsockname()[1]
        url = f"postgresql://ada:a-password@127.0.0.1:{port}/agentdb?sslmode=disable&connect_timeout_s=60"
        db = TemporaryDatabase(url, Settings.load(env_file=None), thread)
        health = await within(0.3, db.health(timeout=0.3))
        await db.close()

    assert (health.status, codes(health)) == ("down", ["no-answer"])
    assert health.findings[0].found == "No answer within 0.3 s."
    assert "a-password" not in repr(health)


async def test_a_held_lock_is_degraded_in_time(agent_db: Database, agent_db_engine: str, agent_db_url: str) -> None:
    """Reads go on; a deep look does not wait longer than it may, and is well once the lock is gone."""
    await agent_db.health()  # connected
    async with locked(agent_db_engine, agent_db_url):
        deep = await within(1.5, agent_db.health(deep=True, timeout=1.5))
        shallow = await agent_db.health()
    after = await agent_db.health(deep=True, timeout=60)

    assert (deep.status, codes(deep), deep.is_ready) == ("degraded", ["no-write"], True)
    assert (shallow.status, after.status) == ("ok", "ok")


@asynccontextmanager
async def locked(engine: str, url: str) -> AsyncIterator[None]:
    """Somebody else keeps the database from being written to."""
    if engine == "sqlite":
        with closing(sqlite3.connect(file_of(url), isolation_level=None)) as raw:
            raw.execute("BEGIN IMMEDIATE")
            yield
        return
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute('LOCK TABLE "agentdb_seed" IN ACCESS EXCLUSIVE MODE')
            yield
    finally:
        await connection.close()


@pytest.mark.agentdb(engine="postgresql")
async def test_a_full_pool_is_degraded(agent_db: Database, agent_db_url: str) -> None:
    """The handle is busy, the database is not gone."""
    async with handle(agent_db_url, pool_size=1) as db:
        is_taken, may_end = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            async with db.transaction():
                await db.session.fetch("SELECT 1")
                is_taken.set()
                await may_end.wait()

        holder = asyncio.create_task(hold())
        await is_taken.wait()
        health = await within(0.3, db.health(timeout=0.3))
        may_end.set()
        await holder
        after = await db.health()

    assert (health.status, codes(health)) == ("degraded", ["pool-full"])
    assert (health.connections.in_use, health.connections.limit) == (1, 1)
    assert (after.status, after.connections.in_use, after.connections.idle) == ("ok", 0, 1)


async def test_connections_count_those_that_work(agent_db: Database) -> None:
    """A transaction has one, and on SQLite it is the writer that others then wait for."""
    before = (await agent_db.health()).connections
    async with agent_db.transaction():
        await agent_db.session.fetch("SELECT 1")
        during = agent_db.session.client.connections

    assert (before.in_use, during.in_use) == (0, 1)
    assert during.limit == before.limit > 1


async def test_a_database_that_is_not_ready_is_degraded(agent_db: Database, agent_db_url: str) -> None:
    """As between a migration and its seed; what is attached goes on."""
    await outside(agent_db_url, 'DELETE FROM "agentdb_state"')
    health = await agent_db.health(deep=True)

    assert (health.status, codes(health)) == ("degraded", ["not-ready", "not-deep"])
    assert (health.is_ready, health.schema_version) == (False, None)


async def test_it_tells_what_is_pending(agent_db: Database, agent_db_url: str) -> None:
    """Migrations of this package that the database does not have."""
    newest = packaged_versions()[-1]
    await outside(agent_db_url, 'DELETE FROM "aerich" WHERE "version" = $1', f"{newest}.py")

    assert (await agent_db.health()).pending == (newest,)


@pytest.mark.agentdb(engine="postgresql")
async def test_a_database_of_the_original_package_is_only_read(agent_db: Database, agent_db_url: str) -> None:
    """It has no table that a row could be written to, and says so."""
    tables = [
        name
        for (name,) in await outside(
            agent_db_url, "SELECT tablename FROM pg_tables WHERE tablename LIKE $1", "agentdb%"
        )
    ]
    await run_script(agent_db_url, "".join(f'DROP TABLE "{name}" CASCADE;' for name in tables))
    async with agentdb.connect(agent_db_url, skip_sync=True, schema="original") as db:
        health = await db.health(deep=True)

    assert (health.status, codes(health), health.is_deep) == ("ok", ["not-deep"], False)
    assert health.is_ready


async def test_only_misuse_raises(agent_db: Database, agent_db_url: str) -> None:
    """A timeout that is none, a transaction of one's own, a closed handle."""
    for timeout in (0, -1, float("nan"), "soon", None):
        with pytest.raises(InvalidInputError):
            await agent_db.health(timeout=timeout)  # type: ignore[arg-type]
    async with agent_db.transaction():
        with pytest.raises(TransactionError, match="Leave yours first"):
            await agent_db.health()
    closed = await agentdb.connect(agent_db_url, skip_sync=True)
    await closed.close()

    with pytest.raises(TransactionError, match="closed"):
        await closed.health()


async def test_a_cancelled_look_leaves_nothing_behind(agent_db: Database, agent_db_url: str) -> None:
    """Whenever it is cancelled, no row stays and the handle works on."""
    before = await outside(agent_db_url, SEEDS)
    for delay_ms in range(12):
        look = asyncio.create_task(agent_db.health(deep=True))
        await asyncio.sleep(delay_ms / 1000)
        look.cancel()
        await asyncio.gather(look, return_exceptions=True)

    assert (await agent_db.health(deep=True)).status == "ok"
    assert await settled(agent_db_url, before)


async def settled(url: str, rows: list[tuple[Any, ...]]) -> bool:
    """Whether only these rows are there, once the looks that were left have tidied up."""
    for _ in range(500):
        if await outside(url, SEEDS) == rows:
            return True
        await asyncio.sleep(0.02)
    return False


async def in_a_process(program: str, url: str) -> str:
    """What a process prints that has no right to ignore permissions."""
    setpriv = shutil.which("setpriv")
    drop = [setpriv, "--bounding-set=-dac_override"] if setpriv and os.geteuid() == 0 else []
    done = await asyncio.to_thread(
        subprocess.run,
        [*drop, sys.executable, "-c", program, url],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(agentdb.__file__).parents[1]), *sys.path])},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
