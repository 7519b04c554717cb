"""What was used: lists and sums, the same on every engine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from agentdb import Agent, Database, InvalidInputError, Usage
from agentdb import Model as ModelTable
from agentdb import User as UserTable
from agentdb.records import UsageTotals, User
from agentdb.services.periods import Unit
from tests.services.spending import spend

pytestmark = pytest.mark.agentdb(engine="both")

LIMIT = Decimal(900_000_000)
ALWAYS: dict[str, Any] = {"since": datetime(2000, 1, 1, tzinfo=UTC), "until": datetime(2100, 1, 1, tzinfo=UTC)}
YEAR: dict[str, Any] = {"since": datetime(2026, 1, 1, tzinfo=UTC), "until": datetime(2027, 1, 1, tzinfo=UTC)}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


async def used(db: Database, user: User, moment: str, dollars: int = 1, **values: Any) -> int:
    """Usage of some time ago."""
    (usage_id,) = (await spend(db, user, dollars, **values)).usage_ids
    with db.use():
        await Usage.filter(id=usage_id).update(created_at=at(moment))
    return usage_id


def told(totals: Sequence[UsageTotals], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(getattr(one, name) for name in names) for one in totals]


# sums


async def test_days_are_those_of_a_time_zone(agent_db: Database, bob: User, dollar: str) -> None:
    """An instant is on another day in another zone; a day with a change of clocks has 23 hours."""
    for moment in ("2026-03-08T04:59:59.999999", "2026-03-08T05:00", "2026-03-09T03:59:59", "2026-03-09T04:00"):
        await used(agent_db, bob, moment)
    in_new_york = await agent_db.usage.report(by="day", time_zone="America/New_York", **YEAR)
    in_utc = await agent_db.usage.report(by="day", **YEAR)

    assert told(in_new_york, "period", "start", "rows") == [
        ("2026-03-09", at("2026-03-09T04:00"), 1),
        ("2026-03-08", at("2026-03-08T05:00"), 2),
        ("2026-03-07", at("2026-03-07T05:00"), 1),
    ]
    assert told(in_utc, "period", "start", "rows") == [
        ("2026-03-09", at("2026-03-09T00:00"), 2),
        ("2026-03-08", at("2026-03-08T00:00"), 2),
    ]


async def test_hours_weeks_and_months_are_periods_too(agent_db: Database, bob: User, dollar: str) -> None:
    """The hour that clocks show twice is two; weeks are numbered by ISO."""
    for moment in ("2026-10-25T00:30", "2026-10-25T01:30", "2026-12-28T00:00"):
        await used(agent_db, bob, moment)

    expected: dict[Unit, list[str]] = {
        "hour": ["2026-12-28T01:00+01:00", "2026-10-25T02:00+01:00", "2026-10-25T02:00+02:00"],
        "week": ["2026-W53", "2026-W43"],
        "month": ["2026-12", "2026-10"],
    }
    for by, periods in expected.items():
        totals = await agent_db.usage.report(by=by, time_zone="Europe/Berlin", **YEAR)
        assert [one.period for one in totals] == periods


async def test_a_range_is_half_open(agent_db: Database, bob: User, dollar: str) -> None:
    """From its first instant on and before its last; a period begins before it all the same."""
    for moment in ("2026-01-05T23:59:59.999999", "2026-01-06T12:00", "2026-01-07T11:59:59.999999", "2026-01-07T12:00"):
        await used(agent_db, bob, moment)
    found = await agent_db.usage.report(by="week", since=at("2026-01-06T12:00"), until=at("2026-01-07T12:00"))

    assert told(found, "period", "start", "rows") == [("2026-W02", at("2026-01-05T00:00"), 2)]


async def test_all_measures_are_exact_sums(agent_db: Database, ada: User, bob: User) -> None:
    """Money to the last decimal, tokens beyond what a float keeps."""
    with agent_db.use():
        await ModelTable.create(internal_name="tiny", cost1k_input=Decimal("0.0000001"), cost1k_output=Decimal("0.1"))
    for user in (ada, bob, bob):
        await agent_db.usage.record(
            user_id=user.id,
            model="tiny",
            input_tokens=1,
            output_tokens=3,
            cache_read_tokens=2**61 + 1,
            cache_write_tokens=2,
        )
    (totals,) = await agent_db.usage.report(by=(), **ALWAYS)

    assert totals == UsageTotals(
        cost_usd=Decimal("0.0009000003"),
        input_tokens=3,
        output_tokens=9,
        cache_read_tokens=3 * (2**61 + 1),
        cache_write_tokens=6,
        rows=3,
        requests=3,
        users=2,
    )


async def test_requests_and_users_are_counted_once(agent_db: Database, ada: User, bob: User, dollar: str) -> None:
    """A request_id belongs to its user; without one a message is a request, else a row is."""
    talk = await agent_db.conversations.start(user_id=ada.id)
    message = await agent_db.conversations.append(talk.id, user_id=ada.id, role="user", content=[{"text": "x"}])
    items: list[dict[str, Any]] = [{"model": "dollar"}, {"model": "dollar", "message_id": message.id}]
    await agent_db.usage.record_many(items, user_id=ada.id, request_id="r")
    await spend(agent_db, bob, request_id="r")
    await spend(agent_db, ada, request_id=f"message:{message.id}")
    for _ in range(2):
        await spend(agent_db, ada, message_id=message.id)
        await spend(agent_db, bob)
    (totals,) = await agent_db.usage.report(by=(), **ALWAYS)

    # Ada's "r", bob's "r", the one that is named like a message, the message, and two rows of bob's.
    assert (totals.rows, totals.requests, totals.users) == (8, 6, 2)


async def test_groups_can_be_combined(agent_db: Database, ada: User, bob: User, dollar: str) -> None:
    """The latest period first, the most expensive group first in it, then by what they are grouped by."""
    await used(agent_db, ada, "2026-05-01T00:00", 2, type="chat", agent_id=1)
    await used(agent_db, bob, "2026-05-01T01:00", 2, type="chat")
    await used(agent_db, bob, "2026-05-01T02:00", 3, type="title")
    await used(agent_db, bob, "2026-05-02T00:00", 1, model="mock-model")
    with agent_db.use():
        dollar_id = (await ModelTable.get(internal_name="dollar")).id
        mock_id = (await ModelTable.get(internal_name="mock-model")).id

    async def report(*by: Any, **values: Any) -> tuple[UsageTotals, ...]:
        return await agent_db.usage.report(by=by, **{**YEAR, **values})

    assert told(await report("day", "user"), "period", "user_id", "cost_usd") == [
        ("2026-05-02", bob.id, Decimal("0.0000001")),
        ("2026-05-01", bob.id, 5),
        ("2026-05-01", ada.id, 2),
    ]
    assert told(await report("model"), "model_id", "model", "rows", "user_id", "period", "start") == [
        (dollar_id, "dollar", 3, None, None, None),
        (mock_id, "mock-model", 1, None, None, None),
    ]
    assert told(await report("agent", "type", model="dollar"), "agent_id", "type", "cost_usd") == [
        (None, "title", 3),
        (1, "chat", 2),
        (None, "chat", 2),
    ]
    assert told(await report("month", "type", "user", user_id=bob.id), "type", "rows") == [
        ("title", 1),
        ("chat", 1),
        (None, 1),
    ]
    assert told(await report("user", type="chat", limit=1), "user_id", "users") == [(ada.id, 1)]
    assert told(await report(agent_id=1), "cost_usd", "agent_id") == [(2, None)]
    assert await report("user", agent_id=2) == await report("day", user_id=999) == await report(model="none") == ()


async def test_equal_groups_are_ordered_by_the_letters_of_their_type(
    agent_db: Database, bob: User, dollar: str
) -> None:
    """As bytes, whatever the collation of the database."""
    for word in ("b", "A", "a", "ä", "B", "", None):
        await spend(agent_db, bob, type=word)

    found = await agent_db.usage.report(by="type", **ALWAYS)
    assert [one.type for one in found] == ["", "A", "B", "a", "b", "ä", None]


async def test_usage_outlives_what_it_points_to(agent_db: Database, bob: User, dollar: str) -> None:
    """Rows of an erased user, of a deleted agent and model still count."""
    with agent_db.use():
        agent = await Agent.create(name="Mine", user_id=bob.id)
    await spend(agent_db, bob, agent_id=int(agent.id))
    with agent_db.use():
        await Agent.filter(id=agent.id).delete()
        await ModelTable.filter(internal_name="dollar").delete()
        await UserTable.filter(id=bob.id).delete()
    (totals,) = await agent_db.usage.report(by=("user", "agent", "model"), **ALWAYS)
    (row,) = (await agent_db.usage.list()).items

    assert (totals.cost_usd, totals.rows, totals.requests, totals.users) == (Decimal(1), 1, 1, 0)
    assert (totals.user_id, totals.agent_id, totals.model_id, totals.model) == (None, None, None, None)
    assert (row.user_id, row.agent_id, row.model_id, row.model) == (None, None, None, None)
    assert row.cost_usd == 1


async def test_a_sum_past_the_range_is_an_error(agent_db: Database, bob: User, dollar: str) -> None:
    """Not a wrap, neither of money nor of tokens; smaller groups can still be told."""
    for _ in range(2):
        await spend(agent_db, bob, input_tokens=900_000_000_000, cache_read_tokens=2**62)
    with agent_db.use():
        await Usage.all().update(cost=LIMIT)

    with pytest.raises(InvalidInputError):
        await agent_db.usage.report(by=(), **ALWAYS)
    with agent_db.use():
        await Usage.all().update(cost=Decimal(1))
    with pytest.raises(InvalidInputError):
        await agent_db.usage.report(by="user", **ALWAYS)
    with agent_db.use():
        await Usage.all().update(cost=LIMIT / 2, cache_read_tokens=2**61)
    (totals,) = await agent_db.usage.report(by="user", **ALWAYS)
    assert (totals.cost_usd, totals.cache_read_tokens) == (LIMIT, 2**62)


async def test_a_report_is_one_query(agent_db: Database, bob: User, dollar: str, statements: list[str]) -> None:
    """Whatever it is grouped by."""
    statements.clear()
    await agent_db.usage.report(by=("hour", "user", "model", "agent", "type"), **YEAR)

    assert len(statements) == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"by": "year"}, "grouped by"),
        ({"by": ("day", "week")}, "grouped by"),
        ({"by": ("user", 1)}, "grouped by"),
        ({"by": None}, "grouped by"),
        ({"time_zone": "Mars/Olympus"}, "IANA name"),
        ({"since": datetime(2026, 1, 1)}, "naive"),  # noqa: DTZ001 - wrong on purpose
        ({"until": "2026-01-01"}, "until is an aware datetime"),
        ({"until": YEAR["since"]}, "since is before until"),
        ({"by": "hour", "until": YEAR["until"] + timedelta(days=365)}, "at most 10000 periods"),
        ({"limit": 0}, "limit is from 1 to 10000"),
        ({"limit": 10**9}, "limit is from 1 to 10000"),
        ({"user_id": "1"}, "user_id is an int"),
        ({"agent_id": 2**63}, "64 bits"),
        ({"model": "nul \x00"}, "NUL"),
        ({"type": 7}, "type is a text"),
    ],
)
async def test_a_report_that_cannot_be_is_refused(agent_db: Database, values: dict[str, Any], message: str) -> None:
    """The same error on every engine."""
    with pytest.raises(InvalidInputError, match=message):
        await agent_db.usage.report(**{"by": "day", **YEAR, **values})


# lists


async def test_rows_are_listed_newest_first(agent_db: Database, ada: User, bob: User, dollar: str) -> None:
    """Those of one instant by their ids; each page goes on where the one before ended."""
    same = [await used(agent_db, user, "2026-05-01T00:00") for user in (ada, bob, ada, bob)]
    newest = await used(agent_db, ada, "2026-05-02T00:00", request_id="r", type="chat", agent_id=1)
    oldest = await used(agent_db, ada, "2026-04-01T00:00")
    expected = [newest, *reversed(same), oldest]
    seen: list[int] = []
    cursor = None
    for _ in range(3):
        page = await agent_db.usage.list(limit=2, cursor=cursor)
        seen += [row.id for row in page.items]
        cursor = page.next_cursor

    assert seen == expected
    assert cursor is None
    (first,) = (await agent_db.usage.list(limit=1)).items
    assert (first.id, first.user_id, first.model, first.type, first.agent_id) == (newest, ada.id, "dollar", "chat", 1)
    assert (first.cost_usd, first.input_tokens, first.request_id) == (Decimal(1), 1000, "r")
    assert first.created_at == at("2026-05-02T00:00")


async def test_rows_of_one_user_and_one_range(agent_db: Database, ada: User, bob: User, dollar: str) -> None:
    """Half-open, also at its ends; an unknown user has none."""
    moments = ("2026-05-01T00:00", "2026-05-01T23:59:59.999999", "2026-05-02T00:00")
    ids = [await used(agent_db, user, moment) for moment in moments for user in (ada, bob)]
    day: dict[str, Any] = {"since": at("2026-05-01T00:00"), "until": at("2026-05-02T00:00")}
    page = await agent_db.usage.list(user_id=ada.id, limit=1, **day)
    further = await agent_db.usage.list(user_id=ada.id, limit=1, cursor=page.next_cursor, **day)

    assert [row.id for row in (await agent_db.usage.list(**day)).items] == ids[3::-1]
    assert [row.id for row in (*page.items, *further.items)] == [ids[2], ids[0]]
    assert further.next_cursor is None
    assert (await agent_db.usage.list(user_id=999)).items == ()


@pytest.mark.parametrize(
    "values",
    [
        {"limit": 0},
        {"limit": 1001},
        {"user_id": "1"},
        {"cursor": "broken"},
        {"cursor": ""},
        {"since": datetime(2026, 1, 1)},  # noqa: DTZ001 - wrong on purpose
        {"since": at("2026-01-01"), "until": at("2026-01-01")},
    ],
)
async def test_a_list_that_cannot_be_is_refused(agent_db: Database, values: dict[str, Any]) -> None:
    """The same error on every engine."""
    with pytest.raises(InvalidInputError):
        await agent_db.usage.list(**values)


async def test_a_cursor_belongs_to_its_list(agent_db: Database, ada: User, dollar: str) -> None:
    """That of all is not that of one user."""
    for _ in range(2):
        await spend(agent_db, ada)
    page = await agent_db.usage.list(limit=1)

    with pytest.raises(InvalidInputError, match="cursor"):
        await agent_db.usage.list(user_id=ada.id, limit=1, cursor=page.next_cursor)
