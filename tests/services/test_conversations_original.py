"""Conversations on a database that the original package made: no constraints, no request_ids, summaries of 0."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from agentdb import ConflictError, Database, NotFoundError, UnsupportedError
from tests.services.talking import HELLO, texts, walked
from tests.services.test_original import ROWS, attached, stored

pytestmark = pytest.mark.agentdb(engine="postgresql", seed=False)

ADA, BOB = 1, 2
SUMMARY = "They have said hello to each other, and all is well."

# Of Ada: one as the original left it, with a summary, a resource and its chunks; one without times, one of Bob.
TALKS = """
INSERT INTO "Conversation" (id, "userID", title) VALUES (1, 1, 'Old');
INSERT INTO "Conversation" (id, "userID", title, deleted, "createdAt", "updatedAt")
    VALUES (2, 1, 'Timeless', NULL, NULL, NULL), (3, 1, 'Timeless too', NULL, NULL, NULL);
INSERT INTO "Conversation" (id, "userID", title) VALUES (4, 2, 'Of Bob');
INSERT INTO "Message" (id, "conversationID", "parentID", role, content)
    VALUES (1, 1, NULL, 'user', '[{"text": "one"}]'), (2, 1, 1, 'assistant', '[{"text": "two"}]'),
           (3, 1, 1, 'user', '"a text"'), (4, 4, 1, 'user', '[{"text": "stray"}]'), (5, 4, 4, 'user', NULL);
INSERT INTO "Resource" (id, "messageID", name) VALUES (1, 2, 'notes'), (2, 5, 'of Bob');
INSERT INTO "Vector" (id, "resourceID", content) VALUES (1, 1, 'chunk'), (2, 2, 'of Bob');
INSERT INTO "Vector" (id, "conversationID", content) VALUES (3, 1, 'chunk'), (4, 4, 'of Bob');
INSERT INTO "Usage" (id, "userID", "messageID", cost) VALUES (1, 1, 2, 0.5), (2, 2, 5, 0.5);
SELECT setval('"Conversation_id_seq"', 4), setval('"Message_id_seq"', 5);
"""


@pytest.fixture
async def original(agent_db_url: str) -> AsyncIterator[Database]:
    """The original's tables with a few rows."""
    async with attached(agent_db_url, ROWS + TALKS) as database:
        yield database


async def test_messages_are_appended_together(original: Database) -> None:
    """In their order, behind those of the original."""
    messages = [{"role": "user", "content": [{"text": str(n)}], "parent_id": 2} for n in range(1_500)]
    added = await original.conversations.append_many(1, user_id=ADA, messages=messages, expected_parent=3)
    page = await original.conversations.history(1, user_id=ADA, limit=1000)

    assert texts(added) == [str(n) for n in range(1_500)]
    assert page.items == added[500:]
    assert {message.parent_id for message in added} == {2}
    with pytest.raises(NotFoundError, match="No message 4"):
        await original.conversations.append_many(1, user_id=ADA, messages=[{**messages[0], "parent_id": 4}])


async def test_a_context_needs_no_owner_of_resources(original: Database) -> None:
    """A summary of 0 is none; content of another shape is told as it is."""
    found = await original.conversations.context(1, user_id=ADA)

    assert [message.content for message in found.messages] == [[{"text": "one"}], [{"text": "two"}], "a text"]
    assert found.conversation.summary_message_id is None
    assert [resource.name for resource in found.resources] == ["notes"]


async def test_a_conversation_is_summed_up(original: Database) -> None:
    """Once; a summary of a shape that does not count, or that is not there any more, hides nothing."""
    with pytest.raises(ConflictError, match="is 3, not 2"):
        await original.conversations.summarise(1, user_id=ADA, summary=SUMMARY, expected_parent=2)
    summary = await original.conversations.summarise(1, user_id=ADA, summary=SUMMARY, expected_parent=3)
    found = await original.conversations.context(1, user_id=ADA)
    lengths = []
    for summary_id in (3, 4, 999):
        await original.session.fetch(f'UPDATE "Conversation" SET "summaryMessageID" = {summary_id} WHERE id = 1')
        lengths.append(len((await original.conversations.context(1, user_id=ADA)).messages))

    assert found.messages == (summary,)
    assert lengths == [4, 4, 4]


async def test_branches_stay_in_their_conversation(original: Database) -> None:
    """Although the original let messages follow others from anywhere."""
    pages = await walked(lambda at: original.conversations.replies(1, user_id=ADA, limit=1, cursor=at))
    thread = await original.conversations.thread(5, user_id=BOB)

    assert [[message.id for message in page] for page in pages] == [[2], [3]]
    assert [message.id for message in thread] == [4, 5]


async def test_those_without_a_time_are_listed_last(original: Database) -> None:
    """And come first once something changes; what never said whether it is deleted is not."""
    pages = await walked(lambda at: original.conversations.list(user_id=ADA, limit=1, cursor=at))
    renamed = await original.conversations.rename(2, user_id=ADA, title="Dated")
    first = (await original.conversations.list(user_id=ADA)).items[0]

    assert [[talk.id for talk in page] for page in pages] == [[1], [3], [2]]
    assert [talk.last_message and talk.last_message.id for page in pages for talk in page] == [3, None, None]
    assert (renamed.deleted, first.id, first.title) == (False, 2, "Dated")
    assert await original.conversations.count(user_id=ADA) == 3


async def test_a_conversation_is_deleted_restored_and_purged(original: Database) -> None:
    """All that hangs on it goes along without a foreign key that would help; usage stays."""
    verbs = original.conversations
    deleted = await verbs.delete(1, user_id=ADA)
    restored = await verbs.restore(1, user_id=ADA)
    with pytest.raises(ConflictError):
        await verbs.purge(1, user_id=ADA)
    await verbs.delete(1, user_id=ADA)
    await verbs.purge(1, user_id=ADA)
    left = {table: [row["id"] for row in await stored(original, table)] for table in ("Resource", "Vector", "Message")}

    assert deleted.deleted
    assert (restored.deleted, restored.deleted_at) == (False, None)
    assert [row["id"] for row in await stored(original, "Conversation")] == [2, 3, 4]
    assert left == {"Resource": [2], "Vector": [2, 4], "Message": [4, 5]}
    assert [(row["id"], row["messageID"]) for row in await stored(original, "Usage")] == [(1, None), (2, 5)]


async def test_exactly_once_needs_what_is_not_there(original: Database) -> None:
    """A request_id is refused with what to do, rather than ignored."""
    before = await stored(original, "Message")
    message = {"role": "user", "content": HELLO}
    calls = [
        original.conversations.append_many(1, user_id=ADA, messages=[message], request_id="r"),
        original.conversations.summarise(1, user_id=ADA, summary=SUMMARY, expected_parent=3, request_id="r"),
    ]
    for call in calls:
        with pytest.raises(UnsupportedError, match="agentdb adopt"):
            await call

    assert await stored(original, "Message") == before
