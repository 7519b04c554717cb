"""The table of docs/operations.md: each failure is made for real, and says what the document says it does."""

from __future__ import annotations

import os
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import asyncpg
import pytest

from agentdb.cli.app import run
from agentdb.testing.factory import DatabaseFactory
from agentdb.testing.loop_thread import LoopThread
from tests.faults.without_rights import without_rights

ROWS: Final = {
    (problem, engine): message.strip("`")
    for problem, engine, message in re.findall(
        r"^\| ([\w ]+) \| (SQLite|PostgreSQL) \| (`.*?`|``.*?``) \|",
        (Path(__file__).parents[2] / "docs" / "operations.md").read_text(),
        re.MULTILINE,
    )
}

Failure: TypeAlias = "Callable[[ExitStack, DatabaseFactory], list[str]]"
"""Spoils something until the stack ends; gives the command that fails for it."""


def sqlite_locked(stack: ExitStack, factory: DatabaseFactory) -> list[str]:
    """Another program is in the middle of a write."""
    url = stack.enter_context(factory(engine="sqlite")).url
    raw = stack.enter_context(closing(sqlite3.connect(_file(url), isolation_level=None)))
    raw.execute("BEGIN EXCLUSIVE")
    return ["seed", "--url", url]


def postgres_locked(stack: ExitStack, factory: DatabaseFactory) -> list[str]:
    """Another session has locked a table."""
    url = stack.enter_context(factory(engine="postgresql")).url
    stack.enter_context(held(url, 'LOCK TABLE "Role"'))
    return ["status", "--url", url]


def sqlite_migrating(stack: ExitStack, factory: DatabaseFactory) -> list[str]:
    """The lock that a migration holds is a sibling file's."""
    url = stack.enter_context(factory(engine="sqlite")).url
    raw = stack.enter_context(closing(sqlite3.connect(f"{_file(url)}.migrate-lock", isolation_level=None)))
    raw.execute("BEGIN EXCLUSIVE")
    return ["migrate", "--url", url]


def postgres_migrating(stack: ExitStack, factory: DatabaseFactory) -> list[str]:
    """The lock that a migration holds is an advisory one."""
    url = stack.enter_context(factory(engine="postgresql")).url
    stack.enter_context(held(url, f"SELECT pg_advisory_xact_lock({0x6167656E74646201})"))
    return ["migrate", "--url", url]


def sqlite_refused(stack: ExitStack, factory: DatabaseFactory) -> list[str]:
    """The file lies in a directory that is closed to this account."""
    top = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    top.chmod(0o755)
    (top / "closed").mkdir(mode=0o700)
    (top / "closed" / "agent.db").touch()
    if os.geteuid() != 0:
        (top / "closed").chmod(0)
        stack.callback((top / "closed").chmod, 0o700)
    run(["status", "--url", f"sqlite:///{top}/closed/missing.db"])  # what it takes is imported
    stack.enter_context(without_rights())
    return ["status", "--url", f"sqlite:///{top}/closed/agent.db"]


def postgres_refused(stack: ExitStack, factory: DatabaseFactory) -> list[str]:
    """Nobody listens on port 1."""
    return ["status", "--url", "postgresql://127.0.0.1:1/agentdb"]


def postgres_authentication(stack: ExitStack, factory: DatabaseFactory) -> list[str]:
    """The server has no such role."""
    url = stack.enter_context(factory(engine="postgresql")).url
    place = urlsplit(url)
    return ["status", "--url", place._replace(netloc=f"nobody_here@{place.netloc.rpartition('@')[2]}").geturl()]


def sqlite_missing_database(stack: ExitStack, factory: DatabaseFactory) -> list[str]:
    """Nothing has been made there."""
    return ["status", "--url", stack.enter_context(factory.empty(engine="sqlite"))]


def postgres_missing_database(stack: ExitStack, factory: DatabaseFactory) -> list[str]:
    """The server is there, the database is not."""
    url = stack.enter_context(factory.empty(engine="postgresql"))
    return ["status", "--url", urlsplit(url)._replace(path="/agentdb_missing").geturl()]


def sqlite_missing_table(stack: ExitStack, factory: DatabaseFactory) -> list[str]:
    """Somebody has dropped it."""
    url = stack.enter_context(factory(engine="sqlite")).url
    with closing(sqlite3.connect(_file(url))) as raw:
        raw.execute('DROP TABLE "Usage"')
    return ["usage", "--url", url]


def postgres_missing_table(stack: ExitStack, factory: DatabaseFactory) -> list[str]:
    """Somebody has dropped it."""
    url = stack.enter_context(factory(engine="postgresql")).url
    with held(url, 'DROP TABLE "Usage"; COMMIT'):
        return ["usage", "--url", url]


FAILURES: Final[dict[tuple[str, str], Failure]] = {
    ("locked", "SQLite"): sqlite_locked,
    ("locked", "PostgreSQL"): postgres_locked,
    ("migrating", "SQLite"): sqlite_migrating,
    ("migrating", "PostgreSQL"): postgres_migrating,
    ("refused", "SQLite"): sqlite_refused,
    ("refused", "PostgreSQL"): postgres_refused,
    ("authentication", "PostgreSQL"): postgres_authentication,
    ("missing database", "SQLite"): sqlite_missing_database,
    ("missing database", "PostgreSQL"): postgres_missing_database,
    ("missing table", "SQLite"): sqlite_missing_table,
    ("missing table", "PostgreSQL"): postgres_missing_table,
}


def test_every_row_is_tried() -> None:
    """And nothing is tried that has no row."""
    assert ROWS.keys() == FAILURES.keys()


@pytest.mark.usefixtures("clean_environment")
@pytest.mark.parametrize("row", FAILURES, ids=" of ".join)
def test_the_message_is_the_documents(
    row: tuple[str, str],
    agent_db_factory: DatabaseFactory,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The command ends with 1 and prints it, alone, to stderr; what the document leaves out stands there as `…`."""
    monkeypatch.setenv("AGENTDB_ACQUIRE_TIMEOUT_S", "0.3")
    monkeypatch.setenv("AGENTDB_STATEMENT_TIMEOUT_S", "0.3")
    monkeypatch.setattr("agentdb.lifecycle.owner.LOCK_TIMEOUT_S", 0.3)
    with ExitStack() as stack:
        command = FAILURES[row](stack, agent_db_factory)
        capfd.readouterr()
        code = run(command)
        told = capfd.readouterr()

    assert (code, told.out) == (1, "")
    assert re.fullmatch(".+".join(map(re.escape, ROWS[row].split("…"))), told.err.strip()), told.err


@pytest.mark.usefixtures("clean_environment")
@pytest.mark.parametrize("failure", [sqlite_missing_table, postgres_missing_table])
def test_check_tells_which_tables_are_missing(
    failure: Failure, agent_db_factory: DatabaseFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    """It goes on past the first, and looks for orphans where there are tables."""
    with ExitStack() as stack:
        *_, url = failure(stack, agent_db_factory)
        capfd.readouterr()
        code = run(["check", "--url", url])
        told = capfd.readouterr()

    assert (code, told.err) == (1, "")
    assert "Table Usage is missing." in told.out


@contextmanager
def held(url: str, sql: str) -> Iterator[None]:
    """Inside the block another session is in the transaction that runs `sql`."""

    async def begin() -> asyncpg.Connection:
        connection = await asyncpg.connect(url)
        await connection.execute(f"BEGIN; {sql}")
        return connection

    with LoopThread() as thread:
        connection = thread.run(begin())
        try:
            yield
        finally:
            thread.run(connection.close())


def _file(url: str) -> str:
    return url.removeprefix("sqlite:///")
