"""Several rows of one request, conventions of counting, and who is told."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from agentdb import Agent, BudgetError, ConflictError, Database, InvalidInputError, Message, NotFoundError, Usage
from agentdb import Model as ModelTable
from agentdb.events import Charged
from agentdb.records import Charge, User
from agentdb.services._conventions import Convention
from tests.services.spending import rows, set_balance, spend

pytestmark = pytest.mark.agentdb(engine="both")

SONNET = "us.anthropic.claude-sonnet-4-6"


def dollars(*amounts: int) -> list[dict[str, Any]]:
    return [{"model": "dollar", "input_tokens": amount * 1000} for amount in amounts]


@pytest.fixture
async def told(agent_db: Database, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The events that are published from now on."""
    events: list[Any] = []
    subscription = agent_db.events.subscribe()
    monkeypatch.setattr(subscription, "offer", events.append)
    agent_db.events.add(subscription)
    return events


# several rows


async def test_the_rows_of_one_request_are_charged_together(agent_db: Database, ada: User, dollar: str) -> None:
    """One charge for their sum, each row with its own cost, in the order of the items."""
    items: list[dict[str, Any]] = [
        {"model": "dollar", "input_tokens": 1000, "type": "chat", "agent_id": 1},
        {"model": SONNET, "output_tokens": 90, "cache_write_tokens": 7},
        {"model": "dollar", "type": "guardrail", "cache_read_tokens": 2**63 - 1},
    ]
    charge = await agent_db.usage.record_many(items, user_id=ada.id, request_id="r")
    with agent_db.use():
        found = await Usage.all().order_by("id")

    cost = Decimal("0.00135") + Decimal("0.00002625")
    assert charge == Charge(usage_ids=tuple(row.id for row in found), cost_usd=1 + cost, remaining=9 - cost)
    assert [row.cost for row in found] == [1, cost, 0]
    assert [(row.request_id, row.request_index) for row in found] == [("r", 0), ("r", 1), ("r", 2)]
    assert [(row.type, row.agent_id) for row in found] == [("chat", 1), (None, None), ("guardrail", None)]
    assert [row.input_tokens for row in found] == [1000, 0, 0]
    assert found[2].cache_read_tokens == 2**63 - 1
    assert await agent_db.usage.remaining(ada.id) == 9 - cost


async def test_rows_need_no_request_id(agent_db: Database, bob: User, dollar: str) -> None:
    """Then each call is a new one."""
    charges = [await agent_db.usage.record_many(dollars(1, 2), user_id=bob.id) for _ in range(2)]
    with agent_db.use():
        found = await Usage.all().order_by("id")

    assert [charge.cost_usd for charge in charges] == [3, 3]
    assert [row.cost for row in found] == [1, 2, 1, 2]
    assert [row.request_id or row.request_index for row in found] == [None] * 4


async def test_each_row_is_rounded_by_itself(agent_db: Database, bob: User) -> None:
    """So that the sum of the rows is the charge."""
    with agent_db.use():
        await ModelTable.create(internal_name="tiny", cost1k_input=Decimal("1e-10"))
    items = [{"model": "tiny", "input_tokens": tokens} for tokens in (400, 400, 1500)]
    charge = await agent_db.usage.record_many(items, user_id=bob.id)

    assert charge.cost_usd == Decimal("2e-10")


async def test_one_item_is_the_same_as_one_call(agent_db: Database, ada: User, dollar: str) -> None:
    """The two repeat each other."""
    first = await agent_db.usage.record_many(dollars(4), user_id=ada.id, request_id="r")

    assert await spend(agent_db, ada, 4, request_id="r") == first


async def test_many_rows_are_enforced_as_one(agent_db: Database, ada: User, dollar: str) -> None:
    """All of them, or none."""
    before = await rows(agent_db)

    with pytest.raises(BudgetError) as caught:
        await agent_db.usage.record_many(dollars(1, 5, 5), user_id=ada.id, enforce_budget=True)
    assert (caught.value.cost, caught.value.remaining) == (Decimal(11), Decimal(10))
    assert await rows(agent_db) == before
    charge = await agent_db.usage.record_many(dollars(5, 5), user_id=ada.id, enforce_budget=True)
    assert charge.remaining == 0
    assert (await agent_db.usage.record_many(dollars(5, 5), user_id=ada.id)).remaining == -10


async def test_a_repeated_request_has_all_its_rows(agent_db: Database, ada: User, dollar: str) -> None:
    """100 callers, one effect, equal answers; fewer, more, other or moved rows are another call."""
    calls = (agent_db.usage.record_many(dollars(1, 2, 3), user_id=ada.id, request_id="r") for _ in range(100))
    answers = await asyncio.gather(*calls)
    before = await rows(agent_db)

    assert len(set(map(repr, answers))) == 1
    assert (answers[0].cost_usd, answers[0].remaining, len(answers[0].usage_ids)) == (Decimal(6), Decimal(4), 3)
    for other in ([1, 2], [1, 2, 3, 0], [1, 2, 4], [3, 2, 1], [6]):
        with pytest.raises(ConflictError, match="'r' was used for another call"):
            await agent_db.usage.record_many(dollars(*other), user_id=ada.id, request_id="r")
    assert await rows(agent_db) == before


async def test_what_was_deleted_since_does_not_change_a_request(agent_db: Database, ada: User, dollar: str) -> None:
    """Each row is compared with what its own item named."""
    talk = await agent_db.conversations.start(user_id=ada.id)
    message = await agent_db.conversations.append(talk.id, user_id=ada.id, role="user", content=[{"text": "x"}])
    with agent_db.use():
        agent = await Agent.create(name="Mine", user_id=ada.id)
    items = [
        {"model": "dollar", "agent_id": int(agent.id)},
        {"model": "dollar", "message_id": message.id},
        {"model": "dollar", "agent_id": 1},
    ]
    first = await agent_db.usage.record_many(items, user_id=ada.id, request_id="r")
    with agent_db.use():
        await Agent.filter(id=agent.id).delete()
        await Message.filter(id=message.id).delete()

    assert await agent_db.usage.record_many(items, user_id=ada.id, request_id="r") == first
    with pytest.raises(ConflictError):
        await agent_db.usage.record_many([items[2], *items[1:]], user_id=ada.id, request_id="r")


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([], "1 to 100 items, found 0"),
        ([{"model": "dollar"}] * 101, "1 to 100 items, found 101"),
        (None, "a list of mappings"),
        ("items", "a list of mappings"),
        ({"model": "dollar"}, "a list of mappings"),
        ([("model", "dollar")], "An item is a mapping"),
        ([{}], "model is a text"),
        ([{"model": "dollar", "quantity": 3, "unit": "images"}], "found quantity, unit. Other units"),
        ([{"model": "dollar", "input_tokens": -1}], "0 or greater"),
        ([{"model": "dollar", "output_tokens": None}], "is an int"),
        ([{"model": "dollar", "convention": "bedrock"}], "convention is one of"),
        ([{"model": "dollar", "type": "nul \x00"}], "NUL"),
        ([{"model": "dollar", "message_id": 2**63}], "64 bits"),
        ([{"model": "dollar", "input_tokens": 500_000_000_000}] * 2, "lies between"),
    ],
)
async def test_bad_items_record_nothing(agent_db: Database, ada: User, dollar: str, items: Any, message: str) -> None:
    """Nor do the good ones before them."""
    good = [{"model": "dollar"}] if isinstance(items, list) and 0 < len(items) < 100 else []
    before = await rows(agent_db)

    with pytest.raises(InvalidInputError, match=message):
        await agent_db.usage.record_many(good + items if good else items, user_id=ada.id)
    assert await rows(agent_db) == before


async def test_an_item_can_name_only_what_is_the_users(agent_db: Database, ada: User, bob: User, dollar: str) -> None:
    """One that cannot stops them all."""
    with agent_db.use():
        agent = await Agent.create(name="Private", user_id=ada.id)
    before = await rows(agent_db)

    for wrong, what in (({"agent_id": int(agent.id)}, "agent"), ({"model": "none"}, "model 'none'")):
        with pytest.raises(NotFoundError, match=f"No {what}"):
            await agent_db.usage.record_many([*dollars(1), {"model": "dollar"} | wrong], user_id=bob.id)
    with pytest.raises(NotFoundError, match="No user 999"):
        await agent_db.usage.record_many(dollars(1, 2), user_id=999)
    assert await rows(agent_db) == before


# conventions


@pytest.mark.parametrize(
    ("convention", "input_tokens"), [("disjoint", 200), ("anthropic", 200), ("openai", 2600), ("otel", 2600)]
)
async def test_a_response_costs_the_same_in_every_convention(
    agent_db: Database, bob: User, convention: Convention, input_tokens: int
) -> None:
    """Whether it is recorded, one of many, or settled."""
    values: dict[str, Any] = {
        "model": SONNET,
        "input_tokens": input_tokens,
        "output_tokens": 300,
        "cache_read_tokens": 2000,
        "cache_write_tokens": 400,
        "convention": convention,
    }
    held = await agent_db.usage.reserve(user_id=bob.id, amount_usd=1)
    charges = [
        await agent_db.usage.record(user_id=bob.id, **values),
        await agent_db.usage.record_many([values], user_id=bob.id),
        await agent_db.usage.settle(held.id, user_id=bob.id, **values),
    ]
    with agent_db.use():
        counts = {(row.input_tokens, row.output_tokens, row.cache_read_tokens) for row in await Usage.all()}

    assert {charge.cost_usd for charge in charges} == {Decimal("0.0072")}
    assert counts == {(200, 300, 2000)}


async def test_what_a_response_says_can_be_recorded(agent_db: Database, bob: User) -> None:
    """Its usage goes in as the provider gave it."""
    response = {"prompt_tokens": 2006, "completion_tokens": 300, "prompt_tokens_details": {"cached_tokens": 1920}}
    tokens = agent_db.usage.tokens_of(response, convention="openai")
    by_hand = await agent_db.usage.record(
        user_id=bob.id, model=SONNET, input_tokens=86, output_tokens=300, cache_read_tokens=1920
    )

    assert tokens == (86, 300, 1920, 0)
    charge = await agent_db.usage.record(
        user_id=bob.id,
        model=SONNET,
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        cache_read_tokens=tokens.cache_read,
    )
    assert charge.cost_usd == by_hand.cost_usd


@pytest.mark.parametrize(
    "values",
    [
        {"convention": "openai", "input_tokens": 9, "cache_read_tokens": 10},
        {"convention": "otel", "input_tokens": 9, "cache_write_tokens": 10},
        {"convention": None},
        {"convention": "OpenAI"},
    ],
)
async def test_numbers_that_fit_no_convention_record_nothing(
    agent_db: Database, ada: User, dollar: str, values: dict[str, Any]
) -> None:
    """The caller has mixed them up, and would be charged wrongly."""
    before = await rows(agent_db)

    with pytest.raises(InvalidInputError, match="convention"):
        await spend(agent_db, ada, **values)
    assert await rows(agent_db) == before


async def test_the_same_response_in_another_convention_is_the_same_call(
    agent_db: Database, ada: User, dollar: str
) -> None:
    """What counts is what is recorded."""
    first = await spend(agent_db, ada, input_tokens=1500, cache_read_tokens=500, convention="openai", request_id="r")

    assert await spend(agent_db, ada, input_tokens=1000, cache_read_tokens=500, request_id="r") == first


# who is told


async def test_a_charge_is_told_once_after_the_commit(
    agent_db: Database, ada: User, dollar: str, told: list[Any]
) -> None:
    """Neither a repeated call nor a refused one is an event."""
    charge = await spend(agent_db, ada, 1, request_id="r")
    await spend(agent_db, ada, 1, request_id="r")
    with pytest.raises(BudgetError):
        await spend(agent_db, ada, 11, enforce_budget=True)
    many = await agent_db.usage.record_many(dollars(1, 2), user_id=ada.id)

    assert told == [
        Charged(user_id=ada.id, usage_ids=one.usage_ids, cost_usd=one.cost_usd, remaining=one.remaining)
        for one in (charge, many)
    ]


async def test_a_charge_that_is_rolled_back_is_not_told(
    agent_db: Database, ada: User, dollar: str, told: list[Any]
) -> None:
    """Only what is kept has happened."""

    async def work() -> None:
        async with agent_db.transaction():
            await spend(agent_db, ada)
            raise RuntimeError(f"{len(told)} told so far")

    with pytest.raises(RuntimeError, match="0 told"):
        await work()
    assert told == []
    async with agent_db.transaction():
        await spend(agent_db, ada)
        await set_balance(agent_db, ada, Decimal(3))
        assert told == []
    assert len(told) == 1
