"""Instants: one format on SQLite, whoever writes it, so that the order of texts is the order of time."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentdb.engine import Session
from agentdb.engine.sqlite import dialect
from agentdb.engine.values import checked
from agentdb.errors import InvalidInputError
from agentdb.models import Conversation, Role, User
from agentdb.models.fields import TimestampField
from tests.engine.engines import opened, outside
from tests.engine.typical_rows import ALL, write_typical_rows

EARLIEST = datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, 23, 59, 59, 999_998, tzinfo=UTC)
MOMENTS = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30))])).filter(
    lambda moment: 1 < moment.year < 9999
)


async def test_every_stored_timestamp_has_32_characters(sqlite_url: str) -> None:
    """In every column of every table, from Python, from an update and from the columns' defaults."""
    async with opened(sqlite_url) as session:
        await write_typical_rows(session)
        await session.client.execute_script('INSERT INTO "Role" DEFAULT VALUES; INSERT INTO "User" DEFAULT VALUES')

    for model in ALL.values():
        for name, column in model._meta.fields_db_projection.items():
            if isinstance(model._meta.fields_map[name], TimestampField):
                found = await outside(sqlite_url, f'SELECT "{column}" FROM "{model._meta.db_table}"')
                assert found
                for (stored,) in found:
                    assert len(stored) == 32
                    assert datetime.fromisoformat(stored).utcoffset() == timedelta(0)
                    assert stored[10] + stored[19] + stored[26:] == " .+00:00"


@given(MOMENTS, MOMENTS)
def test_the_order_of_texts_is_the_order_of_time(one: datetime, other: datetime) -> None:
    """From the year 2 to 9998, with and without microseconds, from any zone."""
    texts = dialect.encode([one, other])

    assert [len(text) for text in texts] == [32, 32]
    assert (texts[0] < texts[1]) == (one < other)
    assert [datetime.fromisoformat(text) for text in texts] == [one, other]


async def test_order_and_ranges(session: Session) -> None:
    """Of values that Python would write with no, three or six digits, and the ends of the calendar."""
    base = datetime(2026, 1, 1, tzinfo=UTC)
    steps = [
        timedelta(0),
        timedelta(microseconds=1),
        timedelta(milliseconds=1),
        timedelta(seconds=1),
        timedelta(days=1),
    ]
    moments = [EARLIEST, base - timedelta(microseconds=1), *(base + step for step in steps), LATEST]
    shuffled = random.Random(0).sample(moments, len(moments))
    with session.use():
        user = await User.create()
        await Conversation.bulk_create([Conversation(user=user, deleted_at=moment) for moment in shuffled])

        assert await Conversation.all().order_by("deleted_at").values_list("deleted_at", flat=True) == moments
        for place, moment in enumerate(moments):
            assert await Conversation.filter(deleted_at__lt=moment).count() == place
            assert await Conversation.filter(deleted_at__lte=moment).count() == place + 1
            assert await Conversation.filter(deleted_at=moment).count() == 1


async def test_a_default_of_the_database_is_now(session: Session) -> None:
    """In the same order as what Python writes; to the millisecond on SQLite."""
    before = datetime.now(UTC) - timedelta(seconds=1)
    with session.use():
        await session.client.execute_script('INSERT INTO "Role" ("name") VALUES (\'a\')')
        role = await Role.get(name="a")
        later = await Role.create(name="b", created_at=datetime.now(UTC) + timedelta(seconds=1))

        assert role.created_at is not None
        assert role.updated_at is not None
        assert later.created_at is not None
        assert before < role.created_at < later.created_at
        assert await Role.all().order_by("-created_at").values_list("name") == [("b",), ("a",)]


async def test_times_of_a_row(session: Session) -> None:
    """Made and changed, aware and in UTC; only a change moves the second."""
    with session.use():
        role = await Role.create(name="a")
        made, changed = role.created_at, role.updated_at
        assert made is not None
        assert changed is not None
        role.name = "b"
        await role.save()
        stored = await Role.get(id=role.id)

    assert made.tzinfo is UTC
    assert stored.created_at == made
    assert stored.updated_at == role.updated_at
    assert stored.updated_at is not None
    assert stored.updated_at > changed
    assert stored.updated_at.utcoffset() == timedelta(0)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moment=MOMENTS)
async def test_any_instant_comes_back(session: Session, moment: datetime) -> None:
    """The same instant, in UTC."""
    with session.use():
        role = await Role.create(created_at=moment)
        found = await Role.get(id=role.id)

    assert found.created_at == moment
    assert found.created_at.utcoffset() == timedelta(0)


async def test_naive_times_are_refused(session: Session) -> None:
    """Nobody knows which instant they are: not in a row, a filter, an update or a statement."""
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - what is refused
    with session.use():
        role = await Role.create(name="a")
        calls: list[Callable[[], Any]] = [
            lambda: Role.create(created_at=naive),
            lambda: Role.filter(created_at__gt=naive).count(),
            lambda: Role.all().update(created_at=naive),
            lambda: Role.bulk_create([Role(created_at=naive)]),
            lambda: session.fetch(f"SELECT {session.dialect.placeholder(1)}", [naive]),
            lambda: role.update_from_dict({"created_at": naive}).save(),
        ]
        for call in calls:
            with pytest.raises(InvalidInputError, match="naive"):
                await call()

        assert await Role.all().count() == 1


@pytest.mark.parametrize(
    "moment",
    [
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
    ],
)
def test_instants_outside_the_calendar_are_refused(moment: datetime) -> None:
    """In UTC they lie before the year 1 or after 9999; its very ends would be infinities on PostgreSQL."""
    with pytest.raises(InvalidInputError, match="inside the years 1 to 9999"):
        checked(moment)
