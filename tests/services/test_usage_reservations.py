"""Money held for calls to come: never more than there is, settled exactly once, given back when forgotten."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from agentdb import BudgetError, ConflictError, Database, DeadlineError, InvalidInputError, NotFoundError, Usage
from agentdb import Model as ModelTable
from agentdb import User as UserTable
from agentdb.events import Charged
from agentdb.models import Reservation as ReservationTable
from agentdb.records import Charge, Reservation, User
from tests.services.spending import rows, set_balance, spend

pytestmark = pytest.mark.agentdb(engine="both")

LIMIT = Decimal(900_000_000)


async def reserve(db: Database, user: User, amount: Any = 4, **values: Any) -> Reservation:
    return await db.usage.reserve(user_id=user.id, amount_usd=amount, **values)


async def settle(db: Database, user: User, held: Reservation, dollars: int = 1, **values: Any) -> Charge:
    return await db.usage.settle(
        held.id, **{"user_id": user.id, "model": "dollar", "input_tokens": dollars * 1000, **values}
    )


async def forget(db: Database, held: Reservation) -> None:
    """Let its time have passed."""
    with db.use():
        await ReservationTable.filter(id=held.id).update(expires_at=datetime.now(UTC) - timedelta(seconds=1))


async def state_of(db: Database, held: Reservation) -> str:
    with db.use():
        return str((await ReservationTable.get(id=held.id)).state)


async def check_sums(db: Database) -> None:
    """Budget minus usage minus what is held is what remains, to the last decimal."""
    with db.use():
        users = await UserTable.filter(budget__isnull=False)
        usage, held = await Usage.all(), await ReservationTable.filter(state="held")
    for user in users:
        spent = sum((row.cost or Decimal(0) for row in usage if row.user_id == user.id), Decimal(0))
        kept = sum((row.held for row in held if row.user_id == user.id), Decimal(0))
        remaining = user.budget if user.remaining is None else user.remaining

        assert remaining == user.budget - spent - kept


# reserve


async def test_what_is_held_does_not_remain(agent_db: Database, ada: User) -> None:
    """It is taken at once; the record says when it ends."""
    before = datetime.now(UTC)
    held = await reserve(agent_db, ada, Decimal("4.0000000001"), ttl_s=60)
    after = datetime.now(UTC)

    assert (held.amount_usd, held.remaining, held.state) == (Decimal("4.0000000001"), Decimal("5.9999999999"), "held")
    assert before <= held.expires_at - timedelta(seconds=60) <= after
    assert await agent_db.usage.remaining(ada.id) == Decimal("5.9999999999")


async def test_the_most_tokens_of_a_model_are_an_amount(agent_db: Database, ada: User, dollar: str) -> None:
    """At its prices; a model that costs nothing holds nothing."""
    with agent_db.use():
        await ModelTable.filter(internal_name="dollar").update(cost1k_output=Decimal(2))
        await ModelTable.create(internal_name="free")
    held = await agent_db.usage.reserve(user_id=ada.id, model="dollar", input_tokens=500, output_tokens=1500)
    free = await agent_db.usage.reserve(user_id=ada.id, model="free", output_tokens=2**63 - 1)

    assert (held.amount_usd, held.remaining) == (Decimal("3.5"), Decimal("6.5"))
    assert (free.amount_usd, free.remaining) == (Decimal(0), Decimal("6.5"))


async def test_no_more_than_remains_is_held(agent_db: Database, ada: User, dollar: str) -> None:
    """Neither beside another reservation nor after charges; the whole of it can be."""
    await reserve(agent_db, ada, 4)
    await spend(agent_db, ada, 3)
    before = await rows(agent_db)

    with pytest.raises(BudgetError) as caught:
        await reserve(agent_db, ada, Decimal("3.0000000001"))
    assert (caught.value.cost, caught.value.remaining) == (Decimal("3.0000000001"), Decimal(3))
    with pytest.raises(BudgetError):
        await spend(agent_db, ada, 4, enforce_budget=True)
    assert await rows(agent_db) == before
    assert (await reserve(agent_db, ada, 3)).remaining == 0


async def test_without_a_budget_nothing_is_held(agent_db: Database, bob: User, dollar: str) -> None:
    """Nobody is refused, nothing is taken, and the cost is recorded all the same."""
    held = await reserve(agent_db, bob, LIMIT)
    charge = await settle(agent_db, bob, held)
    with agent_db.use():
        row = await ReservationTable.get(id=held.id)

    assert held.remaining is charge.remaining is None
    assert (row.amount, row.held, row.cost) == (LIMIT, Decimal(0), Decimal(1))
    assert charge.cost_usd == 1


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"amount_usd": -1},
        {"amount_usd": 1.0},
        {"amount_usd": "NaN"},
        {"amount_usd": LIMIT + 1},
        {"amount_usd": Decimal("1e-11")},
        {"amount_usd": True},
        {"input_tokens": 5},
        {"amount_usd": 1, "input_tokens": 5},
        {"model": "dollar", "input_tokens": -1},
        {"model": "dollar", "input_tokens": 2**63 - 1},
        {"model": ""},
        {"amount_usd": 1, "model": 7},
        *({"amount_usd": 1, "ttl_s": ttl} for ttl in (0, -1, 604_801, float("nan"), float("inf"), "60", None, True)),
        {"amount_usd": 1, "request_id": ""},
        {"amount_usd": 1, "request_id": "r" * 201},
        {"amount_usd": 1, "user_id": "1"},
    ],
)
async def test_bad_input_holds_nothing(agent_db: Database, ada: User, dollar: str, values: dict[str, Any]) -> None:
    """The same error on every engine."""
    before = await rows(agent_db)

    with pytest.raises(InvalidInputError):
        await agent_db.usage.reserve(**{"user_id": ada.id, **values})
    assert await rows(agent_db) == before


async def test_only_users_and_models_that_exist_can_be_reserved_for(agent_db: Database, ada: User) -> None:
    """An amount may name its model too."""
    before = await rows(agent_db)

    for key in (None, "r"):
        with pytest.raises(NotFoundError, match="No user 999"):
            await agent_db.usage.reserve(user_id=999, amount_usd=1, request_id=key)
        with pytest.raises(NotFoundError, match="No model 'none'"):
            await reserve(agent_db, ada, 1, model="none", request_id=key)
    assert await rows(agent_db) == before


async def test_money_is_held_once_under_its_request_id(agent_db: Database, ada: User, bob: User) -> None:
    """100 callers, one reservation, equal answers; other values are refused, another user's key is another."""
    answers = await asyncio.gather(*(reserve(agent_db, ada, 4, request_id="r") for _ in range(100)))
    before = await rows(agent_db)

    assert len(set(map(repr, answers))) == 1
    assert answers[0].remaining == 6
    assert await reserve(agent_db, ada, "4.0", request_id="r") == answers[0]
    for values in ({"amount": 5}, {"ttl_s": 60}, {"model": "mock-model"}):
        with pytest.raises(ConflictError, match="'r' was used for another call"):
            await reserve(agent_db, ada, **{"amount": 4, "request_id": "r", **values})
    assert await rows(agent_db) == before
    assert (await reserve(agent_db, bob, 4, request_id="r")).id != answers[0].id


async def test_a_repeated_reservation_has_the_state_of_today(agent_db: Database, ada: User, dollar: str) -> None:
    """So that nobody calls a model on what is no longer held."""
    settled, forgotten = [await reserve(agent_db, ada, 4, request_id=key) for key in ("a", "b")]
    await settle(agent_db, ada, settled)
    await forget(agent_db, forgotten)

    assert (await reserve(agent_db, ada, 4, request_id="a")).state == "settled"
    repeated = await reserve(agent_db, ada, 4, request_id="b")
    assert (repeated.state, repeated.remaining) == ("expired", Decimal(9))


# settle


async def test_settling_charges_the_cost_and_frees_the_rest(agent_db: Database, ada: User, dollar: str) -> None:
    """Row, balance and reservation together."""
    held = await reserve(agent_db, ada, 4)
    charge = await settle(agent_db, ada, held, 3, type="chat", agent_id=1, request_id="r")
    with agent_db.use():
        (row,), reservation = await Usage.all(), await ReservationTable.get(id=held.id)

    assert charge == Charge(usage_ids=(row.id,), cost_usd=Decimal(3), remaining=Decimal(7))
    assert (row.cost, row.type, row.agent_id, row.request_id, row.request_index) == (Decimal(3), "chat", 1, "r", 0)
    assert (reservation.state, reservation.usage_id, reservation.cost) == ("settled", row.id, Decimal(3))
    assert await agent_db.usage.remaining(ada.id) == 7


async def test_a_cost_above_what_was_held_is_charged_in_full(agent_db: Database, ada: User, dollar: str) -> None:
    """It has happened: the overdraft is visible."""
    held = await reserve(agent_db, ada, 4)
    charge = await settle(agent_db, ada, held, 12)

    assert (charge.cost_usd, charge.remaining, charge.is_overdrawn) == (Decimal(12), Decimal(-2), True)
    await check_sums(agent_db)


async def test_a_reservation_is_settled_exactly_once(agent_db: Database, ada: User, dollar: str) -> None:
    """100 callers, one charge, equal answers; other values are refused."""
    held = await reserve(agent_db, ada, 4)
    answers = await asyncio.gather(*(settle(agent_db, ada, held, 3, request_id="r") for _ in range(100)))
    before = await rows(agent_db)

    assert len(set(map(repr, answers))) == 1
    assert answers[0].remaining == 7
    others: list[dict[str, Any]] = [
        {"dollars": 4},
        {"model": "mock-model"},
        {"output_tokens": 1},
        {"type": "chat"},
        {"agent_id": 1},
        {"request_id": None},
    ]
    for other in others:
        with pytest.raises(ConflictError, match=f"Reservation {held.id} was settled with other values"):
            await settle(agent_db, ada, held, **{"dollars": 3, "request_id": "r", **other})
    assert await rows(agent_db) == before


async def test_the_first_answer_outlives_prices_and_models(agent_db: Database, ada: User, dollar: str) -> None:
    """What was settled is settled."""
    held = await reserve(agent_db, ada, 4)
    first = await settle(agent_db, ada, held, 3)
    with agent_db.use():
        await ModelTable.filter(internal_name="dollar").delete()

    assert await settle(agent_db, ada, held, 3) == first


async def test_a_late_settlement_is_charged_once_too(agent_db: Database, ada: User, dollar: str) -> None:
    """Whether or not what was held has been given back by then."""
    unseen, swept = await reserve(agent_db, ada, 4), await reserve(agent_db, ada, 5)
    await forget(agent_db, swept)
    given_back = await agent_db.usage.expire_reservations()
    await forget(agent_db, unseen)
    charges = [await settle(agent_db, ada, held, 3) for held in (unseen, swept)]
    again = [await settle(agent_db, ada, held, 3) for held in (unseen, swept)]

    assert given_back == 1
    assert [charge.remaining for charge in charges] == [7, 4]
    assert [charge.usage_ids for charge in again] == [charge.usage_ids for charge in charges]
    assert await agent_db.usage.remaining(ada.id) == 4
    await check_sums(agent_db)


async def test_the_request_id_of_a_settlement_is_that_of_its_usage(agent_db: Database, ada: User, dollar: str) -> None:
    """So it cannot be used for two calls."""
    await spend(agent_db, ada, request_id="r")
    held = await reserve(agent_db, ada, 4)
    before = await rows(agent_db)

    with pytest.raises(ConflictError, match="'r' was used for another call"):
        await settle(agent_db, ada, held, request_id="r")
    assert await rows(agent_db) == before
    await settle(agent_db, ada, held, request_id="s")
    with pytest.raises(ConflictError, match="'s' was used for another call"):
        await spend(agent_db, ada, 2, request_id="s")


async def test_a_refused_settlement_leaves_the_reservation_as_it_was(
    agent_db: Database, ada: User, dollar: str
) -> None:
    """It can be settled rightly afterwards."""
    held = await reserve(agent_db, ada, 4)
    before = await rows(agent_db)

    for wrong, error in (
        ({"model": "none"}, NotFoundError),
        ({"agent_id": 999}, NotFoundError),
        ({"input_tokens": -1}, InvalidInputError),
        ({"input_tokens": 2**63 - 1}, InvalidInputError),
        ({"timeout": 0}, DeadlineError),
    ):
        with pytest.raises(error):
            await settle(agent_db, ada, held, **wrong)
    await set_balance(agent_db, ada, -LIMIT)
    with pytest.raises(InvalidInputError, match="would leave the range"):
        await settle(agent_db, ada, held, 5)
    await set_balance(agent_db, ada, Decimal(6))
    assert [row.get("state") for row in await rows(agent_db)] == [row.get("state") for row in before]
    assert (await settle(agent_db, ada, held, 5)).remaining == 5


# release


async def test_what_is_released_remains_again(agent_db: Database, ada: User) -> None:
    """Once, however often it is asked for."""
    held = await reserve(agent_db, ada, 4)
    answers = await asyncio.gather(*(agent_db.usage.release(held.id, user_id=ada.id) for _ in range(10)))

    assert {one.id for one in answers} == {held.id}
    assert {(one.state, one.amount_usd, one.remaining) for one in answers} == {("released", Decimal(4), Decimal(10))}
    assert await agent_db.usage.remaining(ada.id) == 10


async def test_a_reservation_ends_only_once(agent_db: Database, ada: User, dollar: str) -> None:
    """A settled one is not released, a released one is not settled."""
    settled, released = await reserve(agent_db, ada, 4), await reserve(agent_db, ada, 4)
    await settle(agent_db, ada, settled)
    await agent_db.usage.release(released.id, user_id=ada.id)
    before = await rows(agent_db)

    with pytest.raises(
        ConflictError, match=f"Reservation {settled.id} was settled: its call has cost 1.0000000000 US dollars"
    ):
        await agent_db.usage.release(settled.id, user_id=ada.id)
    with pytest.raises(ConflictError, match=f"Reservation {released.id} was released. Report its call with `record`"):
        await settle(agent_db, ada, released)
    assert await rows(agent_db) == before


async def test_an_expired_reservation_gives_back_only_once(agent_db: Database, ada: User) -> None:
    """Released afterwards, it is released, and nothing is given back again."""
    held = await reserve(agent_db, ada, 4)
    await forget(agent_db, held)
    await agent_db.usage.expire_reservations()
    released = await agent_db.usage.release(held.id, user_id=ada.id)

    assert (released.state, released.remaining) == ("released", Decimal(10))


async def test_a_reservation_belongs_to_its_user(agent_db: Database, ada: User, bob: User, dollar: str) -> None:
    """To anybody else it is none."""
    held = await reserve(agent_db, ada, 4)
    before = await rows(agent_db)

    for reservation_id, user_id, what in (
        (held.id, bob.id, "reservation"),
        (999, ada.id, "reservation"),
        (1, 9, "user"),
    ):
        with pytest.raises(NotFoundError, match=f"No {what}"):
            await agent_db.usage.settle(reservation_id, user_id=user_id, model="dollar")
        with pytest.raises(NotFoundError, match=f"No {what}"):
            await agent_db.usage.release(reservation_id, user_id=user_id)
    for wrong in ("1", None, 2**63, True):
        with pytest.raises(InvalidInputError):
            await agent_db.usage.release(wrong, user_id=ada.id)  # type: ignore[arg-type]  # wrong on purpose
        with pytest.raises(InvalidInputError):
            await agent_db.usage.settle(wrong, user_id=ada.id, model="dollar")  # type: ignore[arg-type]  # wrong on purpose
    assert await rows(agent_db) == before


# expiry


async def test_what_has_expired_counts_as_free(agent_db: Database, ada: User, dollar: str) -> None:
    """For whoever asks next: the balance, a reservation, an enforced charge, a plain one."""
    for first in ("remaining", "reserve", "enforce", "record"):
        held = await reserve(agent_db, ada, 10)
        await forget(agent_db, held)
        match first:
            case "remaining":
                assert await agent_db.usage.remaining(ada.id) == 10
                assert await state_of(agent_db, held) == "held"
            case "reserve":
                again = await reserve(agent_db, ada, 10)
                assert again.remaining == 0
                await agent_db.usage.release(again.id, user_id=ada.id)
            case "enforce":
                assert (await spend(agent_db, ada, 0, enforce_budget=True)).remaining == 10
            case "record":
                assert (await spend(agent_db, ada, 10)).remaining == 0
    await check_sums(agent_db)


async def test_only_what_has_expired_is_free(agent_db: Database, ada: User) -> None:
    """The refusal counts what others still hold."""
    forgotten, kept = await reserve(agent_db, ada, 4), await reserve(agent_db, ada, 5)
    await forget(agent_db, forgotten)

    with pytest.raises(BudgetError) as caught:
        await reserve(agent_db, ada, 6)
    assert caught.value.remaining == 5
    assert (await reserve(agent_db, ada, 5)).remaining == 0
    assert [await state_of(agent_db, one) for one in (forgotten, kept)] == ["expired", "held"]


async def test_abandoned_reservations_are_swept(agent_db: Database, ada: User, bob: User) -> None:
    """Of all users, in batches; open ones and those without a budget's money are told apart."""
    users = [ada, bob, await agent_db.access.create_user(email="carol@example.org", budget=Decimal(20))]
    held = [await reserve(agent_db, user, 2) for user in users for _ in range(3)]
    for one in held[1:]:
        await forget(agent_db, one)
    swept = await agent_db.usage.expire_reservations(limit=2)
    with agent_db.use():
        balances = [(await UserTable.get(id=user.id)).remaining for user in users]

    assert swept == 8
    assert balances == [8, None, 20]
    assert await agent_db.usage.expire_reservations() == 0
    for limit in (0, 1001, None):
        with pytest.raises(InvalidInputError):
            await agent_db.usage.expire_reservations(limit=limit)  # type: ignore[arg-type]  # wrong on purpose


async def test_a_balance_at_the_end_of_the_range_takes_nothing_more(agent_db: Database) -> None:
    """One set by hand meanwhile, where giving back would leave the range."""
    user = await agent_db.access.create_user(email="rich@example.org", budget=LIMIT)
    held = [await reserve(agent_db, user, LIMIT)]
    await set_balance(agent_db, user, LIMIT)
    await agent_db.usage.release(held[0].id, user_id=user.id)

    assert await agent_db.usage.remaining(user.id) == LIMIT


# together


async def test_no_budget_is_overspent_by_reservations(agent_db: Database, dollar: str) -> None:
    """50 at once, each asking for what it then costs: as many as there is budget for, nothing lost."""
    user = await agent_db.access.create_user(email="a@example.org", budget=Decimal("20.5"))

    async def call() -> Charge:
        return await settle(agent_db, user, await reserve(agent_db, user, 1), 1)

    results = await asyncio.gather(*(call() for _ in range(50)), return_exceptions=True)

    assert sum(isinstance(one, Charge) for one in results) == 20
    assert {type(one) for one in results} == {Charge, BudgetError}
    assert await agent_db.usage.remaining(user.id) == Decimal("0.5")
    await check_sums(agent_db)


async def test_all_ways_to_spend_add_up(agent_db: Database, ada: User, dollar: str) -> None:
    """Reservations settled, released and forgotten, and charges with and without asking, all at once."""

    async def call(number: int) -> None:
        if number % 5 == 4:
            await spend(agent_db, ada)
            return
        held = await reserve(agent_db, ada, Decimal("0.3"), request_id=f"r{number}")
        match number % 5:
            case 0:
                await settle(agent_db, ada, held, input_tokens=100 + number)
            case 1:
                await agent_db.usage.release(held.id, user_id=ada.id)
            case 2:
                await forget(agent_db, held)
                await settle(agent_db, ada, held, input_tokens=number)
            case 3:
                await forget(agent_db, held)

    results = await asyncio.gather(*(call(number) for number in range(40)), return_exceptions=True)
    await agent_db.usage.expire_reservations()
    with agent_db.use():
        held = await ReservationTable.filter(state="held").count()

    assert all(result is None or isinstance(result, BudgetError) for result in results)
    assert held == 0
    await check_sums(agent_db)


async def test_only_a_settlement_is_told(
    agent_db: Database, ada: User, dollar: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once: holding and giving back charges nobody."""
    told: list[Any] = []
    subscription = agent_db.events.subscribe()
    monkeypatch.setattr(subscription, "offer", told.append)
    agent_db.events.add(subscription)
    held, other = await reserve(agent_db, ada, 4), await reserve(agent_db, ada, 4)
    await agent_db.usage.release(other.id, user_id=ada.id)
    charge = await settle(agent_db, ada, held, 3)
    await settle(agent_db, ada, held, 3)

    assert told == [Charged(user_id=ada.id, usage_ids=charge.usage_ids, cost_usd=Decimal(3), remaining=Decimal(7))]


async def test_a_deadline_ends_a_reservation(agent_db: Database, ada: User) -> None:
    """Nothing is held then."""
    before = await rows(agent_db)

    with pytest.raises(DeadlineError):
        await reserve(agent_db, ada, 4, timeout=0)
    assert await rows(agent_db) == before
