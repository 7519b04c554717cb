"""A summary stands for what was said before it, and hides nothing that its author had not read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentdb import ConflictError, Database, DeadlineError, InvalidInputError, NotFoundError
from agentdb.events import MessagesAppended
from agentdb.records import Conversation, Message, User
from tests.services.talking import say, say_all, stored, texts

pytestmark = pytest.mark.agentdb(engine="both")

SUMMARY = "They have said hello to each other, and all is well."


async def summarise(db: Database, talk: Conversation, expected_parent: int, **values: Any) -> Message:
    given = {"user_id": talk.user_id, "summary": SUMMARY, "expected_parent": expected_parent, **values}
    return await db.conversations.summarise(talk.id, **given)


async def test_a_summary_is_a_message_of_the_user(agent_db: Database, talk: Conversation) -> None:
    """It is returned as it is stored, at the end, and the conversation points to it."""
    said = await say(agent_db, talk)
    summary = await summarise(agent_db, talk, said.id, request_id="r")
    conversation = await agent_db.conversations.get(talk.id, user_id=talk.user_id)
    history = await agent_db.conversations.history(talk.id, user_id=talk.user_id)

    assert history.items == (said, summary)
    assert (summary.role, summary.content, summary.parent_id) == ("user", [{"text": SUMMARY}], None)
    assert (summary.conversation_id, summary.request_id) == (talk.id, "r")
    assert conversation.summary_message_id == summary.id
    assert conversation.updated_at == summary.created_at


async def test_a_summary_may_have_blocks(agent_db: Database, talk: Conversation) -> None:
    """Of which the first is a text; of an empty conversation there can be one as well."""
    blocks = [{"text": "é" * 50}, {"document": {"name": "minutes"}}]

    assert (await summarise(agent_db, talk, 0, summary=blocks)).content == blocks


@pytest.mark.parametrize(
    "summary",
    [
        "",
        "x" * 49,
        None,
        7,
        [],
        [{"text": "x" * 49}],
        [{"text": 7}],
        [{"image": {}}, {"text": SUMMARY}],
        {"text": SUMMARY},
        [SUMMARY],
        "\x00" * 50,
        "\ud800" * 50,
        [{"text": SUMMARY}, {"toolUse": {}}],
        [{"text": SUMMARY}, {}],
        [{"text": SUMMARY, "image": {}}],
        "x" * (16 * 1024 * 1024),
    ],
    ids=range(16),
)
async def test_a_summary_that_says_too_little_is_not_stored(
    agent_db: Database, talk: Conversation, summary: Any
) -> None:
    """Nor one that no message can have; the same error on every engine."""
    said = await say(agent_db, talk)
    before = await stored(agent_db)

    with pytest.raises(InvalidInputError):
        await summarise(agent_db, talk, said.id, summary=summary)
    assert await stored(agent_db) == before


@pytest.mark.parametrize(
    "values", [{"user_id": "1"}, {"expected_parent": None}, {"expected_parent": 1.0}, {"request_id": "r" * 201}]
)
async def test_bad_input_sums_up_nothing(agent_db: Database, talk: Conversation, values: dict[str, Any]) -> None:
    """What it sums up has to be said."""
    said = await say(agent_db, talk)
    before = await stored(agent_db)

    with pytest.raises(InvalidInputError):
        await summarise(agent_db, talk, **{"expected_parent": said.id, **values})
    assert await stored(agent_db) == before


async def test_a_late_summary_is_a_conflict(agent_db: Database, talk: Conversation) -> None:
    """It would hide what was added; and of many that sum up the same, one is stored."""
    first, second = await say_all(agent_db, talk, "a", "b")
    with pytest.raises(ConflictError, match=f"is {second.id}, not {first.id}"):
        await summarise(agent_db, talk, first.id)
    calls = [summarise(agent_db, talk, second.id, summary=f"{n}: {SUMMARY}") for n in range(10)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    (summary,) = [one for one in results if isinstance(one, Message)]
    context = await agent_db.conversations.context(talk.id, user_id=talk.user_id)

    assert sorted(type(one).__name__ for one in results) == ["ConflictError"] * 9 + ["Message"]
    assert context.messages == (summary,)


async def test_a_summary_is_stored_once_under_its_request_id(agent_db: Database, talk: Conversation) -> None:
    """100 callers, one effect, 100 equal answers, also when more was said since; another body is refused."""
    said = await say(agent_db, talk)
    answers = await asyncio.gather(*(summarise(agent_db, talk, said.id, request_id="r") for _ in range(100)))
    after = await say(agent_db, talk, "Something after it")
    before = await stored(agent_db)

    assert all(answer == answers[0] for answer in answers)
    assert len(before) == 1 + 3
    assert await summarise(agent_db, talk, said.id, request_id="r") == answers[0]
    for other in (SUMMARY + " Really.", [{"text": SUMMARY}, {"image": {}}]):
        with pytest.raises(ConflictError, match="'r' was used for another call"):
            await summarise(agent_db, talk, after.id, request_id="r", summary=other)
    assert await stored(agent_db) == before


async def test_a_message_with_the_same_text_is_another_call(agent_db: Database, talk: Conversation) -> None:
    """It summed up nothing."""
    said = await say(agent_db, talk, SUMMARY, request_id="r")
    before = await stored(agent_db)

    with pytest.raises(ConflictError, match="'r' was used for another call"):
        await summarise(agent_db, talk, said.id, request_id="r")
    assert await stored(agent_db) == before


async def test_a_summary_hides_only_what_its_author_had_read(agent_db: Database, talk: Conversation) -> None:
    """Whoever writes meanwhile: the context is the summary and all that was said after its last message.

    A reader never sees a summary that the conversation does not point to.
    """
    hidden_by: dict[int, int] = {0: 0}
    writers = asyncio.gather(*(say(agent_db, talk, f"{n}") for _ in range(10) for n in range(20)))
    while len(hidden_by) < 5 or not writers.done():
        context = await agent_db.conversations.context(talk.id, user_id=talk.user_id)
        summary_id = context.conversation.summary_message_id or 0
        assert [message.id for message in context.messages if SUMMARY in texts([message])] == (
            [summary_id] if summary_id else []
        )
        last = context.messages[-1].id if context.messages else 0
        try:
            hidden_by[(await summarise(agent_db, talk, last)).id] = last
        except ConflictError:
            await asyncio.sleep(0)
    await writers
    context = await agent_db.conversations.context(talk.id, user_id=talk.user_id)
    history = await agent_db.conversations.history(talk.id, user_id=talk.user_id, limit=1000)

    assert len(history.items) == 200 + len(hidden_by) - 1
    last = hidden_by[context.conversation.summary_message_id or 0]
    assert context.messages == tuple(message for message in history.items if message.id > last)


async def test_a_summary_joins_the_callers_transaction(agent_db: Database, talk: Conversation) -> None:
    """It is gone with it, the message as well as what points to it."""
    said = await say(agent_db, talk)
    before = await stored(agent_db)

    async def work() -> None:
        async with agent_db.transaction():
            summary = await summarise(agent_db, talk, said.id)
            raise RuntimeError(f"changed my mind about {len(summary.content)}")

    with pytest.raises(RuntimeError, match="changed my mind about 1"):
        await work()
    assert await stored(agent_db) == before


async def test_a_cancelled_summary_is_whole_or_not_at_all(agent_db: Database, talk: Conversation) -> None:
    """Cut off at any moment, no message is a summary that nothing points to."""
    said = await say(agent_db, talk)
    for n in range(20):
        call = asyncio.create_task(summarise(agent_db, talk, said.id))
        for _ in range(n):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait({call})
        conversation = await agent_db.conversations.get(talk.id, user_id=talk.user_id)
        history = await agent_db.conversations.history(talk.id, user_id=talk.user_id)
        said = history.items[-1]
        assert conversation.summary_message_id == (said.id if len(history.items) > 1 else None)


async def test_a_summary_is_told_as_a_message(agent_db: Database, talk: Conversation) -> None:
    """Once; a repeated or refused one is not."""
    said = await say(agent_db, talk)
    async with agent_db.events.subscribe(MessagesAppended) as events:
        summary = await summarise(agent_db, talk, said.id, request_id="r")
        await summarise(agent_db, talk, said.id, request_id="r")
        with pytest.raises(ConflictError):
            await summarise(agent_db, talk, said.id)
    told = [event async for event in events]

    assert told == [MessagesAppended(user_id=talk.user_id, conversation_id=talk.id, message_ids=(summary.id,))]


@pytest.mark.parametrize("request_id", [None, "r"])
async def test_what_is_not_the_users_is_not_summed_up(
    agent_db: Database, ada: User, bob: User, talk: Conversation, request_id: str | None
) -> None:
    """Nor what is deleted, nor what does not exist."""
    said = await say(agent_db, talk)
    lost = await agent_db.conversations.start(user_id=ada.id)
    await agent_db.conversations.delete(lost.id, user_id=ada.id)
    before = await stored(agent_db)

    for conversation_id, user_id in ((talk.id, bob.id), (lost.id, ada.id), (999, ada.id), (talk.id, 12345)):
        with pytest.raises(NotFoundError, match=f"No conversation {conversation_id}"):
            await agent_db.conversations.summarise(
                conversation_id, user_id=user_id, summary=SUMMARY, expected_parent=said.id, request_id=request_id
            )
    assert await stored(agent_db) == before


async def test_a_deadline_ends_the_call(agent_db: Database, talk: Conversation) -> None:
    """Nothing is summed up then."""
    said = await say(agent_db, talk)
    before = await stored(agent_db)

    with pytest.raises(DeadlineError):
        await summarise(agent_db, talk, said.id, timeout=0)
    assert await stored(agent_db) == before
