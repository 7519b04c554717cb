"""Appends and charges that leave with others, on PostgreSQL: nobody can tell from the answers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from agentdb import BudgetError, ConflictError, Database, DeadlineError, Message, Model, NotFoundError, Usage
from agentdb.engine import Batcher, Session
from agentdb.engine.money import cost_usd
from agentdb.engine.postgres import PostgresDialect
from agentdb.errors import AgentDBError
from agentdb.events import Charged, MessagesAppended
from agentdb.records import Charge, User
from agentdb.testing.factory import DatabaseFactory
from agentdb.testing.handle import TemporaryDatabase
from agentdb.types import Price, Tokens
from tests.counts import COUNTS
from tests.engine.test_batches import someone_waits

pytestmark = pytest.mark.agentdb(engine="postgresql")

HELLO = [{"text": "hello"}]
SENDERS = 4


def batchers(db: Database) -> tuple[Batcher[Any, Any], Batcher[Any, Any]]:
    """What merges appends, and what merges charges."""
    return db.conversations._appends, db.usage._records


@pytest.fixture(autouse=True)
async def no_fallbacks(agent_db: Database, request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Whatever is not provoked never falls back to one by one: the answers would be right, and slow."""
    yield
    if "provoked" not in request.node.name:
        assert [batcher.fallbacks for batcher in batchers(agent_db)] == [0, 0]


@pytest.fixture
async def dollar(agent_db: Database) -> str:
    """A model whose every thousand input tokens cost one US dollar."""
    with agent_db.use():
        await Model.create(name="Dollar", internal_name="dollar", type="chat", cost1k_input=Decimal(1))
    return "dollar"


def url_of(db: Database) -> str:
    """Where it is."""
    assert isinstance(db, TemporaryDatabase)
    return db.url


@asynccontextmanager
async def outsider(db: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection of another program, in a transaction that is committed at the end of the block."""
    connection = await asyncpg.connect(url_of(db))
    try:
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()


# the same answers as one by one


async def test_a_mixed_crowd_gets_the_answers_of_a_queue(
    agent_db_factory: DatabaseFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls of all kinds at once on one database, one after the other without batches on another."""
    with agent_db_factory(engine="postgresql") as crowd, agent_db_factory(engine="postgresql") as queue:
        together = await asyncio.gather(*(await calls(crowd)))
        merged = [batcher.fallbacks for batcher in batchers(crowd)]
        monkeypatch.setattr(PostgresDialect, "merges_writes", False)
        in_turn = [await call for call in await calls(queue)]
        rows = [await everything(db) for db in (crowd, queue)]
        await crowd.close()
        await queue.close()

    assert len({str(answer) for answer in together}) > 100
    assert sorted(map(str, together)) == sorted(map(str, in_turn))
    assert together == in_turn
    assert rows[0] == rows[1]
    assert merged == [0, 0]


async def calls(db: Database, seed: int = 5) -> list[Awaitable[Any]]:
    """The same calls on every database, among them all kinds that are refused."""
    chance = random.Random(seed)
    with db.use():
        await Model.create(internal_name="dollar", cost1k_input=Decimal(1))
        await Model.create(internal_name="odd", cost1k_input=Decimal("0.0000000003"), cost1k_output=Decimal("1.7"))
    users = [await db.access.create_user(email=f"{n}@example.org", budget=budget) for n, budget in enumerate(BUDGETS)]
    talks = [(await db.conversations.start(user_id=user.id), user) for user in users for _ in range(2)]
    first = [
        await db.conversations.append(talk.id, user_id=user.id, role="user", content=HELLO) for talk, user in talks
    ]
    await db.conversations.delete(talks[-1][0].id, user_id=talks[-1][1].id)

    def append(number: int) -> Awaitable[Any]:
        talk, owner = chance.choice(talks)
        return answer_of(
            db.conversations.append(
                talk.id,
                user_id=chance.choice([owner.id] * 8 + [users[0].id]),
                role="user",
                content=[{"text": f"{number} ä\\"}],
                parent_id=chance.choice([None, None, None, first[talks.index((talk, owner))].id, first[0].id, 10**9]),
                request_id=chance.choice([None, None, None, f"r{number % 7}"]),
            )
        )

    def record(number: int) -> Awaitable[Any]:
        user = chance.choice(users)
        return answer_of(
            db.usage.record(
                user_id=chance.choice([user.id] * 20 + [10**9]),
                model=chance.choice(["dollar"] * 6 + ["odd", "unknown"]),
                input_tokens=chance.choice([1, 333, 1000, 5000, 10**16]),
                output_tokens=chance.randrange(3),
                agent_id=chance.choice([None, None, 1, 10**9]),
                message_id=chance.choice([None, None, first[2 * users.index(user)].id, first[-3].id]),
                request_id=chance.choice([None, None, None, f"r{number % 7}"]),
                enforce_budget=chance.random() < 0.6,
            )
        )

    return [chance.choice([append, record])(number) for number in range(400)]


BUDGETS = [Decimal(0), Decimal(3), Decimal("20.5"), Decimal(1000), None]


async def answer_of(call: Awaitable[Any]) -> Any:
    """An answer without what differs from one database to the other."""
    try:
        answer = await call
    except AgentDBError as error:
        return type(error).__name__, str(error)
    if isinstance(answer, Charge):
        return answer.cost_usd, answer.remaining
    return answer.conversation_id, answer.parent_id, answer.role, answer.content, answer.request_id


async def everything(db: Database) -> list[Any]:
    """What is stored, but for ids and times."""
    with db.use():
        messages = [
            (m.conversation_id, m.parent_id, m.content, m.request_id) for m in await Message.all().order_by("id")
        ]
        usages = [
            (u.user_id, u.model_id, u.agent_id, u.message_id, u.input_tokens, u.cost, u.request_id)
            for u in await Usage.all().order_by("id")
        ]
    remaining = [await db.usage.remaining(number + 1) for number in range(len(BUDGETS))]
    return [sorted(map(str, messages)), sorted(map(str, usages)), remaining]


async def test_ids_grow_in_order_of_arrival(agent_db: Database, ada: User) -> None:
    """Which is the order in which they are read."""
    talk = await agent_db.conversations.start(user_id=ada.id)
    sent = [
        agent_db.conversations.append(talk.id, user_id=ada.id, role="user", content=[{"text": str(n)}])
        for n in range(300)
    ]
    ids = [message.id for message in await asyncio.gather(*sent)]
    page = await agent_db.conversations.history(talk.id, user_id=ada.id, limit=300)

    assert ids == sorted(ids)
    assert [message.content[0]["text"] for message in page.items] == [str(n) for n in range(300)]


async def test_a_cost_is_what_decimal_says(agent_db: Database, bob: User) -> None:
    """To the last of ten decimals, half-even, whatever the numbers are; alone as well as in company."""
    chance = random.Random(3)
    prices = [Price(*(Decimal(chance.choice(AMOUNTS)) for _ in range(4))) for _ in range(40)]
    with agent_db.use():
        for number, price in enumerate(prices):
            await Model.create(
                internal_name=f"m{number}",
                cost1k_input=price.input,
                cost1k_output=price.output,
                cost1k_cache_read=price.cache_read,
                cost1k_cache_write=price.cache_write,
            )

    async def check(number: int) -> bool:
        model, tokens = chance.randrange(len(prices)), Tokens(*(chance.choice(TOKENS)(chance) for _ in range(4)))
        charge = await agent_db.usage.record(
            user_id=bob.id, model=f"m{model}", **{f"{k}_tokens": n for k, n in tokens._asdict().items()}
        )
        return charge.cost_usd == cost_usd(tokens, prices[model])

    alone = [await check(number) for number in range(200)]
    found = [one for _ in range(COUNTS.random_charges // 200) for one in await asyncio.gather(*map(check, range(200)))]

    assert all(alone)
    assert all(found)


AMOUNTS = ["0", "0.0000000001", "0.0000000005", "0.0005", "0.003", "1", "0.1234567891", "7.0000000003", "99.9999999999"]
TOKENS: Sequence[Callable[[random.Random], int]] = (
    lambda _: 0,
    lambda chance: chance.randrange(10),
    lambda chance: 5 * chance.randrange(1000),
    lambda chance: chance.randrange(10**9),
)


# budgets


async def test_a_charge_that_is_too_big_does_not_refuse_a_smaller_one(
    agent_db: Database, ada: User, dollar: str
) -> None:
    """Each is taken in order of arrival if it then fits; a report always is."""
    spent = [(4, True), (7, True), (5, True), (2, True), (1, True), (3, False), (1, True)]
    found = await asyncio.gather(
        *(
            agent_db.usage.record(user_id=ada.id, model=dollar, input_tokens=1000 * n, enforce_budget=is_enforced)
            for n, is_enforced in spent
        ),
        return_exceptions=True,
    )

    assert [one.remaining if isinstance(one, Charge | BudgetError) else one for one in found] == [6, 6, 1, 1, 0, -3, -3]
    assert [isinstance(one, BudgetError) for one in found] == [False, True, False, True, False, False, True]
    assert await agent_db.usage.remaining(ada.id) == -3


async def test_one_request_id_for_a_hundred_callers(agent_db: Database, ada: User, dollar: str) -> None:
    """One effect, and a hundred equal answers."""
    talk = await agent_db.conversations.start(user_id=ada.id)
    messages = await asyncio.gather(
        *(
            agent_db.conversations.append(talk.id, user_id=ada.id, role="user", content=HELLO, request_id="r")
            for _ in range(100)
        )
    )
    charges = await asyncio.gather(
        *(agent_db.usage.record(user_id=ada.id, model=dollar, input_tokens=1000, request_id="r") for _ in range(100))
    )
    with pytest.raises(ConflictError):
        await agent_db.usage.record(user_id=ada.id, model=dollar, input_tokens=1, request_id="r")

    assert len(set(charges)) == len({message.id for message in messages}) == 1
    assert await agent_db.usage.remaining(ada.id) == 9


# what others do while a statement waits for their lock: its snapshot is older than the lock


async def test_ids_grow_in_the_order_of_commits(agent_db: Database, ada: User) -> None:
    """Also after the message of somebody who held the lock."""
    talk = await agent_db.conversations.start(user_id=ada.id)
    async with outsider(agent_db) as other:
        await other.execute('SELECT 1 FROM "Conversation" WHERE "id" = $1 FOR UPDATE', talk.id)
        tasks = [
            asyncio.create_task(agent_db.conversations.append(talk.id, user_id=ada.id, role="user", content=HELLO))
            for _ in range(3)
        ]
        await someone_waits(url_of(agent_db))
        theirs = await other.fetchval(
            'INSERT INTO "Message" ("conversationID", "role") VALUES ($1, \'user\') RETURNING "id"', talk.id
        )
    ids = [message.id for message in await asyncio.gather(*tasks)]

    assert [theirs, *ids] == sorted([theirs, *ids])


@pytest.mark.parametrize("together", [1, 3])
async def test_a_conversation_that_is_deleted_meanwhile(agent_db: Database, ada: User, together: int) -> None:
    """Nothing is added to it."""
    talk = await agent_db.conversations.start(user_id=ada.id)
    async with outsider(agent_db) as other:
        await other.execute('UPDATE "Conversation" SET "deleted" = TRUE WHERE "id" = $1', talk.id)
        tasks = [
            asyncio.create_task(agent_db.conversations.append(talk.id, user_id=ada.id, role="user", content=HELLO))
            for _ in range(together)
        ]
        await someone_waits(url_of(agent_db))
    found = await asyncio.gather(*tasks, return_exceptions=True)
    with agent_db.use():
        stored = await Message.all().count()

    assert [type(one) for one in found] == [NotFoundError] * together
    assert stored == 0


@pytest.mark.parametrize("together", [1, 3])
async def test_a_balance_that_changes_meanwhile(agent_db: Database, ada: User, dollar: str, together: int) -> None:
    """The charge counts from what it is when the lock is free."""
    async with outsider(agent_db) as other:
        await other.execute('UPDATE "User" SET "remaining" = 2 WHERE "id" = $1', ada.id)
        tasks = [
            asyncio.create_task(
                agent_db.usage.record(user_id=ada.id, model=dollar, input_tokens=2000, enforce_budget=True)
            )
            for _ in range(together)
        ]
        await someone_waits(url_of(agent_db))
    found = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(one) for one in found] == [Charge] + [BudgetError] * (together - 1)
    assert await agent_db.usage.remaining(ada.id) == 0


@pytest.mark.parametrize("together", [1, 3])
async def test_a_request_id_that_is_used_meanwhile(agent_db: Database, ada: User, dollar: str, together: int) -> None:
    """By another process, which the snapshot does not show: the call is a repeated one all the same."""
    talk = await agent_db.conversations.start(user_id=ada.id)
    values: dict[str, Any] = {"user_id": ada.id, "role": "user", "content": HELLO}
    async with outsider(agent_db) as other:
        await other.execute('SELECT 1 FROM "Conversation" WHERE "id" = $1 FOR UPDATE', talk.id)
        await other.execute('SELECT 1 FROM "User" WHERE "id" = $1 FOR NO KEY UPDATE', ada.id)
        appends = [
            asyncio.create_task(agent_db.conversations.append(talk.id, request_id=f"{n}", **values))
            for n in range(together)
        ]
        charges = [
            asyncio.create_task(
                agent_db.usage.record(user_id=ada.id, model=dollar, input_tokens=1000, request_id=f"{n}")
            )
            for n in range(together)
        ]
        await someone_waits(url_of(agent_db), count=2)
        message_id = await other.fetchval(
            """
            INSERT INTO "Message" ("conversationID", "role", "content", "requestId", "requestIndex", "createdAt")
            VALUES ($1, 'user', '[{"text": "hello"}]', '0', 0, now()) RETURNING "id"
            """,
            talk.id,
        )
        usage_id = await other.fetchval(
            """
            INSERT INTO "Usage" (
                "userID", "modelID", "inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens", "cost",
                "requestId", "requestIndex"
            )
            SELECT $1, "id", 1000, 0, 0, 0, 1, '0', 0 FROM "Model" WHERE "internalName" = 'dollar' RETURNING "id"
            """,
            ada.id,
        )
    messages, charged = await asyncio.gather(*appends), await asyncio.gather(*charges)

    assert messages[0].id == message_id
    assert charged[0].usage_ids == (usage_id,)
    assert len({message.id for message in messages}) == len({charge.usage_ids for charge in charged}) == together
    assert await agent_db.usage.remaining(ada.id) == 10 - (together - 1)


# many at once


async def test_senders_do_not_lock_each_other_out(agent_db: Database, dollar: str) -> None:
    """Several handles on the same users and conversations, in any order: no deadlock, nothing lost, all in order."""
    users = [await agent_db.access.create_user(email=f"{n}@example.org", budget=Decimal(100)) for n in range(12)]
    talks = [await agent_db.conversations.start(user_id=user.id) for user in users]
    sessions = [Session(agent_db.session.target, create=False) for _ in range(SENDERS)]
    senders = [Database(session, agent_db.settings, agent_db._vault, None) for session in sessions]
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"

    async def send(db: Database, number: int) -> None:
        chance = random.Random(number)
        for _ in range(20):
            order = chance.sample(range(12), 12)
            await asyncio.gather(
                *(db.usage.record(user_id=users[n].id, model=dollar, input_tokens=1000) for n in order),
                *(db.conversations.append(talks[n].id, user_id=users[n].id, role="user", content=HELLO) for n in order),
            )

    try:
        for session in sessions:
            await session.open(["agentdb.models"])
        await asyncio.gather(*(send(db, number) for number, db in enumerate(senders)))
        fallbacks = [batcher.fallbacks for db in senders for batcher in batchers(db)]
    finally:
        for db in senders:
            await db.close()
    left = [await agent_db.usage.remaining(user.id) for user in users]
    with agent_db.use():
        counts = [await Message.filter(conversation_id=talk.id).count() for talk in talks]

    assert left == [100 - 20 * SENDERS] * 12
    assert counts == [20 * SENDERS] * 12
    assert fallbacks == [0, 0] * SENDERS
    assert (await agent_db.session.fetch(deadlocks))[0]["deadlocks"] == 0


async def test_events_come_in_the_order_of_the_rows(agent_db: Database, ada: User, dollar: str) -> None:
    """Once for each call that changed something, refused and repeated ones not."""
    talk = await agent_db.conversations.start(user_id=ada.id)
    async with agent_db.events.subscribe(Charged, MessagesAppended) as events:
        messages = await asyncio.gather(
            *(
                agent_db.conversations.append(talk.id, user_id=ada.id, role="user", content=HELLO, request_id=key)
                for key in (None, "a", None, "a")
            )
        )
        charges = await asyncio.gather(
            *(
                agent_db.usage.record(user_id=ada.id, model=dollar, input_tokens=n, enforce_budget=True)
                for n in (4000, 9000, 3000)
            ),
            return_exceptions=True,
        )
    told = [event async for event in events]

    assert [one.message_ids for one in told if isinstance(one, MessagesAppended)] == [(m.id,) for m in messages[:3]]
    assert [one.usage_ids for one in told if isinstance(one, Charged)] == [
        charge.usage_ids for charge in charges if isinstance(charge, Charge)
    ]
    assert [one.remaining for one in told if isinstance(one, Charged)] == [6, 3]


async def test_a_deadline_ends_the_call(agent_db: Database, ada: User, dollar: str) -> None:
    """Nothing was charged, also for a caller who waits behind one that holds the lock."""
    async with outsider(agent_db) as other:
        await other.execute('SELECT 1 FROM "User" WHERE "id" = $1 FOR NO KEY UPDATE', ada.id)
        with pytest.raises(DeadlineError):
            await agent_db.usage.record(user_id=ada.id, model=dollar, input_tokens=1000, timeout=0.2)

    assert await agent_db.usage.remaining(ada.id) == 10


async def test_a_provoked_fallback_is_counted(agent_db: Database, ada: User) -> None:
    """One message that the database refuses, and fifteen that are stored in their order."""
    talk = await agent_db.conversations.start(user_id=ada.id)
    await agent_db.session.client.execute_script(
        """ALTER TABLE "Message" ADD CONSTRAINT polite CHECK ("content" <> '[{"text": "7"}]')"""
    )
    found = await asyncio.gather(
        *(
            agent_db.conversations.append(talk.id, user_id=ada.id, role="user", content=[{"text": str(n)}])
            for n in range(16)
        ),
        return_exceptions=True,
    )
    page = await agent_db.conversations.history(talk.id, user_id=ada.id)

    assert [isinstance(one, ConflictError) for one in found] == [n == 7 for n in range(16)]
    assert [message.content[0]["text"] for message in page.items] == [str(n) for n in range(16) if n != 7]
    assert [batcher.fallbacks for batcher in batchers(agent_db)] == [1, 0]
