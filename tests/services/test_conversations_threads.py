"""Messages that follow one another: branches, read from the root to their end and from a message to its replies."""

from __future__ import annotations

from typing import Any

import pytest

from agentdb import Database, DeadlineError, InvalidInputError, Message, NotFoundError
from agentdb.records import Conversation, User
from tests.services.talking import BAD_LIMITS, BROKEN_CURSORS, say, texts, walked

pytestmark = pytest.mark.agentdb(engine="both")


async def test_branches_share_their_beginning(agent_db: Database, ada: User, talk: Conversation) -> None:
    """A thread is what its last message follows, from the root on; replies are where it goes on."""
    root = await say(agent_db, talk, "root")
    await say(agent_db, talk, "beside it")
    question = await say(agent_db, talk, "question", parent_id=root.id)
    answers = [await say(agent_db, talk, text, parent_id=question.id) for text in ("one", "two")]
    last = await say(agent_db, talk, "last", parent_id=answers[0].id)
    threads = [await agent_db.conversations.thread(one.id, user_id=ada.id) for one in (last, answers[1], root)]
    replies = [await agent_db.conversations.replies(one.id, user_id=ada.id) for one in (root, question, last)]

    assert threads == [(root, question, answers[0], last), (root, question, answers[1]), (root,)]
    assert [page.items for page in replies] == [(question,), tuple(answers), ()]
    assert [page.next_cursor for page in replies] == [None, None, None]


async def test_of_a_long_branch_the_last_messages_come(agent_db: Database, ada: User, talk: Conversation) -> None:
    """The first one's parent has the part before it."""
    chain = [await say(agent_db, talk, "0")]
    for n in range(1, 10):
        chain.append(await say(agent_db, talk, str(n), parent_id=chain[-1].id))
    end = await agent_db.conversations.thread(chain[-1].id, user_id=ada.id, limit=4)
    assert end[0].parent_id is not None
    before = await agent_db.conversations.thread(end[0].parent_id, user_id=ada.id, limit=6)

    assert [*before, *end] == chain
    assert texts(end) == ["6", "7", "8", "9"]
    assert await agent_db.conversations.thread(chain[-1].id, user_id=ada.id, limit=1) == (chain[-1],)


async def test_a_thread_begins_where_its_parent_was_deleted(agent_db: Database, ada: User, talk: Conversation) -> None:
    """What followed it follows nothing."""
    root = await say(agent_db, talk, "root")
    child = await say(agent_db, talk, "child", parent_id=root.id)
    grandchild = await say(agent_db, talk, "grandchild", parent_id=child.id)
    with agent_db.use():
        await Message.filter(id=root.id).delete()
    thread = await agent_db.conversations.thread(grandchild.id, user_id=ada.id)

    assert [(message.id, message.parent_id) for message in thread] == [(child.id, None), (grandchild.id, child.id)]


async def test_a_circle_ends(agent_db: Database, ada: User, talk: Conversation) -> None:
    """Services write none, but somebody may."""
    chain = [await say(agent_db, talk, "0")]
    for n in range(1, 4):
        chain.append(await say(agent_db, talk, str(n), parent_id=chain[-1].id))
    with agent_db.use():
        await Message.filter(id=chain[0].id).update(parent_id=chain[-1].id)
        await Message.filter(id=chain[2].id).update(parent_id=chain[2].id)

    assert texts(await agent_db.conversations.thread(chain[1].id, user_id=ada.id)) == ["0", "1"]
    assert texts(await agent_db.conversations.thread(chain[3].id, user_id=ada.id)) == ["2", "3"]


async def test_a_thread_stays_in_its_conversation(agent_db: Database, ada: User, talk: Conversation) -> None:
    """Whatever somebody has written into the table: neither its parents nor its replies are of another one.

    A page is full all the same.
    """
    other = await agent_db.conversations.start(user_id=ada.id)
    theirs = await say(agent_db, other, "theirs")
    mine = await say(agent_db, talk, "mine")
    strays = [await say(agent_db, other, "stray") for _ in range(5)]
    replies = [await say(agent_db, talk, text, parent_id=mine.id) for text in ("one", "two", "three")]
    with agent_db.use():
        await Message.filter(id=mine.id).update(parent_id=theirs.id)
        await Message.filter(id__in=[stray.id for stray in strays]).update(parent_id=mine.id)
    thread = await agent_db.conversations.thread(replies[0].id, user_id=ada.id)
    pages = await walked(lambda at: agent_db.conversations.replies(mine.id, user_id=ada.id, limit=2, cursor=at))

    assert texts(thread) == ["mine", "one"]
    assert pages == [tuple(replies[:2]), tuple(replies[2:])]


async def test_replies_come_page_by_page(agent_db: Database, ada: User, talk: Conversation) -> None:
    """Oldest first, each once; one that is added meanwhile comes last. A full last page has no cursor."""
    root = await say(agent_db, talk, "root")
    ids = [(await say(agent_db, talk, str(n), parent_id=root.id)).id for n in range(6)]
    pages = await walked(lambda at: agent_db.conversations.replies(root.id, user_id=ada.id, limit=3, cursor=at))
    first = await agent_db.conversations.replies(root.id, user_id=ada.id, limit=3)
    ids.append((await say(agent_db, talk, "6", parent_id=root.id)).id)
    rest = await agent_db.conversations.replies(root.id, user_id=ada.id, cursor=first.next_cursor)

    assert [[message.id for message in page] for page in pages] == [ids[:3], ids[3:6]]
    assert [message.id for message in rest.items] == ids[3:]


async def test_reading_a_branch_is_one_statement(
    agent_db: Database, ada: User, talk: Conversation, statements: list[str]
) -> None:
    """Ownership included."""
    message = await say(agent_db, talk)
    statements.clear()
    await agent_db.conversations.thread(message.id, user_id=ada.id)
    await agent_db.conversations.replies(message.id, user_id=ada.id)

    assert len(statements) == 2


@pytest.mark.parametrize("way", ["thread", "replies"])
async def test_what_is_not_the_users_is_not_there(
    agent_db: Database, ada: User, bob: User, talk: Conversation, way: str
) -> None:
    """Nor what is in a deleted conversation, nor what does not exist."""
    message, read = await say(agent_db, talk), getattr(agent_db.conversations, way)
    await agent_db.conversations.delete((lost := await say_in_another(agent_db, ada)).conversation_id, user_id=ada.id)

    for message_id, user_id in ((message.id, bob.id), (lost.id, ada.id), (999, ada.id), (0, ada.id), (-1, ada.id)):
        with pytest.raises(NotFoundError, match=f"No message {message_id}"):
            await read(message_id, user_id=user_id)


async def say_in_another(db: Database, user: User) -> Any:
    """A message of a conversation of its own."""
    return await say(db, await db.conversations.start(user_id=user.id))


@pytest.mark.parametrize("limit", BAD_LIMITS)
async def test_a_limit_is_from_1_to_1000(agent_db: Database, ada: User, talk: Conversation, limit: Any) -> None:
    """There is no page without end."""
    message = await say(agent_db, talk)

    for read in (agent_db.conversations.thread, agent_db.conversations.replies):
        with pytest.raises(InvalidInputError, match=r"limit|64 bits"):
            await read(message.id, user_id=ada.id, limit=limit)


@pytest.mark.parametrize("values", [{"message_id": "1"}, {"message_id": 2**63}, {"user_id": None}, {"user_id": True}])
async def test_bad_ids_are_refused(agent_db: Database, ada: User, values: dict[str, Any]) -> None:
    """The same error on every engine."""
    for read in (agent_db.conversations.thread, agent_db.conversations.replies):
        with pytest.raises(InvalidInputError):
            await read(**{"message_id": 1, "user_id": ada.id, **values})


@pytest.mark.parametrize("cursor", BROKEN_CURSORS, ids=range(len(BROKEN_CURSORS)))
async def test_a_broken_cursor_is_refused(agent_db: Database, ada: User, talk: Conversation, cursor: Any) -> None:
    """The same error on every engine."""
    message = await say(agent_db, talk)

    with pytest.raises(InvalidInputError, match="cursor is not one that this list gave"):
        await agent_db.conversations.replies(message.id, user_id=ada.id, cursor=cursor)


async def test_a_cursor_belongs_to_its_message(agent_db: Database, ada: User, talk: Conversation) -> None:
    """In the replies of another one, or in the history, it would be a place that means nothing."""
    one, other = await say(agent_db, talk, "one"), await say(agent_db, talk, "other")
    for _ in range(2):
        await say(agent_db, talk, parent_id=one.id)
    page = await agent_db.conversations.replies(one.id, user_id=ada.id, limit=1)

    assert page.next_cursor is not None
    with pytest.raises(InvalidInputError, match="cursor"):
        await agent_db.conversations.replies(other.id, user_id=ada.id, cursor=page.next_cursor)
    with pytest.raises(InvalidInputError, match="cursor"):
        await agent_db.conversations.history(talk.id, user_id=ada.id, cursor=page.next_cursor)


async def test_a_deadline_ends_the_call(agent_db: Database, ada: User, talk: Conversation) -> None:
    """Reading has one as well."""
    message = await say(agent_db, talk)

    for read in (agent_db.conversations.thread, agent_db.conversations.replies):
        with pytest.raises(DeadlineError):
            await read(message.id, user_id=ada.id, timeout=0)
