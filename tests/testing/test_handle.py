"""The handle that `agent_db` is: made without an event loop, open in whichever loop uses it."""

from __future__ import annotations

import asyncio
import threading

import pytest

import agentdb
from agentdb import Database, Role, TransactionError, User
from agentdb.testing.factory import DatabaseFactory


async def count_roles(db: Database) -> int:
    """Ask it something."""
    with db.use():
        return await Role.all().count()


async def add_user(db: Database, email: str) -> None:
    """Write something."""
    await db.access.create_user(email=email)


def still_alive(before: list[threading.Thread]) -> list[threading.Thread]:
    """Threads that were not there before and do not end by themselves."""
    new = [thread for thread in threading.enumerate() if thread not in before]
    for thread in new:
        thread.join(10)
    return [thread for thread in new if thread.is_alive()]


def test_it_is_a_database(agent_db: Database) -> None:
    """Whoever annotates it with `Database` says the truth."""
    assert isinstance(agent_db, Database)
    assert agent_db.settings.secret_key is not None


async def test_tortoise_queries_may_come_first(agent_db: Database) -> None:
    """`use` needs no connection: the first query makes it."""
    with agent_db.use():
        roles = await Role.all().order_by("id")

    assert roles


async def test_a_transaction_may_come_first(agent_db: Database) -> None:
    """Like a statement it connects first."""
    async with agent_db.transaction():
        await add_user(agent_db, "ada@example.org")
    with agent_db.use():
        users = await User.all().count()

    assert users == 1


async def test_tasks_that_come_first_together_share_one_connection_pool(agent_db: Database) -> None:
    """One of them connects, the others wait for it."""
    counts = await asyncio.gather(*(count_roles(agent_db) for _ in range(8)))

    assert len(set(counts)) == 1


async def test_a_cancelled_first_statement_leaves_it_usable(agent_db: Database) -> None:
    """The next one connects."""
    first = asyncio.create_task(count_roles(agent_db))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)

    assert await count_roles(agent_db)


async def test_closed_by_the_test_it_stays_closed(agent_db: Database) -> None:
    """As any other handle; closing it again with the fixture is harmless."""
    async with agent_db:
        await count_roles(agent_db)

    with pytest.raises(TransactionError, match="closed"):
        await count_roles(agent_db)


async def test_closed_before_its_first_statement_it_stays_closed(agent_db: Database) -> None:
    """Nothing had to be disconnected."""
    await agent_db.close()

    with pytest.raises(TransactionError, match="closed"):
        await count_roles(agent_db)


def test_each_loop_finds_what_the_one_before_wrote(agent_db: Database) -> None:
    """A loop disconnects the handle when it shuts down, and the next one connects it again."""
    asyncio.run(add_user(agent_db, "ada@example.org"))
    asyncio.run(add_user(agent_db, "bob@example.org"))

    assert asyncio.run(agent_db.status()).row_counts["User"] == 2


def test_between_two_loops_it_holds_no_thread(agent_db_factory: DatabaseFactory) -> None:
    """Each SQLite connection has one, so none is open either."""
    before = threading.enumerate()
    with agent_db_factory(engine="sqlite") as db:
        asyncio.run(count_roles(db))

        assert not still_alive(before)


def test_two_loops_at_the_same_time_are_refused(agent_db: Database) -> None:
    """As with any other handle, which is used in the loop that opened it."""
    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(count_roles(agent_db))

        with pytest.raises(TransactionError, match="another event loop"):
            second.run(count_roles(agent_db))


def test_a_loop_that_is_still_there_closes_it(agent_db_factory: DatabaseFactory, agent_db_engine: str) -> None:
    """So it is with a loop of a wider scope than the fixture's."""
    with asyncio.Runner() as runner:
        with agent_db_factory(engine=agent_db_engine) as db:
            runner.run(count_roles(db))

        with pytest.raises(TransactionError, match="closed"):
            runner.run(count_roles(db))


def test_a_loop_that_runs_in_another_thread_closes_it(agent_db_factory: DatabaseFactory, agent_db_engine: str) -> None:
    """So it is with test clients that serve an application from a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    with agent_db_factory(engine=agent_db_engine) as db:
        counted = asyncio.run_coroutine_threadsafe(count_roles(db), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()

    assert counted


def test_a_loop_that_was_closed_without_a_shutdown_leaves_nothing(
    agent_db_factory: DatabaseFactory, agent_db_engine: str
) -> None:
    """No warning about a connection, a socket or a thread, which would be an error here."""
    loop, before = asyncio.new_event_loop(), threading.enumerate()
    with agent_db_factory(engine=agent_db_engine) as db:
        loop.run_until_complete(count_roles(db))
        loop.close()

    assert not still_alive(before)


async def test_a_second_handle_opens_from_the_url(agent_db: Database, agent_db_url: str) -> None:
    """It attaches as a service would, and has the key that the first handle's digests were made with."""
    issued = await agent_db.access.create_user(email="ada@example.org", with_api_key=True)
    async with agentdb.connect(agent_db_url, skip_sync=True) as other:
        assert issued.api_key is not None
        found = await other.access.authenticate(issued.api_key)

    assert found.email == "ada@example.org"


async def test_an_empty_database_has_no_schema(empty_db_url: str) -> None:
    """For tests of the start itself."""
    async with agentdb.connect(empty_db_url) as db:
        assert db.started is not None
        assert db.started.applied
