"""A user's conversations, last changed first, each with its last message."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from agentdb import Agent, Conversation, Database, DeadlineError, InvalidInputError
from agentdb.records import Conversation as ConversationRecord
from agentdb.records import User
from agentdb.records.conversations import ConversationPreview
from tests.services.talking import BAD_LIMITS, BROKEN_CURSORS, say, say_all, walked

pytestmark = pytest.mark.agentdb(engine="both")


async def started(db: Database, user: User, count: int) -> list[ConversationRecord]:
    """Conversations of one moment after the other."""
    return [await db.conversations.start(user_id=user.id, title=str(n)) for n in range(count)]


async def ids_of(db: Database, user: User, **values: Any) -> list[int]:
    page = await db.conversations.list(user_id=user.id, **values)
    return [one.id for one in page.items]


async def pages_of(db: Database, user: User, **values: Any) -> list[list[int]]:
    pages = await walked(lambda at: db.conversations.list(user_id=user.id, cursor=at, **values))
    return [[one.id for one in page] for page in pages]


async def test_each_comes_with_its_last_message(agent_db: Database, ada: User, bob: User) -> None:
    """As both are stored; an empty one has none, and another user's is not there."""
    talks = await started(agent_db, ada, 2)
    await started(agent_db, bob, 1)
    await say_all(agent_db, talks[0], "a", "b")
    last = await say(agent_db, talks[0], "c", role="assistant", request_id="r")
    page = await agent_db.conversations.list(user_id=ada.id)
    now = await agent_db.conversations.get(talks[0].id, user_id=ada.id)

    assert page.items == (
        ConversationPreview(**dict(now), last_message=last),
        ConversationPreview(**dict(talks[1]), last_message=None),
    )
    assert page.next_cursor is None
    assert (await agent_db.conversations.list(user_id=12345)).items == ()


async def test_the_last_message_is_that_of_the_context(agent_db: Database, ada: User) -> None:
    """Not the one with the latest time."""
    (talk,) = await started(agent_db, ada, 1)
    for n in range(20):
        await say(agent_db, talk, str(n))
    (found,) = (await agent_db.conversations.list(user_id=ada.id)).items

    assert found.last_message == (await agent_db.conversations.context(talk.id, user_id=ada.id)).messages[-1]


async def test_whatever_changes_comes_first(agent_db: Database, ada: User) -> None:
    """Each kind of change; reading is none."""
    talks = await started(agent_db, ada, 7)
    ids = [talk.id for talk in talks]
    verbs = agent_db.conversations
    await say(agent_db, talks[0])
    await say_all(agent_db, talks[1], "a", "b")
    await verbs.rename(ids[2], user_id=ada.id, title="x")
    await verbs.set_agent(ids[3], user_id=ada.id, agent_id=1)
    await verbs.summarise(ids[4], user_id=ada.id, summary="x" * 50, expected_parent=0)
    await verbs.delete(ids[5], user_id=ada.id)
    await verbs.restore(ids[5], user_id=ada.id)
    await verbs.context(ids[6], user_id=ada.id)

    assert await ids_of(agent_db, ada) == [*ids[5::-1], ids[6]]


async def test_pages_have_each_once(agent_db: Database, ada: User) -> None:
    """Cursors lead to the one that was not changed for longest; a full last page has no cursor."""
    ids = [talk.id for talk in await started(agent_db, ada, 6)][::-1]

    assert await pages_of(agent_db, ada, limit=4) == [ids[:4], ids[4:]]
    assert await pages_of(agent_db, ada, limit=3) == [ids[:3], ids[3:]]
    assert await pages_of(agent_db, ada, limit=1) == [[one] for one in ids]
    assert await pages_of(agent_db, ada) == [ids]


async def test_ids_break_ties(agent_db: Database, ada: User) -> None:
    """Of one moment, or of times that end in zeros, and wherever a page ends."""
    moments = [datetime(2026, 1, 1, 12, 0, second, micro, tzinfo=UTC) for second in (0, 1) for micro in (0, 1, 100_000)]
    chance = random.Random(1)
    with agent_db.use():
        rows = [
            await Conversation.create(user_id=ada.id, updated_at=moment)
            for moment in chance.sample(moments * 3, len(moments) * 3)
        ]
        for row, moment in zip(rows, chance.sample(moments * 3, len(rows)), strict=True):
            await Conversation.filter(id=row.id).update(updated_at=moment)
        expected = [row.id for row in sorted(await Conversation.all(), key=lambda one: (one.updated_at, one.id))][::-1]

    for limit in (1, 2, 5, 17, 18):
        pages = await pages_of(agent_db, ada, limit=limit)
        assert [one for page in pages for one in page] == expected


async def test_those_without_a_time_come_last(agent_db: Database, ada: User) -> None:
    """By their ids, wherever a page ends."""
    ids = [talk.id for talk in await started(agent_db, ada, 7)]
    with agent_db.use():
        await Conversation.filter(id__in=ids[2:5]).update(updated_at=None)
    expected = [ids[6], ids[5], ids[1], ids[0], ids[4], ids[3], ids[2]]

    for limit in (1, 2, 3, 4, 5, 6, 7):
        pages = await pages_of(agent_db, ada, limit=limit)
        assert [one for page in pages for one in page] == expected
        assert {len(page) for page in pages[:-1]} <= {limit}


async def test_what_changes_between_two_pages_is_not_shown_twice(agent_db: Database, ada: User) -> None:
    """The next first page shows it, where it now belongs."""
    ids = [talk.id for talk in await started(agent_db, ada, 6)]
    first = await agent_db.conversations.list(user_id=ada.id, limit=3)
    for changed in (ids[5], ids[0]):
        await agent_db.conversations.rename(changed, user_id=ada.id, title="changed")
    rest = await agent_db.conversations.list(user_id=ada.id, limit=3, cursor=first.next_cursor)

    assert [one.id for one in first.items] == [ids[5], ids[4], ids[3]]
    assert [one.id for one in rest.items] == [ids[2], ids[1]]
    assert await ids_of(agent_db, ada, limit=3) == [ids[0], ids[5], ids[4]]


async def test_no_change_moves_a_conversation_down(agent_db: Database, ada: User) -> None:
    """A change whose time is earlier than the last one's, because it waited or a clock is behind, leaves it there."""
    talks = await started(agent_db, ada, 9)
    ids = [talk.id for talk in talks]
    verbs = agent_db.conversations
    moments = [datetime(2100, 1, 1, 0, 0, second, tzinfo=UTC) for second in range(9)]
    with agent_db.use():
        for talk_id, moment in zip(ids, moments, strict=True):
            await Conversation.filter(id=talk_id).update(updated_at=moment)
    await say(agent_db, talks[0])
    await asyncio.gather(*(say(agent_db, talks[1]) for _ in range(5)))
    await say(agent_db, talks[2], request_id="r")
    await say_all(agent_db, talks[3], "a", "b")
    await say(agent_db, talks[4], expected_parent=0)
    await verbs.rename(ids[5], user_id=ada.id, title="x")
    await verbs.set_agent(ids[6], user_id=ada.id, agent_id=1)
    await verbs.summarise(ids[7], user_id=ada.id, summary="x" * 50, expected_parent=0)
    await verbs.delete(ids[8], user_id=ada.id)
    await verbs.restore(ids[8], user_id=ada.id)
    page = await verbs.list(user_id=ada.id)

    assert [(one.id, one.updated_at) for one in page.items] == list(zip(ids, moments, strict=True))[::-1]


async def test_pages_among_writers_show_none_twice(agent_db: Database, ada: User) -> None:
    """Whatever is appended while somebody walks through the pages, nothing comes up again."""
    talks = await started(agent_db, ada, 30)
    chance = random.Random(2)

    async def write() -> None:
        for _ in range(20):
            await say(agent_db, chance.choice(talks))

    writing = asyncio.gather(*(write() for _ in range(4)))
    walks: list[list[int]] = []
    while len(walks) < 3 or not writing.done():
        walks.append([one for page in await pages_of(agent_db, ada, limit=4) for one in page])
        await asyncio.sleep(0)
    await writing

    for walk in walks:
        assert len(walk) == len(set(walk))


async def test_a_list_can_be_narrowed(agent_db: Database, ada: User) -> None:
    """To an agent, or to what was thrown away; `count` counts the same."""
    with agent_db.use():
        mine = await Agent.create(name="Mine", user_id=ada.id)
    agents = [1, mine.id, None, 1, mine.id, None]
    talks = [await agent_db.conversations.start(user_id=ada.id, agent_id=agent_id) for agent_id in agents]
    ids = [talk.id for talk in talks]
    for talk_id in ids[3:5]:
        await agent_db.conversations.delete(talk_id, user_id=ada.id)
    expected: list[tuple[dict[str, Any], list[int]]] = [
        ({}, [ids[5], ids[2], ids[1], ids[0]]),
        ({"agent_id": 1}, [ids[0]]),
        ({"agent_id": mine.id}, [ids[1]]),
        ({"agent_id": 999}, []),
        ({"deleted": True}, [ids[4], ids[3]]),
        ({"deleted": True, "agent_id": 1}, [ids[3]]),
    ]

    for values, found in expected:
        assert await ids_of(agent_db, ada, **values) == found
        assert await pages_of(agent_db, ada, limit=1, **values) == ([[one] for one in found] or [[]])
        assert await agent_db.conversations.count(user_id=ada.id, **values) == len(found)
    assert await agent_db.conversations.count(user_id=12345) == 0


async def test_a_list_is_one_statement(agent_db: Database, ada: User, statements: list[str]) -> None:
    """However many conversations it has."""
    for talk in await started(agent_db, ada, 5):
        await say(agent_db, talk)
    statements.clear()
    await agent_db.conversations.list(user_id=ada.id)

    assert len(statements) == 1


@pytest.mark.parametrize("limit", BAD_LIMITS)
async def test_a_limit_is_from_1_to_1000(agent_db: Database, ada: User, limit: Any) -> None:
    """There is no page without end."""
    with pytest.raises(InvalidInputError, match=r"limit|64 bits"):
        await agent_db.conversations.list(user_id=ada.id, limit=limit)


@pytest.mark.parametrize(
    "values", [{"user_id": "1"}, {"user_id": 2**63}, {"agent_id": "1"}, {"deleted": 1}, {"deleted": None}]
)
async def test_bad_input_is_refused(agent_db: Database, ada: User, values: dict[str, Any]) -> None:
    """The same error on every engine."""
    with pytest.raises(InvalidInputError):
        await agent_db.conversations.list(**{"user_id": ada.id, **values})
    with pytest.raises(InvalidInputError):
        await agent_db.conversations.count(**{"user_id": ada.id, **values})


@pytest.mark.parametrize("cursor", BROKEN_CURSORS, ids=range(len(BROKEN_CURSORS)))
async def test_a_broken_cursor_is_refused(agent_db: Database, ada: User, cursor: Any) -> None:
    """The same error on every engine."""
    with pytest.raises(InvalidInputError, match="cursor is not one that this list gave"):
        await agent_db.conversations.list(user_id=ada.id, cursor=cursor)


async def test_a_cursor_belongs_to_its_list(agent_db: Database, ada: User, bob: User) -> None:
    """Of a user, an agent, and what is deleted or not."""
    await started(agent_db, ada, 2)
    cursor = (await agent_db.conversations.list(user_id=ada.id, limit=1)).next_cursor
    others: list[dict[str, Any]] = [{"user_id": bob.id}, {"agent_id": 1}, {"deleted": True}]

    assert cursor is not None
    for other in others:
        with pytest.raises(InvalidInputError, match="cursor"):
            await agent_db.conversations.list(**{"user_id": ada.id, "cursor": cursor, **other})


async def test_a_deadline_ends_the_call(agent_db: Database, ada: User) -> None:
    """Reading has one as well."""
    with pytest.raises(DeadlineError):
        await agent_db.conversations.list(user_id=ada.id, timeout=0)
    with pytest.raises(DeadlineError):
        await agent_db.conversations.count(user_id=ada.id, timeout=0)
