"""Messages that are appended together: in their order, all or none, once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentdb import ConflictError, Conversation, Database, DeadlineError, InvalidInputError, Message, NotFoundError
from agentdb.events import MessagesAppended
from agentdb.records import Conversation as ConversationRecord
from agentdb.records import Message as MessageRecord
from agentdb.records import User
from tests.services.talking import CONTENTS, HELLO, say, say_all, stored, texts, walked

pytestmark = pytest.mark.agentdb(engine="both")


async def history(db: Database, talk: ConversationRecord) -> list[MessageRecord]:
    """All messages, oldest first."""
    pages = await walked(lambda at: db.conversations.history(talk.id, user_id=talk.user_id, limit=1000, cursor=at))
    return [message for page in reversed(pages) for message in page]


async def test_messages_are_returned_as_they_are_stored(agent_db: Database, talk: ConversationRecord) -> None:
    """In their order, behind what was there, and they move the conversation up."""
    first = await say(agent_db, talk)
    messages: list[dict[str, Any]] = [
        {"role": "assistant", "content": [{"toolUse": {"name": "search"}}]},
        {"role": "user", "content": ({"toolResult": {"content": [{"text": "found"}]}},), "parent_id": first.id},
        {"role": "assistant", "content": [{"text": "Done."}], "parent_id": None},
    ]
    added = await say_all(agent_db, talk, messages=messages, request_id="r")
    with agent_db.use():
        conversation = await Conversation.get(id=talk.id)

    assert await history(agent_db, talk) == [first, *added]
    assert [message.role for message in added] == ["assistant", "user", "assistant"]
    assert [message.content for message in added] == [list(message["content"]) for message in messages]
    assert [message.parent_id for message in added] == [None, first.id, None]
    assert {(message.conversation_id, message.request_id) for message in added} == {(talk.id, "r")}
    assert {message.created_at for message in added} == {conversation.updated_at}


async def test_all_content_comes_back_equal(agent_db: Database, talk: ConversationRecord) -> None:
    """Whatever JSON can say, in what the call returns, in the history, and when the call is repeated."""
    messages = [{"role": "user", "content": content} for content in CONTENTS]
    added = await say_all(agent_db, talk, messages=messages, request_id="r")

    assert [message.content for message in added] == [list(content) for content in CONTENTS]
    assert [message.content for message in await history(agent_db, talk)] == [list(content) for content in CONTENTS]
    assert await say_all(agent_db, talk, messages=messages, request_id="r") == added


async def test_thousands_keep_their_order(agent_db: Database, talk: ConversationRecord) -> None:
    """More than one statement takes; what each follows and the number under the request_id are its own."""
    first = await say(agent_db, talk)
    messages = [
        {
            "role": "user" if n % 3 else "assistant",
            "content": [{"text": str(n)}],
            "parent_id": first.id if n % 7 else None,
        }
        for n in range(2_345)
    ]
    added = await say_all(agent_db, talk, messages=messages, request_id="r")
    with agent_db.use():
        rows = await Message.filter(request_id="r").order_by("id")

    assert await history(agent_db, talk) == [first, *added]
    assert texts(added) == [str(n) for n in range(2_345)]
    assert [message.role for message in added] == [message["role"] for message in messages]
    assert [message.parent_id for message in added] == [message["parent_id"] for message in messages]
    assert [row.request_index for row in rows] == list(range(2_345))


async def test_long_messages_keep_their_order(agent_db: Database, talk: ConversationRecord) -> None:
    """Also where a single one is as long as a statement may be."""
    lengths = [600_000, 600_000, 1, 3_000_000, 2, 3, 1_048_576]
    added = await say_all(agent_db, talk, *(chr(97 + n) * length for n, length in enumerate(lengths)))

    assert await history(agent_db, talk) == list(added)
    assert [(text[0], len(text)) for text in texts(added)] == [(chr(97 + n), one) for n, one in enumerate(lengths)]


async def test_a_reader_sees_all_or_none(agent_db: Database, talk: ConversationRecord) -> None:
    """However many statements it takes."""
    count = """SELECT COUNT(*) AS "count" FROM "Message" """
    adding = asyncio.create_task(say_all(agent_db, talk, *map(str, range(3_000))))
    seen = set()
    while not adding.done():
        seen.add((await agent_db.session.fetch(count))[0]["count"])
        await asyncio.sleep(0)
    await adding

    assert seen <= {0, 3_000}
    assert (await agent_db.session.fetch(count))[0]["count"] == 3_000


@pytest.mark.parametrize(
    ("messages", "found"),
    [
        (None, "messages is a list that is not empty, found None"),
        ([], "messages is a list that is not empty"),
        ((), "messages is a list that is not empty"),
        ({"role": "user", "content": HELLO}, "messages is a list that is not empty"),
        ("Hello", "messages is a list that is not empty"),
        (["Hello"], r"messages\[0\] is a mapping with role, content and parent_id"),
        ([None], r"messages\[0\] is a mapping"),
        ([{"role": "user", "content": HELLO, "id": 7}], r"messages\[0\] is a mapping"),
        ([{"role": "user", "content": HELLO}, {"content": HELLO}], r"messages\[1\]: role is one of user, assistant"),
        ([{"role": "user", "content": HELLO}, {"role": "user"}], r"messages\[1\]: content is a list of blocks"),
        ([{"role": "user", "content": HELLO}, {"role": "user", "content": []}], r"messages\[1\]: content"),
        ([{"role": "user", "content": [{"text": "nul \x00"}]}], r"messages\[0\]: "),
        ([{"role": "user", "content": [{"text": "half \ud800"}]}], r"messages\[0\]: "),
        ([{"role": "user", "content": [{"toolUse": {}}]}], r"messages\[0\]: content\[0\] is a toolUse"),
        ([{"role": "user", "content": HELLO, "parent_id": "1"}], r"messages\[0\]: parent_id is an int"),
        ([{"role": "user", "content": HELLO, "parent_id": 2**63}], r"messages\[0\]: "),
        ([{"role": "user", "content": HELLO}] * 300 + [{}], r"messages\[300\]: role"),
        ([{"role": "user", "content": HELLO}] * 100_001, r"At most 100,000 messages go together, found 100,001"),
        ([{"role": "user", "content": [{"text": "x" * 13_000_000}]}] * 5, r"at most 64,000,000 characters as JSON"),
    ],
    ids=range(19),
)
async def test_one_message_that_is_not_accepted_stores_none(
    agent_db: Database, talk: ConversationRecord, messages: Any, found: str
) -> None:
    """The same error on every engine, which says where it is; the conversation does not move."""
    before = await stored(agent_db)

    with pytest.raises(InvalidInputError, match=found):
        await say_all(agent_db, talk, messages=messages)
    assert await stored(agent_db) == before


@pytest.mark.parametrize("values", [{"user_id": "1"}, {"expected_parent": 1.0}, {"request_id": ""}])
async def test_bad_input_appends_none(agent_db: Database, talk: ConversationRecord, values: dict[str, Any]) -> None:
    """The same error on every engine."""
    before = await stored(agent_db)

    with pytest.raises(InvalidInputError):
        await say_all(agent_db, talk, "Hello", **values)
    assert await stored(agent_db) == before


async def test_parents_are_of_the_same_conversation(agent_db: Database, ada: User, talk: ConversationRecord) -> None:
    """The first one that is not is named, wherever it stands, and nothing is written."""
    other = await agent_db.conversations.start(user_id=ada.id)
    mine, theirs = await say(agent_db, talk), await say(agent_db, other)
    before = await stored(agent_db)

    for parents, missing in (([mine.id, theirs.id], theirs.id), ([999, None, mine.id], 999), ([0], 0), ([-1, 999], -1)):
        messages = [{"role": "user", "content": HELLO, "parent_id": parent_id} for parent_id in parents]
        with pytest.raises(NotFoundError, match=f"No message {missing}"):
            await say_all(agent_db, talk, messages=messages)
    assert await stored(agent_db) == before


@pytest.mark.parametrize("request_id", [None, "r", "earlier"])
async def test_a_foreign_or_deleted_conversation_is_not_there(
    agent_db: Database, bob: User, talk: ConversationRecord, request_id: str | None
) -> None:
    """Also under a request_id of before."""
    await say_all(agent_db, talk, "Hello", request_id="earlier")
    lost = await agent_db.conversations.start(user_id=bob.id)
    await say_all(agent_db, lost, "Hello", request_id="earlier")
    await agent_db.conversations.delete(lost.id, user_id=bob.id)
    before = await stored(agent_db)

    for user_id, conversation_id in ((bob.id, talk.id), (bob.id, lost.id), (12345, talk.id), (bob.id, 999)):
        with pytest.raises(NotFoundError, match=f"No conversation {conversation_id}"):
            await agent_db.conversations.append_many(
                conversation_id, user_id=user_id, messages=[{"role": "user", "content": HELLO}], request_id=request_id
            )
    assert await stored(agent_db) == before


async def test_a_stale_parent_is_a_conflict(agent_db: Database, talk: ConversationRecord) -> None:
    """Who decided on an older state writes nothing; of many who decided on the same one, one wins."""
    first = await say_all(agent_db, talk, "a", "b", expected_parent=0)
    calls = [say_all(agent_db, talk, f"{n}", f"{n}", expected_parent=first[-1].id) for n in range(10)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    last = (await history(agent_db, talk))[-1]
    before = await stored(agent_db)

    assert sorted(type(one).__name__ for one in results) == ["ConflictError"] * 9 + ["tuple"]
    assert len(before) == 1 + 4
    for expected in (0, first[0].id, first[-1].id):
        with pytest.raises(ConflictError, match=f"is {last.id}, not {expected}"):
            await say_all(agent_db, talk, "c", expected_parent=expected)
    assert await stored(agent_db) == before


async def test_messages_are_appended_once_under_their_request_id(agent_db: Database, talk: ConversationRecord) -> None:
    """100 callers, one effect, 100 equal answers; another body is refused and the conversation does not move."""
    answers = await asyncio.gather(*(say_all(agent_db, talk, "a", "b", "c", request_id="r") for _ in range(100)))
    await say(agent_db, talk, "Something after it")
    before = await stored(agent_db)

    assert all(answer == answers[0] for answer in answers)
    assert len(before) == 1 + 3 + 1
    assert await say_all(agent_db, talk, "a", "b", "c", request_id="r", expected_parent=0) == answers[0]
    for other in (["a", "b"], ["a", "b", "c", "d"], ["a", "b", "d"], ["a", "c", "b"], ["abc"]):
        with pytest.raises(ConflictError, match="'r' was used for another call"):
            await say_all(agent_db, talk, *other, request_id="r")
    for change in ({"role": "assistant"}, {"parent_id": answers[0][0].id}):
        moved = [{"role": "user", "content": [{"text": text}], **change} for text in "abc"]
        with pytest.raises(ConflictError, match="'r' was used for another call"):
            await say_all(agent_db, talk, messages=moved, request_id="r")
    assert await stored(agent_db) == before


@pytest.mark.parametrize("length", [199, 200, 201, 450])
async def test_a_long_call_is_compared_to_its_end(agent_db: Database, talk: ConversationRecord, length: int) -> None:
    """Its rows are read by the hundred; the last one, one too few and one too many are noticed."""
    said = [str(n) for n in range(length)]
    first = await say_all(agent_db, talk, *said, request_id="r")

    assert await say_all(agent_db, talk, *said, request_id="r") == first
    for other in (said[:-1], [*said, "x"], [*said[:-1], "x"]):
        with pytest.raises(ConflictError, match="'r' was used for another call"):
            await say_all(agent_db, talk, *other, request_id="r")


async def test_a_request_id_is_of_all_ways_to_append(agent_db: Database, talk: ConversationRecord) -> None:
    """One message alone is the same call either way; of several, the first alone is another one."""
    alone = await say(agent_db, talk, "a", request_id="one")
    several = await say_all(agent_db, talk, "a", "b", request_id="several")

    assert await say_all(agent_db, talk, "a", request_id="one") == (alone,)
    with pytest.raises(ConflictError, match="'several' was used for another call"):
        await say(agent_db, talk, "a", request_id="several")
    with pytest.raises(ConflictError, match="'one' was used for another call"):
        await say_all(agent_db, talk, "a", "b", request_id="one")
    assert await history(agent_db, talk) == [alone, *several]


async def test_a_parent_deleted_since_does_not_change_the_call(agent_db: Database, talk: ConversationRecord) -> None:
    """The stored rows have lost it, the caller repeats what was said; another parent is another call."""
    kept, lost = await say_all(agent_db, talk, "kept", "lost")
    messages = [{"role": "user", "content": HELLO, "parent_id": parent.id} for parent in (kept, lost)]
    added = await say_all(agent_db, talk, messages=messages, request_id="r")
    with agent_db.use():
        await Message.filter(id=lost.id).delete()
    repeated = await say_all(agent_db, talk, messages=messages, request_id="r")

    assert [(one.id, one.parent_id) for one in repeated] == [(added[0].id, kept.id), (added[1].id, None)]
    with pytest.raises(ConflictError):
        await say_all(agent_db, talk, messages=messages[::-1], request_id="r")


async def test_a_call_that_failed_leaves_its_request_id_free(agent_db: Database, talk: ConversationRecord) -> None:
    """Nothing was done under it."""
    with pytest.raises(NotFoundError):
        await say_all(agent_db, talk, messages=[{"role": "user", "content": HELLO, "parent_id": 999}], request_id="r")

    assert len(await say_all(agent_db, talk, "a", "b", request_id="r")) == 2


async def test_it_joins_the_callers_transaction(agent_db: Database, talk: ConversationRecord) -> None:
    """It is seen inside, and gone with it; a refused call does not end it."""
    before = await stored(agent_db)

    async def work() -> None:
        async with agent_db.transaction():
            await say_all(agent_db, talk, "a", "b", request_id="r")
            with pytest.raises(ConflictError):
                await say_all(agent_db, talk, "c", expected_parent=0)
            raise RuntimeError(f"changed my mind about {len(await history(agent_db, talk))}")

    with pytest.raises(RuntimeError, match="changed my mind about 2"):
        await work()
    assert await stored(agent_db) == before


async def test_they_are_told_together_after_the_commit(agent_db: Database, talk: ConversationRecord) -> None:
    """One event for the call, none for a repeated or a refused one."""
    async with agent_db.events.subscribe(MessagesAppended) as events:
        added = await say_all(agent_db, talk, "a", "b", request_id="r")
        await say_all(agent_db, talk, "a", "b", request_id="r")
        with pytest.raises(ConflictError):
            await say_all(agent_db, talk, "c", expected_parent=0)
    told = [event async for event in events]

    ids = tuple(message.id for message in added)
    assert told == [MessagesAppended(user_id=talk.user_id, conversation_id=talk.id, message_ids=ids)]


async def test_a_deadline_ends_the_call(agent_db: Database, talk: ConversationRecord) -> None:
    """Nothing is written then."""
    before = await stored(agent_db)

    with pytest.raises(DeadlineError):
        await say_all(agent_db, talk, "a", "b", timeout=0)
    assert await stored(agent_db) == before
