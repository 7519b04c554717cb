"""What a database says, as one of our errors: each from a real fault, with its class, code and discretion."""

from __future__ import annotations

import asyncio
import os
import pickle
import re
import secrets
import shutil
import socket
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pytest

from agentdb.engine import Session
from agentdb.engine.channel import Channel
from agentdb.engine.dialect import ConnectionLostError
from agentdb.engine.patience import LONGEST_DELAY_S
from agentdb.errors import (
    AccessDeniedError,
    AgentDBError,
    ConfigurationError,
    ConflictError,
    DeadlineError,
    InvalidInputError,
    OutcomeUnknownError,
    SchemaError,
    StorageError,
    UnavailableError,
)
from agentdb.models import Conversation, Message, Role, RolePolicy, User
from tests.engine.engines import MODULES, file_of, names, opened, outside, session_on

SECRET = "hunter2"
ENDLESS_READ = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
ENDLESS_WRITE = {
    "sqlite": f'INSERT INTO "Role" ("displayOrder") {ENDLESS_READ}',
    "postgres": """INSERT INTO "Role" ("name") SELECT 'a' FROM pg_sleep(60)""",
}
SLEEPING = """
    SELECT 1 FROM pg_stat_activity
    WHERE query LIKE '%pg_sleep(60)%' AND state = 'active' AND datname = current_database() AND pid <> pg_backend_pid()
"""

Fault: TypeAlias = Callable[[], Awaitable[object]]


async def error_of(fault: Fault) -> AgentDBError:
    """The error that it ends with, which keeps the secret and survives a pickle."""
    with pytest.raises(AgentDBError) as caught:
        await fault()
    assert_discreet(caught.value)
    assert_picklable(caught.value)
    return caught.value


def assert_discreet(error: BaseException) -> None:
    """Neither it nor what it was raised from tells a value."""
    seen: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is not None and one not in seen:
            seen.append(one)
            todo += [one.__cause__, one.__context__]
    for one in seen:
        assert SECRET not in f"{one} {one!r} {vars(one)}"


def assert_picklable(error: AgentDBError) -> None:
    """Class, message and facts come back."""
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert (str(copy), vars(copy)) == (str(error), vars(error))


# The rows say no.


async def test_unique(session: Session) -> None:
    """Tells the column, and on PostgreSQL the index."""
    with session.use():
        await User.create(email=SECRET)
        error = await error_of(lambda: User.create(email=SECRET))

    assert isinstance(error, ConflictError)
    assert error.columns == ("email",)
    assert (error.engine_code, error.constraint) in [
        ("SQLITE_CONSTRAINT_UNIQUE", None),
        ("23505", "User_email_idx"),
    ]
    assert not error.is_retryable


async def test_unique_over_several_columns(session: Session) -> None:
    """All of them are told."""
    with session.use():
        conversation = await Conversation.create(user=await User.create())
        row: dict[str, Any] = {"conversation": conversation, "request_id": SECRET, "request_index": 0}
        await Message.create(**row)
        error = await error_of(lambda: Message.create(**row))

    assert isinstance(error, ConflictError)
    assert error.columns == ("conversationID", "requestId", "requestIndex")


async def test_foreign_key(session: Session) -> None:
    """A parent that is not there."""
    with session.use():
        error = await error_of(lambda: Conversation.create(user_id=123456))

    assert isinstance(error, ConflictError)
    assert error.engine_code in ("SQLITE_CONSTRAINT_FOREIGNKEY", "23503")
    assert "123456" not in str(error)


async def test_not_null(session: Session) -> None:
    """Tells the column."""
    with session.use():
        error = await error_of(
            lambda: session.fetch('INSERT INTO "RolePolicy" ("roleID", "policyID") VALUES (NULL, NULL)')
        )
        assert await RolePolicy.all().count() == 0

    assert isinstance(error, ConflictError)
    assert error.columns == ("roleID",)
    assert error.engine_code in ("SQLITE_CONSTRAINT_NOTNULL", "23502")


async def test_check(session: Session) -> None:
    """Tells the constraint."""
    script = (
        "CREATE TABLE checked (n TEXT CONSTRAINT short CHECK (length(n) < 5), CONSTRAINT \"odd: x.y\" CHECK (n <> ''))"
    )
    with suppress(StopAsyncIteration):
        async with session.transaction():
            await session.client.execute_script(script)
            found = []
            for value in (SECRET, ""):
                sql = f"INSERT INTO checked VALUES ({session.dialect.placeholder(1)})"

                async def insert(sql: str = sql, value: str = value) -> None:
                    async with session.transaction():
                        await session.fetch(sql, [value])

                found.append(await error_of(insert))
            raise StopAsyncIteration

    assert [(error.constraint, error.columns) for error in found if isinstance(error, ConflictError)] == [
        ("short", ()),
        ("odd: x.y", ()),
    ]


async def test_a_wrong_type(postgres_url: str) -> None:
    """Which SQLite would keep. The driver's own message quotes the value."""
    async with opened(postgres_url) as session:
        for fault in (
            lambda: session.fetch('SELECT * FROM "Role" WHERE "id" = $1', [SECRET]),
            lambda: session.fetch('SELECT * FROM "Role" WHERE "id" = $1::text::bigint', [SECRET]),
            lambda: session.fetch("SELECT $1::jsonb", [f"{{{SECRET}"]),
        ):
            error = await error_of(fault)
            assert isinstance(error, InvalidInputError)
            assert error.engine_code is not None
            assert error.engine_code.startswith("22")


async def test_too_many_parameters(postgres_url: str) -> None:
    """That is no lost connection."""
    async with opened(postgres_url) as session:
        places = ",".join(f"${place}" for place in range(1, 40_001))
        for fault in (
            lambda: session.fetch(f"SELECT 1 WHERE 1 IN ({places})", list(range(40_000))),
            lambda: session.fetch("SELECT $1::int", [1, 2]),
        ):
            assert isinstance(await error_of(fault), InvalidInputError)


# The schema is another one.


async def test_missing_table_and_column(session: Session) -> None:
    """The message says which, and what to do."""
    for sql, name in (('SELECT * FROM "Nobody"', "Nobody"), ('SELECT r."nothing" FROM "Role" AS r', "nothing")):
        error = await error_of(partial(session.fetch, sql))

        assert isinstance(error, SchemaError)
        assert name in str(error)
        assert "agentdb migrate" in str(error)
        assert error.engine_code in ("SQLITE_ERROR", "42P01", "42703")


async def test_a_syntax_error_is_the_ancestor(session: Session) -> None:
    """Nothing more can be said about it."""
    error = await error_of(lambda: session.fetch("SELEC 1"))

    assert type(error) is AgentDBError
    assert error.engine_code in ("SQLITE_ERROR", "42601")


# Somebody else is in the way.


async def test_a_deadlock_is_repeated(postgres_url: str) -> None:
    """One of two transactions is chosen, told to repeat, and does."""
    async with opened(postgres_url) as session:
        with session.use():
            await Role.bulk_create([Role(name="a"), Role(name="b")])
        attempts: list[str] = []
        both = asyncio.Barrier(2)

        async def touch(first: str, second: str) -> None:
            attempts.append(first)
            await Role.filter(name=first).update(display_order=1)
            if len(attempts) <= 2:
                await both.wait()
            await Role.filter(name=second).update(display_order=2)

        await asyncio.gather(session.unit(lambda: touch("a", "b")), session.unit(lambda: touch("b", "a")))

    assert len(attempts) == 3


@pytest.mark.parametrize(
    ("code", "isolation", "prepare", "competing"),
    [
        ("40001", "repeatable read", 'SELECT * FROM "Role"', """UPDATE "Role" SET "displayOrder" = 1"""),
        ("55P03", None, "SET LOCAL lock_timeout = '50ms'", None),
    ],
)
async def test_a_competing_transaction(
    postgres_url: str, code: str, isolation: str | None, prepare: str, competing: str | None
) -> None:
    """Not done, and safe to repeat."""
    async with opened(postgres_url) as session:
        with session.use():
            await Role.create(name="a")

        async def fault() -> None:
            async with session.transaction(isolation=isolation):
                await session.fetch(prepare)
                if competing:
                    await outside(postgres_url, competing)
                await session.fetch("""UPDATE "Role" SET "displayOrder" = 2""")

        async with locked_role(postgres_url) if competing is None else nothing():
            error = await error_of(fault)

    assert isinstance(error, UnavailableError)
    assert error.is_retryable
    assert error.engine_code == code


@pytest.mark.parametrize("kind", ["alone", "in a transaction", "many", "a script"])
async def test_a_file_that_another_process_has_locked(sqlite_url: str, kind: str) -> None:
    """Waited for as long as for a connection, then told; nothing was done."""
    async with opened(sqlite_url, acquire_timeout_s=0.2) as session:
        with closing(sqlite3.connect(file_of(sqlite_url), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            error = await error_of(partial(write_in_some_way, session, kind))
            other.execute("ROLLBACK")

    assert isinstance(error, UnavailableError)
    assert error.engine_code == "SQLITE_BUSY"
    assert await names(sqlite_url) == []


@pytest.mark.parametrize("kind", ["alone", "in a transaction", "many", "a script"])
async def test_a_locked_file_is_waited_for(sqlite_url: str, kind: str) -> None:
    """Longer than SQLite itself is allowed to wait, because nothing could interrupt that."""
    async with opened(sqlite_url) as session:
        with closing(sqlite3.connect(file_of(sqlite_url), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            write = asyncio.create_task(write_in_some_way(session, kind))
            await asyncio.sleep(10 * LONGEST_DELAY_S)
            other.execute("ROLLBACK")
            await write

    assert await names(sqlite_url) == [SECRET]


async def test_a_unit_waits_for_a_locked_file(sqlite_url: str) -> None:
    """And is done when the lock is free."""
    async with opened(sqlite_url, acquire_timeout_s=0.05) as session:
        with closing(sqlite3.connect(file_of(sqlite_url), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            unit = asyncio.create_task(session.unit(lambda: Role.create(name="a")))
            await asyncio.sleep(0.2)
            other.execute("ROLLBACK")
            await unit

    assert await names(sqlite_url) == ["a"]


# It takes too long.


async def test_a_slow_read(url: str) -> None:
    """It is stopped, and the connection goes on."""
    async with opened(url, statement_timeout_s=0.2) as session:
        error = await error_of(lambda: session.fetch(ENDLESS_READ))
        assert (await session.fetch("SELECT 1 AS one"))[0]["one"] == 1

    assert isinstance(error, DeadlineError)
    assert "over 0.2 s" in str(error)


async def test_a_slow_write_on_sqlite(sqlite_url: str) -> None:
    """SQLite confirms that it stopped."""
    async with opened(sqlite_url, statement_timeout_s=0.2) as session:
        error = await error_of(lambda: session.fetch(ENDLESS_WRITE["sqlite"]))

    assert isinstance(error, DeadlineError)
    assert await names(sqlite_url) == []


async def test_a_slow_write_on_postgres(postgres_url: str) -> None:
    """A cancel request may come too late, and there is no answer to it: outside of a transaction nobody knows."""
    async with opened(postgres_url, statement_timeout_s=0.2) as session:
        error = await error_of(lambda: session.fetch(ENDLESS_WRITE["postgres"]))
        assert await names(postgres_url) == []

    assert isinstance(error, OutcomeUnknownError)
    assert "request_id" in str(error)


async def test_a_slow_write_in_a_transaction(url: str) -> None:
    """It is rolled back on both engines, so that is certain."""
    async with opened(url, statement_timeout_s=0.2) as session:

        async def fault() -> None:
            async with session.transaction():
                await session.fetch(ENDLESS_WRITE[session.dialect.name])

        error = await error_of(fault)

    assert isinstance(error, DeadlineError)
    assert await names(url) == []


async def test_a_limit_of_the_server(postgres_url: str) -> None:
    """An administrator's, or `pg_cancel_backend`."""
    async with opened(postgres_url) as session:

        async def fault() -> None:
            async with session.transaction():
                await session.fetch("SET LOCAL statement_timeout = '50ms'")
                await session.fetch("SELECT pg_sleep(60)")

        error = await error_of(fault)

    assert isinstance(error, DeadlineError)
    assert error.engine_code == "57014"


# The connection is lost.


async def test_a_connection_lost_in_a_read(postgres_url: str) -> None:
    """Nothing can have been done, and the next call gets another connection."""
    async with opened(postgres_url) as session:
        error = await error_of(lambda: killed(postgres_url, session.fetch("SELECT pg_sleep(60)")))
        assert (await session.fetch("SELECT 1 AS one"))[0]["one"] == 1

    assert isinstance(error, UnavailableError)


async def test_a_connection_lost_in_a_write(postgres_url: str) -> None:
    """It may be stored."""
    async with opened(postgres_url) as session:
        error = await error_of(lambda: killed(postgres_url, session.fetch(ENDLESS_WRITE["postgres"])))

    assert isinstance(error, OutcomeUnknownError)
    assert not error.is_retryable


async def test_a_connection_lost_in_a_transaction(postgres_url: str) -> None:
    """It was not done, so it is repeated."""
    attempts = 0
    async with opened(postgres_url) as session:

        async def work() -> None:
            nonlocal attempts
            attempts += 1
            await Role.create(name=f"attempt {attempts}")
            if attempts == 1:
                await terminate(postgres_url)
            await session.fetch("SELECT 1")

        error = await error_of(lambda: in_transaction(session, work))
        attempts = 0
        await session.unit(work)

    assert isinstance(error, UnavailableError)
    assert attempts == 2
    assert await names(postgres_url) == ["attempt 2"]


async def test_a_connection_lost_during_commit(postgres_url: str) -> None:
    """Nobody knows, so it is not repeated."""
    attempts = 0
    async with opened(postgres_url) as session:

        async def work() -> None:
            nonlocal attempts
            attempts += 1
            await Role.create(name="a")
            await terminate(postgres_url)

        error = await error_of(lambda: session.unit(work))

    assert isinstance(error, OutcomeUnknownError)
    assert attempts == 1


async def test_all_connections_lost_while_idle(postgres_url: str) -> None:
    """At most a call or two notice."""
    async with opened(postgres_url) as session:
        await asyncio.gather(*(session.fetch("SELECT pg_sleep(0.01)") for _ in range(5)))
        await terminate(postgres_url)

        for _ in range(10):
            assert await session.read(lambda: session.fetch("SELECT 1"))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("40P01", UnavailableError),
        ("53300", UnavailableError),
        ("57P03", UnavailableError),
        ("57P01", ConnectionLostError),
        ("08006", ConnectionLostError),
        ("25P03", ConnectionLostError),
        ("53100", StorageError),
        ("53200", StorageError),
        ("XX001", StorageError),
        ("XX002", StorageError),
        ("XX000", AgentDBError),
        ("22003", InvalidInputError),
        ("23P01", ConflictError),
        ("28000", ConfigurationError),
        ("42501", AccessDeniedError),
    ],
)
async def test_codes_that_a_test_cannot_provoke(postgres_url: str, code: str, kind: type[AgentDBError]) -> None:
    """The server raises them for us; class 08, 57P and the like would also end the connection."""
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'told' USING ERRCODE = '{code}', DETAIL = 'Key (a)=({SECRET})'; END $$"
    async with opened(postgres_url) as session:
        error = await error_of(lambda: in_transaction(session, lambda: session.fetch(raising)))

    assert type(error) is kind or (kind is ConflictError and isinstance(error, kind))
    assert error.engine_code == code


# The place is wrong.


@pytest.mark.parametrize(
    ("url", "kind", "told"),
    [
        ("postgresql://postgres@127.0.0.1:1/postgres", UnavailableError, "cannot be reached"),
        ("postgresql://postgres@nowhere.invalid/postgres", UnavailableError, "cannot be reached"),
        ("{user}@{server}/agentdb_no_such_database", ConfigurationError, "agentdb_no_such_database"),
        (f"postgresql://agentdb_nobody:{SECRET}@{{server}}/postgres", ConfigurationError, "refused the login"),
    ],
    ids=["port", "host", "database", "user"],
)
async def test_a_server_that_cannot_be_used(url: str, kind: type[AgentDBError], told: str, postgres_url: str) -> None:
    """Told when it is opened, without the password."""
    user, _, server = postgres_url.rpartition("/")[0].rpartition("@")
    session = session_on(url.format(user=user, server=server))
    error = await error_of(lambda: session.open(MODULES))
    await session.close()

    assert isinstance(error, kind)
    assert told in str(error)


async def test_a_server_that_has_no_tls_when_it_is_demanded() -> None:
    """Nothing is sent in the open instead."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"N")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        session = session_on(f"postgresql://postgres:{SECRET}@127.0.0.1:{port}/db?sslmode=require")
        error = await error_of(lambda: session.open(MODULES))

    assert isinstance(error, ConfigurationError)
    assert SECRET not in str(error)


async def test_a_server_that_does_not_answer(postgres_url: str) -> None:
    """A listening socket, and then silence."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        session = session_on(f"postgresql://postgres:{SECRET}@127.0.0.1:{port}/db", connect_timeout_s=0.3)
        error = await error_of(lambda: session.open(MODULES))

    assert isinstance(error, UnavailableError)


async def test_a_role_without_rights(postgres_url: str) -> None:
    """It may connect, but not read our tables."""
    role = f"agentdb_test_{secrets.token_hex(4)}"
    await outside(postgres_url, f'CREATE ROLE "{role}" LOGIN')
    try:
        async with opened(re.sub(r"//(.*@)?", f"//{role}@", postgres_url)) as session:
            error = await error_of(lambda: session.fetch('SELECT * FROM "User"'))
    finally:
        await outside(postgres_url, f'DROP ROLE "{role}"')

    assert isinstance(error, AccessDeniedError)
    assert error.engine_code == "42501"


async def test_a_read_only_server(postgres_url: str) -> None:
    """As a standby is."""
    async with opened(postgres_url) as session:

        async def fault() -> None:
            async with session.transaction():
                await session.client.execute_script("SET TRANSACTION READ ONLY")
                await session.fetch('DELETE FROM "Role"')

        error = await error_of(fault)

    assert isinstance(error, StorageError)
    assert (error.reason, error.engine_code) == ("read-only", "25006")


@pytest.mark.parametrize(
    ("make", "create", "kind", "reason"),
    [
        (lambda path: path.write_text(SECRET * 1000), True, StorageError, "unreadable"),
        (lambda path: path.write_text(SECRET * 1000), False, StorageError, "unreadable"),
        (lambda path: path.mkdir(), True, StorageError, "unreadable"),
        (lambda path: None, False, SchemaError, None),
    ],
    ids=["no database", "no database, attached", "a directory", "missing"],
)
async def test_a_file_that_cannot_be_used(
    tmp_path: Path, make: Callable[[Path], Any], create: bool, kind: type[AgentDBError], reason: str | None
) -> None:
    """Told when it is opened, and nothing is changed."""
    make(tmp_path / "agent.db")
    before = contents(tmp_path)
    session = session_on(f"sqlite:///{tmp_path / 'agent.db'}", create=create)
    error = await error_of(lambda: session.open(MODULES))
    await session.close()

    assert isinstance(error, kind)
    assert getattr(error, "reason", None) == reason
    assert contents(tmp_path) == before


async def test_many_open_one_new_file_at_once(tmp_path: Path) -> None:
    """Whoever comes first makes it; switching it to write-ahead logging needs it alone, which the others wait for."""
    url = f"sqlite:///{tmp_path / 'agent.db'}"
    sessions = [session_on(url) for _ in range(16)]
    await asyncio.gather(*(session.client.connect() for session in sessions))
    modes = [(await session.client.fetch("PRAGMA journal_mode")).rows[0][0] for session in sessions]
    await asyncio.gather(*(session.close() for session in sessions))

    assert set(modes) == {"wal"}


async def test_a_missing_directory(tmp_path: Path) -> None:
    """It is not made."""
    session = session_on(f"sqlite:///{tmp_path / 'nowhere' / 'agent.db'}")
    error = await error_of(lambda: session.open(MODULES))

    assert isinstance(error, StorageError)
    assert "There is no directory" in str(error)
    assert contents(tmp_path) == {}


async def test_a_damaged_file(sqlite_url: str) -> None:
    """A page of a table is overwritten."""
    file = file_of(sqlite_url)
    ((page, size),) = await outside(
        sqlite_url, "SELECT rootpage, page_size FROM sqlite_schema, pragma_page_size WHERE name = 'Role'"
    )
    with file.open("r+b") as raw:
        raw.seek((page - 1) * size)
        raw.write(b"\xff" * size)
    async with opened(sqlite_url) as session:
        error = await error_of(lambda: session.fetch('SELECT * FROM "Role"'))

    assert isinstance(error, StorageError)
    assert (error.reason, error.engine_code) == ("corrupt", "SQLITE_CORRUPT")


async def test_a_read_only_file(sqlite_template: Path) -> None:
    """Reads go on."""
    with a_directory_for_all() as directory:
        file = directory / "agent.db"
        shutil.copyfile(sqlite_template, file)
        with closing(sqlite3.connect(file)) as raw:
            raw.execute("PRAGMA journal_mode = DELETE")
        file.chmod(0o444)
        with without_privileges():
            async with opened_without_creating(f"sqlite:///{file}") as session:
                error = await error_of(lambda: session.fetch('DELETE FROM "Role"'))
                assert await session.fetch('SELECT * FROM "Role"') == []

    assert isinstance(error, StorageError)
    assert error.reason == "read-only"
    assert error.engine_code is not None
    assert error.engine_code.startswith("SQLITE_READONLY")


@pytest.mark.parametrize("kind", ["alone", "in a transaction", "many"])
async def test_a_full_disk(sqlite_url: str, kind: str) -> None:
    """Nothing of the call is kept, reads go on, and so do writes when there is space again."""
    async with opened(sqlite_url) as session:

        async def fault() -> None:
            with session.use():
                match kind:
                    case "alone":
                        await Role.create(name=SECRET * 100_000)
                    case "in a transaction":
                        async with session.transaction():
                            await Role.create(name="a")
                            await Role.create(name=SECRET * 100_000)
                    case _:
                        await Role.bulk_create([Role(name=f"{n} {SECRET * 1000}") for n in range(100)])

        await session.client.run(lambda channel: limit_pages(channel, 0))
        error = await error_of(fault)
        assert await session.fetch('SELECT * FROM "Role"') == []
        await session.client.run(lambda channel: limit_pages(channel, 1_000_000))
        await fault()

    assert isinstance(error, StorageError)
    assert (error.reason, error.engine_code) == ("full", "SQLITE_FULL")


async def test_a_full_disk_inside_a_nested_block(sqlite_url: str) -> None:
    """SQLite rolls back the whole then, so the outer block must not go on as if it had not."""
    async with opened(sqlite_url) as session:
        await session.client.run(lambda channel: limit_pages(channel, 0))

        async def fault() -> None:
            with session.use():
                async with session.transaction():
                    await Role.create(name="a")
                    with suppress(StorageError):
                        async with session.transaction():
                            await session.fetch(f"""
                                INSERT INTO "Role" ("name")
                                WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
                                SELECT i || '{"x" * 1000}' FROM n
                            """)
                    await Role.create(name="b")

        with suppress(AgentDBError):
            await fault()

    assert await names(sqlite_url) in ([], ["a", "b"])


async def test_a_transaction_that_is_not_ours_is_ended(sqlite_url: str) -> None:
    """A script that leaves one open does not keep the writer in it."""
    async with opened(sqlite_url) as session:
        await session.client.execute_script('BEGIN; INSERT INTO "Role" ("name") VALUES (\'a\')')
        with session.use():
            await Role.create(name="b")

    assert await names(sqlite_url) == ["b"]


async def test_a_script_that_breaks_off_is_refused(session: Session) -> None:
    """Its last statement is not silently left out."""
    error = await error_of(lambda: session.client.execute_script("SELECT 1; SELECT 'un"))

    assert type(error) is AgentDBError


async def test_a_script_may_end_with_a_comment(session: Session) -> None:
    """And hold semicolons in texts, comments and triggers."""
    await session.client.execute_script(
        """
        CREATE TEMPORARY TABLE t (a TEXT); -- one; two
        INSERT INTO t VALUES ('x; y'); /* ; */
        DROP TABLE t;
        -- the end
        """
    )


async def test_errors_of_tortoise_are_ours_too(session: Session) -> None:
    """Code that only knows Tortoise catches its classes."""
    from tortoise.exceptions import DoesNotExist, IntegrityError, OperationalError

    with session.use():
        await Role.create(name="a")
        with pytest.raises(IntegrityError):
            await Role.create(name="a")
        with pytest.raises(OperationalError):
            await Role.raw('SELECT * FROM "Nobody"')
        with pytest.raises(DoesNotExist):
            await Role.get(name="nobody")


async def in_transaction(session: Session, work: Callable[[], Awaitable[object]]) -> None:
    """Run `work` in a transaction, once."""
    with session.use():
        async with session.transaction():
            await work()


async def write_in_some_way(session: Session, kind: str) -> None:
    """One role, by another way into the database each."""
    insert = 'INSERT INTO "Role" ("name") VALUES '
    with session.use():
        match kind:
            case "alone":
                await Role.create(name=SECRET)
            case "in a transaction":
                async with session.transaction():
                    await Role.create(name=SECRET)
            case "many":
                await session.client.execute_many(f"{insert} (?1)", [[SECRET]])
            case _:
                await session.client.execute_script(f"SELECT 1; {insert} ('{SECRET}'); SELECT 2")


async def killed(url: str, work: Awaitable[object]) -> None:
    """Terminate all other connections to the database while `work` runs on one."""
    task = asyncio.ensure_future(work)
    while not await outside(url, SLEEPING):
        await asyncio.sleep(0.01)
    await terminate(url)
    await task


async def terminate(url: str) -> None:
    """End all other connections to the database, and wait until they are gone."""
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    await outside(url, f"SELECT pg_terminate_backend(pid) {others}")
    while await outside(url, f"SELECT 1 {others} AND backend_type = 'client backend'"):
        await asyncio.sleep(0.01)


@asynccontextmanager
async def locked_role(url: str) -> AsyncIterator[None]:
    """All roles are locked by somebody else."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute('BEGIN; SELECT * FROM "Role" FOR UPDATE')
        yield
    finally:
        await connection.close()


@asynccontextmanager
async def nothing() -> AsyncIterator[None]:
    """Nothing stands in the way."""
    yield


@asynccontextmanager
async def opened_without_creating(url: str) -> AsyncIterator[Session]:
    """A session as a service has it that only attaches."""
    session = session_on(url, create=False)
    await session.open(MODULES)
    try:
        yield session
    finally:
        await session.close()


async def limit_pages(channel: Channel, pages: int) -> None:
    """Let the file have so many pages at most, though never fewer than it has."""
    await channel.execute(f"PRAGMA max_page_count = {max(pages, 1)}", ())


@contextmanager
def a_directory_for_all() -> Iterator[Path]:
    """A directory that every OS user may enter; pytest's own temporary ones are private."""
    with tempfile.TemporaryDirectory(prefix="agentdb-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root may write everywhere, so be nobody for the length of the block."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def contents(directory: Path) -> dict[str, bytes | None]:
    """All that lies in `directory`."""
    return {path.name: path.read_bytes() if path.is_file() else None for path in directory.iterdir()}
