"""What is found in chunks, by their embeddings and by their words: the same hits however it is looked for."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentdb import Database, DeadlineError, InvalidInputError, Resource, Vector
from agentdb.engine import sqlite
from agentdb.engine.vectors import sqlite_vec
from agentdb.records import Conversation, User
from agentdb.records import Resource as ResourceRecord
from agentdb.services import _recall, _similarity
from agentdb.services._similarity import embedding_of

pytestmark = pytest.mark.agentdb(engine="both")

EAST, NORTH, WEST = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]


@pytest.fixture(params=["extension", "numpy", "python"])
async def way(request: pytest.FixtureRequest, agent_db: Database, monkeypatch: pytest.MonkeyPatch) -> str:
    """With pgvector or sqlite-vec, where this Python can load it; with NumPy; with neither."""
    if request.param == "extension" and agent_db.session.dialect.name == "postgres":
        await agent_db.session.client.execute_script("CREATE EXTENSION vector")
    if request.param != "extension":
        monkeypatch.setattr(sqlite, "sqlite_vec", lambda: None)
    if request.param == "python":
        monkeypatch.setattr(_similarity, "find_spec", lambda _: None)
    return str(request.param)


@pytest.fixture
async def talk(agent_db: Database, ada: User) -> Conversation:
    """A conversation of Ada."""
    return await agent_db.conversations.start(user_id=ada.id, agent_id=1)


async def store(db: Database, user: User, *embeddings: Any, **values: Any) -> ResourceRecord:
    chunks = [{"content": f"chunk {number}", "embedding": one} for number, one in enumerate(embeddings)]
    return await db.knowledge.store(**{"user_id": user.id, "name": "x", "chunks": chunks, **values})


async def similar(db: Database, user: User, embedding: Any = EAST, **values: Any) -> list[str]:
    """The resources and chunks that are found."""
    hits = await db.knowledge.similar(embedding, user_id=user.id, **values)
    return [f"{hit.resource.name}:{hit.order}" for hit in hits]


async def test_a_hit_tells_what_is_near_and_where(agent_db: Database, ada: User, way: str) -> None:
    """The nearest first, with the resource but not its content."""
    resource = await store(agent_db, ada, WEST, EAST, None, NORTH, content="all", metadata={"a": 1}, agent_id=1)
    hits = await agent_db.knowledge.similar([2.0, 2.0], user_id=ada.id)

    assert [(hit.order, hit.content) for hit in hits] == [(1, "chunk 1"), (3, "chunk 3"), (0, "chunk 0")]
    assert [hit.similarity for hit in hits] == pytest.approx([math.sqrt(0.5), math.sqrt(0.5), -math.sqrt(0.5)])
    assert {hit.rank for hit in hits} == {None}
    assert hits[0].resource == resource.model_copy(update={"content": None})


async def test_an_extension_is_used_where_it_is(agent_db: Database, ada: User, way: str) -> None:
    """PostgreSQL has pgvector in this test, SQLite sqlite-vec if this Python can load it."""
    await store(agent_db, ada, EAST)
    is_there = agent_db.session.dialect.name == "postgres" or sqlite_vec() is not None

    assert await similar(agent_db, ada) == ["x:0"]
    assert agent_db.session.abilities.vectors == (way == "extension" and is_there)


async def test_every_way_finds_the_same(agent_db: Database, ada: User, way: str, monkeypatch: Any) -> None:
    """As sums without rounding have it, to a millionth and better, over several batches; equally near ones by id."""
    monkeypatch.setattr(_recall, "BATCH", 30)
    generator = random.Random(11)
    query, *embeddings = (embedding_of([generator.gauss() for _ in range(300)], "x") for _ in range(100))
    embeddings += embeddings[:20]
    for start in range(0, 120, 40):
        await store(agent_db, ada, *embeddings[start : start + 40])
    hits = await agent_db.knowledge.similar(query, user_id=ada.id, limit=50)
    with agent_db.use():
        ids = [vector.id for vector in await Vector.all().order_by("id")]
    expected = sorted(
        (
            -math.fsum(a * b for a, b in zip(query, one, strict=True)) / math.hypot(*query) / math.hypot(*one),
            id_,
        )
        for id_, one in zip(ids, embeddings, strict=True)
    )

    assert [hit.id for hit in hits] == [id_ for _, id_ in expected[:50]]
    assert [hit.similarity for hit in hits] == pytest.approx([-one for one, _ in expected[:50]], abs=1e-12)


async def test_limit_and_least_similarity(agent_db: Database, ada: User, way: str) -> None:
    """The least one is included."""
    await store(agent_db, ada, EAST, NORTH, WEST)

    assert await similar(agent_db, ada, limit=1) == ["x:0"]
    assert await similar(agent_db, ada, min_similarity=0) == ["x:0", "x:1"]
    assert await similar(agent_db, ada, min_similarity=1) == ["x:0"]
    assert await similar(agent_db, ada, [1.0, 0.1], min_similarity=1) == []


async def test_a_search_is_within_a_scope(agent_db: Database, ada: User, talk: Conversation, way: str) -> None:
    """An agent's, a conversation's, some resources', those of a time."""
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    agents = await store(agent_db, ada, EAST, name="agent", agent_id=1)
    talks = await store(agent_db, ada, EAST, name="talk", conversation_id=talk.id)
    plain = await store(agent_db, ada, EAST, name="plain")
    with agent_db.use():
        for number, one in enumerate((agents, talks, plain)):
            await Resource.filter(id=one.id).update(created_at=noon + timedelta(hours=number))

    for scope, names in (
        ({}, ["agent", "talk", "plain"]),
        ({"agent_id": 1}, ["agent"]),
        ({"agent_id": 2}, []),
        ({"conversation_id": talk.id}, ["talk"]),
        ({"resource_ids": [plain.id, agents.id, 10**9]}, ["agent", "plain"]),
        ({"resource_ids": []}, []),
        ({"since": noon + timedelta(hours=1)}, ["talk", "plain"]),
        ({"until": noon + timedelta(hours=1)}, ["agent"]),
    ):
        assert await similar(agent_db, ada, **scope) == [f"{name}:0" for name in names], scope
        hits = await agent_db.knowledge.search_chunks("chunk", user_id=ada.id, **scope)
        assert [hit.resource.name for hit in hits] == names[::-1], scope


async def test_others_find_nothing(agent_db: Database, ada: User, bob: User, talk: Conversation, way: str) -> None:
    """Whatever they name; nor is a resource found that belongs to nobody."""
    resource = await store(agent_db, ada, EAST, agent_id=1, conversation_id=talk.id)
    with agent_db.use():
        common = await Resource.create(name="common", agent_id=1)
        await Vector.create(resource_id=common.id, content="chunk", embedding=EAST)

    for user_id in (bob.id, 10**9):
        for scope in ({}, {"agent_id": 1}, {"conversation_id": talk.id}, {"resource_ids": [resource.id, common.id]}):
            assert await agent_db.knowledge.similar(EAST, user_id=user_id, **scope) == ()
            assert await agent_db.knowledge.search_chunks("chunk", user_id=user_id, **scope) == ()


async def test_a_deleted_conversation_is_not_found_until_restored(
    agent_db: Database, ada: User, talk: Conversation, way: str
) -> None:
    """What names it, and what only names a message of it."""
    message = await agent_db.conversations.append(talk.id, user_id=ada.id, role="user", content=[{"text": "x"}])
    await store(agent_db, ada, EAST, name="a", conversation_id=talk.id)
    old = await store(agent_db, ada, EAST, name="b", message_id=message.id)
    with agent_db.use():  # as the original package stored it
        await Resource.filter(id=old.id).update(conversation_id=None)

    async def found() -> tuple[list[str], int]:
        hits = await agent_db.knowledge.search_chunks("chunk", user_id=ada.id)
        return await similar(agent_db, ada), len(hits)

    assert await found() == (["a:0", "b:0"], 2)
    await agent_db.conversations.delete(talk.id, user_id=ada.id)
    assert await found() == ([], 0)
    await agent_db.conversations.restore(talk.id, user_id=ada.id)
    assert await found() == (["a:0", "b:0"], 2)
    await agent_db.conversations.delete(talk.id, user_id=ada.id)
    await agent_db.conversations.purge(talk.id, user_id=ada.id)
    assert await found() == ([], 0)


async def test_another_dimension_is_an_error_that_tells_both(agent_db: Database, ada: User, way: str) -> None:
    """Within the scope of the search; outside of it there may be others."""
    narrow = await store(agent_db, ada, EAST)
    wide = await store(agent_db, ada, [1.0, 0.0, 0.0])

    for scope in ({}, {"resource_ids": [wide.id]}):
        with pytest.raises(InvalidInputError, match=r"has 2 numbers, that of chunk \d+ has 3\b"):
            await similar(agent_db, ada, **scope)
    assert await similar(agent_db, ada, resource_ids=[narrow.id]) == ["x:0"]
    assert await similar(agent_db, ada, [1, 0, 0], resource_ids=[wide.id]) == ["x:0"]


async def test_what_is_no_embedding_is_left_out(agent_db: Database, ada: User, way: str) -> None:
    """Other programs may have stored a null, an object or a vector of zeros."""
    resource = await store(agent_db, ada, None, EAST)
    with agent_db.use():
        odd: Any
        for odd in ({}, "text", 5, [0.0, 0.0]):
            await Vector.create(resource_id=resource.id, order=9, content=None, embedding=odd)

    assert await similar(agent_db, ada) == ["x:1"]
    assert len(await agent_db.knowledge.search_chunks("chunk", user_id=ada.id)) == 2


async def test_a_search_in_a_transaction_sees_what_it_wrote(agent_db: Database, ada: User, way: str) -> None:
    """On the connection of that transaction, whichever extension it needs."""
    await store(agent_db, ada, EAST, name="before")
    with pytest.raises(ZeroDivisionError):
        async with agent_db.transaction():
            await store(agent_db, ada, NORTH, name="inside")
            assert await similar(agent_db, ada) == ["before:0", "inside:0"]
            raise ZeroDivisionError

    assert await similar(agent_db, ada) == ["before:0"]


async def test_chunks_are_found_by_their_words(agent_db: Database, ada: User) -> None:
    """By the rules of a search in messages: the least else first, then the newest."""
    texts = ("Straße und CAFÉ", "cafe strasse", "Cafe, Strasse!", "cafeteria", "東京都")
    await agent_db.knowledge.store(user_id=ada.id, name="x", chunks=[{"content": text} for text in texts])

    async def found(query: str, **values: Any) -> list[int | None]:
        return [hit.order for hit in await agent_db.knowledge.search_chunks(query, user_id=ada.id, **values)]

    assert await found("café STRASSE") == [2, 1, 0]
    assert await found("café STRASSE", limit=2) == [2, 1]
    assert await found("京東") == [4]
    assert await found("caf") == []
    (hit,) = await agent_db.knowledge.search_chunks("und", user_id=ada.id)
    assert (hit.rank, hit.similarity, hit.content) == (3 / len("strasse und cafe"), None, texts[0])


@pytest.mark.parametrize(
    "values",
    [
        {"embedding": []},
        {"embedding": None},
        {"embedding": [0, 0]},
        {"embedding": [float("nan"), 0]},
        {"embedding": [1.0] * 16_001},
        {"limit": 0},
        {"limit": 10**9},
        {"min_similarity": 1.1},
        {"min_similarity": float("nan")},
        {"min_similarity": True},
        {"user_id": None},
        {"agent_id": "1"},
        {"resource_ids": 1},
        {"resource_ids": ["1"]},
        {"resource_ids": [1] * 1001},
        {"since": datetime(2026, 1, 1)},  # noqa: DTZ001 - a naive one is the point
    ],
    ids=lambda values: repr(values)[:40],
)
async def test_bad_input_is_refused(agent_db: Database, ada: User, values: dict[str, Any]) -> None:
    """In the same words on every engine."""
    with pytest.raises(InvalidInputError):
        await agent_db.knowledge.similar(**{"embedding": EAST, "user_id": ada.id, **values})
    if not values.keys() & {"embedding", "min_similarity"}:
        with pytest.raises(InvalidInputError):
            await agent_db.knowledge.search_chunks(**{"query": "x", "user_id": ada.id, **values})


async def test_a_query_of_words_has_some(agent_db: Database, ada: User) -> None:
    """As in messages."""
    for query in ("", "?!", "x" * 1001):
        with pytest.raises(InvalidInputError):
            await agent_db.knowledge.search_chunks(query, user_id=ada.id)


async def test_searches_have_deadlines(agent_db: Database, ada: User) -> None:
    """For the whole call."""
    with pytest.raises(DeadlineError):
        await agent_db.knowledge.similar(EAST, user_id=ada.id, timeout=0.0)
    with pytest.raises(DeadlineError):
        await agent_db.knowledge.search_chunks("x", user_id=ada.id, timeout=0.0)
