"""Resources: what is stored, changed and deleted, and for whom."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from agentdb import (
    Agent,
    Database,
    DeadlineError,
    InvalidInputError,
    NotFoundError,
    Resource,
    UnsupportedError,
    UserAgent,
    Vector,
)
from agentdb.engine import Abilities
from agentdb.records import Conversation, Message, User
from agentdb.records import Resource as ResourceRecord

pytestmark = pytest.mark.agentdb(engine="both")

CHUNKS: list[dict[str, Any]] = [
    {"content": "one", "embedding": [0.1, 0.2]},
    {"content": "two", "embedding": [0.5, -1]},
    {"content": "three"},
]
NOBODY = 10**9


@pytest.fixture
async def talk(agent_db: Database, ada: User) -> Conversation:
    """A conversation of Ada."""
    return await agent_db.conversations.start(user_id=ada.id, agent_id=1)


@pytest.fixture
async def message(agent_db: Database, talk: Conversation) -> Message:
    """A message in it."""
    return await say(agent_db, talk)


async def say(db: Database, talk: Conversation) -> Message:
    return await db.conversations.append(talk.id, user_id=talk.user_id, role="user", content=[{"text": "x"}])


async def stored(db: Database) -> list[Any]:
    """Every row that a refused call might have changed."""
    with db.use():
        return [*await Resource.all().order_by("id").values(), *await Vector.all().order_by("id").values()]


async def texts_of(db: Database, resource: ResourceRecord) -> list[str | None]:
    """The contents of a resource's chunks, in their order."""
    page = await db.knowledge.chunks(resource.id, user_id=resource.user_id or 0)
    return [chunk.content for chunk in page.items]


# store


async def test_a_resource_is_stored_with_its_chunks(agent_db: Database, ada: User, message: Message) -> None:
    """It is returned as it is stored; a message's conversation is its own."""
    before = datetime.now(UTC)
    resource = await agent_db.knowledge.store(
        user_id=ada.id,
        name="a.txt",
        content="one two three",
        type="text/plain",
        s3_uri="s3://bucket/a.txt",
        metadata={"pages": 3},
        agent_id=1,
        message_id=message.id,
        chunks=CHUNKS,
    )
    page = await agent_db.knowledge.chunks(resource.id, user_id=ada.id, with_embeddings=True)
    with agent_db.use():
        row = await Resource.get(id=resource.id)
        vectors = await Vector.all().order_by("id")

    assert dict(resource) == row.to_dict()
    assert (resource.user_id, resource.agent_id, resource.message_id) == (ada.id, 1, message.id)
    assert resource.conversation_id == message.conversation_id
    assert resource.created_at is not None
    assert before <= resource.created_at <= datetime.now(UTC)
    assert await agent_db.knowledge.get(resource.id, user_id=ada.id) == resource
    assert [(chunk.order, chunk.content) for chunk in page.items] == [(0, "one"), (1, "two"), (2, "three")]
    assert [chunk.embedding for chunk in page.items] == [
        (0.10000000149011612, 0.20000000298023224),
        (0.5, -1.0),
        None,
    ]
    assert {vector.conversation_id for vector in vectors} == {message.conversation_id}


async def test_a_resource_needs_a_name_alone(agent_db: Database, ada: User) -> None:
    """Without metadata it has an empty object."""
    resource = await agent_db.knowledge.store(user_id=ada.id, name="x")

    assert (resource.content, resource.metadata) == (None, {})
    assert await texts_of(agent_db, resource) == []


@pytest.mark.parametrize(
    ("links", "missing"),
    [
        ({"user_id": NOBODY}, "user"),
        ({"agent_id": NOBODY}, "agent"),
        ({"agent_id": "foreign"}, "agent"),
        ({"conversation_id": NOBODY}, "conversation"),
        ({"conversation_id": "foreign"}, "conversation"),
        ({"conversation_id": "deleted"}, "conversation"),
        ({"message_id": NOBODY}, "message"),
        ({"message_id": "foreign"}, "message"),
        ({"message_id": "deleted"}, "message"),
        ({"conversation_id": "own", "message_id": "other"}, "message"),
    ],
    ids=repr,
)
async def test_a_resource_belongs_to_what_its_user_sees(
    agent_db: Database, ada: User, bob: User, talk: Conversation, links: dict[str, Any], missing: str
) -> None:
    """Otherwise nothing is stored, nor is a stored one moved there."""
    talks = {
        "own": talk,
        "other": await agent_db.conversations.start(user_id=ada.id),
        "foreign": await agent_db.conversations.start(user_id=bob.id),
        "deleted": await agent_db.conversations.start(user_id=ada.id),
    }
    messages = {name: await say(agent_db, one) for name, one in talks.items()}
    await agent_db.conversations.delete(talks["deleted"].id, user_id=ada.id)
    with agent_db.use():
        agent = await Agent.create(name="foreign", user_id=bob.id)
    ids = {
        "agent_id": {"foreign": agent.id},
        "conversation_id": {name: one.id for name, one in talks.items()},
        "message_id": {name: one.id for name, one in messages.items()},
    }
    given = {what: ids.get(what, {}).get(value, value) for what, value in links.items()}
    resource = await agent_db.knowledge.store(user_id=ada.id, name="x", chunks=CHUNKS)
    before = await stored(agent_db)

    with pytest.raises(NotFoundError, match=f"No {missing} "):
        await agent_db.knowledge.store(**{"user_id": ada.id, "name": "y", "chunks": CHUNKS, **given})
    if "user_id" not in given:
        with pytest.raises(NotFoundError, match=f"No {missing} "):
            await agent_db.knowledge.update(resource.id, user_id=ada.id, **given)
    assert await stored(agent_db) == before


async def test_a_shared_agent_is_seen(agent_db: Database, ada: User, bob: User) -> None:
    """Who sees an agent may give it something."""
    with agent_db.use():
        agent = await Agent.create(name="shared", user_id=bob.id)
        await UserAgent.create(user_id=ada.id, agent_id=agent.id, role="viewer")
    resource = await agent_db.knowledge.store(user_id=ada.id, name="x", agent_id=agent.id)

    assert resource.agent_id == agent.id


# update, reindex, delete


async def test_an_update_changes_what_is_named(agent_db: Database, ada: User, message: Message) -> None:
    """And gives the whole resource back; `updated_at` moves."""
    knowledge = agent_db.knowledge
    first = await knowledge.store(
        user_id=ada.id, name="a", content="text", type="t", metadata={"a": 1}, message_id=message.id, chunks=CHUNKS
    )
    second = await knowledge.update(first.id, user_id=ada.id, name="b", metadata=None)
    third = await knowledge.update(first.id, user_id=ada.id, type=None, s3_uri="s3://x", agent_id=1)

    changed = {"name": "b", "metadata": None, "updated_at": second.updated_at}
    assert second == first.model_copy(update=changed)
    assert first.updated_at is not None
    assert second.updated_at is not None
    assert second.updated_at > first.updated_at
    assert (third.name, third.content, third.type, third.s3_uri, third.agent_id) == ("b", "text", None, "s3://x", 1)
    assert await knowledge.get(first.id, user_id=ada.id) == third
    assert await texts_of(agent_db, third) == ["one", "two", "three"]


async def test_new_content_has_no_old_chunks(agent_db: Database, ada: User) -> None:
    """They would say what the resource no longer says."""
    resource = await agent_db.knowledge.store(user_id=ada.id, name="a", content="one", chunks=CHUNKS)
    with_chunks = await agent_db.knowledge.update(
        resource.id, user_id=ada.id, content="four", chunks=[{"content": "four", "embedding": [1, 2, 3]}]
    )
    texts = await texts_of(agent_db, with_chunks)
    without = await agent_db.knowledge.update(resource.id, user_id=ada.id, content=None)

    assert (with_chunks.content, texts) == ("four", ["four"])
    assert (without.content, await texts_of(agent_db, without)) == (None, [])


async def test_a_resource_moves_with_its_chunks(
    agent_db: Database, ada: User, talk: Conversation, message: Message
) -> None:
    """To another message and its conversation, within one, and out of it."""
    knowledge = agent_db.knowledge
    other = await agent_db.conversations.start(user_id=ada.id)
    there = await say(agent_db, other)
    resource = await knowledge.store(user_id=ada.id, name="a", message_id=message.id, chunks=CHUNKS)

    async def moved(**to: Any) -> tuple[Any, ...]:
        now = await knowledge.update(resource.id, user_id=ada.id, **to)
        with agent_db.use():
            places = set(await Vector.all().values_list("conversation_id", flat=True))
        return now.conversation_id, now.message_id, places

    assert await moved(message_id=there.id) == (other.id, there.id, {other.id})
    assert await moved(message_id=None) == (other.id, None, {other.id})
    assert await moved(conversation_id=talk.id) == (talk.id, None, {talk.id})
    assert await moved(message_id=message.id, conversation_id=talk.id) == (talk.id, message.id, {talk.id})
    assert await moved(conversation_id=None) == (talk.id, message.id, {talk.id})
    assert await moved(conversation_id=None, message_id=None) == (None, None, {None})


async def test_reindexing_replaces_all_chunks(agent_db: Database, ada: User) -> None:
    """Also with embeddings of another dimension; bad ones leave the old as they were."""
    resource = await agent_db.knowledge.store(user_id=ada.id, name="a", content="text", chunks=CHUNKS)
    await agent_db.knowledge.reindex(resource.id, user_id=ada.id, chunks=[{"content": "new", "embedding": [1, 2, 3]}])
    with pytest.raises(InvalidInputError):
        await agent_db.knowledge.reindex(
            resource.id,
            user_id=ada.id,
            chunks=[{"content": "x", "embedding": [1]}, {"content": "y", "embedding": [1, 2]}],
        )

    assert await texts_of(agent_db, resource) == ["new"]
    assert (await agent_db.knowledge.get(resource.id, user_id=ada.id)).content == "text"


async def test_concurrent_changes_are_all_kept(agent_db: Database, ada: User) -> None:
    """Each names something else; chunks are those of one call."""
    resource = await agent_db.knowledge.store(user_id=ada.id, name="a", chunks=CHUNKS)
    changes: list[dict[str, Any]] = [{"name": "b"}, {"type": "t"}, {"s3_uri": "s3://x"}, {"metadata": {"b": 2}}]
    sets = [[{"content": f"{number}-{part}"} for part in range(3)] for number in range(4)]
    await asyncio.gather(
        *(agent_db.knowledge.update(resource.id, user_id=ada.id, **one) for one in changes),
        *(agent_db.knowledge.reindex(resource.id, user_id=ada.id, chunks=one) for one in sets),
    )
    now = await agent_db.knowledge.get(resource.id, user_id=ada.id)

    assert (now.name, now.type, now.s3_uri, now.metadata) == ("b", "t", "s3://x", {"b": 2})
    assert await texts_of(agent_db, resource) in [[one["content"] for one in chunks] for chunks in sets]


async def test_a_deleted_resource_is_gone_with_its_chunks(agent_db: Database, ada: User, message: Message) -> None:
    """Others stay."""
    kept = await agent_db.knowledge.store(user_id=ada.id, name="kept", chunks=CHUNKS)
    gone = await agent_db.knowledge.store(user_id=ada.id, name="gone", message_id=message.id, chunks=CHUNKS)
    await agent_db.knowledge.delete(gone.id, user_id=ada.id)

    with pytest.raises(NotFoundError):
        await agent_db.knowledge.delete(gone.id, user_id=ada.id)
    with agent_db.use():
        assert [one.id for one in await Resource.all()] == [kept.id]
        assert {one.resource_id for one in await Vector.all()} == {kept.id}


# reading


async def test_a_list_has_pages_without_contents(agent_db: Database, ada: User, bob: User) -> None:
    """Newest first, each once, only the user's own."""
    knowledge = agent_db.knowledge
    resources = [await knowledge.store(user_id=ada.id, name=f"r{number}", content="long") for number in range(5)]
    await knowledge.store(user_id=bob.id, name="other")
    pages = [await knowledge.list(user_id=ada.id, limit=2)]
    while pages[-1].next_cursor:
        pages.append(await knowledge.list(user_id=ada.id, limit=2, cursor=pages[-1].next_cursor))

    assert [[one.name for one in page.items] for page in pages] == [["r4", "r3"], ["r2", "r1"], ["r0"]]
    assert pages[0].items[0] == resources[4].model_copy(update={"content": None})


async def test_a_list_can_be_narrowed(agent_db: Database, ada: User, talk: Conversation, message: Message) -> None:
    """To an agent, a conversation or a message; what stands in a deleted conversation is not there."""
    knowledge = agent_db.knowledge
    places: dict[str, dict[str, Any]] = {
        "agent": {"agent_id": 1},
        "talk": {"conversation_id": talk.id},
        "message": {"message_id": message.id, "agent_id": 1},
    }
    for name, place in places.items():
        await knowledge.store(user_id=ada.id, name=name, **place)
    with agent_db.use():  # as the original package stored it
        await Resource.create(name="old", user_id=ada.id, message_id=message.id)

    async def names(**scope: Any) -> list[str | None]:
        return [one.name for one in (await knowledge.list(user_id=ada.id, **scope)).items]

    assert await names(agent_id=1) == ["message", "agent"]
    assert await names(conversation_id=talk.id) == ["old", "message", "talk"]
    assert await names(message_id=message.id) == ["old", "message"]
    assert await names(agent_id=2) == []
    await agent_db.conversations.delete(talk.id, user_id=ada.id)
    assert await names() == ["agent"]
    await agent_db.conversations.restore(talk.id, user_id=ada.id)
    assert await names() == ["old", "message", "talk", "agent"]


async def test_chunks_have_pages(agent_db: Database, ada: User) -> None:
    """In their order, each once."""
    chunks = [{"content": f"c{number}"} for number in range(5)]
    resource = await agent_db.knowledge.store(user_id=ada.id, name="x", chunks=chunks)
    pages = [await agent_db.knowledge.chunks(resource.id, user_id=ada.id, limit=2)]
    while pages[-1].next_cursor:
        pages.append(
            await agent_db.knowledge.chunks(resource.id, user_id=ada.id, limit=2, cursor=pages[-1].next_cursor)
        )

    assert [[one.content for one in page.items] for page in pages] == [["c0", "c1"], ["c2", "c3"], ["c4"]]


async def test_an_agent_remembers_by_the_names_beginning(
    agent_db: Database, ada: User, bob: User, talk: Conversation
) -> None:
    """For this user and for all, not what stands in a conversation; no character of the prefix is a wildcard."""
    knowledge = agent_db.knowledge
    for name in ("memories/a", "Memories/b", "memoriesXc", "skills/d", "100%/e", "100x/e", "memories/f"):
        await knowledge.store(user_id=ada.id, name=name, content=name.upper(), agent_id=1)
    await knowledge.store(user_id=ada.id, name="memories/talk", agent_id=1, conversation_id=talk.id)
    await knowledge.store(user_id=ada.id, name="memories/nobody's")
    await knowledge.store(user_id=bob.id, name="memories/bob", agent_id=1)
    with agent_db.use():
        await Resource.create(name="memories/all", agent_id=1, content="ALL")
        await Resource.create(name="memories/other", agent_id=2, content="OTHER")

    async def remembered(**values: Any) -> list[tuple[str | None, str | None]]:
        return [(one.name, one.content) for one in await knowledge.memories(1, user_id=ada.id, **values)]

    assert await remembered() == [
        ("memories/a", "MEMORIES/A"),
        ("memories/f", "MEMORIES/F"),
        ("memories/all", "ALL"),
    ]
    assert await remembered(prefix="skills/", with_content=False) == [("skills/d", None)]
    assert await remembered(prefix="100%") == [("100%/e", "100%/E")]
    assert await remembered(prefix="memories_") == []
    assert [name for name, _ in await remembered(limit=2)] == ["memories/a", "memories/f"]


async def test_memories_are_those_of_an_agent_that_the_user_sees(agent_db: Database, ada: User, bob: User) -> None:
    """Also what all its users share."""
    with agent_db.use():
        agent = await Agent.create(name="bob's", user_id=bob.id)
        await Resource.create(name="memories/all", agent_id=agent.id)

    for id_ in (agent.id, NOBODY):
        with pytest.raises(NotFoundError, match="No agent"):
            await agent_db.knowledge.memories(id_, user_id=ada.id)
    assert len(await agent_db.knowledge.memories(agent.id, user_id=bob.id)) == 1


# whose it is


async def test_others_see_and_change_nothing(agent_db: Database, ada: User, bob: User) -> None:
    """Another user's resource looks like none; so does one that belongs to nobody."""
    knowledge = agent_db.knowledge
    resource = await knowledge.store(user_id=ada.id, name="x", agent_id=1, chunks=CHUNKS)
    with agent_db.use():
        common = await Resource.create(name="memories/all", agent_id=1)
    before = await stored(agent_db)

    for id_ in (resource.id, common.id, NOBODY):
        for call in (
            knowledge.get(id_, user_id=bob.id),
            knowledge.chunks(id_, user_id=bob.id),
            knowledge.update(id_, user_id=bob.id, name="y"),
            knowledge.reindex(id_, user_id=bob.id, chunks=[]),
            knowledge.delete(id_, user_id=bob.id),
        ):
            with pytest.raises(NotFoundError, match="No resource"):
                await call
    assert (await knowledge.list(user_id=bob.id)).items == ()
    assert await stored(agent_db) == before


async def test_what_stands_in_a_deleted_conversation_is_not_there(
    agent_db: Database, ada: User, talk: Conversation, message: Message
) -> None:
    """By itself or through its message; a restored one brings it back."""
    knowledge = agent_db.knowledge
    resources = [
        await knowledge.store(user_id=ada.id, name="a", conversation_id=talk.id, chunks=CHUNKS),
        await knowledge.store(user_id=ada.id, name="b", message_id=message.id, chunks=CHUNKS),
    ]
    await agent_db.conversations.delete(talk.id, user_id=ada.id)
    before = await stored(agent_db)

    for resource in resources:
        for call in (
            knowledge.get(resource.id, user_id=ada.id),
            knowledge.chunks(resource.id, user_id=ada.id),
            knowledge.update(resource.id, user_id=ada.id, name="y"),
            knowledge.reindex(resource.id, user_id=ada.id, chunks=[]),
            knowledge.delete(resource.id, user_id=ada.id),
        ):
            with pytest.raises(NotFoundError, match="No resource"):
                await call
    assert await stored(agent_db) == before
    await agent_db.conversations.restore(talk.id, user_id=ada.id)
    assert [await knowledge.get(one.id, user_id=ada.id) for one in resources] == resources


# bad input


@pytest.mark.parametrize(
    "values",
    [
        {"user_id": "1"},
        {"user_id": 2**63},
        {"name": ""},
        {"name": None},
        {"name": "a\x00"},
        {"content": "\ud800"},
        {"content": "x" * 70_000_000},
        {"content": 5},
        {"type": 5},
        {"s3_uri": "\x00"},
        {"metadata": []},
        {"metadata": {"x": float("nan")}},
        {"metadata": {5: 1}},
        {"agent_id": "1"},
        {"conversation_id": 1.0},
        {"message_id": True},
        {"chunks": None},
        {"chunks": [{"content": "x", "embedding": [0, 0]}]},
        {"chunks": [{"content": "x", "embedding": [float("inf")]}]},
    ],
    ids=lambda values: repr(values)[:40],
)
async def test_bad_input_is_refused(agent_db: Database, ada: User, values: dict[str, Any]) -> None:
    """In the same words on every engine; nothing is stored or changed."""
    resource = await agent_db.knowledge.store(user_id=ada.id, name="x", chunks=CHUNKS)
    before = await stored(agent_db)

    with pytest.raises(InvalidInputError):
        await agent_db.knowledge.store(**{"user_id": ada.id, "name": "x", **values})
    with pytest.raises(InvalidInputError):
        await agent_db.knowledge.update(resource.id, **{"user_id": ada.id, **values})
    assert await stored(agent_db) == before


async def test_bad_places_in_lists_are_refused(agent_db: Database, ada: User) -> None:
    """Limits, cursors and prefixes; an update names something."""
    knowledge = agent_db.knowledge
    resource = await knowledge.store(user_id=ada.id, name="x", chunks=CHUNKS)
    other = await knowledge.store(user_id=ada.id, name="y", chunks=CHUNKS)
    cursor = (await knowledge.chunks(resource.id, user_id=ada.id, limit=1)).next_cursor

    for call in (
        knowledge.list(user_id=ada.id, limit=0),
        knowledge.list(user_id=ada.id, limit=10**9),
        knowledge.list(user_id=ada.id, cursor="x"),
        knowledge.list(user_id=ada.id, cursor=cursor),
        knowledge.chunks(other.id, user_id=ada.id, cursor=cursor),
        knowledge.chunks(other.id, user_id=ada.id, with_embeddings=1),  # type: ignore[arg-type]  # on purpose
        knowledge.memories(1, user_id=ada.id, prefix=""),
        knowledge.update(resource.id, user_id=ada.id),
    ):
        with pytest.raises(InvalidInputError):
            await call


async def test_a_database_of_the_original_package_keeps_no_owners(agent_db: Database, ada: User) -> None:
    """So nothing could be kept apart; the error names what makes it able."""
    agent_db.session.abilities = Abilities(resource_owners=False)
    knowledge = agent_db.knowledge

    for call in (
        knowledge.store(user_id=ada.id, name="x"),
        knowledge.get(1, user_id=ada.id),
        knowledge.update(1, user_id=ada.id, name="x"),
        knowledge.reindex(1, user_id=ada.id, chunks=[]),
        knowledge.delete(1, user_id=ada.id),
        knowledge.list(user_id=ada.id),
        knowledge.chunks(1, user_id=ada.id),
        knowledge.memories(1, user_id=ada.id),
        knowledge.similar([1.0], user_id=ada.id),
        knowledge.search_chunks("x", user_id=ada.id),
    ):
        with pytest.raises(UnsupportedError, match="agentdb adopt"):
            await call


async def test_calls_have_deadlines(agent_db: Database, ada: User) -> None:
    """Nothing is stored then."""
    with pytest.raises(DeadlineError):
        await agent_db.knowledge.store(user_id=ada.id, name="x", chunks=CHUNKS, timeout=0.0)

    assert await stored(agent_db) == []
