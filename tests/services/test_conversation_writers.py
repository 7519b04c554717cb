"""Many writers and one conversation: nothing is lost, and messages are read in the order of their commits."""

from __future__ import annotations

import asyncio
from itertools import accumulate

import pytest

from agentdb import Database
from agentdb.records import Conversation, Message
from tests.counts import COUNTS
from tests.services.processes import at_work
from tests.services.talking import say, texts, walked
from tests.services.writers import write_all

pytestmark = pytest.mark.agentdb(engine="both")

WRITERS_OF_PROCESSES = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
WRITERS_HERE = [12, 13, 14, 15]


async def test_read_order_is_commit_order(agent_db: Database, agent_db_url: str, talk: Conversation) -> None:
    """Sixteen writers, twelve of them in other processes, and readers who page back, back to what they know, and on.

    Every acknowledged message is there once. Whatever a reader has seen is the beginning of what there is in the end:
    no message ever appears before one that was seen. And one that was acknowledged before another was sent stands
    before it.
    """
    count = COUNTS.messages_per_writer
    root = await say(agent_db, talk, "root")
    where = (talk.id, talk.user_id, root.id)
    looks: list[list[int]] = []
    known: list[int] = []
    replies: list[int] = []
    place = None
    calls = [(*where, writers, count) for writers in WRITERS_OF_PROCESSES]
    async with at_work(write_all, agent_db_url, calls) as others:
        here = asyncio.create_task(write_all(agent_db, *where, WRITERS_HERE, count))
        writing = asyncio.gather(others, here)
        while not writing.done():
            looks.append([message.id for message in await history(agent_db, talk)])
            await follow(agent_db, talk, known)
            place = await follow_replies(agent_db, talk, root, replies, place)
            await asyncio.sleep(0)
        told, of_here = await writing
    await follow(agent_db, talk, known)
    await follow_replies(agent_db, talk, root, replies, place)
    final = await history(agent_db, talk)
    ids = [message.id for message in final]
    acknowledged = sorted([*(one for of_one in told for one in of_one), *of_here])
    latest = accumulate((one.began for one in acknowledged), max)

    assert [(root.id, "root"), *(one[:2] for one in acknowledged)] == list(zip(ids, texts(final), strict=True))
    assert {one.text for one in acknowledged} == {f"{writer}:{n}" for writer in range(16) for n in range(count)}
    assert len(acknowledged) == 16 * count
    assert all(look == ids[: len(look)] for look in looks)
    assert known == ids
    assert replies == [message.id for message in final if message.parent_id == root.id]
    assert all(began <= one.ended for one, began in zip(acknowledged, latest, strict=True))
    assert any(1 < len(look) < len(ids) for look in looks)


async def history(db: Database, talk: Conversation) -> list[Message]:
    """All messages, read page by page from the end."""
    pages = await walked(lambda at: db.conversations.history(talk.id, user_id=talk.user_id, limit=100, cursor=at))
    return [message for page in reversed(pages) for message in page]


async def follow(db: Database, talk: Conversation, known: list[int]) -> None:
    """Add what was appended since, read from the end back to what is known."""
    found: list[int] = []
    cursor, is_known = None, False
    while not is_known:
        page = await db.conversations.history(talk.id, user_id=talk.user_id, limit=7, cursor=cursor)
        found = [message.id for message in page.items if message.id not in known] + found
        cursor, is_known = page.next_cursor, page.next_cursor is None or page.items[0].id in known
    known += found


async def follow_replies(
    db: Database, talk: Conversation, root: Message, known: list[int], cursor: str | None
) -> str | None:
    """Add the replies since, read on from the last page; where to go on the next time."""
    while True:
        page = await db.conversations.replies(root.id, user_id=talk.user_id, limit=7, cursor=cursor)
        known += [message.id for message in page.items if message.id not in known]
        if page.next_cursor is None:
            return cursor
        cursor = page.next_cursor
