"""What the instruments show of connections, queues and calls."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from weakref import ref

import pytest

import agentdb
from agentdb import Database
from agentdb.records import Conversation
from tests.services.both_engines import HELLO
from tests.services.telling import Telling

pytestmark = pytest.mark.agentdb(engine="both")

CONNECTIONS = "db.client.connection.count"
WAITING = "agentdb.writes.waiting"


async def until(holds: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.fixture
async def talk(watched_db: Database) -> Conversation:
    """A conversation of Ada."""
    user = await watched_db.access.create_user(email="ada@example.org")
    return await watched_db.conversations.start(user_id=user.id)


async def test_a_transaction_uses_a_connection_until_it_is_over(watched_db: Database, telling: Telling) -> None:
    """Nobody has one before and after it."""
    await watched_db.access.create_role("first")
    before = telling.level(CONNECTIONS, state="used")
    async with watched_db.transaction():
        await watched_db.access.roles()
        during = telling.level(CONNECTIONS, state="used")
    after = telling.level(CONNECTIONS, state="used")
    (idle,), (most,) = telling.level(CONNECTIONS, state="idle"), telling.level("db.client.connection.max")

    assert (before, during, after) == ([0], [1], [0])
    assert 1 <= idle <= most


async def test_the_gauge_of_waiting_writes_goes_up_and_down(
    watched_db: Database, telling: Telling, talk: Conversation
) -> None:
    """Somebody keeps the row, or the writer, that five messages need."""

    async def append() -> None:
        await watched_db.conversations.append(talk.id, user_id=talk.user_id, role="user", content=HELLO)

    async def locked() -> None:
        async with watched_db.transaction():
            await watched_db.conversations.rename(talk.id, user_id=talk.user_id, title="Mine")
            taken.set()
            await released.wait()

    taken, released = asyncio.Event(), asyncio.Event()
    locking = asyncio.create_task(locked())
    await taken.wait()
    first = asyncio.create_task(append())
    await asyncio.sleep(0.1)  # on PostgreSQL it is under way, and waits for the row there
    appending = [asyncio.create_task(append()) for _ in range(5)]
    await until(lambda: telling.level(WAITING)[0] >= 5)
    released.set()
    await asyncio.gather(locking, first, *appending)

    assert telling.level(WAITING) == [0]


async def test_a_closed_handle_is_shown_no_longer(telling: Telling, agent_db_url: str) -> None:
    """Of two, the one that is open stays."""
    async with agentdb.connect(agent_db_url, skip_sync=True) as db:
        async with agentdb.connect(agent_db_url, skip_sync=True):
            both = len(telling.level(CONNECTIONS, state="idle"))
        one = len(telling.level(CONNECTIONS, state="idle"))
        await db.access.roles()

    assert (both, one) == (2, 1)
    assert telling.level(CONNECTIONS) == []


async def test_a_handle_that_was_forgotten_is_shown_no_longer(telling: Telling, agent_db_url: str) -> None:
    """The instruments, which live as long as the process, do not keep it."""
    db = await agentdb.connect(agent_db_url, skip_sync=True)
    forgotten = ref(db.session)
    await db.session.close()  # a connection must not be left behind
    del db
    with pytest.warns(ResourceWarning, match="was not closed"):
        gc.collect()  # its watched methods know it, so it does not go before

    assert telling.level(CONNECTIONS) == []
    assert forgotten() is None


async def test_durations_are_counted_by_operation_and_error(watched_db: Database, telling: Telling) -> None:
    """In seconds."""
    for _ in range(3):
        await watched_db.access.roles()
    with pytest.raises(agentdb.NotFoundError):
        await watched_db.catalog.model("grail")
    counted = [
        (said["db.operation.name"], said.get("error.type"), count)
        for said, count in telling.points("db.client.operation.duration")
    ]

    assert sorted(counted, key=str) == [("access.roles", None, 3), ("catalog.model", "NotFoundError", 1)]


@pytest.mark.agentdb(engine="sqlite")
async def test_writes_that_failed_together_are_counted(watched_db: Database, telling: Telling) -> None:
    """One of them fails after it wrote: the group is rolled back, and done one by one."""
    user = await watched_db.access.create_user(email="ada@example.org")
    await watched_db.session.client.execute_script(
        """CREATE TRIGGER "refuse" BEFORE INSERT ON "agentdb_request" BEGIN SELECT RAISE(ABORT, 'no'); END"""
    )
    found = await asyncio.gather(
        *(watched_db.conversations.start(user_id=user.id, request_id=key) for key in (None, "refused", None)),
        return_exceptions=True,
    )

    assert sum(isinstance(one, agentdb.ConflictError) for one in found) == 1
    assert [value for _, value in telling.points("agentdb.fallbacks")] == [1]
    assert [value for _, value in telling.points("agentdb.retries")] == [2]


@pytest.mark.agentdb(engine="sqlite")
async def test_checkpoints_are_counted(watched_db: Database, telling: Telling) -> None:
    """After so many commits that the log is long enough for one."""
    user = await watched_db.access.create_user(email="ada@example.org")
    talk = await watched_db.conversations.start(user_id=user.id)
    long = [{"text": "word " * 20_000}]
    for _ in range(60):
        await watched_db.conversations.append(talk.id, user_id=user.id, role="user", content=long)

    await until(lambda: telling.points("agentdb.checkpoints")[0][1] >= 1)
    assert telling.points("agentdb.checkpoints")[0][1] >= 1
