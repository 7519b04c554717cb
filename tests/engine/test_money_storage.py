"""Money in a database: charges and sums are those of exact decimal arithmetic, on both engines."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import NamedTuple

import pytest

from agentdb.engine import Session
from agentdb.engine.money import LIMIT, from_database
from agentdb.errors import InvalidInputError
from agentdb.models import Usage, User
from tests.counts import COUNTS
from tests.engine.engines import outside, placeholders

UNIT = Decimal("0.0000000001")
RANGES = [(0, 10), (100_000, 1_000_000), (100_000_000, 900_000_000)]
USERS = 1000
ROUNDS = 5  # of charges against each balance


class Charge(NamedTuple):
    """What one user is charged."""

    cost: Decimal
    user_id: int


@pytest.mark.parametrize(("low", "high"), RANGES)
async def test_random_charges_are_decimal_arithmetic(session: Session, low: int, high: int) -> None:
    """Charge if enough: the balance falls by exactly the cost, or not at all.

    Costs just below, at and just above the balance are among them; binary floats refused an equal balance once in
    10,000 charges.
    """
    chance = random.Random(f"{low} {session.dialect.name}")
    await insert_users(session)
    for _ in range(COUNTS.random_charges // (len(RANGES) * USERS * ROUNDS) + 1):
        balances = {user_id: amount(chance, low, high) for user_id in range(1, USERS + 1)}
        await set_balances(session, balances)
        for _ in range(ROUNDS):
            charges = [Charge(cost(chance, balance), user_id) for user_id, balance in balances.items()]
            await session.client.execute_many(charge_if_enough(session), [list(charge) for charge in charges])
            balances |= {user_id: balances[user_id] - cost for cost, user_id in charges if cost <= balances[user_id]}

        assert await read_balances(session) == balances


@pytest.mark.parametrize("left", ["0.3", "9.9999999999", "123456.7", "899999999.9999999999"])
async def test_a_charge_says_what_is_left(session: Session, left: str) -> None:
    """One unit too much is refused, the whole balance is not, and then nothing is left."""
    with session.use():
        user = await User.create(budget=LIMIT, remaining=left)
    sql = f'{charge_if_enough(session)} RETURNING "remaining"'

    answers = []
    for charge in (Decimal(left) + UNIT, Decimal(left) - UNIT, UNIT, UNIT):
        rows = (await session.client.fetch(sql, [charge, user.id])).rows
        answers.append([from_database(row["remaining"]) for row in rows])

    assert answers == [[], [UNIT], [Decimal(0)], []]


async def test_a_null_balance_is_the_full_budget(session: Session) -> None:
    """And without a budget there is no limit."""
    with session.use():
        fresh = await User.create(budget="0.1")
        unlimited = await User.create()
    affected = [
        (await session.client.fetch(charge_if_enough(session), [Decimal(cost), user.id])).affected
        for user, cost in ((fresh, "0.2"), (fresh, "0.1"), (fresh, "0.1"), (unlimited, "900000000"))
    ]

    assert affected == [0, 1, 0, 1]


async def test_sums_are_exact(session: Session) -> None:
    """Ten times 0.1 is 1, and a thousand large costs lose no unit."""
    with session.use():
        await Usage.bulk_create([Usage(type="small", cost="0.1") for _ in range(10)])
        await Usage.bulk_create([Usage(type="large", cost="123456.7891234567") for _ in range(1000)])
    sums = await sum_by_type(session)

    assert sums == {"small": Decimal(1), "large": Decimal("123456789.1234567")}


async def test_random_sums_are_exact(session: Session) -> None:
    """With negative amounts among them."""
    chance = random.Random(session.dialect.name)
    costs = [amount(chance, 0, 400_000) * chance.choice((1, -1)) for _ in range(2000)]
    with session.use():
        await Usage.bulk_create([Usage(type="random", cost=cost) for cost in costs])

    assert await sum_by_type(session) == {"random": sum(costs)}


@pytest.mark.parametrize("costs", [[LIMIT, UNIT], [LIMIT] * 11], ids=["past our range", "past 64 bits"])
async def test_a_sum_past_the_range_is_an_error(session: Session, costs: list[Decimal]) -> None:
    """It neither wraps nor rounds."""
    with session.use():
        await Usage.bulk_create([Usage(type="large", cost=cost) for cost in costs])
    with pytest.raises(InvalidInputError):
        await sum_by_type(session)


async def test_money_is_stored_as_declared(session: Session, url: str) -> None:
    """A count of 1e-10 dollars on SQLite, numeric on PostgreSQL."""
    with session.use():
        await User.create(budget="0.1", remaining=-LIMIT)
    ((budget, remaining, kind),) = await outside(
        url,
        'SELECT "budget", "remaining", typeof("budget") FROM "User"'
        if url.startswith("sqlite")
        else 'SELECT "budget", "remaining", pg_typeof("budget")::text FROM "User"',
    )

    if url.startswith("sqlite"):
        assert (budget, remaining, kind) == (1_000_000_000, -9_000_000_000_000_000_000, "integer")
    else:
        assert (budget, remaining, kind) == (Decimal("0.1"), -LIMIT, "numeric")


async def test_money_is_compared_and_sorted_as_numbers(session: Session) -> None:
    """In Tortoise's own filters, with every exact type a caller may give."""
    with session.use():
        await User.bulk_create([User(email=budget, budget=budget) for budget in ("9", "10", "0.5", "-3")])

        assert await User.all().order_by("budget").values_list("email") == [("-3",), ("0.5",), ("9",), ("10",)]
        for nine in (9, "9", Decimal("9.0")):
            assert await User.filter(budget__gte=nine).order_by("budget").values_list("budget") == [(9,), (10,)]
            assert await User.filter(budget__in=[nine, 10]).count() == 2
        for refused in (9.0, True):
            with pytest.raises(InvalidInputError):
                await User.filter(budget__gt=refused)


def amount(chance: random.Random, low: int, high: int) -> Decimal:
    """A random amount with ten decimals."""
    return Decimal(chance.randint(low * 10**10, high * 10**10)).scaleb(-10)


def cost(chance: random.Random, balance: Decimal) -> Decimal:
    """A random cost, every other one as close to the balance as can be."""
    if chance.random() < 0.5:
        return balance + UNIT * chance.choice((-1, 0, 0, 1))
    return amount(chance, 0, int(balance / 4) + 1)


def charge_if_enough(session: Session) -> str:
    """Take the first parameter from the user who is the second, if that much is left."""
    charge, user_id = placeholders(session, 2)
    return f"""
        UPDATE "User" SET "remaining" = COALESCE("remaining", "budget") - {charge}
        WHERE "id" = {user_id} AND ("budget" IS NULL OR COALESCE("remaining", "budget") >= {charge})
    """


async def insert_users(session: Session) -> None:
    """Users whose ids count from 1."""
    sql = f'INSERT INTO "User" ("id", "budget") VALUES ({placeholders(session, 1)[0]}, 0)'
    await session.client.execute_many(sql, [[user_id] for user_id in range(1, USERS + 1)])


async def set_balances(session: Session, balances: dict[int, Decimal]) -> None:
    """Give each user a balance."""
    balance, user_id = placeholders(session, 2)
    sql = f'UPDATE "User" SET "remaining" = {balance} WHERE "id" = {user_id}'
    await session.client.execute_many(sql, [[balance, user_id] for user_id, balance in balances.items()])


async def read_balances(session: Session) -> dict[int, Decimal]:
    """Balances by user."""
    rows = await session.fetch('SELECT "id", "remaining" FROM "User"')
    return {row["id"]: from_database(row["remaining"]) for row in rows}


async def sum_by_type(session: Session) -> dict[str, Decimal]:
    """The cost of all usage, by its type."""
    rows = await session.fetch('SELECT "type", sum("cost") AS "total" FROM "Usage" GROUP BY "type"')
    return {row["type"]: from_database(row["total"]) for row in rows}
