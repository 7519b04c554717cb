"""Conversations as a whole: read, renamed, given to another agent, thrown away, taken back, and destroyed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agentdb import Agent, ConflictError, Conversation, Database, DeadlineError, InvalidInputError, NotFoundError, Usage
from agentdb.models import INTERNAL_TABLES, TABLES
from agentdb.records import Conversation as ConversationRecord
from agentdb.records import User
from agentdb.records.conversations import ConversationPreview
from tests.services.talking import say, say_all, stored

pytestmark = pytest.mark.agentdb(engine="both")

Call = Callable[[Database, int, int, float | None], Awaitable[Any]]

# Each with a conversation, a user and a timeout.
CALLS: dict[str, Call] = {
    "get": lambda db, talk, user, timeout: db.conversations.get(talk, user_id=user, timeout=timeout),
    "rename": lambda db, talk, user, timeout: db.conversations.rename(talk, user_id=user, title="x", timeout=timeout),
    "set_agent": lambda db, talk, user, timeout: db.conversations.set_agent(
        talk, user_id=user, agent_id=2, timeout=timeout
    ),
    "delete": lambda db, talk, user, timeout: db.conversations.delete(talk, user_id=user, timeout=timeout),
    "restore": lambda db, talk, user, timeout: db.conversations.restore(talk, user_id=user, timeout=timeout),
    "purge": lambda db, talk, user, timeout: db.conversations.purge(talk, user_id=user, timeout=timeout),
}


@pytest.fixture
async def lost(agent_db: Database, ada: User) -> ConversationRecord:
    """A conversation that Ada has thrown away."""
    talk = await agent_db.conversations.start(user_id=ada.id, agent_id=1, title="Lost")
    await say(agent_db, talk)
    return await agent_db.conversations.delete(talk.id, user_id=ada.id)


async def counts(db: Database) -> dict[str, int]:
    """How many rows each table has that has any."""
    found = {
        table: (await db.session.fetch(f'SELECT COUNT(*) AS "count" FROM "{table}"'))[0]["count"]
        for table in (*TABLES, *INTERNAL_TABLES)
    }
    return {table: count for table, count in found.items() if count}


# changes


async def test_a_conversation_is_renamed(agent_db: Database, ada: User, talk: ConversationRecord) -> None:
    """It is returned as it is stored then; an empty title is one, and None takes it away."""
    for title in ("Other", "Grüße 🙂", "", None):
        renamed = await agent_db.conversations.rename(talk.id, user_id=ada.id, title=title)

        assert renamed.title == title
        assert renamed == await agent_db.conversations.get(talk.id, user_id=ada.id)
        assert renamed.model_copy(update={"title": talk.title, "updated_at": talk.updated_at}) == talk


@pytest.mark.parametrize("title", [7, "nul \x00", "half \ud800", ["x"]])
async def test_a_title_that_no_engine_can_keep_is_refused(
    agent_db: Database, ada: User, talk: ConversationRecord, title: Any
) -> None:
    """The same error on every engine, and nothing changes."""
    before = await stored(agent_db)

    with pytest.raises(InvalidInputError):
        await agent_db.conversations.rename(talk.id, user_id=ada.id, title=title)
    assert await stored(agent_db) == before


async def test_a_conversation_goes_on_with_another_agent(
    agent_db: Database, ada: User, bob: User, talk: ConversationRecord
) -> None:
    """That the user sees, or with none; with another one nothing changes."""
    with agent_db.use():
        mine = await Agent.create(name="mine", user_id=ada.id)
        foreign = await Agent.create(name="foreign", user_id=bob.id)
    for agent_id in (mine.id, None, 2):
        changed = await agent_db.conversations.set_agent(talk.id, user_id=ada.id, agent_id=agent_id)
        assert changed.agent_id == agent_id
        assert changed == await agent_db.conversations.get(talk.id, user_id=ada.id)
    before = await stored(agent_db)

    for agent_id in (foreign.id, 999, 0):
        with pytest.raises(NotFoundError, match=f"No agent {agent_id}"):
            await agent_db.conversations.set_agent(talk.id, user_id=ada.id, agent_id=agent_id)
    assert await stored(agent_db) == before


# deletion


async def test_what_never_said_whether_it_is_deleted_is_not(
    agent_db: Database, ada: User, talk: ConversationRecord
) -> None:
    """The column may be null."""
    message = await say(agent_db, talk)
    verbs = agent_db.conversations
    with agent_db.use():
        await Conversation.filter(id=talk.id).update(deleted=None)
    found = await verbs.get(talk.id, user_id=ada.id)

    assert found.deleted is False
    assert (await verbs.context(talk.id, user_id=ada.id)).conversation == found
    assert (await verbs.history(talk.id, user_id=ada.id)).items == (message,)
    assert (await verbs.list(user_id=ada.id)).items == (ConversationPreview(**dict(found), last_message=message),)
    assert await verbs.count(user_id=ada.id, deleted=True) == 0
    assert (await verbs.rename(talk.id, user_id=ada.id, title="x")).deleted is False
    assert (await say(agent_db, talk, expected_parent=message.id)).id > message.id
    assert (await verbs.delete(talk.id, user_id=ada.id)).deleted is True


async def test_a_deleted_conversation_is_only_in_the_bin(
    agent_db: Database, ada: User, talk: ConversationRecord
) -> None:
    """It is returned with the time of its deletion."""
    await say(agent_db, talk)
    deleted = await agent_db.conversations.delete(talk.id, user_id=ada.id)
    (binned,) = (await agent_db.conversations.list(user_id=ada.id, deleted=True)).items

    assert deleted.deleted
    assert deleted.deleted_at == deleted.updated_at == binned.deleted_at
    assert (await agent_db.conversations.list(user_id=ada.id)).items == ()
    for read in (agent_db.conversations.get, agent_db.conversations.history, agent_db.conversations.context):
        with pytest.raises(NotFoundError, match=f"No conversation {talk.id}"):
            await read(talk.id, user_id=ada.id)


async def test_deleting_twice_keeps_the_first_time(agent_db: Database, ada: User, lost: ConversationRecord) -> None:
    """Nothing changes, also when many do it at once."""
    before = await stored(agent_db)
    calls = (agent_db.conversations.delete(lost.id, user_id=ada.id) for _ in range(10))

    assert await asyncio.gather(*calls) == [lost] * 10
    assert await stored(agent_db) == before


async def test_many_who_delete_at_once_get_one_answer(agent_db: Database, ada: User, talk: ConversationRecord) -> None:
    """The first deletion's."""
    answers = await asyncio.gather(*(agent_db.conversations.delete(talk.id, user_id=ada.id) for _ in range(10)))

    assert all(answer == answers[0] for answer in answers)


async def test_a_restored_conversation_is_there_again(agent_db: Database, ada: User, talk: ConversationRecord) -> None:
    """With its messages and all that belongs to it; one that is not deleted stays as it is."""
    message = await say(agent_db, talk)
    resource = await agent_db.knowledge.store(user_id=ada.id, name="a", message_id=message.id)
    await agent_db.conversations.delete(talk.id, user_id=ada.id)
    restored = await agent_db.conversations.restore(talk.id, user_id=ada.id)
    before = await stored(agent_db)
    context = await agent_db.conversations.context(talk.id, user_id=ada.id)

    assert (restored.deleted, restored.deleted_at, restored.title) == (False, None, talk.title)
    assert (context.messages, context.resources) == ((message,), (resource,))
    assert context.conversation == restored
    assert await agent_db.conversations.restore(talk.id, user_id=ada.id) == restored
    assert await stored(agent_db) == before
    assert (await say(agent_db, talk)).id > message.id


async def test_a_request_id_of_before_holds_after_a_restoration(agent_db: Database, ada: User) -> None:
    """What was started or said under it is not done again."""
    talk = await agent_db.conversations.start(user_id=ada.id, request_id="s")
    message = await say(agent_db, talk, request_id="r")
    await agent_db.conversations.delete(talk.id, user_id=ada.id)
    deleted = await agent_db.conversations.start(user_id=ada.id, request_id="s")
    await agent_db.conversations.restore(talk.id, user_id=ada.id)

    assert (deleted.id, deleted.deleted) == (talk.id, True)
    assert await say(agent_db, talk, request_id="r") == message


# destruction


async def test_a_purged_conversation_leaves_nothing(agent_db: Database, ada: User) -> None:
    """Neither messages and branches, nor resources, chunks and words, nor a summary; another one keeps its own."""
    before = await counts(agent_db)
    kept = await with_everything(agent_db, ada)
    with_one = await counts(agent_db)
    gone = await with_everything(agent_db, ada)
    await agent_db.conversations.delete(gone.id, user_id=ada.id)
    await agent_db.conversations.purge(gone.id, user_id=ada.id)
    with agent_db.use():
        usage = [(one.message_id is None, one.cost) for one in await Usage.all().order_by("id")]

    after = await counts(agent_db)
    assert after == {**with_one, "Usage": 2}
    assert before.keys() < after.keys()
    assert [is_without for is_without, _ in usage] == [False, True]
    assert usage[0][1] == usage[1][1]
    assert len((await agent_db.conversations.context(kept.id, user_id=ada.id)).resources) == 1
    for call in CALLS.values():
        with pytest.raises(NotFoundError, match=f"No conversation {gone.id}"):
            await call(agent_db, gone.id, ada.id, None)


async def with_everything(db: Database, user: User) -> ConversationRecord:
    """A conversation with all that can hang on one."""
    talk = await db.conversations.start(user_id=user.id, agent_id=1)
    first, _ = await say_all(db, talk, "question", "and more")
    answer = await say(db, talk, "answer", parent_id=first.id)
    summary = await db.conversations.summarise(talk.id, user_id=user.id, summary="x" * 50, expected_parent=answer.id)
    chunks = [{"content": "a chunk", "embedding": [1.0, 0.0]}]
    await db.knowledge.store(user_id=user.id, name="a", message_id=summary.id, chunks=chunks)
    await db.knowledge.store(user_id=user.id, name="b", conversation_id=talk.id, chunks=chunks)
    await db.conversations.search("question", user_id=user.id)
    await db.usage.record(user_id=user.id, model="mock-model", input_tokens=1000, message_id=answer.id)
    return talk


async def test_only_what_was_deleted_is_purged(agent_db: Database, ada: User, talk: ConversationRecord) -> None:
    """Whoever destroys has thrown away before, and not taken back."""
    await say(agent_db, talk)
    await agent_db.conversations.delete(talk.id, user_id=ada.id)
    await agent_db.conversations.restore(talk.id, user_id=ada.id)
    before = await stored(agent_db)

    with pytest.raises(ConflictError, match=f"Conversation {talk.id} is not deleted"):
        await agent_db.conversations.purge(talk.id, user_id=ada.id)
    assert await stored(agent_db) == before


async def test_the_start_of_a_purged_conversation_is_not_repeated(agent_db: Database, ada: User) -> None:
    """Its request_id is used up."""
    talk = await agent_db.conversations.start(user_id=ada.id, request_id="r")
    await agent_db.conversations.delete(talk.id, user_id=ada.id)
    await agent_db.conversations.purge(talk.id, user_id=ada.id)

    with pytest.raises(NotFoundError, match=f"No conversation {talk.id}"):
        await agent_db.conversations.start(user_id=ada.id, request_id="r")


async def test_a_purge_and_its_rivals(agent_db: Database, ada: User, lost: ConversationRecord) -> None:
    """Of one that purges and one that restores, in either order, the second learns what the first has done."""
    other = await agent_db.conversations.start(user_id=ada.id)
    await agent_db.conversations.delete(other.id, user_id=ada.id)
    for one, verbs in ((lost, ["purge", "restore"]), (other, ["restore", "purge"])):
        calls = [CALLS[verb](agent_db, one.id, ada.id, None) for verb in verbs]
        results = await asyncio.gather(*calls, return_exceptions=True)
        with agent_db.use():
            is_left = await Conversation.filter(id=one.id).exists()

        assert [type(result) for result in results if isinstance(result, Exception)] == [
            ConflictError if is_left else NotFoundError
        ]


# all of them


@pytest.mark.parametrize("name", CALLS)
async def test_what_is_not_the_users_is_not_there(
    agent_db: Database, bob: User, talk: ConversationRecord, lost: ConversationRecord, name: str
) -> None:
    """Like what does not exist; nothing changes."""
    before = await stored(agent_db)

    for conversation_id, user_id in (
        (talk.id, bob.id),
        (lost.id, bob.id),
        (talk.id, 12345),
        (999, bob.id),
        (0, bob.id),
    ):
        with pytest.raises(NotFoundError, match=r"No (conversation|user) "):
            await CALLS[name](agent_db, conversation_id, user_id, None)
    assert await stored(agent_db) == before


@pytest.mark.parametrize("name", ["get", "rename", "set_agent"])
async def test_what_is_deleted_is_not_there(agent_db: Database, ada: User, lost: ConversationRecord, name: str) -> None:
    """Until it is restored; nothing changes."""
    before = await stored(agent_db)

    with pytest.raises(NotFoundError, match=f"No conversation {lost.id}"):
        await CALLS[name](agent_db, lost.id, ada.id, None)
    assert await stored(agent_db) == before


@pytest.mark.parametrize("name", CALLS)
async def test_bad_ids_are_refused(agent_db: Database, name: str) -> None:
    """The same error on every engine."""
    bad: list[Any] = ["1", None, True, 1.0, 2**63]

    for value in bad:
        with pytest.raises(InvalidInputError):
            await CALLS[name](agent_db, value, 1, None)
        with pytest.raises(InvalidInputError):
            await CALLS[name](agent_db, 1, value, None)


@pytest.mark.parametrize("name", CALLS)
async def test_a_deadline_ends_the_call(agent_db: Database, ada: User, lost: ConversationRecord, name: str) -> None:
    """Nothing is changed then."""
    before = await stored(agent_db)

    with pytest.raises(DeadlineError):
        await CALLS[name](agent_db, lost.id, ada.id, 0)
    assert await stored(agent_db) == before


async def test_changes_join_the_callers_transaction(
    agent_db: Database, ada: User, talk: ConversationRecord, lost: ConversationRecord
) -> None:
    """They are seen inside, and gone with it."""
    before = await stored(agent_db)

    async def work() -> None:
        async with agent_db.transaction():
            await agent_db.conversations.rename(talk.id, user_id=ada.id, title="x")
            await agent_db.conversations.delete(talk.id, user_id=ada.id)
            await agent_db.conversations.purge(talk.id, user_id=ada.id)
            await agent_db.conversations.restore(lost.id, user_id=ada.id)
            (found,) = (await agent_db.conversations.list(user_id=ada.id)).items
            raise RuntimeError(f"changed my mind about {found.title}")

    with pytest.raises(RuntimeError, match="changed my mind about Lost"):
        await work()
    assert await stored(agent_db) == before
