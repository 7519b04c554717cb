"""How `pg_dump` and `pg_restore` are told where the database is, and what is told of them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import agentdb
from agentdb import AgentDBError, UnavailableError
from agentdb.config import Settings
from agentdb.engine import postgres_copy, resolve
from agentdb.engine.postgres import PostgresTarget
from agentdb.engine.postgres_programs import environment, find_program, run_program


def target(url: str) -> PostgresTarget:
    found = resolve(url, Settings.load(env_file=None))
    assert isinstance(found, PostgresTarget)
    return found


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGSSLMODE", "PGSSLROOTCERT", "PGPASSWORD", "AGENTDB_POOLER"):
        monkeypatch.delenv(name, raising=False)


def test_they_reach_the_same_database_in_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says to libpq."""
    monkeypatch.setenv("PGSERVICE", "another")
    monkeypatch.setenv("PGOPTIONS", "-c search_path=elsewhere")
    told = environment(
        target("postgresql://ada:s3cret%20word@db.example.org:5433,[::1]/agents?sslrootcert=/etc/ca.pem"),
        None,
        major=18,
    )

    assert {name: value for name, value in told.items() if name.startswith("PG")} == {
        "PGHOST": "db.example.org,::1",
        "PGPORT": "5433,5432",
        "PGUSER": "ada",
        "PGPASSWORD": "s3cret word",
        "PGDATABASE": "agents",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/etc/ca.pem",
        "PGGSSENCMODE": "disable",
        "PGTARGETSESSIONATTRS": "read-write",
        "PGAPPNAME": "agentdb",
        "PGCONNECT_TIMEOUT": "10",
        "PGTZ": "UTC",
    }


def test_the_authorities_of_the_system_are_named() -> None:
    """libpq would take those of the user, and knows the word since version 16."""
    elsewhere = target("postgresql://ada@db.example.org/agents")

    assert environment(elsewhere, None, major=18)["PGSSLROOTCERT"] == "system"
    assert environment(elsewhere, None, major=15).get("PGSSLROOTCERT") != "system"
    assert "PGSSLROOTCERT" not in environment(target("postgresql://ada@localhost/agents"), None, major=18)


def test_a_password_of_the_environment_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL without a password takes it, as everywhere."""
    monkeypatch.setenv("PGPASSWORD", "of the environment")

    assert (
        environment(target("postgresql://ada@localhost/agents"), None, major=18)["PGPASSWORD"] == "of the environment"
    )


def test_only_the_same_major_version_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer pg_dump writes what an older server does not take."""
    program = tmp_path / "pg_dump"
    program.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 97.3 (of this test)'\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    assert find_program("pg_dump", major=97) == program
    assert find_program("pg_dump", major=96) is None
    assert find_program("pg_restore", major=97) is None


@pytest.mark.parametrize("place", ["pg_restore: error: ", "psql:/tmp/a: file/script:12: "])
async def test_a_failure_is_told_without_rows(place: str, tmp_path: Path) -> None:
    """What follows the first error may hold what the rows hold."""
    program = tmp_path / "pg_restore"
    program.write_text(
        "#!/bin/sh\n"
        f'echo "{place}ERROR:  duplicate key" >&2\n'
        'echo "CONTEXT:  COPY Message, line 1: a message of somebody" >&2\n'
        "exit 1\n"
    )
    program.chmod(0o700)
    with pytest.raises(AgentDBError) as failure:
        await run_program(program, [], {})

    assert str(failure.value) == "pg_restore failed: ERROR:  duplicate key"


@pytest.mark.agentdb(engine="postgresql")
async def test_no_password_stands_on_a_command_line(
    agent_db_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    """Everybody on a machine sees command lines; a server that is not there is told without it too."""
    commands: list[list[str]] = []

    async def spy(program: Path, arguments: list[str], environment: dict[str, str]) -> bytes:
        commands.append([str(program), *arguments])
        return await run_program(
            program, arguments, {**environment, "PGPORT": str(unused_tcp_port), "PGHOST": "127.0.0.1"}
        )

    monkeypatch.setattr(postgres_copy, "run_program", spy)
    monkeypatch.setenv("PGPASSWORD", "s3cret-password")
    async with agentdb.connect(agent_db_url, skip_sync=True) as db:
        with pytest.raises(UnavailableError) as failure:
            await db.backup(tmp_path / "agent.backup", format="native")

    assert commands
    assert "s3cret-password" not in repr(commands) + str(failure.value)
    assert os.listdir(tmp_path) == []


def test_the_programs_are_those_of_the_wheel() -> None:
    """It brings them for its own server."""
    program = find_program("pg_dump", major=18)

    assert program is not None
    assert shutil.which(program) is not None
