"""The rows of the table of error classes on PostgreSQL, each by a fault of a real server."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from agentdb import Conversation, Database, User
from agentdb.engine.dialect import ConnectionLostError
from agentdb.errors import (
    AccessDeniedError,
    ConflictError,
    DeadlineError,
    OutcomeUnknownError,
    SchemaError,
    StorageError,
    UnavailableError,
)
from tests.faults.private_server import until
from tests.faults.units import Place, Prepare, Row

WAITING: Final = "SELECT pid FROM pg_stat_activity WHERE datname = '{}' AND wait_event_type = '{}'"


@asynccontextmanager
async def raw(place: Place) -> AsyncIterator[asyncpg.Connection]:
    """A connection of somebody else's."""
    connection = await asyncpg.connect(place.own_server.url(place.name))
    try:
        yield connection
    finally:
        await connection.close()


async def pid_of(db: Database) -> int:
    """The server process of the transaction that is open."""
    (row,) = await db.session.fetch("SELECT pg_backend_pid() AS pid")
    return int(row["pid"])


@asynccontextmanager
async def row_changed_meanwhile(place: Place, db: Database) -> AsyncIterator[None]:
    """After the unit has seen the conversation, somebody changes it."""
    with db.use():
        await Conversation.get(id=place.conversation_id)
    async with raw(place) as other:
        await other.execute('UPDATE "Conversation" SET "title" = $1', "theirs")
    yield


@asynccontextmanager
async def deadlock(place: Place, db: Database) -> AsyncIterator[None]:
    """The unit holds the user and wants the conversation; somebody else the other way round."""
    with db.use():
        await User.filter(id=place.user_id).update(first_name="ours")
    async with raw(place) as other:
        await other.execute("SET deadlock_timeout = '1h'")  # let us be the one who is chosen
        transaction = other.transaction()
        await transaction.start()
        await other.execute('UPDATE "Conversation" SET "title" = $1', "theirs")
        waiting = asyncio.create_task(other.execute('UPDATE "User" SET "firstName" = $1', "theirs"))
        await until(lambda: place.own_server.run(WAITING.format(place.name, "Lock")))
        try:
            yield
        finally:
            await asyncio.sleep(0)
            # Ours ends with its rollback, which comes after this block: theirs is not waited for here.
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)


@asynccontextmanager
async def locked(place: Place, db: Database) -> AsyncIterator[None]:
    """Somebody else holds the lock of the conversation."""
    async with raw(place) as other, other.transaction():
        await other.execute('SELECT 1 FROM "Conversation" FOR UPDATE')
        yield


@asynccontextmanager
async def cancelled(place: Place, db: Database) -> AsyncIterator[None]:
    """The administrator cancels the write while it waits for a lock."""
    async with locked(place, db):
        cancelling = asyncio.create_task(_signalled(place, "pg_cancel_backend", "Lock"))
        yield
        await cancelling


@asynccontextmanager
async def terminated(place: Place, db: Database) -> AsyncIterator[None]:
    """The administrator ends the connection."""
    pid = await pid_of(db)
    await place.own_server.run(f"SELECT pg_terminate_backend({pid}, 10000)")
    yield


@asynccontextmanager
async def crashed(place: Place, db: Database) -> AsyncIterator[None]:
    """Another server process dies, so the server ends all connections and recovers."""
    server = place.own_server
    pid = await pid_of(db)
    other = await asyncpg.connect(server.url(place.name))
    os.kill(other.get_server_pid(), signal.SIGKILL)
    other.terminate()

    async def has_recovered() -> bool:
        try:
            return not await server.run(f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid}")
        except (asyncpg.PostgresError, OSError):
            return False

    await until(has_recovered, within_s=60)
    yield


@asynccontextmanager
async def duplicate(place: Place, db: Database) -> AsyncIterator[None]:
    """Two users want one address."""
    with db.use():
        await User.create(email="taken@example.org")
        await User.create(email="taken@example.org")
    yield


@asynccontextmanager
async def orphan(place: Place, db: Database) -> AsyncIterator[None]:
    """A conversation of nobody."""
    with db.use():
        await Conversation.create(user_id=987_654)
    yield


@asynccontextmanager
async def twins(place: Place, db: Database) -> AsyncIterator[None]:
    """Two conversations under one title."""
    for _ in range(2):
        await db.conversations.start(user_id=place.user_id, title="one title")
    yield


async def _signalled(place: Place, function: str, event: str) -> None:
    """Send a signal to the connection that waits."""
    server, waiting = place.own_server, WAITING.format(place.name, event)
    await until(lambda: server.run(waiting))
    await server.run(f"SELECT {function}(pid) FROM ({waiting}) AS waiting")


@asynccontextmanager
async def unconfirmed(place: Place, db: Database) -> AsyncIterator[None]:
    """The standby that COMMIT waits for does not exist, and the administrator cancels the wait."""
    server = place.own_server
    await server.hold_commits()
    cancelling = asyncio.create_task(_signalled(place, "pg_cancel_backend", "IPC"))
    try:
        yield
    finally:
        await server.set("synchronous_standby_names", "")
        await cancelling


def statements(*given: str) -> Prepare:
    """Run them in the database before."""

    async def prepare(place: Place) -> None:
        await place.own_server.run(*given, database=place.name)

    return prepare


def damaged(relation: str, *, byte: bytes) -> Prepare:
    """The first page of the relation is overwritten in its file."""

    async def prepare(place: Place) -> None:
        ((path,),) = await place.own_server.run(f"SELECT pg_relation_filepath('{relation}')", database=place.name)
        with (place.own_server.data / path).open("r+b") as file:
            file.write(byte * 8192)

    return prepare


def trigger(body: str) -> Prepare:
    """What the server does with each new message."""
    return statements(
        f"CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NEW; END $$",
        'CREATE TRIGGER spoil BEFORE INSERT ON "Message" FOR EACH ROW EXECUTE FUNCTION spoil()',
    )


async def without_rights(place: Place) -> None:
    """A role that may only read."""
    role = f"reader_{place.name}"
    await place.own_server.run(
        f"CREATE ROLE {role} LOGIN",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
        database=place.name,
    )
    place.url = place.own_server.url(place.name, role=role)


TITLE: Final = 'ALTER TABLE "Conversation" ADD '


def commit_cut(name: str, *, keeps: int) -> Row:
    """The connection is lost in COMMIT, at the moment that this attribute of a `Wire` names."""

    async def over_wire(place: Place) -> None:
        place.url = f"postgresql://postgres@127.0.0.1:{place.own_wire.port}/{place.name}?sslmode=disable"

    @asynccontextmanager
    async def around(place: Place, db: Database) -> AsyncIterator[None]:
        setattr(place.own_wire, name, b"COMMIT\0")  # and not "COMMITTED"
        place.own_wire.cuts = 1
        yield

    return Row(
        name=f"COMMIT {name}", kind=OutcomeUnknownError, codes=("08003", "08006", None), prepare=over_wire,
        around=around, stored=keeps, options="&statement_timeout_s=1" if name == "hold_after" else "",
    )  # fmt: skip


ROWS: Final = (
    Row(
        name="40001", kind=UnavailableError, codes=("40001",), inside=row_changed_meanwhile, is_repeated=True,
        options="?isolation=serializable",
    ),
    Row(name="40P01", kind=UnavailableError, codes=("40P01",), inside=deadlock, is_repeated=True),
    Row(
        name="55P03", kind=UnavailableError, codes=("55P03",), inside=locked, is_repeated=True,
        prepare=lambda place: place.own_server.run(f"ALTER DATABASE {place.name} SET lock_timeout = '100ms'"),
    ),
    Row(
        name="57P01", kind=ConnectionLostError, codes=("57P01", "08003", None), inside=terminated, is_repeated=True,
    ),
    Row(name="57P02", kind=ConnectionLostError, codes=("57P02", "08003", None), inside=crashed, is_repeated=True),
    Row(name="01000", kind=OutcomeUnknownError, codes=(None,), around=unconfirmed, stored=1),
    Row(name="57014", kind=DeadlineError, codes=("57014",), inside=cancelled),
    Row(name="23505", kind=ConflictError, codes=("23505",), inside=duplicate),
    Row(name="23503", kind=ConflictError, codes=("23503",), inside=orphan),
    Row(
        name="23514", kind=ConflictError, codes=("23514",), inside=twins,
        prepare=statements(TITLE + "CHECK (\"title\" <> 'one title')"),
    ),
    Row(
        name="23P01", kind=ConflictError, codes=("23P01",), inside=twins,
        prepare=statements(TITLE + 'EXCLUDE USING btree ("title" WITH =)'),
    ),
    Row(
        name="53100", kind=StorageError, codes=("53100",), reason="full",
        prepare=trigger("COPY (SELECT repeat('x', 100000)) TO '/dev/full'"),
    ),
    Row(
        name="53200", kind=StorageError, codes=("53200",), reason="full",
        prepare=trigger("PERFORM pg_advisory_xact_lock(n) FROM generate_series(1, 1000000) AS n"),
    ),
    Row(
        name="25006", kind=StorageError, codes=("25006",), reason="read-only",
        prepare=lambda place: place.own_server.run(
            f"ALTER DATABASE {place.name} SET default_transaction_read_only = on"
        ),
    ),
    Row(name="42501", kind=AccessDeniedError, codes=("42501",), prepare=without_rights),
    Row(name="42P01", kind=SchemaError, codes=("42P01",), prepare=statements('DROP TABLE "Message" CASCADE')),
    Row(
        name="XX001", kind=StorageError, codes=("XX001",), reason="corrupt",
        prepare=damaged('"Conversation"', byte=b"\xff"),
    ),
    Row(
        name="XX002", kind=StorageError, codes=("XX002",), reason="corrupt",
        prepare=damaged('"Message_conversationID_id_idx"', byte=b"\0"),
    ),
    commit_cut("cut_before", keeps=0),
    commit_cut("cut_after", keeps=1),
    commit_cut("hold_after", keeps=1),
)  # fmt: skip
