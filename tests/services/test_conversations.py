"""Conversations and messages: what is stored, in which order, and for whom."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from agentdb import (
    Agent,
    ConflictError,
    Conversation,
    Database,
    DeadlineError,
    InvalidInputError,
    Message,
    NotFoundError,
    UserAgent,
)
from agentdb.models import Request
from agentdb.records import Conversation as ConversationRecord
from agentdb.records import Message as MessageRecord
from agentdb.records import User

pytestmark = pytest.mark.agentdb(engine="both")

HELLO = [{"text": "Hello"}]


@pytest.fixture
async def talk(agent_db: Database, ada: User) -> ConversationRecord:
    """A conversation of Ada."""
    return await agent_db.conversations.start(user_id=ada.id, agent_id=1, title="A talk")


async def say(db: Database, talk: ConversationRecord, text: str = "Hello", **values: Any) -> MessageRecord:
    given = {"role": "user", "content": [{"text": text}], "user_id": talk.user_id, **values}
    return await db.conversations.append(talk.id, **given)


async def stored(db: Database) -> list[dict[str, Any]]:
    """Every row that a refused call might have changed."""
    with db.use():
        rows = [*await Conversation.all().order_by("id"), *await Message.all().order_by("id"), *await Request.all()]
    return [dict(row.to_dict()) for row in rows]


# start


async def test_a_conversation_begins_empty(agent_db: Database, ada: User) -> None:
    """It is returned as it is stored."""
    before = datetime.now(UTC)
    talk = await agent_db.conversations.start(user_id=ada.id, agent_id=1, title="Title")
    with agent_db.use():
        row = await Conversation.get(id=talk.id)

    assert dict(talk) == row.to_dict()
    assert (talk.user_id, talk.agent_id, talk.title) == (ada.id, 1, "Title")
    assert (talk.deleted, talk.deleted_at, talk.summary_message_id) == (False, None, None)
    assert talk.created_at is not None
    assert before <= talk.created_at <= datetime.now(UTC)
    assert (await agent_db.conversations.history(talk.id, user_id=ada.id)).items == ()


async def test_a_conversation_needs_neither_agent_nor_title(agent_db: Database, ada: User) -> None:
    """An empty title is one."""
    bare = await agent_db.conversations.start(user_id=ada.id)
    empty = await agent_db.conversations.start(user_id=ada.id, title="")

    assert (bare.agent_id, bare.title) == (None, None)
    assert empty.title == ""


async def test_a_conversation_is_with_an_agent_that_the_user_sees(agent_db: Database, ada: User, bob: User) -> None:
    """Own, shared and global ones; nothing is begun with another."""
    with agent_db.use():
        agents = [await Agent.create(name=name, user_id=bob.id) for name in ("shared", "foreign")]
        await UserAgent.create(user_id=ada.id, agent=agents[0], role="viewer")
    await agent_db.conversations.start(user_id=ada.id, agent_id=agents[0].id)
    await agent_db.conversations.start(user_id=bob.id, agent_id=agents[1].id)

    before = await stored(agent_db)
    for agent_id in (agents[1].id, 999):
        with pytest.raises(NotFoundError, match=f"No agent {agent_id}"):
            await agent_db.conversations.start(user_id=ada.id, agent_id=agent_id)
        with pytest.raises(NotFoundError, match=f"No agent {agent_id}"):
            await agent_db.conversations.start(user_id=ada.id, agent_id=agent_id, request_id="r")
    assert await stored(agent_db) == before


@pytest.mark.parametrize("request_id", [None, "r"])
async def test_a_conversation_needs_a_user(agent_db: Database, request_id: str | None) -> None:
    """An unknown one begins nothing."""
    with pytest.raises(NotFoundError, match="No user 12345"):
        await agent_db.conversations.start(user_id=12345, request_id=request_id)

    assert await stored(agent_db) == []


async def test_a_start_happens_once_under_its_request_id(agent_db: Database, ada: User) -> None:
    """100 callers, one conversation, 100 equal answers; another body is refused."""
    calls = [agent_db.conversations.start(user_id=ada.id, agent_id=1, title="T", request_id="r") for _ in range(100)]
    answers = await asyncio.gather(*calls)
    before = await stored(agent_db)

    assert all(answer == answers[0] for answer in answers)
    assert len(before) == 2
    for other in ({"title": "U", "agent_id": 1}, {"title": "T", "agent_id": 2}, {"title": "T"}):
        with pytest.raises(ConflictError, match="'r' was used for another call"):
            await agent_db.conversations.start(user_id=ada.id, request_id="r", **other)
    assert await stored(agent_db) == before


async def test_a_request_id_belongs_to_its_user(agent_db: Database, ada: User, bob: User) -> None:
    """Two users may choose the same."""
    of_ada = await agent_db.conversations.start(user_id=ada.id, request_id="r")
    of_bob = await agent_db.conversations.start(user_id=bob.id, request_id="r")

    assert (of_ada.user_id, of_bob.user_id) == (ada.id, bob.id)


async def test_a_start_that_failed_leaves_its_request_id_free(agent_db: Database, ada: User) -> None:
    """Nothing was done under it."""
    with pytest.raises(NotFoundError):
        await agent_db.conversations.start(user_id=ada.id, agent_id=999, request_id="r")

    assert (await agent_db.conversations.start(user_id=ada.id, agent_id=1, request_id="r")).agent_id == 1


async def test_repeating_the_start_of_a_purged_conversation_is_an_error(agent_db: Database, ada: User) -> None:
    """It is not begun again."""
    talk = await agent_db.conversations.start(user_id=ada.id, request_id="r")
    with agent_db.use():
        await Conversation.filter(id=talk.id).delete()

    with pytest.raises(NotFoundError, match=f"No conversation {talk.id}"):
        await agent_db.conversations.start(user_id=ada.id, request_id="r")


@pytest.mark.parametrize(
    "values",
    [
        {"user_id": "1"},
        {"user_id": None},
        {"user_id": 2**63},
        {"user_id": True},
        {"agent_id": "1"},
        {"agent_id": 2**63},
        {"title": 7},
        {"title": "nul \x00"},
        {"title": "half \ud800"},
        {"request_id": ""},
        {"request_id": "r" * 201},
        {"request_id": 7},
        {"request_id": "\x00"},
    ],
)
async def test_bad_input_begins_nothing(agent_db: Database, ada: User, values: dict[str, Any]) -> None:
    """The same error on every engine."""
    with pytest.raises(InvalidInputError):
        await agent_db.conversations.start(**{"user_id": ada.id, **values})

    assert await stored(agent_db) == []


async def test_a_request_id_may_have_200_characters(agent_db: Database, ada: User) -> None:
    """Of any language."""
    key = "é" * 200
    first = await agent_db.conversations.start(user_id=ada.id, request_id=key)

    assert await agent_db.conversations.start(user_id=ada.id, request_id=key) == first


# append


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


CONTENTS: list[Any] = [
    [{"text": ""}],
    [{"text": "Grüße, 你好, 🙂, \u0085, \uffff"}],
    [{"text": "a"}, {"image": {"format": "png", "source": {"bytes": "aGk="}}}],
    [{"document": {"name": "x", "source": {}}, "cacheHint": True}],
    [{"reasoningContent": {"reasoningText": {"text": "hm"}}}],
    ({"text": "a tuple"},),
    [{"text": "numbers", "n": [0, -1, 1.5, 1.0, 1e300, 5e-324, -0.0, 2**63 - 1, -(2**63), None, True]}],
    [{"text": "keys", "b": 1, "a": {"": 0, "ü": 1}}],
]


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


async def test_a_conversation_that_never_said_whether_it_is_deleted_is_there(
    agent_db: Database, talk: ConversationRecord
) -> None:
    """The column may be null."""
    with agent_db.use():
        await Conversation.filter(id=talk.id).update(deleted=None)
    message = await say(agent_db, talk)

    assert (await agent_db.conversations.history(talk.id, user_id=talk.user_id)).items == (message,)


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


async def test_ids_grow_in_the_order_of_commits(agent_db: Database, ada: User, talk: ConversationRecord) -> None:
    """Eight writers, one conversation: a reader never sees a message appear before one it has seen."""
    seen: list[list[int]] = []
    is_over = asyncio.Event()

    async def write(writer: int) -> None:
        for n in range(25):
            await say(agent_db, talk, f"{writer}:{n}")

    async def read() -> None:
        while not is_over.is_set():
            page = await agent_db.conversations.history(talk.id, user_id=ada.id, limit=1000)
            seen.append([message.id for message in page.items])
            await asyncio.sleep(0)

    reader = asyncio.create_task(read())
    await asyncio.gather(*(write(writer) for writer in range(8)))
    is_over.set()
    await reader
    page = await agent_db.conversations.history(talk.id, user_id=ada.id, limit=1000)
    texts = [message.content[0]["text"] for message in page.items]

    assert len(texts) == 200
    for writer in range(8):
        assert [text for text in texts if text.startswith(f"{writer}:")] == [f"{writer}:{n}" for n in range(25)]
    final = [message.id for message in page.items]
    assert final == sorted(final)
    for ids in seen:
        assert ids == final[: len(ids)]


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

    assert [message.content[0]["text"] for message in page.items] == ["one", "three"]


# history


async def test_a_history_is_the_last_messages_oldest_first(
    agent_db: Database, ada: User, talk: ConversationRecord
) -> None:
    """Cursors lead back to the first message, each message once."""
    ids = [(await say(agent_db, talk, f"{n}")).id for n in range(7)]
    pages, cursor = [], None
    while True:
        page = await agent_db.conversations.history(talk.id, user_id=ada.id, limit=3, cursor=cursor)
        pages.append([message.id for message in page.items])
        cursor = page.next_cursor
        if cursor is None:
            break

    assert pages == [ids[4:], ids[1:4], ids[:1]]


async def test_a_full_last_page_has_no_cursor(agent_db: Database, ada: User, talk: ConversationRecord) -> None:
    """Nobody asks for an empty page in vain."""
    for n in range(4):
        await say(agent_db, talk, f"{n}")
    first = await agent_db.conversations.history(talk.id, user_id=ada.id, limit=2)
    second = await agent_db.conversations.history(talk.id, user_id=ada.id, limit=2, cursor=first.next_cursor)

    assert first.next_cursor is not None
    assert (len(second.items), second.next_cursor) == (2, None)


async def test_messages_added_meanwhile_do_not_move_a_page(
    agent_db: Database, ada: User, talk: ConversationRecord
) -> None:
    """A cursor is a place, not a count."""
    ids = [(await say(agent_db, talk, f"{n}")).id for n in range(4)]
    first = await agent_db.conversations.history(talk.id, user_id=ada.id, limit=2)
    await say(agent_db, talk, "new")
    second = await agent_db.conversations.history(talk.id, user_id=ada.id, limit=2, cursor=first.next_cursor)

    assert [message.id for message in second.items] == ids[:2]


async def test_a_history_is_of_one_conversation(agent_db: Database, ada: User, talk: ConversationRecord) -> None:
    """Whatever else was said meanwhile."""
    other = await agent_db.conversations.start(user_id=ada.id)
    mine = []
    for n in range(3):
        mine.append((await say(agent_db, talk, f"{n}")).id)
        await say(agent_db, other, f"{n}")
    page = await agent_db.conversations.history(talk.id, user_id=ada.id)

    assert [message.id for message in page.items] == mine


async def test_reading_a_history_is_one_statement(
    agent_db: Database, ada: User, talk: ConversationRecord, statements: list[str]
) -> None:
    """Ownership included."""
    statements.clear()
    await agent_db.conversations.history(talk.id, user_id=ada.id)

    assert len(statements) == 1


@pytest.mark.parametrize("limit", [0, -1, 1001, 10**9, 2**63, True, "5", None, 1.0])
async def test_a_limit_is_from_1_to_1000(agent_db: Database, ada: User, talk: ConversationRecord, limit: Any) -> None:
    """There is no page without end."""
    with pytest.raises(InvalidInputError, match=r"limit|64 bits"):
        await agent_db.conversations.history(talk.id, user_id=ada.id, limit=limit)


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "====", "WzEsImhpc3Rvcnk6MSJd", "bnVsbA", "W10", "é", 7, b"WzFd", "WzEsImhpc3Rvcnk6MSIsIjIiXQ", "\ud800"],
)
async def test_a_broken_cursor_is_refused(agent_db: Database, ada: User, talk: ConversationRecord, cursor: Any) -> None:
    """The same error on every engine."""
    with pytest.raises(InvalidInputError, match="cursor is not one that this list gave"):
        await agent_db.conversations.history(talk.id, user_id=ada.id, cursor=cursor)


async def test_a_cursor_belongs_to_its_conversation(agent_db: Database, ada: User, talk: ConversationRecord) -> None:
    """In another one it would be a place that means nothing."""
    other = await agent_db.conversations.start(user_id=ada.id)
    for one in (talk, talk, other, other):
        await say(agent_db, one)
    page = await agent_db.conversations.history(other.id, user_id=ada.id, limit=1)

    with pytest.raises(InvalidInputError, match="cursor"):
        await agent_db.conversations.history(talk.id, user_id=ada.id, cursor=page.next_cursor)


# deadlines


async def test_a_deadline_ends_the_call(agent_db: Database, ada: User, talk: ConversationRecord) -> None:
    """Nothing is done then."""
    before = await stored(agent_db)

    with pytest.raises(DeadlineError):
        await agent_db.conversations.start(user_id=ada.id, timeout=0)
    with pytest.raises(DeadlineError):
        await say(agent_db, talk, timeout=0)
    with pytest.raises(DeadlineError):
        await agent_db.conversations.history(talk.id, user_id=ada.id, timeout=0)
    assert await stored(agent_db) == before


async def test_a_deadline_counts_inside_the_callers_transaction(agent_db: Database, talk: ConversationRecord) -> None:
    """It undoes the call, not what was done before."""
    async with agent_db.transaction():
        await say(agent_db, talk, "one")
        with pytest.raises(DeadlineError):
            await say(agent_db, talk, "two", timeout=0)
        await say(agent_db, talk, "three")
    page = await agent_db.conversations.history(talk.id, user_id=talk.user_id)

    assert [message.content[0]["text"] for message in page.items] == ["one", "three"]
