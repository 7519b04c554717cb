"""Maintenance: what is too old goes, nothing else does, and sums stay what they were."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

import agentdb
from agentdb import Database, InvalidInputError, Message, NotFoundError, Resource, TransactionError, Usage, Vector
from agentdb.models import Reservation, UsageDay
from agentdb.records import User
from tests.counts import COUNTS
from tests.operations.aged import (
    days_ago,
    messages_of,
    reports,
    spend_at_random,
    thrown_away,
    told_at,
)
from tests.operations.test_doctor import spoil
from tests.services.talking import HELLO, say

pytestmark = pytest.mark.agentdb(engine="both")

CHUNKS = [{"content": "text", "embedding": [1.0, 0.0]}]
SUMMARY = "A summary of all that was said so far, long enough to count as one."


@pytest.fixture
async def users(agent_db: Database) -> list[User]:
    return [await agent_db.access.create_user(email=f"{name}@example.org") for name in ("ada", "bob", "eve")]


# usage


async def test_sums_stay_exact_when_their_rows_go(agent_db: Database, users: list[User]) -> None:
    """By every combination of day, week, month, user, model, agent and type; a dry run counts the same."""
    await spend_at_random(agent_db, users, rounds=40, days=14, chance=Random(1))
    before = await reports(agent_db)
    of_one = await reports(agent_db, user_id=users[0].id)
    planned = await agent_db.maintain(keep_usage_days=7, check=False, dry_run=True)
    untouched = await reports(agent_db)
    done = await agent_db.maintain(keep_usage_days=7, check=False)
    again = await agent_db.maintain(keep_usage_days=7, check=False)
    left = (await agent_db.usage.list(limit=1000)).items

    assert planned.usage_rows == done.usage_rows > 20
    assert again.usage_rows == 0
    assert min(row.created_at for row in left) >= days_ago(7, 0)
    assert untouched == before
    assert await reports(agent_db) == before
    assert await reports(agent_db, user_id=users[0].id) == of_one


async def test_a_request_in_several_slices_counts_once(
    agent_db: Database, users: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows go in different transactions, and are of different models."""
    monkeypatch.setattr("agentdb.operations.retention.SLICE", 1)
    models = ("mock-model", "us.anthropic.claude-sonnet-4-6", "mock-model")
    await agent_db.usage.record_many(
        [{"model": model, "input_tokens": 1} for model in models], user_id=users[0].id, request_id="r"
    )
    with agent_db.use():
        await Usage.all().update(created_at=days_ago(9))
    span: dict[str, Any] = {"since": days_ago(30), "until": days_ago(0)}
    before = await agent_db.usage.report(by="day", **span)
    await agent_db.maintain(keep_usage_days=7, check=False)
    after = await agent_db.usage.report(by="day", **span)

    assert after == before
    assert (after[0].rows, after[0].requests) == (3, 1)
    with agent_db.use():
        assert await Usage.all().count() == 0
        assert {day.day for day in await UsageDay.all()} == {days_ago(9, 12)}


async def test_rows_without_a_key_count_by_their_message(
    agent_db: Database, users: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they do before; so do rows of nobody, whose user was deleted past agentdb."""
    monkeypatch.setattr("agentdb.operations.retention.SLICE", 2)
    ada = users[0]
    talk = await agent_db.conversations.start(user_id=ada.id, agent_id=1)
    message = await say(agent_db, talk)
    for message_id in (message.id, message.id, message.id, None, None):
        await agent_db.usage.record(user_id=ada.id, model="mock-model", input_tokens=3, message_id=message_id)
    with agent_db.use():
        last = (await Usage.all().order_by("-id"))[0]
        await Usage.filter(id=last.id).update(user_id=None)
        await Usage.all().update(created_at=days_ago(9))
    span: dict[str, Any] = {"since": days_ago(30), "until": days_ago(0)}
    before = await agent_db.usage.report(by=("day", "user"), **span)
    done = await agent_db.maintain(keep_usage_days=7, keep_messages_days=1, check=False)

    assert done.usage_rows == 5
    assert await agent_db.usage.report(by=("day", "user"), **span) == before
    assert sorted((one.user_id is None, one.rows, one.requests) for one in before) == [(False, 4, 2), (True, 1, 1)]


async def test_a_removed_day_counts_at_noon(agent_db: Database, users: list[User]) -> None:
    """So it is in or out of a range as a whole, and on its own date in America and Asia."""
    await agent_db.usage.record(user_id=users[0].id, model="mock-model", input_tokens=1)
    with agent_db.use():
        await Usage.all().update(created_at=days_ago(9, 1))
    await agent_db.maintain(keep_usage_days=7, check=False)
    report = agent_db.usage.report
    span: dict[str, Any] = {"since": days_ago(30), "until": days_ago(0)}
    dates = {
        (await report(by="day", time_zone=zone, **span))[0].period
        for zone in ("UTC", "America/Los_Angeles", "Asia/Tokyo")
    }

    assert dates == {days_ago(9).date().isoformat()}
    assert len(await report(by="hour", since=days_ago(9, 11.5), until=days_ago(9, 12.5))) == 1
    assert await report(by="hour", since=days_ago(9, 0), until=days_ago(9, 12)) == ()


async def test_absurd_amounts_are_removed_too(agent_db: Database, users: list[User]) -> None:
    """Of which two have no sum that the database could keep; so is a row without a time, when its user is erased."""
    ada, bob = users[:2]
    for user in (ada, ada, bob, bob, bob):
        await agent_db.usage.record(user_id=user.id, model="mock-model", input_tokens=2**62)
    with agent_db.use():
        await Usage.filter(id=(await Usage.all().order_by("-id"))[0].id).update(created_at=None)
        await Usage.filter(user_id=ada.id).update(created_at=days_ago(9))
    done = await agent_db.maintain(keep_usage_days=7, check=False)
    await agent_db.erase_user(bob.id)

    assert done.usage_rows == 2
    with agent_db.use():
        kept = [(day.user_id, day.input_tokens, day.rows) for day in await UsageDay.all().order_by("id")]
        assert kept == [*[(ada.id, 2**62, 1)] * 2, *[(None, 2**62, 1)] * 2]
        assert await Usage.all().count() == 0


# messages


async def test_a_conversation_that_goes_on_keeps_its_context(agent_db: Database, users: list[User]) -> None:
    """What stands before its summary goes; without a summary its newest messages stay, and nobody's are lost."""
    ada = users[0]
    summed, plain, over = [await agent_db.conversations.start(user_id=ada.id, agent_id=1) for _ in range(3)]
    old = await told_at(agent_db, summed, [days_ago(20)] * 3)
    summary = await agent_db.conversations.summarise(
        summed.id, user_id=ada.id, summary=SUMMARY, expected_parent=old[-1]
    )
    after = await told_at(agent_db, summed, [days_ago(15), days_ago(1)])
    kept = await told_at(agent_db, plain, [days_ago(20), days_ago(0)])
    await told_at(agent_db, over, [days_ago(20)] * 2)
    contexts = [await agent_db.conversations.context(one.id, user_id=ada.id) for one in (summed, plain)]
    planned = await agent_db.maintain(keep_messages_days=7, dry_run=True)
    done = await agent_db.maintain(keep_messages_days=7)
    found = await agent_db.conversations.search("word0", user_id=ada.id)

    assert planned.messages.messages == done.messages.messages == 5
    assert await messages_of(agent_db, summed) == [summary.id, *after]
    assert await messages_of(agent_db, plain) == kept
    assert await messages_of(agent_db, over) == []
    assert [await agent_db.conversations.context(one.id, user_id=ada.id) for one in (summed, plain)] == contexts
    assert {hit.message_id for hit in found} == {after[0], kept[0]}
    assert (await agent_db.conversations.get(over.id, user_id=ada.id)).summary_message_id is None
    assert (await agent_db.check()).is_clean


async def test_old_messages_take_along_what_hangs_on_them(
    agent_db: Database, users: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resources with their chunks; usage stays, without its message; the summary goes with a talk that is over."""
    monkeypatch.setattr("agentdb.operations.retention.SLICE", 2)
    ada = users[0]
    talk = await agent_db.conversations.start(user_id=ada.id, agent_id=1)
    ids = [(await say(agent_db, talk, f"word{number}")).id for number in range(5)]
    await agent_db.conversations.summarise(talk.id, user_id=ada.id, summary=SUMMARY, expected_parent=ids[-1])
    for message_id in ids:
        await agent_db.knowledge.store(
            name="a.txt", user_id=ada.id, message_id=message_id, content="text", chunks=CHUNKS
        )
    await agent_db.usage.record(user_id=ada.id, model="mock-model", input_tokens=1, message_id=ids[0])
    with agent_db.use():
        await Message.all().update(created_at=days_ago(20))
    planned = await agent_db.maintain(keep_messages_days=7, check=False, dry_run=True)
    done = await agent_db.maintain(keep_messages_days=7, check=False)

    assert planned.messages == done.messages == (0, 6, 5, 5)
    assert (await agent_db.conversations.get(talk.id, user_id=ada.id)).summary_message_id is None
    with agent_db.use():
        assert [await table.all().count() for table in (Resource, Vector)] == [0, 0]
        assert [row.message_id for row in await Usage.all()] == [None]


async def test_deleted_conversations_are_destroyed_after_a_while(
    agent_db: Database, users: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were deleted lately, or restored, stay as they are."""
    monkeypatch.setattr("agentdb.operations.retention.SLICE", 2)
    ada = users[0]
    gone, lately, restored = [await agent_db.conversations.start(user_id=ada.id, agent_id=1) for _ in range(3)]
    for talk in (gone, lately, restored):
        for _ in range(5):
            await say(agent_db, talk)
        await agent_db.knowledge.store(
            name="a.txt", user_id=ada.id, conversation_id=talk.id, content="a", chunks=CHUNKS
        )
    await thrown_away(agent_db, gone, days_ago(40))
    await thrown_away(agent_db, lately, days_ago(3))
    await thrown_away(agent_db, restored, days_ago(40))
    await agent_db.conversations.restore(restored.id, user_id=ada.id)
    planned = await agent_db.maintain(purge_deleted_after_days=30, dry_run=True)
    done = await agent_db.maintain(purge_deleted_after_days=30)

    assert planned.purged == done.purged == (1, 5, 1, 1)
    assert [len(await messages_of(agent_db, talk)) for talk in (gone, lately, restored)] == [0, 5, 5]
    with pytest.raises(NotFoundError):
        await agent_db.conversations.restore(gone.id, user_id=ada.id)


# while others write


@asynccontextmanager
async def writers(db: Database, users: list[User], told: dict[str, list[int]]) -> AsyncIterator[None]:
    """Each user talks and spends all the time, also in conversations and on days that are old."""
    is_over = asyncio.Event()

    async def write(user: User) -> None:
        talk = await db.conversations.start(user_id=user.id, agent_id=1)
        await told_at(db, talk, [days_ago(20)] * 3)
        while not is_over.is_set():
            message = await db.conversations.append(talk.id, user_id=user.id, role="user", content=HELLO)
            charge = await db.usage.record(user_id=user.id, model="mock-model", input_tokens=7, message_id=message.id)
            told["messages"].append(message.id)
            told["usage"] += charge.usage_ids
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(write(user)) for user in users]
    try:
        yield
    finally:
        is_over.set()
        await asyncio.gather(*tasks)


async def test_retention_loses_nothing_inside_the_period(
    agent_db: Database, users: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that was acknowledged is there afterwards; sums are those of all that was ever recorded; two run at once."""
    monkeypatch.setattr("agentdb.operations.retention.SLICE", 7)
    told: dict[str, list[int]] = {"messages": [], "usage": []}
    chance = Random(2)
    tokens = 0
    async with writers(agent_db, users, told):
        for number in range(COUNTS.retention_rounds):
            await spend_at_random(agent_db, users[:2], rounds=10, days=20, chance=chance, name=f"{number}-")
            keep: dict[str, Any] = {"keep_messages_days": 7, "keep_usage_days": 7, "purge_deleted_after_days": 7}
            both = await asyncio.gather(*(agent_db.maintain(check=False, **keep) for _ in range(2)))
            tokens += sum(one.usage_rows for one in both)
    (totals,) = await agent_db.usage.report(by=[], since=days_ago(1000), until=days_ago(-2))
    with agent_db.use():
        rows = {row.id: row for row in await Usage.all()}
        days = await UsageDay.all()
        present = {message.id for message in await Message.all()}

    assert tokens == sum(day.rows for day in days) > 0
    assert set(told["messages"]) <= present
    assert set(told["usage"]) <= set(rows)
    assert totals.rows == len(rows) + sum(day.rows for day in days)
    costs = [*(row.cost or Decimal(0) for row in rows.values()), *(day.cost for day in days)]
    assert totals.cost_usd == sum(costs)
    assert min(row.created_at for row in rows.values() if row.created_at) >= days_ago(7, 0)


# the rest


async def test_search_has_nothing_left_to_index(agent_db: Database, users: list[User]) -> None:
    """And reservations that expired are given back; a dry run counts both and changes nothing."""
    for user in users:
        talk = await agent_db.conversations.start(user_id=user.id, agent_id=1)
        await told_at(agent_db, talk, [days_ago(0)] * 3)
    await agent_db.usage.reserve(user_id=users[0].id, amount_usd=1)
    with agent_db.use():
        await Reservation.all().update(expires_at=days_ago(1))
    planned = await agent_db.maintain(dry_run=True)
    done = await agent_db.maintain()
    again = await agent_db.maintain(vacuum=True)

    assert (planned.indexed_messages, planned.expired_reservations) == (9, 1)
    assert (done.indexed_messages, done.expired_reservations) == (9, 1)
    assert (again.indexed_messages, again.expired_reservations, again.is_log_whole) == (0, 0, True)
    assert len(await agent_db.conversations.search("word1", user_id=users[1].id)) == 1


async def test_a_damaged_database_is_only_checked(agent_db: Database, agent_db_url: str, users: list[User]) -> None:
    """Rows that point to nothing are told, and what is old stays."""
    await spend_at_random(agent_db, users, rounds=3, days=0, chance=Random(3))
    with agent_db.use():
        await Usage.all().update(created_at=days_ago(20))
        rows = await Usage.all().count()
    await spoil(agent_db_url, 'UPDATE "Usage" SET "agentID" = 999')
    done = await agent_db.maintain(keep_usage_days=7)

    assert done.problems == (f"{rows} rows of Usage point with agentID to no row of Agent.",)
    assert done.usage_rows == 0
    assert len((await agent_db.usage.list()).items) == rows


@pytest.mark.parametrize("days", [0, -1, 36_501, 1.5, True, "7"])
async def test_days_are_whole_and_above_0(agent_db: Database, days: Any) -> None:
    for name in ("keep_messages_days", "keep_usage_days", "purge_deleted_after_days"):
        with pytest.raises(InvalidInputError, match=name):
            await agent_db.maintain(**{name: days})


async def test_maintenance_has_transactions_of_its_own(agent_db: Database) -> None:
    async with agent_db.transaction():
        with pytest.raises(TransactionError, match="Leave yours first"):
            await agent_db.maintain()


@pytest.mark.agentdb(engine="postgresql")
async def test_the_vector_extension_is_made_on_request(agent_db: Database) -> None:
    """And only then; asking twice is harmless."""
    is_there = "SELECT to_regtype('vector') IS NOT NULL AS \"is_there\""
    before = await agent_db.session.fetch(is_there)
    await agent_db.maintain(vector_index=True, dry_run=True)
    planned = await agent_db.session.fetch(is_there)
    for _ in range(2):
        await agent_db.maintain(vector_index=True, check=False)
    after = await agent_db.session.fetch(is_there)

    assert [rows[0]["is_there"] for rows in (before, planned, after)] == [False, False, True]


@pytest.mark.agentdb(engine="sqlite")
async def test_a_file_shrinks(tmp_path: Path) -> None:
    """Once with VACUUM, while nobody writes; from then on free pages are given back without it."""
    path = tmp_path / "agent.db"
    async with agentdb.connect(f"sqlite:///{path}") as db:
        ada = await db.access.create_user(email="ada@example.org")

        async def fill_and_purge(**options: Any) -> tuple[int, int]:
            talk = await db.conversations.start(user_id=ada.id, agent_id=1)
            await say(db, talk, "word " * 200_000)
            await thrown_away(db, talk, days_ago(9))
            done = await db.maintain(purge_deleted_after_days=7, **options)
            return done.space_after, done.free or 0

        untouched, rewritten, trimmed = [await fill_and_purge(**options) for options in ({}, {"vacuum": True}, {})]

        assert untouched[1] > 900_000
        assert rewritten[0] < untouched[0] - 900_000
        assert (rewritten[1], trimmed[1]) == (0, 0)
        assert abs(trimmed[0] - rewritten[0]) < 100_000
        assert path.stat().st_size == trimmed[0]
        assert path.with_name("agent.db-wal").stat().st_size == 0


async def test_in_memory_all_of_it_works() -> None:
    """Where there is no file, no log, and one connection."""
    async with agentdb.connect("sqlite://") as db:
        ada = await db.access.create_user(email="ada@example.org")
        done = await db.maintain(vacuum=True, keep_usage_days=1)
        erased = await db.erase_user(ada.id)

    assert (done.problems, done.is_log_whole, erased.is_scrubbed) == ((), True, True)
