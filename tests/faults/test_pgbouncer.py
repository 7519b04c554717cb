"""PgBouncer in transaction mode: everything works, with as many clients as there are, and nothing is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg
import pytest
from hypothesis import Phase, given, seed, settings

import agentdb
from agentdb import ConfigurationError, Database, DeadlineError
from agentdb.engine.postgres import PostgresTarget
from agentdb.engine.postgres_client import PostgresClient
from agentdb.testing.factory import DatabaseFactory
from tests.counts import COUNTS
from tests.engine.engines import opened, outside
from tests.faults.pgbouncer import Place, pgbouncer
from tests.services.bad_calls import CALLS
from tests.services.both_engines import answer_undone, furnished, named
from tests.services.drawn_sequences import sequences
from tests.services.operations import Operation
from tests.services.test_same_answers import BEGINNING, LENGTH, SETTINGS
from tests.services.twins import Twins

pytestmark = pytest.mark.pgbouncer

MODEL = "us.anthropic.claude-sonnet-4-6"
SEQUENCES = 4
CLIENTS, SERVERS, TRANSACTIONS = 400, 4, 800
IGNORED = "ignore_startup_parameters = jit, default_transaction_isolation"
PATIENCE = "&".join(f"{name}_timeout_s=120" for name in ("connect", "acquire", "statement", "transaction"))

# What a client left in the session of the server that it had: settings, statements, cursors, channels, locks, tables.
LEFT = """
SELECT 'setting ' || name AS what FROM pg_settings WHERE source = 'session'
    -- These PgBouncer itself sets for each client.
    AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings')
UNION ALL SELECT 'statement ' || name FROM pg_prepared_statements
UNION ALL SELECT 'cursor ' || name FROM pg_cursors WHERE is_holdable
UNION ALL SELECT 'channel ' || pg_listening_channels()
UNION ALL SELECT 'lock ' || objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
UNION ALL SELECT 'table ' || relname FROM pg_class WHERE relpersistence = 't' AND pg_table_is_visible(oid)
"""


def address_of(url: str) -> tuple[str, int, str, str]:
    """Host, port, database and user of a URL of the test server."""
    server = urlsplit(url)
    assert server.hostname is not None
    assert server.port is not None
    assert server.username is not None
    return unquote(server.hostname), server.port, server.path.removeprefix("/"), server.username


@pytest.fixture
def empty(agent_db_factory: DatabaseFactory) -> Iterator[str]:
    """The URL of an empty database, past PgBouncer."""
    with agent_db_factory.empty(engine="postgresql") as url:
        yield url


@pytest.fixture
def place(empty: str) -> Iterator[Place]:
    """PgBouncer before that database."""
    with pgbouncer(*address_of(empty), pool_size=SERVERS) as made:
        yield made


@asynccontextmanager
async def through(direct: Database, place: Place) -> AsyncIterator[Database]:
    """The database of another handle, through PgBouncer."""
    target = direct.session.target
    assert isinstance(target, PostgresTarget)
    name = target.database
    async with agentdb.connect(f"{place.url_of(name)}&{PATIENCE}", skip_sync=True, settings=direct.settings) as db:
        yield db


async def left_behind(place: Place) -> list[str]:
    """What stands in the sessions of all servers, each of which is held by a transaction meanwhile."""
    async with AsyncExitStack() as stack:
        found: dict[int, list[str]] = {}
        for _ in range(SERVERS):
            connection = await asyncpg.connect(place.bare_url, statement_cache_size=0)
            stack.push_async_callback(connection.close)
            await connection.execute("BEGIN")
            stack.push_async_callback(connection.execute, "ROLLBACK")
            pid = await connection.fetchval("SELECT pg_backend_pid()")
            found[pid] = [row["what"] for row in await connection.fetch(LEFT)]
        assert len(found) == SERVERS
        return [what for whats in found.values() for what in whats]


async def test_several_starts_go_through_it(place: Place) -> None:
    """More services than it has connections migrate and seed an empty database at once: none waits for ever."""
    url = f"{place.url}&{PATIENCE}"
    async with AsyncExitStack() as stack:
        started = await asyncio.gather(*(stack.enter_async_context(agentdb.connect(url)) for _ in range(SERVERS + 2)))
        user = await started[0].access.create_user(email="a@example.org", with_api_key=False)

        assert [bool(db.started and db.started.applied) for db in started].count(True) == 1
        assert {(await db.access.user(user.id)).email for db in started} == {"a@example.org"}
    assert await left_behind(place) == []


async def test_every_public_call_works_through_it(agent_db_factory: DatabaseFactory) -> None:
    """With arguments that are fine each answers as it does without; their zone of time differs from the server's."""
    with agent_db_factory(engine="postgresql") as direct:
        url = direct.url
        name = urlsplit(url).path.removeprefix("/")
        await outside(url, f"ALTER DATABASE \"{name}\" SET TimeZone = 'Asia/Kathmandu'")
        with pgbouncer(*address_of(url), pool_size=SERVERS) as place:
            async with through(direct, place) as pooled:
                world = await furnished(pooled, "x")
                odd = {}
                for call, known in CALLS.items():
                    asked = named(call, known.fine(world))
                    ours, theirs = await answer_undone(direct, asked), await answer_undone(pooled, asked)
                    if not ours.error == theirs.error == known.refuses:
                        odd[call] = (ours, theirs)

                assert odd == {}
            assert await left_behind(place) == []
        await direct.close()


@pytest.mark.parametrize("number", range(max(1, COUNTS.operation_sequences // 64)))
def test_it_answers_as_sqlite_does(agent_db_factory: DatabaseFactory, number: int) -> None:
    """All services, in any order, in transactions and outside: the same records, errors, events and rows."""
    with agent_db_factory.empty(engine="postgresql") as url, pgbouncer(*address_of(url), pool_size=SERVERS) as place:

        async def compare(sqlite: Database, direct: Database, operations: list[Operation]) -> None:
            async with through(direct, place) as pooled:
                await Twins(sqlite, pooled).play([*BEGINNING, *operations])

        def check(operations: list[Operation]) -> None:
            with agent_db_factory(engine="sqlite") as sqlite, agent_db_factory(engine="postgresql") as direct:
                asyncio.run(compare(sqlite, direct, operations))

        phases = [Phase.generate]  # what fails would take minutes to be made short
        seed(number)(settings(SETTINGS, phases=phases, max_examples=SEQUENCES)(given(sequences(LENGTH))(check)))()


async def test_many_clients_share_few_connections(place: Place) -> None:
    """400 clients, each in a transaction of its own: 800 of 800 are kept, no cent is off, and nothing is left."""
    # Under a stricter isolation so many clients of so few users would mostly refuse each other.
    url = f"{place.url}&{PATIENCE}&pool_size={CLIENTS}&isolation=read+committed"
    async with agentdb.connect(url) as db:
        client = db.session.client
        assert isinstance(client, PostgresClient)
        async with AsyncExitStack() as stack:
            for _ in range(CLIENTS):
                await stack.enter_async_context(client.lease())
        users = [
            await db.access.create_user(email=f"{number}@example.org", budget=Decimal(10), with_api_key=False)
            for number in range(20)
        ]
        pids: set[int] = set()

        async def pay(number: int) -> None:
            user = users[number % len(users)]
            async with db.transaction():
                (before,) = await db.session.fetch("SELECT pg_backend_pid() AS pid")
                await db.usage.record(user_id=user.id, model=MODEL, input_tokens=1000, request_id=f"r{number}")
                (after,) = await db.session.fetch("SELECT pg_backend_pid() AS pid")
                assert before["pid"] == after["pid"]
                pids.add(before["pid"])

        results = await asyncio.gather(*(pay(number) for number in range(TRANSACTIONS)), return_exceptions=True)
        (cost,) = {charge.cost_usd for charge in [await db.usage.record(**one) for one in repeated(users)]}
        left = {await db.usage.remaining(user.id) for user in users}

        assert client.idle_connections == (CLIENTS, CLIENTS)
        assert [result for result in results if result is not None] == []
        assert len(pids) <= SERVERS
        assert left == {10 - cost * (TRANSACTIONS // len(users))}
    assert await left_behind(place) == []


def repeated(users: list[Any]) -> Iterator[dict[str, Any]]:
    """The same calls once more, one for each user: they are charged no second time."""
    for number, user in enumerate(users):
        yield {"user_id": user.id, "model": MODEL, "input_tokens": 1000, "request_id": f"r{number}"}


async def test_what_a_client_leaves_behind_is_found(place: Place) -> None:
    """The check of the tests above sees what a careless one does."""
    connection = await asyncpg.connect(place.bare_url, statement_cache_size=0)
    await connection.execute("SET statement_timeout = '1h'; SELECT pg_advisory_lock(7)")
    await connection.execute("PREPARE mine AS SELECT 1; LISTEN here; CREATE TEMP TABLE own (id int)")
    await connection.close()

    assert {what.split()[0] for what in await left_behind(place)} == {
        "setting", "lock", "statement", "channel", "table"
    }  # fmt: skip


async def test_a_statement_is_stopped_through_it(place: Place, empty: str) -> None:
    """The deadline is kept, the server stops, and its connection serves the next one."""
    async with opened(place.url.partition("?")[0], pooler="transaction", statement_timeout_s=2) as session:
        with pytest.raises(DeadlineError):
            await session.fetch("SELECT pg_sleep(600)")
        for _ in range(1000):
            busy = await outside(empty, "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
                                 " AND state = 'active'")  # fmt: skip
            if not busy:
                break
            await asyncio.sleep(0.02)

        assert not busy
        assert (await session.fetch("SELECT 1 AS one"))[0]["one"] == 1


async def test_who_forgets_to_say_so_is_told(place: Place) -> None:
    """PgBouncer refuses our settings."""
    with pytest.raises(ConfigurationError) as caught:
        await agentdb.connect(place.bare_url)

    assert "unsupported startup parameter: jit" in str(caught.value)
    assert "pooler=transaction in the URL, or AGENTDB_POOLER" in str(caught.value)


async def test_who_forgets_to_say_so_is_told_too_by_a_lenient_pooler(place: Place, empty: str) -> None:
    """PgBouncer was told to ignore our settings. Then a statement is prepared on one server and executed on another."""
    async with agentdb.connect(place.url):
        pass
    with pgbouncer(*address_of(empty), pool_size=2, settings=IGNORED) as other:
        async with AsyncExitStack() as stack:
            first, second = [await asyncpg.connect(other.bare_url, statement_cache_size=0) for _ in range(2)]
            stack.push_async_callback(first.close)
            stack.push_async_callback(second.close)
            db = await stack.enter_async_context(agentdb.connect(other.bare_url, skip_sync=True))
            await first.execute("BEGIN; SELECT 1")
            await db.catalog.models()  # on the other server
            await second.execute("BEGIN; SELECT 1")  # on that one too, so what is left is the first one's
            await first.execute("ROLLBACK")
            with pytest.raises(ConfigurationError) as caught:
                await db.catalog.models()

    assert caught.value.engine_code == "26000"
    assert "pooler=transaction in the URL, or AGENTDB_POOLER" in str(caught.value)


async def test_several_hosts_behind_it_are_asked_themselves(place: Place, empty: str) -> None:
    """It goes on telling what some server said once, so a server that turned read-only is found by asking."""
    name = urlsplit(empty).path.removeprefix("/")
    url = f"{place.url}&target_session_attrs=read-write"
    async with opened(url):
        pass
    await outside(empty, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    await outside(
        empty, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
        name,
    )  # fmt: skip
    with pytest.raises(agentdb.UnavailableError, match="target_session_attrs=read-write"):
        async with opened(url):
            pass
