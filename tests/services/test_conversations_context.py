"""What a model is told of a conversation: its end from the summary on, and what belongs to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentdb import Conversation, Database, DeadlineError, InvalidInputError, Message, NotFoundError, Resource
from agentdb.records import Conversation as ConversationRecord
from agentdb.records import Message as MessageRecord
from agentdb.records import User
from agentdb.records.conversations import Context
from tests.services.talking import BAD_LIMITS, HELLO, say, say_all, texts

pytestmark = pytest.mark.agentdb(engine="both")

SUMMARY = "They have said hello to each other, and all is well."


async def context(db: Database, talk: ConversationRecord, **values: Any) -> Context:
    return await db.conversations.context(talk.id, **{"user_id": talk.user_id, **values})


async def summarise(db: Database, talk: ConversationRecord, last: MessageRecord, **values: Any) -> MessageRecord:
    given = {"user_id": talk.user_id, "summary": SUMMARY, "expected_parent": last.id, **values}
    return await db.conversations.summarise(talk.id, **given)


async def test_an_empty_conversation_has_a_context(agent_db: Database, talk: ConversationRecord) -> None:
    """The conversation itself."""
    assert await context(agent_db, talk) == Context(conversation=talk, messages=(), resources=(), is_cut=False)


async def test_without_a_summary_all_is_told(agent_db: Database, talk: ConversationRecord) -> None:
    """Oldest first, beside the conversation as it is now."""
    messages = await say_all(agent_db, talk, "a", "b", "c")
    found = await context(agent_db, talk)

    assert found.messages == messages
    assert found.conversation == await agent_db.conversations.get(talk.id, user_id=talk.user_id)
    assert not found.is_cut


async def test_a_context_begins_with_the_summary(agent_db: Database, talk: ConversationRecord) -> None:
    """With the last one of several; what came before is still in the history."""
    said = await say_all(agent_db, talk, "a", "b")
    first = await summarise(agent_db, talk, said[-1])
    after = await say(agent_db, talk, "c")
    found = await context(agent_db, talk)
    second = await summarise(agent_db, talk, after)
    found_again = await context(agent_db, talk)

    assert (found.messages, found.conversation.summary_message_id) == ((first, after), first.id)
    assert (found_again.messages, found_again.conversation.summary_message_id) == ((second,), second.id)
    history = await agent_db.conversations.history(talk.id, user_id=talk.user_id)
    assert history.items == (*said, first, after, second)


@pytest.mark.parametrize(
    ("limit", "told", "is_cut"), [(1, "d", True), (2, "cd", True), (3, "bcd", False), (1000, "bcd", False)]
)
async def test_the_newest_messages_are_told_with_the_summary_on_top(
    agent_db: Database, talk: ConversationRecord, limit: int, told: str, is_cut: bool
) -> None:
    """The summary is never left out, and `is_cut` says whether anything after it was."""
    first = await say(agent_db, talk, "a")
    bare = await agent_db.conversations.start(user_id=talk.user_id)
    summary = await summarise(agent_db, talk, first)
    for one in (talk, bare):
        await say_all(agent_db, one, *"bcd")
    found, found_bare = [await context(agent_db, one, limit=limit) for one in (talk, bare)]

    assert (texts(found.messages), found.is_cut) == ([SUMMARY, *told], is_cut)
    assert (texts(found_bare.messages), found_bare.is_cut) == ([*told], is_cut)
    assert found.messages[0] == summary


@pytest.mark.parametrize(
    "content",
    [
        [{"text": "x" * 49}],
        [{"text": ""}],
        [{"image": {}}, {"text": SUMMARY}],
        [],
        {"text": SUMMARY},
        SUMMARY,
        [SUMMARY],
        [{"text": 7}],
        None,
    ],
    ids=range(9),
)
async def test_a_summary_that_says_too_little_hides_nothing(
    agent_db: Database, talk: ConversationRecord, content: Any
) -> None:
    """Others than we may have stored it: it is a message like the others then."""
    said = await say_all(agent_db, talk, "a", "b")
    summary = await summarise(agent_db, talk, said[-1])
    await say(agent_db, talk, "c")
    with agent_db.use():
        await Message.filter(id=summary.id).update(content=content)
    found, found_end = await context(agent_db, talk), await context(agent_db, talk, limit=2)

    assert [message.id for message in found.messages][:3] == [said[0].id, said[1].id, summary.id]
    assert len(found.messages) == 4
    assert found.messages[2].content == content
    assert (found_end.messages[0].id, found_end.is_cut) == (summary.id, True)


async def test_a_summary_of_50_characters_counts(agent_db: Database, talk: ConversationRecord) -> None:
    """Characters, not bytes, and other blocks may follow."""
    first = await say(agent_db, talk)
    summary = await summarise(agent_db, talk, first, summary=[{"text": "é" * 50}, {"image": {}}])

    assert (await context(agent_db, talk)).messages == (summary,)


async def test_a_summary_that_is_gone_or_elsewhere_hides_nothing(
    agent_db: Database, ada: User, talk: ConversationRecord
) -> None:
    """A message of another conversation is none of this one."""
    first = await say(agent_db, talk)
    summary = await summarise(agent_db, talk, first)
    with agent_db.use():
        await Message.filter(id=summary.id).delete()
    without = await context(agent_db, talk)
    other = await agent_db.conversations.start(user_id=ada.id)
    theirs = await summarise(agent_db, other, await say(agent_db, other))
    with agent_db.use():
        await Conversation.filter(id=talk.id).update(summary_message_id=theirs.id)
    elsewhere = await context(agent_db, talk)

    assert (without.messages, without.conversation.summary_message_id) == ((first,), None)
    assert elsewhere.messages == (first,)


async def test_a_context_has_what_belongs_to_its_messages(
    agent_db: Database, ada: User, bob: User, talk: ConversationRecord
) -> None:
    """With contents, oldest first: not what belongs to earlier messages, to nobody's message or to somebody else."""
    early, *said = await say_all(agent_db, talk, "early", "a")
    store = agent_db.knowledge.store
    await store(user_id=ada.id, name="early", message_id=early.id)
    summary = await summarise(agent_db, talk, said[-1])
    last = await say(agent_db, talk)
    second = await store(user_id=ada.id, name="2", content="two", message_id=last.id)
    first = await store(user_id=ada.id, name="1", content="one", message_id=summary.id)
    await store(user_id=ada.id, name="of the conversation", conversation_id=talk.id)
    with agent_db.use():
        nobodys = await Resource.create(name="nobody's", message_id=last.id)
        await Resource.create(name="bob's", message_id=last.id, user_id=bob.id)
    found, found_bare = await context(agent_db, talk), await context(agent_db, talk, limit=1)

    assert found.resources[:2] == (second, first)
    assert [resource.id for resource in found.resources[2:]] == [nobodys.id]
    assert found_bare.resources == found.resources


async def test_what_was_cut_takes_no_place(agent_db: Database, ada: User, talk: ConversationRecord) -> None:
    """At most the 1000 newest resources, of the messages that are told; those of others do not count."""
    first = await say(agent_db, talk)
    await summarise(agent_db, talk, first)
    cut, last = await say_all(agent_db, talk, "cut", "last")
    since = datetime(2026, 1, 1, tzinfo=UTC)
    with agent_db.use():
        await Resource.bulk_create(
            Resource(
                name=f"{'last' if n < 1002 else 'cut'} {n}",
                message_id=last.id if n < 1002 else cut.id,
                user_id=ada.id,
                created_at=since + timedelta(seconds=n),
            )
            for n in range(2004)
        )
    found = await context(agent_db, talk, limit=1)

    assert texts(found.messages) == [SUMMARY, "last"]
    assert [resource.name for resource in found.resources] == [f"last {n}" for n in range(2, 1002)]


async def test_loading_a_context_is_one_statement_or_two(
    agent_db: Database, ada: User, talk: ConversationRecord, statements: list[str]
) -> None:
    """Two if messages have resources."""
    message = await say(agent_db, talk)
    statements.clear()
    await context(agent_db, talk)
    alone = len(statements)
    await agent_db.knowledge.store(user_id=ada.id, name="a", message_id=message.id)
    statements.clear()
    await context(agent_db, talk)

    assert (alone, len(statements)) == (1, 2)


async def test_a_context_in_a_transaction_has_what_it_wrote(agent_db: Database, talk: ConversationRecord) -> None:
    """Before anybody else sees it."""
    async with agent_db.transaction():
        message = await say(agent_db, talk)
        summary = await summarise(agent_db, talk, message)
        found = await context(agent_db, talk)

    assert found.messages == (summary,)


async def test_what_is_not_the_users_has_no_context(
    agent_db: Database, ada: User, bob: User, talk: ConversationRecord
) -> None:
    """Nor what is deleted, nor what does not exist."""
    await say(agent_db, talk)
    lost = await agent_db.conversations.start(user_id=ada.id)
    await agent_db.conversations.delete(lost.id, user_id=ada.id)

    for conversation_id, user_id in ((talk.id, bob.id), (lost.id, ada.id), (999, ada.id), (talk.id, 12345)):
        with pytest.raises(NotFoundError, match=f"No conversation {conversation_id}"):
            await agent_db.conversations.context(conversation_id, user_id=user_id)


@pytest.mark.parametrize("limit", BAD_LIMITS)
async def test_a_limit_is_from_1_to_1000(agent_db: Database, talk: ConversationRecord, limit: Any) -> None:
    """There is no context without end."""
    with pytest.raises(InvalidInputError, match=r"limit|64 bits"):
        await context(agent_db, talk, limit=limit)


async def test_a_deadline_ends_the_call(agent_db: Database, talk: ConversationRecord) -> None:
    """Reading has one as well."""
    await say(agent_db, talk, content=HELLO)

    with pytest.raises(DeadlineError):
        await context(agent_db, talk, timeout=0)
