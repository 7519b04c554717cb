"""Deadlines: whatever the way to the database does, a call ends in time, and says what became of it."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import pytest

from agentdb import Database, DeadlineError, OutcomeUnknownError, TransactionError, UnavailableError
from agentdb.engine import Steps
from agentdb.engine.steps import Query
from agentdb.testing.factory import DatabaseFactory
from tests.counts import COUNTS
from tests.faults.calls import (
    ALL,
    ALONE,
    ASKS_NOTHING,
    MERGED,
    NAMES,
    NOT_AWAITED,
    READS,
    WRITES,
    Outcome,
    assert_answers,
    outcomes,
)
from tests.faults.furnished import POOL_SIZE, furnished_file, handle, held, locked, placed
from tests.services.both_engines import digest

WITHIN_S: Final = 0.3
LONGER_S: Final = 1.0
DOMAINS: Final = ("access", "agents", "catalog", "conversations", "knowledge", "usage")
ENDLESS: Final = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
RUNNING: Final = """
SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'WITH RECURSIVE n(i)%'
AND datname = current_database() AND pid <> pg_backend_pid()
"""


def assert_ended(
    found: Mapping[str, Outcome],
    expected: Callable[[str], Iterable[type[BaseException] | None]],
    *,
    within_s: float = WITHIN_S,
) -> None:
    """All ended in time, each in one of the expected ways."""
    late = {name: one for name, one in found.items() if one.took_s > within_s + COUNTS.deadline_slack_s}
    wrong = {name: one for name, one in found.items() if one.error not in expected(name)}

    assert late == {}
    assert wrong == {}


def test_every_call_takes_a_timeout(agent_db: Database) -> None:
    """Under one name and with one meaning: seconds, or None for the configured limit."""
    services = {name: getattr(agent_db, name) for name in DOMAINS}
    calls = {
        f"{domain}.{name}": inspect.signature(method).parameters.get("timeout")
        for domain, service in services.items()
        for name, method in inspect.getmembers(service, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }
    own = {name: getattr(agent_db, name) for name in ("run", "transaction")}
    calls |= {name: inspect.signature(method).parameters.get("timeout") for name, method in own.items()}

    assert {*calls} == {*NAMES, ASKS_NOTHING, "run", "transaction"} == {*ALL, "run", "transaction"} - {NOT_AWAITED}
    for name, parameter in calls.items():
        assert parameter is not None, name
        assert (parameter.annotation, parameter.default, parameter.kind) == (
            "float | None", None, inspect.Parameter.KEYWORD_ONLY
        ), name  # fmt: skip


@pytest.mark.parametrize("is_given", [True, False], ids=["given", "configured"])
async def test_a_silent_server(agent_db_factory: DatabaseFactory, is_given: bool) -> None:
    """Nothing arrives and nothing is closed: neither a statement nor a request to cancel it comes through."""
    async with placed(agent_db_factory, configured_s=WITHIN_S) as place:
        before, timeout = await digest(place.outside), WITHIN_S if is_given else None
        found = await place.under(place.way.fall_silent, ALONE, timeout=timeout)

        assert_ended(found, lambda _: [DeadlineError])
        assert await digest(place.outside) == before
        merged = await place.under(place.way.fall_silent, MERGED, keys="once", timeout=timeout)
        assert_ended(merged, lambda _: [OutcomeUnknownError])
        await place.assert_done_once("once")
        await assert_answers(place.db, place.world)


async def test_a_server_that_falls_silent_at_commit(
    agent_db_factory: DatabaseFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """Those whose COMMIT was sent, and nobody else, are told that it may be stored."""
    async with placed(agent_db_factory) as place:
        before = await digest(place.outside)
        writes = [name for name in WRITES if name not in MERGED]
        found = await place.under(place.way.fall_silent_at_commit, writes, timeout=LONGER_S)
        unknown = [one for one in found.values() if one.error is OutcomeUnknownError]

        assert_ended(found, lambda _: [DeadlineError, OutcomeUnknownError], within_s=LONGER_S)
        assert len(unknown) == place.way.silenced >= 5
        assert not any("rolled back" in one.text for one in unknown)
        reads = await place.under(place.way.fall_silent_at_commit, READS, timeout=LONGER_S)
        assert_ended(reads, lambda name: [DeadlineError, ALL[name].refuses], within_s=LONGER_S)
        assert DeadlineError in {one.error for one in reads.values()}
        assert await digest(place.outside) == before
        await assert_answers(place.db, place.world)
    gc.collect()
    assert "never retrieved" not in caplog.text


async def test_a_slow_server(agent_db_factory: DatabaseFactory) -> None:
    """Each answer comes after the deadline."""
    async with placed(agent_db_factory) as place:
        before = await digest(place.outside)
        found = await place.under(place.way.slow_down, ALONE, timeout=WITHIN_S)

        assert_ended(found, lambda _: [DeadlineError])
        assert await digest(place.outside) == before
        merged = await place.under(place.way.slow_down, MERGED, keys="once", timeout=WITHIN_S)
        assert_ended(merged, lambda _: [OutcomeUnknownError])
        await place.assert_done_once("once")
        await assert_answers(place.db, place.world)


async def test_a_server_that_refuses_connections(agent_db_factory: DatabaseFactory) -> None:
    """It is told that it cannot be reached, not only that time is over."""
    async with placed(agent_db_factory) as place:
        before = await digest(place.outside)
        await place.way.refuse()
        found: dict[str, Outcome] = {}
        for first in range(0, len(NAMES), POOL_SIZE):
            some = NAMES[first : first + POOL_SIZE]
            found |= await outcomes(place.db, place.world, some, timeout=LONGER_S)

        assert {name: one for name, one in found.items() if not one.is_unavailable} == {}
        assert_ended(found, lambda name: [found[name].error], within_s=LONGER_S)
        assert await digest(place.outside) == before
        await place.way.reopen()
        await assert_answers(place.db, place.world)


async def test_a_full_pool(agent_db_factory: DatabaseFactory) -> None:
    """All connections belong to transactions of other tasks."""
    async with placed(agent_db_factory, pool_size=2) as place:
        before = await digest(place.outside)
        async with held(place.db), held(place.db):
            found = await outcomes(place.db, place.world, timeout=WITHIN_S)

        assert_ended(found, lambda _: [DeadlineError])
        assert await digest(place.outside) == before
        await assert_answers(place.db, place.world)


@pytest.mark.parametrize("by", ["another process", "a transaction of this handle"])
async def test_a_held_write_lock(agent_db_factory: DatabaseFactory, by: str) -> None:
    """Writes wait for it until their deadlines; reads do not need it."""
    async with furnished_file(agent_db_factory) as (db, world, file):
        before = await digest(db)
        async with held(db) if by.startswith("a ") else locked(file, "IMMEDIATE"):
            found = await outcomes(db, world, WRITES, timeout=WITHIN_S)
            reads = await outcomes(db, world, READS, timeout=60)

        assert_ended(found, lambda _: [DeadlineError])
        assert_ended(reads, lambda name: [ALL[name].refuses], within_s=60)
        assert await digest(db) == before
        await assert_answers(db, world)


async def test_a_lock_that_blocks_readers_too(agent_db_factory: DatabaseFactory) -> None:
    """Without the write-ahead log, which others may have switched off, an exclusive lock stops everybody."""
    async with furnished_file(agent_db_factory, journal="DELETE") as (db, world, file):
        before = await digest(db)
        async with locked(file, "EXCLUSIVE"):
            found = await outcomes(db, world, timeout=WITHIN_S)

        assert_ended(found, lambda _: [DeadlineError])
        assert await digest(db) == before
        await assert_answers(db, world)


@pytest.mark.agentdb(engine="both")
@pytest.mark.parametrize("way", ["short read", "read", "write", "unit"])
async def test_a_statement_without_end_is_stopped(agent_db: Database, way: str) -> None:
    """In the database itself: what it needs is free again."""
    session, clock = agent_db.session, asyncio.get_running_loop().time
    user = await agent_db.access.create_user(email="ada@example.org")
    begun = clock()
    with pytest.raises(DeadlineError):
        if way == "unit":
            await agent_db.run(lambda: session.fetch(ENDLESS), timeout=WITHIN_S)
        elif way == "write":
            await session.write(endless, timeout_s=WITHIN_S)
        else:
            await session.query(endless, timeout_s=WITHIN_S, is_short=way.startswith("short"))

    assert clock() - begun <= WITHIN_S + COUNTS.deadline_slack_s
    async with asyncio.timeout(60):
        await agent_db.conversations.start(user_id=user.id)
        while session.dialect.merges_writes and await session.fetch(RUNNING):
            await asyncio.sleep(0.05)


async def test_transactions_of_ones_own_end_in_time(agent_db_factory: DatabaseFactory) -> None:
    """When the server falls silent before `db.run`, before `db.transaction`, and inside of it."""
    async with placed(agent_db_factory, pool_size=4) as place:
        db, way, clock = place.db, place.way, asyncio.get_running_loop().time
        user_id = place.world.user_id
        await place.warm_up()
        way.fall_silent()
        begun = clock()
        with pytest.raises(DeadlineError):
            await db.run(lambda: db.conversations.start(user_id=user_id), timeout=WITHIN_S)
        with pytest.raises((DeadlineError, UnavailableError)):
            async with db.transaction(timeout=WITHIN_S):
                pytest.fail("It has begun.")

        assert clock() - begun <= 2 * (WITHIN_S + COUNTS.deadline_slack_s)
        way.heal()
        with pytest.raises(TransactionError):
            async with db.transaction(timeout=60):
                way.fall_silent()
                begun = clock()
                with pytest.raises(DeadlineError):
                    await db.conversations.start(user_id=user_id, timeout=WITHIN_S)
                with pytest.raises(TransactionError):
                    await db.conversations.start(user_id=user_id)
        assert clock() - begun <= WITHIN_S + COUNTS.deadline_slack_s
        way.heal()
        await assert_answers(db, place.world)


async def test_a_transaction_waits_for_a_connection_only_as_long_as_it_may_take(
    agent_db_factory: DatabaseFactory,
) -> None:
    """Its limit goes before the one of the pool; with none left nothing is begun."""
    async with placed(agent_db_factory, pool_size=1) as place:
        clock = asyncio.get_running_loop().time
        async with held(place.db):
            begun = clock()
            with pytest.raises(DeadlineError, match="No connection was free"):
                async with place.db.transaction(timeout=WITHIN_S):
                    pytest.fail("It has begun.")

        assert clock() - begun <= WITHIN_S + COUNTS.deadline_slack_s
        with pytest.raises(DeadlineError, match="nothing was begun"):
            place.db.transaction(timeout=0)


async def test_opening_and_closing_end_in_time(agent_db_factory: DatabaseFactory) -> None:
    """Whether the server is silent or refuses: within the limit of connecting."""
    async with placed(agent_db_factory, pool_size=4) as place:
        clock = asyncio.get_running_loop().time
        db = await handle(place.outside, place.way.url, connect_timeout_s=WITHIN_S, acquire_timeout_s=60.0)
        await db.access.users()
        place.way.fall_silent()
        begun = clock()
        await db.close()
        with pytest.raises(UnavailableError, match="no answer"):
            await handle(place.outside, place.way.url, connect_timeout_s=WITHIN_S)
        await place.way.refuse()
        with pytest.raises(UnavailableError, match="cannot be reached"):
            await handle(place.outside, place.way.url, connect_timeout_s=WITHIN_S)

        assert clock() - begun <= 3 * (WITHIN_S + COUNTS.deadline_slack_s)


def endless() -> Steps[Any]:
    """One statement that does not end."""
    return (yield Query(ENDLESS, []))
