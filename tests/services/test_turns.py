"""A turn of an agent: one call before it and one after it, which give and keep what their parts would, whole."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

import agentdb
from agentdb import (
    AgentDBError,
    BudgetError,
    ConflictError,
    Database,
    DeadlineError,
    InvalidInputError,
    Message,
    Model,
    NotFoundError,
    OutcomeUnknownError,
    UnsupportedError,
    Usage,
    UserAgent,
)
from agentdb import Conversation as ConversationTable
from agentdb import Resource as ResourceTable
from agentdb import User as UserTable
from agentdb.config import Settings
from agentdb.engine import Session
from agentdb.engine.money import cost_usd
from agentdb.engine.postgres_channel import PostgresConnection
from agentdb.events import Charged, Event, MessagesAppended
from agentdb.models import Reservation
from agentdb.records import Agent, Conversation, FinishedTurn, User
from agentdb.testing.handle import TemporaryDatabase
from agentdb.types import Price, Tokens
from tests.engine.test_batches import someone_waits
from tests.services.test_original import ROWS, schema

pytestmark = pytest.mark.agentdb(engine="both")

postgres = pytest.mark.agentdb(engine="postgresql")

ASKED: dict[str, Any] = {"role": "user", "content": [{"text": "What is it?"}]}
ANSWERED: dict[str, Any] = {"role": "assistant", "content": [{"text": "It is that."}]}
DOLLAR: dict[str, Any] = {"model": "dollar", "input_tokens": 1000, "type": "chat"}


@pytest.fixture
async def agent(agent_db: Database, ada: User) -> Agent:
    """An agent of Ada."""
    return await agent_db.agents.create(user_id=ada.id, name="Hers", prompt="Help her.", tools=["search"])


@pytest.fixture
async def talk(agent_db: Database, ada: User, agent: Agent) -> Conversation:
    """A conversation of Ada with her agent."""
    return await agent_db.conversations.start(user_id=ada.id, agent_id=agent.id, title="A talk")


async def finish(db: Database, talk: Conversation, *texts: str, **values: Any) -> FinishedTurn:
    """A question and its answer, or these texts of the assistant, with what they have cost."""
    messages = [{"role": "assistant", "content": [{"text": text}]} for text in texts] or [ASKED, ANSWERED]
    given = {"user_id": talk.user_id, "messages": messages, "usage": [DOLLAR], **values}
    return await db.conversations.finish_turn(talk.id, **given)


async def kept(db: Database) -> tuple[int, int, Any]:
    """How many messages and rows of usage there are, and what remains to Ada."""
    with db.use():
        counts = await Message.all().count(), await Usage.all().count()
        ada = await UserTable.get(email="ada@example.org")
    return (*counts, await db.usage.remaining(ada.id))


async def rest(subscription: Any) -> list[Event]:
    """What is waiting, and nothing after it."""
    subscription.close()
    return [event async for event in subscription]


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


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is sent to PostgreSQL from now on, BEGIN and COMMIT included."""
    sent: list[str] = []

    def watched(name: str) -> Callable[..., Awaitable[Any]]:
        original = getattr(PostgresConnection, name)

        async def send(connection: Any, sql: str, *values: Any, **options: Any) -> Any:
            sent.append(sql)
            return await original(connection, sql, *values, **options)

        return send

    for name in ("execute", "executemany", "fetch"):
        monkeypatch.setattr(PostgresConnection, name, watched(name))
    return sent


# beginning


async def test_a_turn_begins_with_all_that_its_parts_give(
    agent_db: Database, ada: User, agent: Agent, talk: Conversation
) -> None:
    """Conversation, messages and resources as `context` has them, the agent as resolved, and what remains."""
    for number in range(3):
        await finish(agent_db, talk, usage=[{"model": "mock-model", "input_tokens": 10**6}])
        messages = await agent_db.conversations.append_many(talk.id, user_id=ada.id, messages=[ASKED, ANSWERED])
        for part in range(number):
            await agent_db.knowledge.store(
                user_id=ada.id,
                name=f"{part}.txt",
                content="ä\n\x01\"\\'\U0001f600",
                message_id=messages[part].id,
                metadata={"pages": [number, 1.5, None]},
                s3_uri="s3://x",
            )
    for limit in (1000, 12, 7, 1):
        turn = await agent_db.conversations.begin_turn(talk.id, user_id=ada.id, limit=limit)
        context = await agent_db.conversations.context(talk.id, user_id=ada.id, limit=limit)

        assert turn.model_dump(include=set(type(context).model_fields)) == context.model_dump()
        assert turn.agent == await agent_db.agents.resolve(agent.id, user_id=ada.id)
        assert turn.remaining == await agent_db.usage.remaining(ada.id) == Decimal("9.9997")
    assert len(context.messages) == 1
    assert len(turn.resources) <= 1


async def test_a_turn_begins_with_the_resources_of_its_messages(
    agent_db: Database, ada: User, bob: User, talk: Conversation
) -> None:
    """As context gives them: the oldest first, at most a thousand, none of another user's."""
    messages = await agent_db.conversations.append_many(talk.id, user_id=ada.id, messages=[ASKED] * 12)
    chance, start = random.Random(1), datetime(2026, 1, 1, tzinfo=UTC)
    with agent_db.use():
        await ResourceTable.bulk_create(
            ResourceTable(
                name=f"{number}",
                message_id=chance.choice(messages).id,
                user_id=chance.choice([None, ada.id, ada.id, ada.id, bob.id]),
                created_at=start + timedelta(microseconds=chance.randrange(500) * 1000),
            )
            for number in range(1500)
        )
    turn = await agent_db.conversations.begin_turn(talk.id, user_id=ada.id)
    context = await agent_db.conversations.context(talk.id, user_id=ada.id)

    assert len(turn.resources) == 1000
    assert turn.resources == context.resources


async def test_a_turn_begins_with_the_summary(agent_db: Database, ada: User, talk: Conversation) -> None:
    """And with the first message where what was taken for a summary is none."""
    first = (await finish(agent_db, talk, "a", usage=[])).messages[0]
    summary = await agent_db.conversations.summarise(
        talk.id, user_id=ada.id, summary="All that was said. " * 5, expected_parent=first.id
    )
    last = (await finish(agent_db, talk, "b", usage=[])).messages[0]
    short = await agent_db.conversations.begin_turn(talk.id, user_id=ada.id)
    with agent_db.use():
        await ConversationTable.filter(id=talk.id).update(summary_message_id=last.id)
    whole = await agent_db.conversations.begin_turn(talk.id, user_id=ada.id)

    assert [message.id for message in short.messages] == [summary.id, last.id]
    assert [message.id for message in whole.messages] == [first.id, summary.id, last.id]


async def test_another_agent_can_take_the_turn(agent_db: Database, ada: User, agent: Agent, talk: Conversation) -> None:
    """By its id or name; without one a conversation that has none is begun as well."""
    bare = await agent_db.conversations.start(user_id=ada.id)
    by_name = await agent_db.conversations.begin_turn(talk.id, user_id=ada.id, agent="Standard Chat")
    by_id = await agent_db.conversations.begin_turn(bare.id, user_id=ada.id, agent=agent.id)
    nobody = await agent_db.conversations.begin_turn(bare.id, user_id=ada.id)

    assert by_name.agent == await agent_db.agents.resolve("Standard Chat", user_id=ada.id)
    assert by_id.agent == await agent_db.agents.resolve(agent.id, user_id=ada.id)
    assert nobody.agent is None
    for unknown in ("Nobody", 10**9):
        with pytest.raises(NotFoundError, match="agent"):
            await agent_db.conversations.begin_turn(talk.id, user_id=ada.id, agent=unknown)
    for wrong in ("\x00", True, 1.0, 2**63, b"x"):
        with pytest.raises(InvalidInputError):
            await agent_db.conversations.begin_turn(talk.id, user_id=ada.id, agent=wrong)  # type: ignore[arg-type]


async def test_an_agent_that_is_no_longer_shared_takes_no_turn(
    agent_db: Database, ada: User, bob: User, agent: Agent
) -> None:
    """But the one that it took meanwhile is charged, to nobody's agent."""
    await agent_db.agents.share(agent.id, user_id=ada.id, with_user_id=bob.id, role="viewer")
    talk = await agent_db.conversations.start(user_id=bob.id, agent_id=agent.id)
    shared = await agent_db.conversations.begin_turn(talk.id, user_id=bob.id)
    await finish(agent_db, talk, usage=[{"model": "mock-model", "input_tokens": 1}])
    with agent_db.use():
        await UserAgent.all().delete()
    with pytest.raises(NotFoundError, match="agent"):
        await agent_db.conversations.begin_turn(talk.id, user_id=bob.id)
    await finish(agent_db, talk, usage=[{"model": "mock-model", "input_tokens": 1}])
    page = await agent_db.usage.list(user_id=bob.id)

    assert shared.agent is not None
    assert shared.agent.visibility == "shared"
    assert [row.agent_id for row in page.items] == [None, agent.id]


async def test_a_turn_begins_with_what_remains(agent_db: Database, ada: User, bob: User, talk: Conversation) -> None:
    """What is held is gone, what has expired is back, and without a budget there is no limit."""
    await agent_db.usage.reserve(user_id=ada.id, amount_usd=2)
    forgotten = await agent_db.usage.reserve(user_id=ada.id, amount_usd=3)
    held = await agent_db.conversations.begin_turn(talk.id, user_id=ada.id)
    with agent_db.use():
        await Reservation.filter(id=forgotten.id).update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    expired = await agent_db.conversations.begin_turn(talk.id, user_id=ada.id)
    other = await agent_db.conversations.start(user_id=bob.id)
    unlimited = await agent_db.conversations.begin_turn(other.id, user_id=bob.id)
    charged = await finish(agent_db, talk, usage=[{"model": "mock-model"}])

    assert [turn.remaining for turn in (held, expired, unlimited)] == [5, 8, None]
    assert charged.charge is not None
    assert charged.charge.remaining == 8


async def test_a_deleted_conversation_has_no_turns(agent_db: Database, ada: User, talk: Conversation) -> None:
    """It is not found."""
    await agent_db.conversations.delete(talk.id, user_id=ada.id)

    for call in (agent_db.conversations.begin_turn(talk.id, user_id=ada.id), finish(agent_db, talk, usage=[])):
        with pytest.raises(NotFoundError, match=f"conversation {talk.id}"):
            await call


# finishing


async def test_a_finished_turn_is_kept(
    agent_db: Database, ada: User, agent: Agent, talk: Conversation, dollar: str
) -> None:
    """Messages as appended, and usage as recorded: for the answer, and by the agent of the conversation."""
    turn = await finish(agent_db, talk, usage=[DOLLAR, {"model": dollar, "input_tokens": 500}], request_id="r")
    page = await agent_db.conversations.history(talk.id, user_id=ada.id)
    rows = (await agent_db.usage.list(user_id=ada.id)).items[::-1]
    found = await agent_db.conversations.get(talk.id, user_id=ada.id)

    assert turn.messages == page.items
    assert [(m.role, m.content, m.request_id) for m in turn.messages] == [
        ("user", ASKED["content"], "r"),
        ("assistant", ANSWERED["content"], "r"),
    ]
    assert turn.charge is not None
    assert turn.charge.cost_usd == Decimal("1.5")
    assert turn.charge.remaining == Decimal("8.5")
    assert turn.charge.usage_ids == tuple(row.id for row in rows)
    assert [(r.agent_id, r.message_id, r.type, r.input_tokens, r.cost_usd, r.request_id) for r in rows] == [
        (agent.id, turn.messages[1].id, "chat", 1000, 1, "r"),
        (agent.id, turn.messages[1].id, None, 500, Decimal("0.5"), "r"),
    ]
    assert {row.created_at for row in rows} == {turn.messages[0].created_at} == {found.updated_at}


async def test_usage_belongs_to_the_last_answer(agent_db: Database, ada: User, talk: Conversation, dollar: str) -> None:
    """Else to the last message; what names a message or an agent keeps them."""
    first = await finish(agent_db, talk, "asks for a tool", "answers")
    turns = [
        await finish(agent_db, talk, messages=[ANSWERED, ANSWERED, ASKED]),
        await finish(agent_db, talk, messages=[ASKED, ASKED]),
        await finish(agent_db, talk, usage=[{**DOLLAR, "message_id": first.messages[0].id, "agent_id": 1}]),
    ]
    rows = (await agent_db.usage.list(user_id=ada.id)).items[::-1]

    assert [row.message_id for row in rows] == [
        first.messages[1].id,
        turns[0].messages[1].id,
        turns[1].messages[1].id,
        first.messages[0].id,
    ]
    assert [row.agent_id for row in rows] == [talk.agent_id] * 3 + [1]


async def test_a_turn_without_usage_is_an_append(agent_db: Database, ada: User, talk: Conversation) -> None:
    """Nothing is charged, not even to one who has nothing left."""
    await agent_db.access.update_user(ada.id, budget=Decimal(0))
    turn = await finish(agent_db, talk, usage=(), enforce_budget=True)

    assert turn.charge is None
    assert await kept(agent_db) == (2, 0, 0)


async def test_a_turn_costs_what_its_calls_cost(agent_db: Database, bob: User) -> None:
    """To the last of ten decimals, each row rounded half-even, in any convention."""
    chance = random.Random(3)
    amounts = ["0", "0.0000000001", "0.0000000005", "0.0005", "0.1234567891", "99.9999999999"]
    prices = [Price(*(Decimal(chance.choice(amounts)) for _ in range(4))) for _ in range(10)]
    with agent_db.use():
        for number, (fresh, output, read, written) in enumerate(prices):
            await Model.create(
                internal_name=f"m{number}",
                cost1k_input=fresh,
                cost1k_output=output,
                cost1k_cache_read=read,
                cost1k_cache_write=written,
            )
    talk = await agent_db.conversations.start(user_id=bob.id)
    for _ in range(50):
        calls = [
            (chance.randrange(10), Tokens(*(chance.randrange(10 ** chance.randrange(1, 8)) for _ in range(4))))
            for _ in range(4)
        ]
        items = [
            {
                "model": f"m{model}",
                "convention": "openai",
                "input_tokens": tokens.input + tokens.cache_read + tokens.cache_write,
                "output_tokens": tokens.output,
                "cache_read_tokens": tokens.cache_read,
                "cache_write_tokens": tokens.cache_write,
            }
            for model, tokens in calls
        ]
        turn = await finish(agent_db, talk, usage=items)

        assert turn.charge is not None
        assert turn.charge.cost_usd == sum(cost_usd(tokens, prices[model]) for model, tokens in calls)
        assert turn.charge.remaining is None


async def test_a_turn_can_be_long(agent_db: Database, ada: User, talk: Conversation, dollar: str) -> None:
    """A thousand messages, or more bytes than one statement takes."""
    many = await finish(agent_db, talk, messages=[ASKED, ANSWERED] * 500)
    large = await finish(agent_db, talk, messages=[{"role": "user", "content": [{"text": "x" * 2_000_000}]}, ANSWERED])
    rows = (await agent_db.usage.list(user_id=ada.id)).items

    assert [row.message_id for row in rows] == [large.messages[1].id, many.messages[-1].id]
    assert await kept(agent_db) == (1002, 2, 8)


async def test_messages_of_a_turn_can_follow_others(agent_db: Database, ada: User, talk: Conversation) -> None:
    """Of the same conversation."""
    first = (await finish(agent_db, talk, "a", "b", usage=[])).messages
    turn = await finish(
        agent_db, talk, messages=[{**ASKED, "parent_id": first[0].id}, {**ANSWERED, "parent_id": None}], usage=[]
    )
    other = await agent_db.conversations.start(user_id=ada.id)

    assert [message.parent_id for message in turn.messages] == [first[0].id, None]
    with pytest.raises(NotFoundError, match="message"):
        await finish(agent_db, other, messages=[{**ASKED, "parent_id": first[0].id}], usage=[])


# what is refused


async def test_a_refused_turn_leaves_nothing(
    agent_db: Database, ada: User, bob: User, talk: Conversation, dollar: str
) -> None:
    """Neither messages nor usage, whatever was wrong; and nobody hears of it."""
    theirs = await agent_db.conversations.start(user_id=bob.id)
    foreign = await agent_db.conversations.append(theirs.id, user_id=bob.id, role="user", content=ASKED["content"])
    private = await agent_db.agents.create(user_id=bob.id, name="His")
    refused: list[tuple[type[AgentDBError], dict[str, Any]]] = [
        (BudgetError, {"usage": [DOLLAR] * 11, "enforce_budget": True}),
        (NotFoundError, {"usage": [DOLLAR, {"model": "unknown"}]}),
        (NotFoundError, {"usage": [{**DOLLAR, "message_id": foreign.id}]}),
        (NotFoundError, {"usage": [{**DOLLAR, "agent_id": private.id}]}),
        (NotFoundError, {"messages": [{**ASKED, "parent_id": foreign.id}]}),
        (NotFoundError, {"user_id": 10**9}),
        (NotFoundError, {"user_id": 10**9, "usage": ()}),
        (ConflictError, {"expected_parent": 1}),
        (InvalidInputError, {"usage": [{"model": "dollar", "input_tokens": 10**15}]}),
        (InvalidInputError, {"usage": [{"model": "dollar", "input_tokens": 899 * 10**9}] * 3}),
        (InvalidInputError, {"usage": [{"model": "dollar", "input_tokens": -1}]}),
        (InvalidInputError, {"usage": [DOLLAR] * 101}),
        (InvalidInputError, {"usage": None}),
        (InvalidInputError, {"usage": {}}),
        (InvalidInputError, {"messages": []}),
        (InvalidInputError, {"messages": [{"role": "system", "content": ASKED["content"]}]}),
        (InvalidInputError, {"messages": [{"role": "user", "content": [{"text": "\x00"}]}]}),
        (InvalidInputError, {"request_id": ""}),
        (InvalidInputError, {"expected_parent": "1"}),
        (InvalidInputError, {"enforce_budget": 1}),
        (DeadlineError, {"timeout": 0}),
    ]
    before = await kept(agent_db)
    async with agent_db.events.subscribe() as events:
        for error, values in refused:
            for key in ({}, {"request_id": "r"}):
                with pytest.raises(error):
                    await finish(agent_db, talk, **{**key, **values})

                assert await kept(agent_db) == before, values
        heard = await rest(events)

    assert heard == []
    assert before == (1, 0, 10)


async def test_a_turn_is_refused_as_its_parts_are(
    agent_db: Database, ada: User, talk: Conversation, dollar: str
) -> None:
    """With the same facts in the same words."""
    with pytest.raises(BudgetError) as found:
        await finish(agent_db, talk, usage=[DOLLAR] * 11, enforce_budget=True)
    with pytest.raises(BudgetError) as expected:
        await agent_db.usage.record_many([DOLLAR] * 11, user_id=ada.id, enforce_budget=True)
    overdrawn = await finish(agent_db, talk, usage=[DOLLAR] * 11)

    assert str(found.value) == str(expected.value)
    assert found.value.cost == 11
    assert overdrawn.charge is not None
    assert overdrawn.charge.is_overdrawn


async def test_a_turn_ends_where_its_agent_believes(agent_db: Database, ada: User, talk: Conversation) -> None:
    """Of two who have read the same, one is refused."""
    first = await finish(agent_db, talk, usage=[], expected_parent=0)
    last = first.messages[-1].id
    answers = await asyncio.gather(
        *(finish(agent_db, talk, f"{n}", usage=[], expected_parent=last) for n in range(5)), return_exceptions=True
    )

    assert sorted(type(answer).__name__ for answer in answers) == ["ConflictError"] * 4 + ["FinishedTurn"]
    assert await kept(agent_db) == (3, 0, 10)


# once


async def test_a_repeated_turn_gives_the_first_answer(
    agent_db: Database, ada: User, talk: Conversation, dollar: str
) -> None:
    """Also when the conversation has gone on with another agent, and the price has changed."""
    first = await finish(agent_db, talk, request_id="r")
    await agent_db.conversations.set_agent(talk.id, user_id=ada.id, agent_id=1)
    await finish(agent_db, talk, usage=[], request_id="other")
    with agent_db.use():
        await Model.filter(internal_name=dollar).update(cost1k_input=Decimal(7))
    async with agent_db.events.subscribe() as events:
        again = await finish(agent_db, talk, request_id="r", expected_parent=0)
        heard = await rest(events)

    assert again == first
    assert heard == []
    assert await kept(agent_db) == (4, 1, 9)


@pytest.mark.parametrize(
    "values",
    [
        {"messages": [ASKED]},
        {"messages": [ASKED, ANSWERED, ANSWERED]},
        {"messages": [ASKED, {**ANSWERED, "content": [{"text": "It is this."}]}]},
        {"usage": []},
        {"usage": [DOLLAR, DOLLAR]},
        {"usage": [{**DOLLAR, "input_tokens": 999}]},
        {"usage": [{**DOLLAR, "type": None}]},
        {"usage": [{**DOLLAR, "message_id": 1}]},
        {"usage": [{**DOLLAR, "agent_id": 1}]},
        {"usage": [{**DOLLAR, "model": "mock-model"}]},
    ],
)
async def test_a_request_id_is_of_one_turn(
    agent_db: Database, talk: Conversation, dollar: str, values: dict[str, Any]
) -> None:
    """Whatever else it says or reports is another call."""
    await finish(agent_db, talk, request_id="r")
    with pytest.raises(ConflictError, match="request_id"):
        await finish(agent_db, talk, request_id="r", **values)

    assert await kept(agent_db) == (2, 1, 9)


async def test_a_request_id_of_other_calls_is_none_of_a_turn(
    agent_db: Database, ada: User, talk: Conversation, dollar: str
) -> None:
    """The messages of one and the charge of another make no turn, nor does a turn that had no usage."""
    message = await agent_db.conversations.append(
        talk.id, user_id=ada.id, role="assistant", content=ANSWERED["content"], request_id="a"
    )
    await agent_db.usage.record(user_id=ada.id, message_id=message.id, agent_id=talk.agent_id, request_id="b", **DOLLAR)
    for key in ("a", "b"):
        with pytest.raises(ConflictError, match="request_id"):
            await finish(agent_db, talk, messages=[ANSWERED], request_id=key)
    silent = await finish(agent_db, talk, usage=[], request_id="c")
    with pytest.raises(ConflictError, match="request_id"):
        await finish(agent_db, talk, request_id="c")

    assert await kept(agent_db) == (3, 1, 9)
    assert silent.charge is None


async def test_a_turn_without_usage_shares_its_key_with_a_charge(
    agent_db: Database, ada: User, talk: Conversation, dollar: str
) -> None:
    """A platform that gives all calls of one request the same key can repeat each of them."""
    first = await finish(agent_db, talk, usage=[], request_id="r")
    await agent_db.usage.record(user_id=ada.id, message_id=first.messages[1].id, request_id="r", **DOLLAR)

    assert await finish(agent_db, talk, usage=[], request_id="r") == first


@pytest.mark.parametrize("usage", [[], [DOLLAR, DOLLAR]])
async def test_a_hundred_callers_finish_one_turn(
    agent_db: Database, ada: User, talk: Conversation, dollar: str, usage: list[dict[str, Any]]
) -> None:
    """One effect, told once, and a hundred equal answers."""
    async with agent_db.events.subscribe() as events:
        turns = await asyncio.gather(*(finish(agent_db, talk, usage=usage, request_id="r") for _ in range(100)))
        heard = await rest(events)

    assert all(turn == turns[0] for turn in turns)
    assert len(heard) == 1 + bool(usage)
    assert await kept(agent_db) == (2, len(usage), 10 - len(usage))


# transactions, events, cancellation


async def test_a_turn_joins_a_transaction(agent_db: Database, ada: User, talk: Conversation, dollar: str) -> None:
    """It is undone with it, and may be refused alone."""
    with pytest.raises(ZeroDivisionError):
        async with agent_db.transaction():
            await finish(agent_db, talk)
            assert (await agent_db.conversations.begin_turn(talk.id, user_id=ada.id)).remaining == 9
            raise ZeroDivisionError
    undone = await kept(agent_db)
    async with agent_db.transaction():
        await finish(agent_db, talk)
        with pytest.raises(BudgetError):
            await finish(agent_db, talk, usage=[DOLLAR] * 10, enforce_budget=True)

    assert undone == (0, 0, 10)
    assert await kept(agent_db) == (2, 1, 9)


async def test_a_turn_is_told_after_its_commit(agent_db: Database, ada: User, talk: Conversation, dollar: str) -> None:
    """First what was said, then what it cost; with a transaction's own commit, and never if that fails."""
    async with agent_db.events.subscribe(user_id=ada.id) as events:
        alone = await finish(agent_db, talk)
        with pytest.raises(ZeroDivisionError):
            async with agent_db.transaction():
                await finish(agent_db, talk)
                raise ZeroDivisionError
        async with agent_db.transaction():
            joined = await finish(agent_db, talk)
            assert len(events._waiting) == 2
        silent = await finish(agent_db, talk, usage=[])
        heard = await rest(events)

    expected: list[Event] = []
    for turn in (alone, joined, silent):
        ids = tuple(message.id for message in turn.messages)
        expected.append(MessagesAppended(user_id=ada.id, conversation_id=talk.id, message_ids=ids))
        if turn.charge is not None:
            expected.append(Charged(user_id=ada.id, **dict(turn.charge)))
    assert heard == expected


async def test_a_cancelled_turn_is_whole_or_not_at_all(
    agent_db: Database, ada: User, talk: Conversation, dollar: str
) -> None:
    """Whenever its caller gives up, messages, usage, balance and events belong together, and the database goes on."""
    async with agent_db.events.subscribe() as events:
        for steps in range(60):
            call = asyncio.create_task(finish(agent_db, talk))
            for _ in range(steps % 30):
                await asyncio.sleep(0)
            await asyncio.sleep(0.0002 * (steps // 30) * (steps % 10))
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        heard = await rest(events)
    messages, usages, remaining = await kept(agent_db)

    assert messages == 2 * usages == len(heard)
    assert remaining == 10 - usages
    assert (await finish(agent_db, talk)).charge is not None


async def test_turns_of_many_tasks_add_up(agent_db: Database, ada: User, talk: Conversation, dollar: str) -> None:
    """On one user and one conversation, beside other appends and charges: all in order, exact to the last decimal."""
    await agent_db.access.update_user(ada.id, budget=Decimal(1000))
    other = await agent_db.conversations.start(user_id=ada.id)
    turns = await asyncio.gather(
        *(finish(agent_db, (talk, other)[n % 2], f"{n}", f"{n}") for n in range(100)),
        *(finish(agent_db, talk, f"{n}", usage=[], request_id=f"{n}") for n in range(20)),
    )
    await asyncio.gather(
        *(finish(agent_db, talk, usage=[DOLLAR] * 3, request_id=f"r{n}") for n in range(30)),
        *(agent_db.usage.record(user_id=ada.id, **DOLLAR) for _ in range(30)),
        *(
            agent_db.conversations.append(talk.id, user_id=ada.id, role="user", content=[{"text": "x"}])
            for _ in "x" * 30
        ),
    )
    page = await agent_db.conversations.history(talk.id, user_id=ada.id, limit=1000)
    ids = [[message.id for message in turn.messages] for turn in turns if turn.charge is not None]

    assert await kept(agent_db) == (200 + 20 + 60 + 30, 100 + 90 + 30, 1000 - 220)
    assert [message.id for message in page.items] == sorted(message.id for message in page.items)
    assert len(page.items) == 100 + 20 + 60 + 30
    assert all(second == first + 1 for first, second in ids)
    assert sorted(turn.charge.remaining for turn in turns if turn.charge is not None) == [*range(900, 1000)]  # type: ignore[type-var]


async def test_an_enforced_budget_is_never_overspent(
    agent_db: Database, ada: User, talk: Conversation, dollar: str
) -> None:
    """Of many turns at once as many are kept as can be paid."""
    turns = await asyncio.gather(
        *(finish(agent_db, talk, usage=[DOLLAR] * 3, enforce_budget=True) for _ in range(20)), return_exceptions=True
    )

    assert sorted(type(turn).__name__ for turn in turns) == ["BudgetError"] * 17 + ["FinishedTurn"] * 3
    assert await kept(agent_db) == (6, 9, 1)


# round trips on PostgreSQL


@postgres
async def test_a_turn_begins_in_two_round_trips(
    agent_db: Database, ada: User, talk: Conversation, trips: list[str]
) -> None:
    """With summary, resources and an agent, however it is named; without one it is a single one."""
    turn = await finish(agent_db, talk, usage=[])
    await agent_db.conversations.summarise(
        talk.id, user_id=ada.id, summary="All that was said. " * 5, expected_parent=turn.messages[1].id
    )
    last = await agent_db.conversations.append(talk.id, user_id=ada.id, role="user", content=ASKED["content"])
    await agent_db.knowledge.store(user_id=ada.id, name="notes", content="x", message_id=last.id)
    bare = await agent_db.conversations.start(user_id=ada.id)
    counts = []
    for named in (None, talk.agent_id, "Standard Chat"):
        trips.clear()
        found = await agent_db.conversations.begin_turn(talk.id, user_id=ada.id, agent=named)
        counts.append((len(trips), len(found.messages), len(found.resources)))
    trips.clear()
    await agent_db.conversations.begin_turn(bare.id, user_id=ada.id)

    assert counts == [(2, 2, 1)] * 3
    assert len(trips) == 1


@postgres
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"usage": []},
        {"usage": [DOLLAR, {**DOLLAR, "agent_id": 1}], "request_id": "r", "enforce_budget": True},
        {"expected_parent": 1, "timeout": 5},
        {"messages": [ASKED, {**ANSWERED, "parent_id": 1}]},
        {"messages": [{"role": "user", "content": [{"text": "x" * 1_000_000}]}]},
    ],
)
async def test_a_turn_is_finished_in_one_round_trip(
    agent_db: Database, ada: User, talk: Conversation, dollar: str, trips: list[str], values: dict[str, Any]
) -> None:
    """Messages, usage and charge, whatever is asked for."""
    await agent_db.conversations.append(talk.id, user_id=ada.id, role="user", content=ASKED["content"])
    trips.clear()
    await finish(agent_db, talk, **values)

    assert len(trips) == 1


# what others do while the statement waits for their lock: its snapshot is older than the lock


@postgres
async def test_what_was_said_meanwhile(agent_db: Database, ada: User, talk: Conversation, dollar: str) -> None:
    """The turn stands behind it; one that expected to be the next is refused."""
    async with outsider(agent_db) as other:
        await other.execute('UPDATE "Conversation" SET "updatedAt" = now() WHERE "id" = $1', talk.id)
        tasks = [asyncio.create_task(finish(agent_db, talk, expected_parent=expected)) for expected in (0, None)]
        await someone_waits(url_of(agent_db))
        theirs = await other.fetchval(
            'INSERT INTO "Message" ("conversationID", "role") VALUES ($1, \'user\') RETURNING "id"', talk.id
        )
    refused, turn = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(refused, ConflictError)
    assert isinstance(turn, FinishedTurn)
    assert turn.messages[0].id > theirs
    assert await kept(agent_db) == (3, 1, 9)


@postgres
async def test_a_lock_of_somebody_who_says_nothing(agent_db: Database, talk: Conversation, trips: list[str]) -> None:
    """It changes nothing: the turn is still the next one, in one round trip."""
    async with outsider(agent_db) as other:
        await other.execute('SELECT 1 FROM "Conversation" WHERE "id" = $1 FOR UPDATE', talk.id)
        task = asyncio.create_task(finish(agent_db, talk, usage=[], expected_parent=0))
        await someone_waits(url_of(agent_db))
        trips.clear()
    await task

    assert trips == []


@postgres
async def test_a_conversation_that_is_deleted_meanwhile(agent_db: Database, ada: User, talk: Conversation) -> None:
    """Nothing is added to it, and nothing charged."""
    async with outsider(agent_db) as other:
        await other.execute('UPDATE "Conversation" SET "deleted" = TRUE WHERE "id" = $1', talk.id)
        task = asyncio.create_task(finish(agent_db, talk, usage=[{"model": "mock-model", "input_tokens": 1}]))
        await someone_waits(url_of(agent_db))
    with pytest.raises(NotFoundError):
        await task

    assert await kept(agent_db) == (0, 0, 10)


@postgres
async def test_a_balance_that_changes_meanwhile(agent_db: Database, talk: Conversation, dollar: str) -> None:
    """The charge counts from what it is when the lock is free."""
    async with outsider(agent_db) as other:
        await other.execute('UPDATE "User" SET "remaining" = 1.5 WHERE "id" = $1', talk.user_id)
        tasks = [asyncio.create_task(finish(agent_db, talk, enforce_budget=True)) for _ in range(2)]
        await someone_waits(url_of(agent_db))
    answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert sorted(type(answer).__name__ for answer in answers) == ["BudgetError", "FinishedTurn"]
    assert await kept(agent_db) == (2, 1, Decimal("0.5"))


@postgres
async def test_a_request_id_that_is_used_meanwhile(agent_db: Database, talk: Conversation) -> None:
    """By another process, which the snapshot does not show: the call is a repeated one all the same."""
    async with outsider(agent_db) as other:
        await other.execute('SELECT 1 FROM "Conversation" WHERE "id" = $1 FOR UPDATE', talk.id)
        task = asyncio.create_task(finish(agent_db, talk, messages=[ANSWERED], usage=[], request_id="r"))
        await someone_waits(url_of(agent_db))
        theirs = await other.fetchval(
            """
            INSERT INTO "Message" ("conversationID", "role", "content", "requestId", "requestIndex", "createdAt")
            VALUES ($1, 'assistant', '[{"text": "It is that."}]', 'r', 0, now()) RETURNING "id"
            """,
            talk.id,
        )
    turn = await task

    assert [message.id for message in turn.messages] == [theirs]


@postgres
async def test_a_turn_ends_at_its_deadline(agent_db: Database, talk: Conversation, dollar: str) -> None:
    """Nothing is kept, also not by one that waits behind it."""
    async with outsider(agent_db) as other:
        await other.execute('SELECT 1 FROM "User" WHERE "id" = $1 FOR UPDATE', talk.user_id)
        answers = await asyncio.gather(*(finish(agent_db, talk, timeout=0.2) for _ in range(3)), return_exceptions=True)
    await asyncio.sleep(0.1)

    assert [type(answer) for answer in answers] == [DeadlineError] * 3
    assert await kept(agent_db) == (0, 0, 10)


@postgres
async def test_turns_of_others_do_not_wait(agent_db: Database, bob: User, talk: Conversation, dollar: str) -> None:
    """Behind somebody's lock only that user's turns stand, and a cancelled one leaves at once."""
    theirs = [await agent_db.conversations.start(user_id=bob.id) for _ in range(2)]
    async with outsider(agent_db) as other:
        await other.execute('SELECT 1 FROM "User" WHERE "id" = $1 FOR UPDATE', talk.user_id)
        waiting = [asyncio.create_task(finish(agent_db, talk)) for _ in range(6)]
        await someone_waits(url_of(agent_db))
        turns = await asyncio.gather(*(finish(agent_db, theirs[n % 2]) for n in range(6)))
        for task in waiting[:3]:
            task.cancel()
        given_up = await asyncio.gather(*waiting[:3], return_exceptions=True)
    answers = await asyncio.gather(*waiting[3:])

    assert len({turn.charge for turn in turns}) == 6
    assert [type(one) for one in given_up] == [asyncio.CancelledError] * 3
    assert sorted(answer.charge.remaining for answer in answers if answer.charge is not None) == [7, 8, 9]  # type: ignore[type-var]
    assert await kept(agent_db) == (18, 9, 7)


@postgres
async def test_a_turn_whose_connection_is_lost(agent_db: Database, talk: Conversation, dollar: str) -> None:
    """Nobody knows what became of it: one with a request_id finds out, another one says so."""
    async with outsider(agent_db) as other:
        await other.execute('SELECT 1 FROM "User" WHERE "id" = $1 FOR UPDATE', talk.user_id)
        for key in (None, "r"):
            task = asyncio.create_task(finish(agent_db, talk, request_id=key))
            await someone_waits(url_of(agent_db))
            await other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND datname = current_database()"
            )
            if key is None:
                with pytest.raises(OutcomeUnknownError):
                    await task
    turn = await task

    assert turn.messages[0].request_id == "r"
    assert await kept(agent_db) == (2, 1, 9)


@postgres
async def test_senders_of_turns_do_not_lock_each_other_out(agent_db: Database, dollar: str) -> None:
    """Several handles on the same users and conversations, beside all that locks these: no deadlock, nothing lost."""
    users = [await agent_db.access.create_user(email=f"{n}@example.org", budget=Decimal(1000)) for n in range(4)]
    talks = [await agent_db.conversations.start(user_id=user.id, agent_id=1) for user in users]
    sessions = [Session(agent_db.session.target, create=False) for _ in range(3)]
    senders = [Database(session, agent_db.settings, agent_db._vault, None) for session in sessions]

    async def send(db: Database, number: int) -> None:
        chance = random.Random(number)
        for turn in range(10):
            order = chance.sample(range(4), 4)
            await asyncio.gather(
                *(finish(db, talks[n]) for n in order),
                *(finish(db, talks[n], messages=[ANSWERED], request_id=f"{turn}") for n in order),
                *(db.usage.record(user_id=users[n].id, **DOLLAR) for n in order),
                *(
                    db.conversations.append(talks[n].id, user_id=users[n].id, role="user", content=ASKED["content"])
                    for n in order
                ),
            )

    try:
        for session in sessions:
            await session.open(["agentdb.models"])
        await asyncio.gather(*(send(db, number) for number, db in enumerate(senders)))
    finally:
        for db in senders:
            await db.close()
    deadlocks = await agent_db.session.fetch(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    with agent_db.use():
        counts = [await Message.filter(conversation_id=talk.id).count() for talk in talks]

    assert [await agent_db.usage.remaining(user.id) for user in users] == [1000 - (3 * 10 * 2 + 10)] * 4
    assert counts == [3 * 10 * 3 + 10] * 4
    assert deadlocks[0]["deadlocks"] == 0


# a database of the original package


@pytest.mark.agentdb(engine="postgresql", seed=False)
async def test_turns_on_a_database_of_the_original_package(agent_db_url: str) -> None:
    """They work without what it lacks, and a request_id is refused."""
    connection = await asyncpg.connect(agent_db_url)
    try:
        await connection.execute(f"DROP SCHEMA public CASCADE; CREATE SCHEMA public; {schema()} {ROWS}")
    finally:
        await connection.close()
    settings = Settings.load(env_file=None)
    model = "us.anthropic.claude-sonnet-4-6"
    async with agentdb.connect(agent_db_url, skip_sync=True, schema="original", settings=settings) as db:
        talk = await db.conversations.start(user_id=1, agent_id=1)
        finished = await finish(db, talk, usage=[{"model": model, "input_tokens": 1000}], enforce_budget=True)
        await db.session.fetch(
            'INSERT INTO "Resource" ("messageID", "name", "metadata") VALUES ($1, \'notes\', \'{"a": 1}\')',
            [finished.messages[0].id],
        )
        turn = await db.conversations.begin_turn(talk.id, user_id=1)
        context = await db.conversations.context(talk.id, user_id=1)
        with pytest.raises(BudgetError):
            await finish(db, talk, usage=[{"model": model, "input_tokens": 10_000}], enforce_budget=True)
        with pytest.raises(UnsupportedError, match="agentdb adopt"):
            await finish(db, talk, usage=[], request_id="r")
        last = await db.conversations.history(talk.id, user_id=1)

    assert finished.charge is not None
    assert (finished.charge.cost_usd, finished.charge.remaining) == (Decimal("0.1"), Decimal("0.2"))
    assert turn.model_dump(include=set(type(context).model_fields)) == context.model_dump()
    assert [resource.metadata for resource in turn.resources] == [{"a": 1}]
    assert turn.agent is not None
    assert (turn.agent.name, turn.remaining) == ("Standard Chat", Decimal("0.2"))
    assert len(last.items) == 2
