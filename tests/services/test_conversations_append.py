"""A message is appended: what it may be, where it stands, and that it is written once."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest

from agentdb import (
    ConflictError,
    Conversation,
    Database,
    DeadlineError,
    InvalidInputError,
    Message,
    NotFoundError,
)
from agentdb.records import Conversation as ConversationRecord
from agentdb.records import User
from tests.services.talking import CONTENTS, HELLO, say, stored, texts

pytestmark = pytest.mark.agentdb(engine="both")


async def test_a_message_is_returned_as_it_is_stored(agent_db: Database, ada: User, talk: ConversationRecord) -> None:
    """And moves the conversation up."""
    message = await say(agent_db, talk, request_id="r")
    page = await agent_db.conversations.history(talk.id, user_id=ada.id)
    with agent_db.use():
        conversation = await Conversation.get(id=talk.id)

    assert page.items == (message,)
    assert (message.conversation_id, message.role, message.content) == (talk.id, "user", HELLO)
    assert (message.parent_id, message.request_id) == (None, "r")
    assert conversation.updated_at == message.created_at == message.updated_at
    assert conversation.created_at == talk.created_at


@pytest.mark.parametrize("content", CONTENTS, ids=range(len(CONTENTS)))
async def test_content_comes_back_equal(agent_db: Database, ada: User, talk: ConversationRecord, content: Any) -> None:
    """Whatever JSON can say, in what the call returns, in the history, and when the call is repeated."""
    message = await say(agent_db, talk, content=content, request_id="r")

    assert message.content == list(content)
    assert (await agent_db.conversations.history(talk.id, user_id=ada.id)).items[0].content == list(content)
    assert await say(agent_db, talk, content=content, request_id="r") == message


async def test_a_tool_is_asked_for_and_answered(agent_db: Database, ada: User, talk: ConversationRecord) -> None:
    """The model asks, its caller answers."""
    use = {"toolUse": {"toolUseId": "1", "name": "search", "input": {"q": "x"}}}
    result = {"toolResult": {"toolUseId": "1", "content": [{"text": "found"}]}}
    await say(agent_db, talk, role="assistant", content=[{"text": "Let me look."}, use])
    await say(agent_db, talk, role="user", content=[result])
    page = await agent_db.conversations.history(talk.id, user_id=ada.id)

    assert [message.role for message in page.items] == ["assistant", "user"]
    assert page.items[0].content[1] == use
    assert page.items[1].content == [result]


@pytest.mark.parametrize(
    ("role", "content"),
    [
        ("user", []),
        ("user", ()),
        ("user", None),
        ("user", "Hello"),
        ("user", {"text": "Hello"}),
        ("user", ["Hello"]),
        ("user", [{}]),
        ("user", [{"txt": "Hello"}]),
        ("user", [{"text": None}]),
        ("user", [{"text": 7}]),
        ("user", [{"image": "x"}]),
        ("user", [{"text": "a", "image": {}}]),
        ("user", [{"text": "a"}, {"toolUse": {}}]),
        ("assistant", [{"toolResult": {}}]),
        ("assistant", [{"toolUse": {}}, {"toolResult": {}}]),
        ("user", [{"text": "nul \x00"}]),
        ("user", [{"text": "half \ud800"}]),
        ("user", [{"text": "a", "key \x00": 1}]),
        ("user", [{"text": "a", "n": float("nan")}]),
        ("user", [{"text": "a", "n": float("inf")}]),
        ("user", [{"text": "a", "n": 2**63}]),
        ("user", [{"text": "a", 1: 1}]),
        ("user", [{"text": "a", "when": datetime(2026, 1, 1)}]),  # noqa: DTZ001 - naive on purpose
        ("user", [{"text": "a", "set": {1}}]),
        ("user", [{"text": "x" * (16 * 1024 * 1024)}]),
        ("system", HELLO),
        ("User", HELLO),
        ("", HELLO),
        (None, HELLO),
        (["user"], HELLO),
    ],
    ids=range(30),
)
async def test_content_that_is_not_accepted_is_not_stored(
    agent_db: Database, talk: ConversationRecord, role: Any, content: Any
) -> None:
    """The same error on every engine, and the conversation does not move."""
    before = await stored(agent_db)

    with pytest.raises(InvalidInputError):
        await say(agent_db, talk, role=role, content=content)
    assert await stored(agent_db) == before


async def test_deep_content_is_refused(agent_db: Database, talk: ConversationRecord) -> None:
    """200 levels are more than any engine promises."""
    deep: Any = 1
    for _ in range(200):
        deep = [deep]

    with pytest.raises(InvalidInputError, match="deeper than 100 levels"):
        await say(agent_db, talk, content=[{"text": "a", "deep": deep}])


@pytest.mark.parametrize(
    "values",
    [
        {"user_id": "1"},
        {"user_id": 2**63},
        {"parent_id": "1"},
        {"parent_id": 2**63},
        {"parent_id": True},
        {"expected_parent": 1.0},
        {"request_id": ""},
        {"request_id": "r" * 201},
        {"request_id": "\ud800"},
    ],
)
async def test_bad_input_appends_nothing(agent_db: Database, talk: ConversationRecord, values: dict[str, Any]) -> None:
    """The same error on every engine."""
    before = await stored(agent_db)

    with pytest.raises(InvalidInputError):
        await say(agent_db, talk, **values)
    with pytest.raises(InvalidInputError):
        await agent_db.conversations.append("1", user_id=1, role="user", content=HELLO)  # type: ignore[arg-type]  # wrong on purpose
    assert await stored(agent_db) == before


@pytest.mark.parametrize("request_id", [None, "r"])
async def test_a_foreign_conversation_is_not_there(
    agent_db: Database, bob: User, talk: ConversationRecord, request_id: str | None
) -> None:
    """For reading as for writing, like one that does not exist; nothing changes."""
    await say(agent_db, talk)
    before = await stored(agent_db)

    for user_id, conversation_id in ((bob.id, talk.id), (12345, talk.id), (talk.user_id, 999)):
        with pytest.raises(NotFoundError, match=f"No conversation {conversation_id}"):
            await agent_db.conversations.append(
                conversation_id, user_id=user_id, role="user", content=HELLO, request_id=request_id
            )
        with pytest.raises(NotFoundError, match=f"No conversation {conversation_id}"):
            await agent_db.conversations.history(conversation_id, user_id=user_id)
    assert await stored(agent_db) == before


@pytest.mark.parametrize("request_id", [None, "r", "earlier"])
async def test_a_deleted_conversation_is_not_there(
    agent_db: Database, talk: ConversationRecord, request_id: str | None
) -> None:
    """Its messages are neither read nor added to, also under a request_id of before."""
    await say(agent_db, talk, request_id="earlier")
    with agent_db.use():
        await Conversation.filter(id=talk.id).update(deleted=True)
    before = await stored(agent_db)

    with pytest.raises(NotFoundError):
        await say(agent_db, talk, request_id=request_id)
    with pytest.raises(NotFoundError):
        await agent_db.conversations.history(talk.id, user_id=talk.user_id)
    assert await stored(agent_db) == before


async def test_a_parent_is_of_the_same_conversation(agent_db: Database, ada: User, talk: ConversationRecord) -> None:
    """Another one is not there, and nothing is written."""
    first = await say(agent_db, talk)
    second = await say(agent_db, talk, parent_id=first.id)
    other = await agent_db.conversations.start(user_id=ada.id)
    before = await stored(agent_db)

    assert second.parent_id == first.id
    for parent_id in (first.id, 999, 0):
        with pytest.raises(NotFoundError, match=f"No message {parent_id}"):
            await say(agent_db, other, parent_id=parent_id)
    assert await stored(agent_db) == before


async def test_a_stale_parent_is_a_conflict(agent_db: Database, talk: ConversationRecord) -> None:
    """Who decided on an older state writes nothing; 0 expects an empty conversation."""
    first = await say(agent_db, talk, expected_parent=0)
    second = await say(agent_db, talk, expected_parent=first.id)
    before = await stored(agent_db)

    for expected in (first.id, 0, second.id + 1):
        with pytest.raises(ConflictError, match=f"is {second.id}, not {expected}"):
            await say(agent_db, talk, expected_parent=expected)
    assert await stored(agent_db) == before


async def test_one_of_many_who_expect_the_same_parent_wins(agent_db: Database, talk: ConversationRecord) -> None:
    """The others learn that they were late."""
    first = await say(agent_db, talk)
    calls = [say(agent_db, talk, f"{n}", expected_parent=first.id) for n in range(10)]
    results = await asyncio.gather(*calls, return_exceptions=True)

    assert sorted(type(one).__name__ for one in results) == ["ConflictError"] * 9 + ["Message"]
    with agent_db.use():
        assert await Message.filter(conversation_id=talk.id).count() == 2


async def test_an_append_happens_once_under_its_request_id(agent_db: Database, talk: ConversationRecord) -> None:
    """100 callers, one message, 100 equal answers; another body is refused and the conversation does not move."""
    answers = await asyncio.gather(*(say(agent_db, talk, request_id="r") for _ in range(100)))
    first = answers[0]
    await say(agent_db, talk, "Something after it")
    before = await stored(agent_db)

    assert all(answer == first for answer in answers)
    assert await say(agent_db, talk, request_id="r", expected_parent=0) == first
    for other in ({"text": "Bye"}, {"role": "assistant"}, {"parent_id": first.id}, {"content": [*HELLO, *HELLO]}):
        with pytest.raises(ConflictError, match="'r' was used for another call"):
            await say(agent_db, talk, **other, request_id="r")
    assert await stored(agent_db) == before


async def test_numbers_of_one_value_are_the_same_call(agent_db: Database, talk: ConversationRecord) -> None:
    """1 and 1.0 are one number, and keys have no order."""
    first = await say(agent_db, talk, content=[{"text": "a", "n": 1, "m": 2}], request_id="r")

    assert await say(agent_db, talk, content=[{"m": 2.0, "n": 1.0, "text": "a"}], request_id="r") == first
    with pytest.raises(ConflictError):
        await say(agent_db, talk, content=[{"text": "a", "n": 1, "m": "2"}], request_id="r")


async def test_a_parent_deleted_since_does_not_change_the_call(agent_db: Database, talk: ConversationRecord) -> None:
    """The stored row has lost it, the caller repeats what was said."""
    parent = await say(agent_db, talk)
    child = await say(agent_db, talk, parent_id=parent.id, request_id="r")
    with agent_db.use():
        await Message.filter(id=parent.id).delete()
    repeated = await say(agent_db, talk, parent_id=parent.id, request_id="r")

    assert (repeated.id, repeated.parent_id) == (child.id, None)


async def test_a_request_id_belongs_to_its_conversation(agent_db: Database, talk: ConversationRecord) -> None:
    """Two conversations may have the same."""
    other = await agent_db.conversations.start(user_id=talk.user_id)
    messages = [await say(agent_db, one, request_id="r") for one in (talk, other)]

    assert messages[0].id != messages[1].id


async def test_an_append_that_failed_leaves_its_request_id_free(agent_db: Database, talk: ConversationRecord) -> None:
    """Nothing was done under it."""
    with pytest.raises(NotFoundError):
        await say(agent_db, talk, parent_id=999, request_id="r")

    assert (await say(agent_db, talk, request_id="r")).request_id == "r"


async def test_an_append_joins_the_callers_transaction(agent_db: Database, talk: ConversationRecord) -> None:
    """It is seen inside, and gone with it."""
    before = await stored(agent_db)

    async def work() -> None:
        async with agent_db.transaction():
            await say(agent_db, talk, request_id="r")
            inside = await agent_db.conversations.history(talk.id, user_id=talk.user_id)
            raise RuntimeError(f"changed my mind about {len(inside.items)}")

    with pytest.raises(RuntimeError, match="changed my mind about 1"):
        await work()
    assert await stored(agent_db) == before


async def test_a_refused_append_does_not_end_the_callers_transaction(
    agent_db: Database, talk: ConversationRecord
) -> None:
    """The call is a savepoint there: what it had done is undone, the rest stays."""
    async with agent_db.transaction():
        await say(agent_db, talk, "one")
        with pytest.raises(NotFoundError):
            await say(agent_db, talk, "two", parent_id=999)
        await say(agent_db, talk, "three")
    page = await agent_db.conversations.history(talk.id, user_id=talk.user_id)

    assert texts(page.items) == ["one", "three"]


async def test_a_deadline_ends_the_call(agent_db: Database, talk: ConversationRecord) -> None:
    """Nothing is written then."""
    before = await stored(agent_db)

    with pytest.raises(DeadlineError):
        await say(agent_db, talk, timeout=0)
    assert await stored(agent_db) == before


async def test_a_deadline_counts_inside_the_callers_transaction(agent_db: Database, talk: ConversationRecord) -> None:
    """It undoes the call, not what was done before."""
    async with agent_db.transaction():
        await say(agent_db, talk, "one")
        with pytest.raises(DeadlineError):
            await say(agent_db, talk, "two", timeout=0)
        await say(agent_db, talk, "three")
    page = await agent_db.conversations.history(talk.id, user_id=talk.user_id)

    assert texts(page.items) == ["one", "three"]
