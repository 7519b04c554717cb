"""What is repeated by itself: only what is safe, at random moments, within the deadline, and not without end."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing

import asyncpg
import pytest

import agentdb
from agentdb import Database
from agentdb.engine.dialect import ConnectionLostError
from agentdb.engine.postgres_client import PostgresClient
from agentdb.engine.retry import FLOOR, LONGEST_WAIT_S, WINDOW_S, Budget, Doubts, Repeats, _Patience
from agentdb.errors import OutcomeUnknownError, StorageError, UnavailableError
from tests.faults.keyed_calls import CALLS, KEY, KeyedCall, scene_of
from tests.faults.places import on_postgres, on_sqlite, server, sqlite_template
from tests.faults.postgres_rows import WAITING
from tests.faults.private_server import PrivateServer, server_directory, until
from tests.faults.units import Place

__all__ = ["server", "sqlite_template"]

COUNTS = "SELECT " + ", ".join(
    f'(SELECT count(*) FROM "{table}")' for table in ("Conversation", "Message", "Usage", "agentdb_reservation")
)
CALLERS = 100


def wired(place: Place, options: str = "") -> agentdb.Connector:
    """A handle over the way that can be cut."""
    url = f"postgresql://postgres@127.0.0.1:{place.own_wire.port}/{place.name}?sslmode=disable{options}"
    return agentdb.connect(url, skip_sync=True)


async def counts(place: Place) -> tuple[int, ...]:
    """How many rows there are."""
    (row,) = await place.own_server.run(COUNTS, database=place.name)
    return tuple(row)


def cut(place: Place, call: KeyedCall, moment: str) -> None:
    """Let the connection be lost when the call is kept: before its request arrives, or before its reply does."""
    setattr(place.own_wire, moment, KEY.encode() if call.is_merged else b"COMMIT\0")
    place.own_wire.cuts = 1


# an unknown outcome


@pytest.mark.parametrize("moment", ["cut_before", "cut_after"])
@pytest.mark.parametrize("name", CALLS)
async def test_a_keyed_call_survives_a_lost_commit(name: str, moment: str, request: pytest.FixtureRequest) -> None:
    """It is done once, and answers; a repetition by the caller gives the same answer."""
    call = CALLS[name]
    async with on_postgres(request) as place, wired(place) as db:
        scene = await scene_of(db)
        before = await counts(place)
        cut(place, call, moment)
        answer = await call.call(db, scene, KEY)
        repetitions = db.session.repeats.count
        again = await call.call(db, scene, KEY)
        after = await counts(place)

        assert place.own_wire.cuts == 0
        assert repetitions == 1
        assert again == answer
        assert tuple(new - old for old, new in zip(before, after, strict=True)) == call.left


@pytest.mark.parametrize("name", [name for name, call in CALLS.items() if call.needs_key and not call.is_merged])
async def test_without_a_key_it_is_told(name: str, request: pytest.FixtureRequest) -> None:
    """After one attempt, whose rows are there although nobody could know."""
    call = CALLS[name]
    async with on_postgres(request) as place, wired(place) as db:
        scene = await scene_of(db)
        before = await counts(place)
        cut(place, call, "cut_after")
        with pytest.raises(OutcomeUnknownError, match="request_id") as caught:
            await call.call(db, scene, None)
        after = await counts(place)

        assert caught.value.request_id is None
        assert db.session.repeats.count == 0
        assert tuple(new - old for old, new in zip(before, after, strict=True)) == call.left


async def test_in_a_callers_transaction_nothing_is_repeated(request: pytest.FixtureRequest) -> None:
    """Only the caller can repeat the whole."""
    async with on_postgres(request) as place, wired(place) as db:
        scene = await scene_of(db)
        cut(place, CALLS["append_many"], "cut_after")
        with pytest.raises(OutcomeUnknownError):
            async with db.transaction():
                await CALLS["append_many"].call(db, scene, KEY)

        assert db.session.repeats.count == 0


@pytest.mark.parametrize("name", ["append", "append_many"])
async def test_a_doubt_is_never_called_undone(name: str, request: pytest.FixtureRequest) -> None:
    """The reply was lost, and then the server cannot be reached: it may be stored, so that is what is told."""
    call = CALLS[name]
    async with on_postgres(request) as place, wired(place) as db:
        scene = await scene_of(db)
        cut(place, call, "cut_after")
        place.own_wire.is_closed_after_cut = True
        with pytest.raises(OutcomeUnknownError) as caught:
            await call.call(db, scene, KEY)

        assert caught.value.request_id == KEY
        assert db.session.repeats.count > 1
        assert (await counts(place))[1] == call.left[1]


# an unconfirmed commit


@pytest.mark.parametrize("name", ["append", "append in steps", "record", "start", "reset_budgets"])
async def test_a_repeated_call_waits_for_the_standby(name: str, request: pytest.FixtureRequest) -> None:
    """The first attempt is stored here alone. The second one finds it, and still acknowledges nothing before the
    standby has it: with a plain read it would, and a failover would lose what was acknowledged."""
    call = CALLS[name]
    async with on_postgres(request) as place, agentdb.connect(place.url, skip_sync=True) as db:
        own = place.own_server
        waiting = WAITING.format(place.name, "IPC")
        scene = await scene_of(db)
        await own.hold_commits()
        try:
            answer = asyncio.ensure_future(call.call(db, scene, KEY))
            await until(lambda: own.run(waiting))
            ((first,),) = await own.run(waiting)
            await own.run(f"SELECT pg_terminate_backend({first}, 10000)")
            await until(lambda: own.run(f"{waiting} AND pid <> {first} AND wait_event = 'SyncRep'"))
            await asyncio.sleep(0.2)
            is_early = answer.done()
        finally:
            await own.set("synchronous_standby_names", "")
        await answer

        assert not is_early
        assert db.session.repeats.count == 1


# no connection


@asynccontextmanager
async def only_connection_in_use(db: Database) -> AsyncIterator[None]:
    """Another task holds a transaction, on the only connection there is, until the block ends."""
    entered, leave = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with db.transaction():
            await db.session.fetch("SELECT 1")
            entered.set()
            await leave.wait()

    holding = asyncio.create_task(hold())
    await entered.wait()
    try:
        yield
    finally:
        leave.set()
        await holding


async def test_a_server_that_shuts_down(request: pytest.FixtureRequest) -> None:
    """57P03: told to who connects, and waited for by who is connected."""
    async with on_postgres(request) as place:
        own = place.own_server
        try:
            async with agentdb.connect(place.url, skip_sync=True) as db:
                async with only_connection_in_use(db):
                    own.signal(signal.SIGTERM)  # it waits for those who are connected
                    await until(lambda: _refusal(own))
                    with pytest.raises(UnavailableError) as caught:
                        await agentdb.connect(place.url, skip_sync=True)
                    reading = asyncio.create_task(db.usage.remaining(place.user_id))
                    await until(lambda: db.session.repeats.count)
                assert await reading is None
        finally:
            await own.stop()
            await own.start()

    assert (caught.value.engine_code, caught.value.is_retryable) == ("57P03", True)


async def _refusal(own: PrivateServer) -> bool:
    try:
        await own.run("SELECT 1")
    except asyncpg.CannotConnectNowError:
        return True
    return False


async def test_a_server_without_a_free_connection(request: pytest.FixtureRequest) -> None:
    """53300: told to who connects, and waited for by who is connected."""
    async with on_postgres(request) as place:
        own = place.own_server
        role = f"few_{place.name}"
        await own.run(
            f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 1",
            f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}",
            database=place.name,
        )
        url = own.url(place.name, role=role)
        async with agentdb.connect(url, skip_sync=True) as db:
            with pytest.raises(UnavailableError) as caught:
                await agentdb.connect(url, skip_sync=True)
            async with only_connection_in_use(db):
                reading = asyncio.create_task(db.usage.remaining(place.user_id))
                await until(lambda: db.session.repeats.count)
            assert await reading is None
        assert (caught.value.engine_code, caught.value.is_retryable) == ("53300", True)


async def test_a_refused_connection(request: pytest.FixtureRequest) -> None:
    """Told to who connects; who is connected tries a few times."""
    async with on_postgres(request) as place, wired(place) as db:
        place.own_wire.close()
        with pytest.raises(UnavailableError, match="reached"):
            await wired(place)
        with pytest.raises(UnavailableError):
            await db.usage.remaining(place.user_id)

        assert 1 < db.session.repeats.count <= FLOOR


@pytest.mark.parametrize("kind", ["reads", "merged writes", "units"])
async def test_no_storm_when_the_server_is_gone(kind: str, request: pytest.FixtureRequest) -> None:
    """A hundred callers at once: one attempt each and few repetitions, counted where the server would be."""
    async with on_postgres(request) as place, wired(place) as db:
        calls: dict[str, Callable[[int], Awaitable[object]]] = {
            "reads": lambda n: db.usage.remaining(place.user_id),
            "merged writes": lambda n: db.usage.record(user_id=place.user_id, model="mock-model", request_id=f"r{n}"),
            "units": lambda n: db.usage.record_many([{"model": "mock-model"}] * 2, user_id=place.user_id),
        }
        place.own_wire.hang_up()
        client = db.session.client
        assert isinstance(client, PostgresClient)
        await until(lambda: client.idle_connections[0] == 0)  # whoever uses it would be in doubt
        place.own_wire.connections = 0
        errors = await asyncio.gather(*(calls[kind](n) for n in range(CALLERS)), return_exceptions=True)

        assert {type(error) for error in errors} <= {UnavailableError, ConnectionLostError}
        assert kind == "merged writes" or any("not tried again" in str(error) for error in errors)
        assert place.own_wire.connections <= CALLERS + FLOOR
        assert 0 < db.session.repeats.count <= FLOOR


async def test_rows_and_locks_have_no_budget(request: pytest.FixtureRequest) -> None:
    """However many callers lost a lock: each is repeated."""
    async with on_sqlite(request) as place:
        async with agentdb.connect(place.url + "?acquire_timeout_s=0.2", skip_sync=True) as db:
            with closing(sqlite3.connect(place.file, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                appends = [asyncio.create_task(place.append(db)) for _ in range(4 * FLOOR)]
                await until(lambda: db.session.repeats.count > 2 * FLOOR)
                other.execute("ROLLBACK")
                await asyncio.gather(*appends)

        assert await place.messages() == 4 * FLOOR


def test_a_tenth_of_the_calls_may_be_repetitions() -> None:
    """Of those of the last ten seconds, and always a few."""
    now = 1000.0
    budget = Budget(lambda: now)
    few = [budget.spend() for _ in range(FLOOR + 5)]
    now += WINDOW_S + 1
    for _ in range(1000):
        budget.called()
    many = [budget.spend() for _ in range(200)]
    now += WINDOW_S + 1

    assert few.count(True) == FLOOR
    assert many.count(True) == 100
    assert budget.spend()


def test_waits_are_drawn_from_nothing_on() -> None:
    """Who failed together does not come back together."""
    waits = []
    for _ in range(200):
        patience = _Patience(Repeats(), Doubts())
        waits.append([patience.wait_after(UnavailableError("no")) for _ in range(9)])
    longest = [max(column) for column in zip(*waits, strict=True)]
    shortest = [min(column) for column in zip(*waits, strict=True)]

    assert all(high <= min(LONGEST_WAIT_S, 0.02 * 2**n) for n, high in enumerate(longest))
    assert longest[-1] > 0.8 * LONGEST_WAIT_S
    assert all(low < high / 4 for low, high in zip(shortest, longest, strict=True))


# a server that only reads


@asynccontextmanager
async def two_servers(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Place, PrivateServer, str]]:
    """A database, one of the same name on another server, and a URL with both."""
    async with on_postgres(request) as place:
        with server_directory() as directory:
            other = PrivateServer(directory)
            await other.start()
            try:
                async with agentdb.connect(other.url(place.name), create_database=True) as db:
                    await db.conversations.start(user_id=(await db.access.create_user(email="ada@example.org")).id)
                hosts = f"{place.own_server.authority},{other.authority}"
                yield place, other, f"postgresql://postgres@{hosts}/{place.name}?target_session_attrs=read-write"
            finally:
                await other.stop()


async def test_another_server_takes_over(request: pytest.FixtureRequest) -> None:
    """Writes that meet a server which only reads by now find the other one, once; then nothing is left to find."""
    async with two_servers(request) as (place, other, url):
        async with agentdb.connect(url, skip_sync=True) as db:
            await place.append(db)
            await db.conversations.append_many(
                place.conversation_id, user_id=place.user_id, messages=[{"role": "user", "content": [{"text": "a"}]}]
            )
            await place.own_server.set("default_transaction_read_only", "on")
            try:
                await until(lambda: _only_reads(db))
                await place.append(db)
                moved = await other.run('SELECT count(*) FROM "Message"', database=place.name)
                await other.set("default_transaction_read_only", "on")
                await asyncio.sleep(1.1)
                with pytest.raises((StorageError, UnavailableError)):
                    await place.append(db)
            finally:
                await place.own_server.run(
                    "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()"
                )
        stayed = await place.messages()

    assert stayed == 2
    assert moved == [(1,)]


async def _only_reads(db: Database) -> bool:
    (row,) = await db.session.fetch("SELECT current_setting('transaction_read_only') AS only_reads")
    return bool(row["only_reads"] == "on")
