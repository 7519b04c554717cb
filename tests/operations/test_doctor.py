"""What the doctor finds: each finding is produced by really spoiling a database, and a sound one has none."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

import agentdb
from agentdb import Database
from agentdb.config import Settings
from agentdb.engine import resolve
from agentdb.engine.diagnosis import Finding
from agentdb.engine.file_findings import of_space, on_network, processes_with
from agentdb.engine.mounts import file_system, network_file_system
from agentdb.engine.sqlite_diagnosis import WAL_RESET_FIXED, wal_reset
from agentdb.lifecycle.packaged import packaged_versions
from agentdb.operations.doctor import Checkup, clock_skew, examine
from tests.engine.engines import file_of, outside

KEY = "a secret key of these tests"
MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /dev/shm rw - tmpfs tmpfs rw
40 22 0:35 / /srv/shared rw,relatime shared:2 - nfs4 files:/export rw,vers=4.2
41 40 8:2 / /srv/shared/local rw - xfs /dev/sdb1 rw
42 22 0:36 / /srv/with\040blank rw - cifs //files/share rw
43 22 0:37 / /srv/over rw - ext4 /dev/sdc1 rw
44 43 0:38 / /srv/over rw - fuse.sshfs ada@files: rw
"""
HOLD_OPEN = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1])
held.execute("SELECT count(*) FROM sqlite_schema")
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine, but a key."""
    for name in ("AGENTDB_URL", "AGENTDB_SECRET_KEY_FILE", "AGENTDB_SECRETS", "AGENTDB_POOL_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AGENTDB_SECRET_KEY", KEY)


@pytest.fixture
async def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database in a directory of its own with its key beside it, all as they should be."""
    monkeypatch.delenv("AGENTDB_SECRET_KEY")
    home = tmp_path / "data"
    home.mkdir(mode=0o700)
    async with agentdb.connect(f"sqlite:///{home}/agent.db", settings=Settings.load(env_file=None)):
        pass
    (home / "agent.db").chmod(0o600)
    return home / "agent.db"


async def examined(place: str | Path, *, deep: bool = False) -> Checkup:
    """The doctor's answer about a file or URL."""
    settings = Settings.load(env_file=None)
    return await examine(
        resolve(place if isinstance(place, str) else f"sqlite:///{place}", settings), settings, deep=deep
    )


def codes(checkup: Checkup, *severities: str) -> list[str]:
    """What was found beside the defect of this machine's SQLite and the settings of the tests' server."""
    expected = {"sqlite-wal-reset", "fsync-off", "full-page-writes-off", "synchronous-commit-off"}
    return [
        one.code
        for one in checkup.findings
        if one.code not in expected and one.severity in (severities or (one.severity,))
    ]


def found(checkup: Checkup, code: str) -> Finding:
    """The only finding of that code."""
    [finding] = [one for one in checkup.findings if one.code == code]
    return finding


async def spoil(url: str, *statements: str) -> None:
    """Change the database past agentdb, with nothing that keeps rows in order."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(file_of(url), isolation_level=None)) as raw:
            for statement in statements:
                raw.execute(statement)
        return
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET session_replication_role = replica")
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


class TestEitherEngine:
    """What does not depend on the engine."""

    pytestmark = pytest.mark.agentdb(engine="both")

    async def test_a_sound_database_has_no_findings(self, agent_db: Database, agent_db_url: str) -> None:
        """Looked at in depth, and it is as it was."""
        await agent_db.access.create_user(email="ada@example.org", with_api_key=True)
        before = await outside(agent_db_url, 'SELECT count(*) FROM "agentdb_seed"')
        if agent_db_url.startswith("sqlite"):
            file_of(agent_db_url).chmod(0o600)
            file_of(agent_db_url).parent.chmod(0o700)
            for log in file_of(agent_db_url).parent.glob("agent.db-*"):
                log.chmod(0o600)
        checkup = await examined(agent_db_url, deep=True)

        assert codes(checkup) == []
        assert checkup.health is not None
        assert (checkup.health.status, checkup.health.is_deep) == ("ok", True)
        assert await outside(agent_db_url, 'SELECT count(*) FROM "agentdb_seed"') == before

    async def test_a_missing_index(self, agent_db: Database, agent_db_url: str) -> None:
        """By its name, and as nothing else."""
        await spoil(agent_db_url, 'DROP INDEX "Message_conversationID_id_idx"')
        checkup = await examined(agent_db_url)

        assert set(codes(checkup, "warning", "error")) - {"file-open"} == {"index-missing"}
        assert "Message_conversationID_id_idx of Message" in found(checkup, "index-missing").found

    async def test_drift(self, agent_db: Database, agent_db_url: str) -> None:
        """A column that is not there under its name."""
        await spoil(agent_db_url, 'ALTER TABLE "Resource" RENAME COLUMN "s3Uri" TO "uri"')
        checkup = await examined(agent_db_url)

        assert found(checkup, "drift").found == "Table Resource: column s3Uri is missing."

    async def test_orphans(self, agent_db: Database, agent_db_url: str) -> None:
        """Only a deep look reads every reference."""
        await spoil(agent_db_url, """UPDATE "Agent" SET "promptID" = 4711 WHERE "name" = 'Standard Chat'""")
        shallow, deep = await examined(agent_db_url), await examined(agent_db_url, deep=True)

        assert "orphans" not in codes(shallow)
        assert found(deep, "orphans").found == "1 rows of Agent point with promptID to no row of Prompt."

    async def test_pending_migrations(self, agent_db: Database, agent_db_url: str) -> None:
        """By name, with the command that applies them."""
        newest = packaged_versions()[-1]
        await outside(agent_db_url, 'DELETE FROM "aerich" WHERE "version" = $1', f"{newest}.py")
        finding = found(await examined(agent_db_url), "pending-migrations")

        assert newest in finding.found
        assert "agentdb migrate" in finding.advice

    async def test_a_newer_schema(self, agent_db: Database, agent_db_url: str) -> None:
        """Which does not admit this package any more."""
        newer = """UPDATE "agentdb_state" SET "schemaVersion" = '0999_later', "compatibleSince" = '0999_later'"""
        await spoil(agent_db_url, newer)

        assert "'0999_later', which no longer admits" in found(await examined(agent_db_url), "not-ready").found

    async def test_an_empty_database(self, empty_db_url: str) -> None:
        """It is not ready, and nothing is made in it."""
        if empty_db_url.startswith("sqlite"):
            file_of(empty_db_url).touch()
        checkup = await examined(empty_db_url, deep=True)

        assert found(checkup, "not-ready").severity == "warning"
        assert "not-examined" not in codes(checkup)

    async def test_a_missing_key(self, agent_db: Database, agent_db_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """And what is protected with the key that is gone, by its id."""
        await agent_db.access.create_user(email="ada@example.org", with_api_key=True)
        monkeypatch.delenv("AGENTDB_SECRET_KEY")
        checkup = await examined(agent_db_url)

        assert "AGENTDB_SECRET_KEY" in found(checkup, "secret-key-missing").advice
        assert found(checkup, "secrets-of-another-key").found.endswith("and there is no key at hand.")

    async def test_another_key(self, agent_db: Database, agent_db_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """In each of the three places."""
        user = await agent_db.access.create_user(email="ada@example.org", with_api_key=True)
        provider = (await agent_db.catalog.providers())[0]
        await agent_db.catalog.set_provider_secret(provider.id, "the key of a provider")
        [(tool_id,)] = await outside(agent_db_url, 'SELECT min("id") FROM "Tool"')
        await agent_db.agents.set_tool_credential(tool_id, user_id=user.id, credential="a credential")
        monkeypatch.setenv("AGENTDB_SECRET_KEY", "another secret key of these tests")
        checkup = await examined(agent_db_url)
        told = [one.found for one in checkup.findings if one.code == "secrets-of-another-key"]

        assert [sentence.split(" are ")[0] for sentence in told] == [
            "1 values in User.apiKey",
            "1 values in Provider.apiKey",
            "1 values in UserTool.credential",
        ]

    async def test_plain_secrets(self, agent_db: Database, agent_db_url: str) -> None:
        """How many, never which."""
        user = await agent_db.access.create_user(email="ada@example.org")
        await spoil(
            agent_db_url,
            """UPDATE "User" SET "apiKey" = 'agk_in-the-open'""",
            """UPDATE "Provider" SET "apiKey" = 'agk_in-the-open'""",
            f"""
            INSERT INTO "UserTool" ("userID", "toolID", "credential")
            SELECT {user.id}, min("id"), '"agk_in-the-open"' FROM "Tool"
            """,
        )
        checkup = await examined(agent_db_url)
        told = [one for one in checkup.findings if one.code == "secrets-unprotected"]

        assert [one.found for one in told] == [
            "1 rows hold their secret as it is in User.apiKey.",
            "3 rows hold their secret as it is in Provider.apiKey.",
            "1 rows hold their secret as it is in UserTool.credential.",
        ]
        assert {one.severity for one in told} == {"error"}
        assert "in-the-open" not in repr(checkup)

    async def test_plain_secrets_on_purpose(
        self, agent_db: Database, agent_db_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Is good to know, and nothing to be corrected."""
        await spoil(agent_db_url, """UPDATE "Provider" SET "apiKey" = 'agk_in-the-open'""")
        monkeypatch.setenv("AGENTDB_SECRETS", "plain")
        checkup = await examined(agent_db_url)

        assert found(checkup, "secrets-plain").severity == "info"
        assert "secrets-unprotected" not in codes(checkup)

    async def test_a_key_that_cannot_be_used(self, agent_db_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """The rest is examined all the same."""
        monkeypatch.setenv("AGENTDB_SECRET_KEY", "short")
        checkup = await examined(agent_db_url)

        assert found(checkup, "secret-key-unusable").severity == "error"
        assert checkup.health is not None
        assert checkup.health.status == "ok"


class TestFiles:
    """What concerns a SQLite file and what lies beside it."""

    async def test_a_fresh_one_has_no_findings(self, file: Path) -> None:
        """And examining it makes no file, nor takes one away."""
        before = {path.name: path.stat().st_mtime_ns for path in file.parent.iterdir()}
        checkup = await examined(file, deep=False)

        assert codes(checkup) == []
        assert not checkup.needs_care
        assert {path.name for path in file.parent.iterdir()} == set(before)

    @pytest.mark.parametrize(("mode", "told"), [(0o644, "read by everybody"), (0o620, "written by its group")])
    async def test_a_file_that_others_may_open(self, file: Path, mode: int, told: str) -> None:
        """With its mode and the command that corrects it."""
        os.chmod(file, mode)
        finding = found(await examined(file), "file-open")

        assert f"{told} (mode {mode:04o})" in finding.found
        assert (finding.severity, finding.advice) == ("warning", f"chmod 600 {file}")

    async def test_a_log_that_others_may_open(self, file: Path) -> None:
        """It holds the newest rows."""
        async with agentdb.connect(f"sqlite:///{file}", skip_sync=True) as db:
            await db.access.create_user(email="ada@example.org")
            log = file.with_name("agent.db-wal")
            log.chmod(0o604)

            assert str(log) in found(await examined(file), "file-open").found

    async def test_a_key_that_others_may_read(self, file: Path) -> None:
        """An error: with it every sealed value opens."""
        file.with_name("agent.db.key").chmod(0o640)
        finding = found(await examined(file), "key-file-open")

        assert finding.severity == "error"
        assert "its group" in finding.found

    async def test_a_key_file_of_a_setting(self, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Wherever it lies."""
        key = tmp_path / "the.key"
        key.write_text(KEY)
        key.chmod(0o644)
        monkeypatch.setenv("AGENTDB_SECRET_KEY_FILE", str(key))

        assert str(key) in found(await examined(file), "key-file-open").found

    async def test_a_trigger_of_somebody_else(self, file: Path) -> None:
        """Nothing attaches to such a file."""
        await spoil(f"sqlite:///{file}", 'CREATE TRIGGER "theirs" AFTER INSERT ON "Message" BEGIN SELECT 1; END')
        checkup = await examined(file)

        assert "theirs" in found(checkup, "intruder").found
        assert found(checkup, "intruder").severity == "error"

    async def test_a_database_behind_a_link(self, file: Path, tmp_path: Path) -> None:
        """Where it lies counts, and not where the link does."""
        link = tmp_path / "link.db"
        link.symlink_to(file)
        file.parent.chmod(0o777)
        checkup = await examined(link)

        assert str(file.parent) in found(checkup, "directory-open").found

    async def test_a_directory_that_others_may_write_to(self, file: Path) -> None:
        """They may replace the database and its key."""
        file.parent.chmod(0o777)
        checkup = await examined(file)

        assert codes(checkup) == ["key-directory-open", "directory-open"]

    async def test_a_directory_that_others_may_list(self, file: Path) -> None:
        """Good to know, and no more."""
        file.parent.chmod(0o755)
        checkup = await examined(file)

        assert codes(checkup) == ["directory-readable"]
        assert not checkup.needs_care

    async def test_a_missing_file(self, tmp_path: Path) -> None:
        """Nothing is made."""
        checkup = await examined(tmp_path / "missing.db")

        assert [(one.code, one.severity) for one in checkup.findings] == [("no-database", "error")]
        assert checkup.health is None
        assert os.listdir(tmp_path) == []

    async def test_a_file_that_is_no_database(self, file: Path) -> None:
        """It cannot be opened, which is a finding."""
        overwrite(file, 0, b"this is no database" * 1000)

        assert "StorageError" in found(await examined(file), "cannot-open").found

    @pytest.mark.parametrize("first_page", [5, -10])
    async def test_a_damaged_file(self, file: Path, first_page: int) -> None:
        """Whether it can still be opened or not: a deep look reads every page."""
        overwrite(file, first_page * 4096, b"\xff" * 4096 * 5)

        assert "damaged" in codes(await examined(file, deep=True), "error")

    async def test_another_journal(self, file: Path) -> None:
        """As a foreign tool may leave it."""
        await spoil(f"sqlite:///{file}", "PRAGMA journal_mode = DELETE")

        assert "'delete'" in found(await examined(file), "journal-mode").found

    async def test_a_large_log(self, file: Path) -> None:
        """Something keeps it from being emptied."""
        log = file.with_name("agent.db-wal")
        log.touch(mode=0o600)
        with log.open("r+b") as raw:
            raw.truncate(200 * 2**20)

        assert "has 200 MiB" in found(await examined(file), "log-large").found

    async def test_no_readers(self, file: Path) -> None:
        """Every read waits for the writer."""
        assert "readers=0" in found(await examined(f"sqlite:///{file}?readers=0"), "pool-size").found

    @pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux tells who has a file open")
    async def test_a_file_that_another_process_has_open(self, file: Path) -> None:
        """Then the defect of old versions is a warning."""
        with held_open(file) as other:
            shared, seen = processes_with(file), await examined(file)
        alone = processes_with(file)

        assert (shared, alone) == ((other,), ())
        if sqlite3.sqlite_version_info < WAL_RESET_FIXED:
            assert found(seen, "sqlite-wal-reset").severity == "warning"
            assert found(seen, "sqlite-wal-reset").found.endswith(f"other processes have it open: {other}.")

    def test_the_defect_by_version(self) -> None:
        """Alone it is good to know; shared it is a warning; from 3.51.3 on it is nothing."""
        assert [one.severity for one in wal_reset((3, 40, 1), ())] == ["info"]
        assert [one.severity for one in wal_reset((3, 40, 1), None)] == ["info"]
        assert [one.severity for one in wal_reset((3, 51, 2), (4711,))] == ["warning"]
        assert wal_reset((3, 51, 3), (4711,)) == []
        assert wal_reset((3, 53, 0), None) == []

    @pytest.mark.parametrize(
        ("path", "kind"),
        [
            ("/srv/agent.db", "ext4"),
            ("/srv/shared/agent.db", "nfs4"),
            ("/srv/shared/local/agent.db", "xfs"),
            ("/srv/sharedness/agent.db", "ext4"),
            ("/srv/with blank/agent.db", "cifs"),
            ("/srv/over/agent.db", "fuse.sshfs"),
            ("/dev/shm/agent.db", "tmpfs"),
        ],
    )
    def test_the_file_system_of_a_path(self, path: str, kind: str) -> None:
        """The nearest mount above it counts, and of two at one place the later."""
        assert file_system(Path(path), MOUNTS) == kind

    def test_a_network_file_system(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What the system tells is read when it is asked."""
        mounts = tmp_path / "mountinfo"
        mounts.write_text(MOUNTS)
        monkeypatch.setattr("agentdb.engine.mounts._MOUNTS", mounts)

        assert network_file_system(Path("/srv/shared/agent.db")) == "nfs4"
        assert network_file_system(Path("/srv/agent.db")) is None
        assert on_network(Path("/srv/shared"), "nfs4").severity == "error"

    async def test_a_network_file_system_is_found(
        self, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By the doctor, about the directory of the file."""
        mounts = tmp_path / "mountinfo"
        mounts.write_text("40 22 0:35 / / rw - nfs files:/export rw\n")
        monkeypatch.setattr("agentdb.engine.mounts._MOUNTS", mounts)

        assert "(nfs)" in found(await examined(file), "network-file-system").found

    def test_little_space(self) -> None:
        """First a warning, then an error."""
        sizes = (10 * 2**20, 100 * 2**20, 2**30)

        assert [[one.severity for one in of_space(Path("/srv"), free)] for free in sizes] == [
            ["error"],
            ["warning"],
            [],
        ]


class TestServer:
    """What concerns a PostgreSQL server."""

    pytestmark = pytest.mark.agentdb(engine="postgresql")

    async def test_pools(self, agent_db_url: str) -> None:
        """Too small, and larger than the server admits."""
        small, large = await examined(f"{agent_db_url}?pool_size=1"), await examined(f"{agent_db_url}?pool_size=5000")

        assert "pool_size is 1:" in found(small, "pool-size").found
        assert "pool_size is 5000, and the server admits" in found(large, "pool-size").found

    async def test_the_limit_of_a_database(self, agent_db_url: str) -> None:
        """Counts like that of the server."""
        _, _, name = agent_db_url.rpartition("/")
        await outside(agent_db_url, f'ALTER DATABASE "{name}" CONNECTION LIMIT 7')

        assert "the server admits 7 connections" in found(await examined(agent_db_url), "pool-size").found

    async def test_a_crowded_server(self, agent_db_url: str) -> None:
        """A pool that fits, beside others that leave it no room."""
        _, _, name = agent_db_url.rpartition("/")
        await outside(agent_db_url, f'ALTER DATABASE "{name}" CONNECTION LIMIT 12')
        others = [await asyncpg.connect(agent_db_url) for _ in range(5)]
        checkup = await examined(agent_db_url)
        for other in others:
            await other.close()

        assert found(checkup, "pool-crowded").severity == "info"

    async def test_an_index_that_was_not_finished(self, agent_db: Database, agent_db_url: str) -> None:
        """As one that could not be unique."""
        with pytest.raises(asyncpg.UniqueViolationError):
            await outside(agent_db_url, 'CREATE UNIQUE INDEX CONCURRENTLY "half" ON "Tool" ("type")')

        assert "The index half of Tool" in found(await examined(agent_db_url), "index-invalid").found

    @pytest.mark.parametrize("host", ["db.example.org", "10.0.0.7", "db.example.org,localhost"])
    def test_a_server_that_nobody_verifies(self, host: str) -> None:
        """On a host other than this machine."""
        assert located(f"postgresql://ada@{host}/agentdb?sslmode=require") == ["tls-unverified"]
        assert located(f"postgresql://ada@{host}/agentdb?sslmode=verify-full") == []

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "%2Frun%2Fpostgresql"])
    def test_this_machine_needs_no_proof(self, host: str) -> None:
        """Its traffic leaves it nowhere."""
        assert located(f"postgresql://ada@{host}/agentdb?sslmode=disable") == []

    async def test_a_server_that_is_not_there(self, unused_tcp_port: int) -> None:
        """A finding without the password, and nothing else is known."""
        checkup = await examined(f"postgresql://ada:a-password@127.0.0.1:{unused_tcp_port}/agentdb?sslmode=disable")

        assert [one.code for one in checkup.findings] == ["cannot-open"]
        assert checkup.findings[0].found.startswith("UnavailableError: ")
        assert "a-password" not in repr(checkup)

    def test_clocks_that_differ(self) -> None:
        """By more than the round trip and some seconds."""
        before = datetime(2026, 1, 2, tzinfo=UTC)
        after = before + timedelta(seconds=2)
        ahead, behind = after + timedelta(seconds=90), before - timedelta(seconds=90)

        assert ["by 90 s" in one.found for one in clock_skew(before, ahead, after)] == [True]
        assert ["by 90 s" in one.found for one in clock_skew(before, behind, after)] == [True]
        assert list(clock_skew(before, after, after)) == []

    async def test_settings_that_lose_data(self, directory: Path) -> None:
        """On a server of our own, first as it is made, and then with each of them off."""
        url = f"postgresql+embedded:///{directory}"
        async with agentdb.connect(url, settings=Settings.load(env_file=None)) as db:
            sound = await examined(url)
            for name in ("fsync", "full_page_writes", "synchronous_commit", "autovacuum"):
                await db.session.fetch(f"ALTER SYSTEM SET {name} = off")
            await db.session.fetch("SELECT pg_reload_conf()")
            careless = await examined(url)
            for _ in range(100):  # until the server has read them
                if len(careless.findings) == 4:
                    break
                await asyncio.sleep(0.1)
                careless = await examined(url)

        assert [one for one in sound.findings if one.severity != "info"] == []
        assert {one.code: one.severity for one in careless.findings} == {
            "fsync-off": "error",
            "full-page-writes-off": "error",
            "synchronous-commit-off": "warning",
            "autovacuum-off": "warning",
        }


@pytest.fixture
def directory() -> Iterator[Path]:
    """A place for a server, directly under the temporary root: its own user must be able to reach it."""
    with tempfile.TemporaryDirectory(prefix="agentdb-doctor-") as parent:
        Path(parent).chmod(0o755)
        yield Path(parent) / "pgdata"


def overwrite(file: Path, place: int, data: bytes) -> None:
    """Damage a file, from its end where `place` is negative."""
    with file.open("r+b") as raw:
        raw.seek(place, os.SEEK_END if place < 0 else os.SEEK_SET)
        raw.write(data)


@contextmanager
def held_open(file: Path) -> Iterator[int]:
    """Another process has the database open inside the block; its id."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_OPEN, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        yield other.pid
        other.communicate()


def located(url: str) -> list[str]:
    """What is found without opening it."""
    target = resolve(url, Settings.load(env_file=None))
    return [one.code for one in target.dialect.diagnosis.of_place(target)]
