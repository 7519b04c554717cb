"""Recording usage and charging for it: exact, whole, once, and never more than allowed."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from agentdb import (
    Agent,
    BudgetError,
    ConflictError,
    Database,
    DeadlineError,
    InvalidInputError,
    Message,
    Model,
    NotFoundError,
    Usage,
)
from agentdb import User as UserTable
from agentdb.engine.money import from_database
from agentdb.records import Charge, User
from tests.services.spending import rows, set_balance, spend

pytestmark = pytest.mark.agentdb(engine="both")

LIMIT = Decimal(900_000_000)


# what is recorded


async def test_usage_is_recorded_and_charged(agent_db: Database, ada: User) -> None:
    """The row holds the tokens and the exact cost, the balance falls by it."""
    charge = await agent_db.usage.record(
        user_id=ada.id,
        model="us.anthropic.claude-sonnet-4-6",
        input_tokens=12,
        output_tokens=90,
        cache_read_tokens=1000,
        cache_write_tokens=7,
        type="chat",
        agent_id=1,
        request_id="r",
    )
    with agent_db.use():
        (row,) = await Usage.all()

    cost = Decimal("0.000036") + Decimal("0.00135") + Decimal("0.0003") + Decimal("0.00002625")
    assert charge == Charge(usage_ids=(row.id,), cost_usd=cost, remaining=10 - cost)
    assert not charge.is_overdrawn
    assert (row.user_id, row.model_id, row.type, row.agent_id, row.message_id) == (ada.id, 2, "chat", 1, None)
    assert (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.cache_write_tokens) == (12, 90, 1000, 7)
    assert (row.cost, row.request_id, row.request_index) == (cost, "r", 0)
    assert await agent_db.usage.remaining(ada.id) == 10 - cost


async def test_usage_without_tokens_costs_nothing(agent_db: Database, ada: User) -> None:
    """It is recorded all the same."""
    charge = await agent_db.usage.record(user_id=ada.id, model="mock-model")

    assert (charge.cost_usd, charge.remaining) == (Decimal(0), Decimal(10))
    assert len(charge.usage_ids) == 1


async def test_a_cost_is_rounded_once_half_even(agent_db: Database, bob: User) -> None:
    """To ten decimals: 0.5 of the last one goes to the even side, on every engine."""
    with agent_db.use():
        await Model.create(internal_name="tiny", cost1k_input=Decimal("1e-10"), cost1k_output=Decimal("2e-10"))
    costs = [
        (await agent_db.usage.record(user_id=bob.id, model="tiny", input_tokens=n)).cost_usd.scaleb(10)
        for n in (499, 500, 501, 1500, 2500)
    ]
    both = await agent_db.usage.record(user_id=bob.id, model="tiny", input_tokens=400, output_tokens=400)

    assert costs == [0, 0, 1, 2, 2]
    assert both.cost_usd == Decimal("1e-10")


async def test_a_charge_of_the_whole_balance_leaves_exactly_nothing(agent_db: Database) -> None:
    """Also for amounts that binary fractions cannot hold."""
    user = await agent_db.access.create_user(email="a@example.org", budget=Decimal("0.3"))
    with agent_db.use():
        await Model.create(internal_name="tenth", cost1k_input=Decimal("0.1"))
    for _ in range(3):
        charge = await agent_db.usage.record(user_id=user.id, model="tenth", input_tokens=1000, enforce_budget=True)

    assert charge.remaining == 0
    assert not charge.is_overdrawn


async def test_without_a_budget_nothing_is_taken(agent_db: Database, bob: User, dollar: str) -> None:
    """There is no limit, so there is no balance; a stale one is left alone."""
    charge = await spend(agent_db, bob, 1000, enforce_budget=True)
    await set_balance(agent_db, bob, Decimal(3))
    again = await spend(agent_db, bob, 1000, enforce_budget=True)
    with agent_db.use():
        row = await UserTable.get(id=bob.id)

    assert charge.remaining is again.remaining is None
    assert not again.is_overdrawn
    assert await agent_db.usage.remaining(bob.id) is None
    assert row.remaining == Decimal(3)


async def test_a_report_is_never_refused_for_lack_of_budget(agent_db: Database, ada: User, dollar: str) -> None:
    """What has happened has happened: the overdraft is visible and exact."""
    await spend(agent_db, ada, 9)
    charge = await spend(agent_db, ada, 3)
    further = await spend(agent_db, ada, 1)

    assert (charge.remaining, charge.is_overdrawn) == (Decimal(-2), True)
    assert (further.remaining, further.is_overdrawn) == (Decimal(-3), True)
    assert await agent_db.usage.remaining(ada.id) == Decimal(-3)


async def test_a_message_and_an_agent_of_the_user_can_be_named(agent_db: Database, ada: User, dollar: str) -> None:
    """Also when their conversation was deleted since: usage reports the past."""
    talk = await agent_db.conversations.start(user_id=ada.id)
    message = await agent_db.conversations.append(talk.id, user_id=ada.id, role="user", content=[{"text": "x"}])
    with agent_db.use():
        await agent_db.session.fetch('UPDATE "Conversation" SET "deleted" = TRUE')
    await spend(agent_db, ada, agent_id=1, message_id=message.id)
    with agent_db.use():
        (row,) = await Usage.all()

    assert (row.agent_id, row.message_id) == (1, message.id)


# what is refused


async def test_an_enforced_charge_is_whole_or_not_at_all(agent_db: Database, ada: User, dollar: str) -> None:
    """The error says what was asked and what is left; a smaller charge is still possible."""
    await spend(agent_db, ada, 8)
    before = await rows(agent_db)

    with pytest.raises(BudgetError) as caught:
        await spend(agent_db, ada, 3, enforce_budget=True)
    assert (caught.value.user_id, caught.value.cost, caught.value.remaining) == (ada.id, Decimal(3), Decimal(2))
    assert await rows(agent_db) == before
    assert (await spend(agent_db, ada, 2, enforce_budget=True)).remaining == 0


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"user_id": 12345}, "user 12345"),
        ({"user_id": 12345, "request_id": "r"}, "user 12345"),
        ({"model": "Dollar"}, "model 'Dollar'"),
        ({"agent_id": 999}, "agent 999"),
        ({"message_id": 999}, "message 999"),
        ({"agent_id": 0}, "agent 0"),
    ],
)
async def test_what_does_not_exist_is_an_error(
    agent_db: Database, ada: User, dollar: str, values: dict[str, Any], what: str
) -> None:
    """Nothing is recorded for free or against nobody."""
    before = await rows(agent_db)

    with pytest.raises(NotFoundError, match=f"No {what}"):
        await spend(agent_db, ada, **values)
    assert await rows(agent_db) == before


async def test_what_belongs_to_somebody_else_cannot_be_named(
    agent_db: Database, ada: User, bob: User, dollar: str
) -> None:
    """Neither another user's agent nor another user's message; nothing is written."""
    talk = await agent_db.conversations.start(user_id=ada.id)
    message = await agent_db.conversations.append(talk.id, user_id=ada.id, role="user", content=[{"text": "x"}])
    with agent_db.use():
        agent = await Agent.create(name="Private", user_id=ada.id)
    before = await rows(agent_db)

    with pytest.raises(NotFoundError, match=f"No message {message.id}"):
        await spend(agent_db, bob, message_id=message.id)
    with pytest.raises(NotFoundError, match=f"No agent {agent.id}"):
        await spend(agent_db, bob, agent_id=agent.id)
    assert await rows(agent_db) == before


@pytest.mark.parametrize(
    "values",
    [
        {"input_tokens": -1},
        {"output_tokens": 2**63},
        {"cache_read_tokens": 1.0},
        {"cache_write_tokens": "7"},
        {"input_tokens": True},
        {"input_tokens": None},
        {"user_id": "1"},
        {"user_id": 2**63},
        {"user_id": None},
        {"model": ""},
        {"model": None},
        {"model": "nul \x00"},
        {"model": "\ud800"},
        {"type": 7},
        {"type": "nul \x00"},
        {"agent_id": "1"},
        {"agent_id": 2**63},
        {"message_id": True},
        {"request_id": ""},
        {"request_id": "r" * 201},
        {"request_id": "\x00"},
        {"enforce_budget": 1},
        {"enforce_budget": None},
    ],
)
async def test_bad_input_records_nothing(agent_db: Database, ada: User, dollar: str, values: dict[str, Any]) -> None:
    """The same error on every engine."""
    before = await rows(agent_db)

    with pytest.raises(InvalidInputError):
        await spend(agent_db, ada, **values)
    assert await rows(agent_db) == before


async def test_a_cost_beyond_the_range_is_refused(agent_db: Database, ada: User, bob: User, dollar: str) -> None:
    """With and without a budget; the largest token count does not wrap."""
    before = await rows(agent_db)

    for user in (ada, bob):
        for tokens in (900_000_000_001, 2**63 - 1):
            with pytest.raises(InvalidInputError, match="900000000"):
                await spend(agent_db, user, input_tokens=tokens)
    assert await rows(agent_db) == before


async def test_a_balance_does_not_leave_the_range(agent_db: Database, ada: User, dollar: str) -> None:
    """SQLite would go on in floating point: both engines refuse, at the same cent."""
    await set_balance(agent_db, ada, -LIMIT + 1)
    at_the_end = await spend(agent_db, ada, 1)
    before = await rows(agent_db)

    assert at_the_end.remaining == -LIMIT
    for tokens in (1, 1000, 900_000_000_000):
        with pytest.raises(InvalidInputError, match="would leave the range"):
            await spend(agent_db, ada, input_tokens=tokens)
    assert await rows(agent_db) == before
    assert (await spend(agent_db, ada, 0)).remaining == -LIMIT


async def test_the_largest_amounts_are_exact(agent_db: Database, dollar: str) -> None:
    """900 million dollars, taken in one charge."""
    user = await agent_db.access.create_user(email="rich@example.org", budget=LIMIT)
    charge = await spend(agent_db, user, input_tokens=900_000_000_000, enforce_budget=True)

    assert (charge.cost_usd, charge.remaining) == (LIMIT, Decimal(0))


# once


async def test_usage_is_charged_once_under_its_request_id(agent_db: Database, ada: User, dollar: str) -> None:
    """100 callers, one row, one charge, 100 equal answers; another body is refused."""
    answers = await asyncio.gather(*(spend(agent_db, ada, 4, request_id="r", type="chat") for _ in range(100)))
    before = await rows(agent_db)

    assert all(answer == answers[0] for answer in answers)
    assert (answers[0].cost_usd, answers[0].remaining) == (Decimal(4), Decimal(6))
    assert len(answers[0].usage_ids) == 1
    others: list[dict[str, Any]] = [
        {"input_tokens": 4001},
        {"output_tokens": 1},
        {"cache_read_tokens": 1},
        {"cache_write_tokens": 1},
        {"type": None},
        {"type": "title"},
        {"model": "mock-model"},
        {"agent_id": 1},
    ]
    for other in others:
        with pytest.raises(ConflictError, match="'r' was used for another call"):
            await spend(agent_db, ada, **{"dollars": 4, "type": "chat", "request_id": "r", **other})
    assert await rows(agent_db) == before


async def test_a_repeated_call_gives_the_first_cost(agent_db: Database, ada: User, dollar: str) -> None:
    """Whatever the price and the budget are by then."""
    first = await spend(agent_db, ada, 4, request_id="r", enforce_budget=True)
    with agent_db.use():
        await Model.filter(internal_name="dollar").update(cost1k_input=Decimal(2))
    await spend(agent_db, ada, 3)
    repeated = await spend(agent_db, ada, 4, request_id="r", enforce_budget=True)

    assert (repeated.usage_ids, repeated.cost_usd) == (first.usage_ids, Decimal(4))
    assert repeated.remaining == Decimal(0)


async def test_a_refused_charge_leaves_its_request_id_free(agent_db: Database, ada: User, dollar: str) -> None:
    """Nothing was recorded under it, so it can be tried again when there is budget."""
    with pytest.raises(BudgetError):
        await spend(agent_db, ada, 11, request_id="r", enforce_budget=True)
    await set_balance(agent_db, ada, Decimal(11))

    assert (await spend(agent_db, ada, 11, request_id="r", enforce_budget=True)).remaining == 0


async def test_a_request_id_belongs_to_its_user(agent_db: Database, ada: User, bob: User, dollar: str) -> None:
    """Two users may choose the same."""
    charges = [await spend(agent_db, user, request_id="r") for user in (ada, bob)]

    assert charges[0].usage_ids != charges[1].usage_ids


async def test_what_was_deleted_since_does_not_change_the_call(agent_db: Database, ada: User, dollar: str) -> None:
    """The stored row has lost its agent, message and model; the caller repeats what was reported."""
    talk = await agent_db.conversations.start(user_id=ada.id)
    message = await agent_db.conversations.append(talk.id, user_id=ada.id, role="user", content=[{"text": "x"}])
    with agent_db.use():
        agent = await Agent.create(name="Mine", user_id=ada.id)
    values: dict[str, Any] = {"agent_id": int(agent.id), "message_id": message.id, "request_id": "r"}
    first = await spend(agent_db, ada, **values)
    with agent_db.use():
        await Agent.filter(id=agent.id).delete()
        await Message.filter(id=message.id).delete()
        await Model.filter(internal_name="dollar").delete()

    assert await spend(agent_db, ada, **values) == first
    with pytest.raises(ConflictError):
        await spend(agent_db, ada, **{**values, "agent_id": 1})


# together


async def test_no_charge_is_lost(agent_db: Database, ada: User, dollar: str) -> None:
    """50 reports at once end at budget minus sum."""
    charges = await asyncio.gather(*(spend(agent_db, ada) for _ in range(50)))

    assert await agent_db.usage.remaining(ada.id) == Decimal(-40)
    assert sorted(charge.remaining or 0 for charge in charges) == [Decimal(n) for n in range(-40, 10)]
    with agent_db.use():
        assert await Usage.all().count() == 50


async def test_no_budget_is_overspent(agent_db: Database, dollar: str) -> None:
    """50 enforced charges at once of a budget for 20: 20 rows, nothing left, never below."""
    user = await agent_db.access.create_user(email="a@example.org", budget=Decimal(20))
    results = await asyncio.gather(
        *(spend(agent_db, user, enforce_budget=True) for _ in range(50)), return_exceptions=True
    )
    accepted = [one for one in results if isinstance(one, Charge)]

    assert sorted(charge.remaining or 0 for charge in accepted) == [Decimal(n) for n in range(20)]
    assert {type(one) for one in results} == {Charge, BudgetError}
    assert await agent_db.usage.remaining(user.id) == 0
    with agent_db.use():
        assert await Usage.all().count() == 20


async def test_users_do_not_touch_each_other(agent_db: Database, ada: User, bob: User, dollar: str) -> None:
    """Each balance falls by its own charges."""
    carol = await agent_db.access.create_user(email="carol@example.org", budget=Decimal(100))
    await asyncio.gather(*(spend(agent_db, user) for user in (ada, bob, carol) for _ in range(10)))

    assert [await agent_db.usage.remaining(user.id) for user in (ada, bob, carol)] == [0, None, 90]


async def test_a_reader_never_sees_half_a_charge(agent_db: Database, ada: User, dollar: str) -> None:
    """In one statement, balance and rows always belong together."""
    statement = """
        SELECT (SELECT count(*) FROM "Usage") AS "rows", COALESCE("remaining", "budget") AS "remaining" FROM "User"
    """
    is_over = asyncio.Event()
    seen: list[tuple[int, Decimal]] = []

    async def read() -> None:
        while not is_over.is_set():
            (row,) = await agent_db.session.fetch(statement)
            seen.append((row["rows"], from_database(row["remaining"])))

    reader = asyncio.create_task(read())
    await asyncio.gather(*(spend(agent_db, ada) for _ in range(30)))
    is_over.set()
    await reader

    assert seen
    assert all(remaining == 10 - count for count, remaining in seen)


async def test_a_charge_joins_the_callers_transaction(agent_db: Database, ada: User, dollar: str) -> None:
    """Row and charge are gone with it."""
    before = await rows(agent_db)

    async def work() -> None:
        async with agent_db.transaction():
            await spend(agent_db, ada, request_id="r")
            raise RuntimeError(f"changed my mind with {await agent_db.usage.remaining(ada.id):.0f} left")

    with pytest.raises(RuntimeError, match="changed my mind with 9 left"):
        await work()
    assert await rows(agent_db) == before


async def test_a_refused_charge_does_not_end_the_callers_transaction(
    agent_db: Database, ada: User, dollar: str
) -> None:
    """The call is a savepoint there."""
    async with agent_db.transaction():
        await spend(agent_db, ada, 9)
        with pytest.raises(BudgetError):
            await spend(agent_db, ada, 2, enforce_budget=True)
        await spend(agent_db, ada, 1, enforce_budget=True)

    assert await agent_db.usage.remaining(ada.id) == 0


async def test_a_cancelled_charge_is_whole_or_not_at_all(agent_db: Database, ada: User, dollar: str) -> None:
    """Whenever the caller gives up, balance and rows belong together, and the database goes on."""
    for steps in range(30):
        call = asyncio.create_task(spend(agent_db, ada))
        for _ in range(steps):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    with agent_db.use():
        count = await Usage.all().count()

    assert await agent_db.usage.remaining(ada.id) == 10 - count
    assert (await spend(agent_db, ada)).remaining == 9 - count


# remaining


async def test_what_remains_is_told(agent_db: Database, ada: User, bob: User) -> None:
    """Null with a budget is the full budget, without one there is no limit."""
    full = await agent_db.usage.remaining(ada.id)
    await set_balance(agent_db, ada, Decimal("0.0000000001"))

    assert full == Decimal(10)
    assert await agent_db.usage.remaining(ada.id) == Decimal("0.0000000001")
    assert await agent_db.usage.remaining(bob.id) is None


async def test_an_unknown_user_has_no_balance(agent_db: Database) -> None:
    """None would look like no limit."""
    with pytest.raises(NotFoundError, match="No user 12345"):
        await agent_db.usage.remaining(12345)
    with pytest.raises(InvalidInputError):
        await agent_db.usage.remaining("1")  # type: ignore[arg-type]  # wrong on purpose


async def test_a_deadline_ends_the_call(agent_db: Database, ada: User, dollar: str) -> None:
    """Neither row nor charge is written then."""
    before = await rows(agent_db)

    with pytest.raises(DeadlineError):
        await spend(agent_db, ada, timeout=0)
    with pytest.raises(DeadlineError):
        await agent_db.usage.remaining(ada.id, timeout=0)
    assert await rows(agent_db) == before
