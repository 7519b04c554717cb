"""Search in messages: what is found, in which order, and for whom."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentdb import Database, DeadlineError, InvalidInputError, UnsupportedError, connect
from agentdb import Message as MessageTable
from agentdb.engine import Abilities, word_table
from agentdb.models import SearchEntry, SearchMark
from agentdb.records import Conversation, MessageHit, User
from agentdb.services import _search
from agentdb.services._words import words_of
from agentdb.testing.handle import TemporaryDatabase

pytestmark = pytest.mark.agentdb(engine="both")

CORPUS = (
    "Hello, World!",
    "hello again, WORLD of words",
    "Straße CAFÉ naïve",
    "Strasse cafe\u0301 naive façade",
    "東京都に行く",
    "京東",
    "👍🏽 hello ☃",
    "it's 'quoted' \\ & | ! : * \"text\" -- ; DROP",
    "AND OR NOT NEAR user_1 user 1",
    "हिन्दी में",
    "x" * 100,
    "İstanbul ΣΊΣΥΦΟΣ",
    "...",
)

QUERIES = (
    *("hello", "HELLO world", "wor", "strasse", "STRASSE naïve", "cafe", "facade", "京", "東京", "都東", "quoted text"),
    *("drop & it", "and or", "not near", "user_1", "user", "हिन्दी", "x" * 100, "x" * 64, "x" * 63, "istanbul σισυφος"),
    *("'hello'", '"', "hello OR quoted", "hello*", "he%", "missing"),
)


@pytest.fixture
async def talk(agent_db: Database, ada: User) -> Conversation:
    """A conversation of Ada."""
    return await agent_db.conversations.start(user_id=ada.id, agent_id=1, title="A talk")


@pytest.fixture(params=["indexed", "scanned"])
def way(request: pytest.FixtureRequest, agent_db: Database, monkeypatch: pytest.MonkeyPatch) -> str:
    """With FTS5 on SQLite, and as where it was not compiled in."""
    if request.param == "scanned":
        monkeypatch.setattr(word_table, "MODULE", "missing")
    return str(request.param)


async def say(db: Database, talk: Conversation, *texts: str) -> list[int]:
    """The ids of messages with these texts."""
    messages = [{"role": "user", "content": [{"text": text}]} for text in texts]
    said = await db.conversations.append_many(talk.id, user_id=talk.user_id, messages=messages)
    return [message.id for message in said]


async def found(db: Database, query: str, user: User, **values: Any) -> list[int]:
    """The ids of the messages that a search finds."""
    return [hit.message_id for hit in await db.conversations.search(query, user_id=user.id, **values)]


def having(query: str, said: Iterable[tuple[int, str]]) -> set[int]:
    """By the contract: those that have all the words of the query."""
    return {id_ for id_, text in said if set(words_of(query)) <= set(words_of(text))}


async def test_a_hit_tells_what_was_said_where(agent_db: Database, ada: User, talk: Conversation) -> None:
    """Its texts, and not what else the message holds."""
    content: list[dict[str, Any]] = [{"text": "One fish"}, {"image": {"bytes": "fish"}}, {"text": "two fish"}]
    message = await agent_db.conversations.append(talk.id, user_id=ada.id, role="assistant", content=content)
    hits = await agent_db.conversations.search("FISH two", user_id=ada.id)

    assert hits == (
        MessageHit(
            message_id=message.id,
            conversation_id=talk.id,
            agent_id=1,
            title="A talk",
            role="assistant",
            texts=("One fish", "two fish"),
            rank=len("fish two") / len("one fish two"),
            created_at=message.created_at,
        ),
    )


async def test_hits_have_all_the_words(agent_db: Database, ada: User, talk: Conversation, way: str) -> None:
    """The same messages whether words are looked up or scanned, and on every engine."""
    said = list(zip(await say(agent_db, talk, *CORPUS), CORPUS, strict=True))

    for query in QUERIES:
        if words_of(query):
            assert set(await found(agent_db, query, ada)) == having(query, said), query
    assert agent_db.session.abilities.word_table == (
        way == "indexed" and agent_db.session.dialect.word_table is not None
    )


async def test_the_least_else_comes_first(agent_db: Database, ada: User, talk: Conversation, way: str) -> None:
    """Then the newest; the limit keeps the first."""
    long, first, second = await say(agent_db, talk, "tea and milk", "tea milk", "milk, tea! Tea")

    assert await found(agent_db, "milk tea", ada) == [second, first, long]
    assert await found(agent_db, "milk tea", ada, limit=2) == [second, first]
    assert [hit.rank for hit in await agent_db.conversations.search("tea milk", user_id=ada.id)] == [1, 1, 8 / 12]


async def test_a_search_can_be_narrowed(agent_db: Database, ada: User, talk: Conversation) -> None:
    """To an agent, and to times: from the first on, before the second."""
    other = await agent_db.conversations.start(user_id=ada.id)
    ids = [*await say(agent_db, talk, "tea"), *await say(agent_db, other, "tea")]
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with agent_db.use():
        for number, id_ in enumerate(ids):
            await MessageTable.filter(id=id_).update(created_at=noon + timedelta(hours=number))

    assert await found(agent_db, "tea", ada, agent_id=1) == ids[:1]
    assert await found(agent_db, "tea", ada, agent_id=2) == []
    assert await found(agent_db, "tea", ada, since=noon) == ids[::-1]
    assert await found(agent_db, "tea", ada, since=noon + timedelta(microseconds=1)) == ids[1:]
    assert await found(agent_db, "tea", ada, until=noon + timedelta(hours=1)) == ids[:1]
    assert await found(agent_db, "tea", ada, since=noon, until=noon) == []


async def test_others_find_nothing(agent_db: Database, ada: User, bob: User, talk: Conversation, way: str) -> None:
    """Nor does a user that does not exist."""
    await say(agent_db, talk, "secret")
    await found(agent_db, "secret", ada)

    assert await found(agent_db, "secret", bob) == []
    assert await agent_db.conversations.search("secret", user_id=10**9) == ()


async def test_a_deleted_conversation_is_not_found_until_restored(
    agent_db: Database, ada: User, talk: Conversation, way: str
) -> None:
    """Whether it was indexed before, or never."""
    conversations = agent_db.conversations
    unseen = await conversations.start(user_id=ada.id)
    ids = [*await say(agent_db, talk, "tea"), *await say(agent_db, unseen, "coffee")]
    before = await found(agent_db, "tea", ada)
    for one in (talk, unseen):
        await conversations.delete(one.id, user_id=ada.id)
    meanwhile = [*await found(agent_db, "tea", ada), *await found(agent_db, "coffee", ada)]
    for one in (talk, unseen):
        await conversations.restore(one.id, user_id=ada.id)

    assert (before, meanwhile) == (ids[:1], [])
    assert [*await found(agent_db, "tea", ada), *await found(agent_db, "coffee", ada)] == ids


async def test_a_purged_conversation_leaves_no_word(
    agent_db: Database, ada: User, talk: Conversation, way: str
) -> None:
    """Not in the index either, once somebody has searched again."""
    kept = await agent_db.conversations.start(user_id=ada.id)
    await say(agent_db, talk, "tea one", "tea two")
    (id_,) = await say(agent_db, kept, "tea three")
    await found(agent_db, "tea", ada)
    await agent_db.conversations.delete(talk.id, user_id=ada.id)
    await agent_db.conversations.purge(talk.id, user_id=ada.id)

    assert await found(agent_db, "tea", ada) == [id_]
    with agent_db.use():
        assert [one.message_id for one in await SearchEntry.all()] == [id_]
        assert [one.conversation_id for one in await SearchMark.all()] == [kept.id]
    if agent_db.session.abilities.word_table:
        matches = 'SELECT rowid FROM "agentdb_search_fts" WHERE "agentdb_search_fts" MATCH ?1'
        assert len(await agent_db.session.fetch(matches, ["tea"])) == 1
        assert await agent_db.session.fetch(matches, ["two"]) == []
        assert await agent_db.session.fetch('SELECT * FROM "agentdb_search_deleted"') == []


async def test_messages_of_another_shape_do_not_stop_a_search(
    agent_db: Database, ada: User, talk: Conversation
) -> None:
    """Other programs may have stored an object, a text, a number, or nothing."""
    with agent_db.use():
        for content in ({"text": "tea"}, "tea", 5, None, [{"text": 5}, "tea"], []):
            await MessageTable.create(conversation_id=talk.id, role="user", content=content)
    (id_,) = await say(agent_db, talk, "tea")

    assert await found(agent_db, "tea", ada) == [id_]


async def test_many_messages_are_indexed_in_batches(
    agent_db: Database, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each message once, wherever a batch ends."""
    monkeypatch.setattr(_search, "BATCH", 7)
    talks = [await agent_db.conversations.start(user_id=ada.id) for _ in range(5)]
    ids: list[int] = []
    for one, count in zip(talks, (1, 7, 2, 20, 6), strict=True):
        ids += await say(agent_db, one, *["tea"] * count)
    first = await found(agent_db, "tea", ada, limit=100)
    ids += await say(agent_db, talks[1], "tea")

    assert first == ids[-2::-1]
    assert await found(agent_db, "tea", ada, limit=100) == ids[::-1]
    with agent_db.use():
        marks = dict(await SearchMark.all().values_list("conversation_id", "message_id"))
        assert marks == {
            one.id: max(await MessageTable.filter(conversation_id=one.id).values_list("id", flat=True)) for one in talks
        }


async def test_a_second_search_indexes_nothing(
    agent_db: Database, ada: User, talk: Conversation, statements: list[str]
) -> None:
    """An append is indexed once; nothing is written when there is nothing new."""
    await say(agent_db, talk, "tea")
    await found(agent_db, "tea", ada)
    statements.clear()
    await found(agent_db, "tea", ada)

    assert statements
    assert all(sql.lstrip().startswith("SELECT") for sql in statements)


async def test_searches_find_what_was_appended_before_them(agent_db: TemporaryDatabase, ada: User) -> None:
    """While others append and search, also through another handle: each message is found at once, and indexed once."""
    talks = [await agent_db.conversations.start(user_id=ada.id) for _ in range(4)]

    async def chat(db: Database, name: str, talk: Conversation) -> list[int]:
        said: list[int] = []
        for number in range(12):
            said += await say(db, talk, f"{name} says tea{number}")
            assert set(await found(db, name, ada, limit=1000)) >= set(said)
        return said

    async with connect(agent_db.url, skip_sync=True, settings=agent_db.settings) as other:
        said = await asyncio.gather(
            *(
                chat(db, f"{name}{number}", talk)
                for number, talk in enumerate(talks)
                for name, db in (("ann", agent_db), ("ben", other))
            )
        )

    ids = sorted(id_ for one in said for id_ in one)
    assert sorted(await found(agent_db, "says", ada, limit=1000)) == ids
    with agent_db.use():
        assert sorted([one.message_id for one in await SearchEntry.all()]) == ids


async def test_a_search_in_a_transaction_sees_what_it_wrote(
    agent_db: Database, ada: User, talk: Conversation, way: str
) -> None:
    """What is rolled back is not indexed."""
    (kept,) = await say(agent_db, talk, "tea")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            async with agent_db.transaction():
                (gone,) = await say(agent_db, talk, "tea time")
                assert await found(agent_db, "tea", ada) == [kept, gone]
                raise ZeroDivisionError
        assert await found(agent_db, "tea", ada) == [kept]


async def test_indexes_of_words_are_no_drift(agent_db: Database, ada: User, talk: Conversation) -> None:
    """What the first search makes does not disturb a check of the schema."""
    await say(agent_db, talk, "tea")
    await found(agent_db, "tea", ada)

    assert (await agent_db.check()).is_clean


async def test_words_that_others_indexed_are_found(agent_db: Database, ada: User, talk: Conversation) -> None:
    """A copied database has entries that its own full-text index does not know yet; one may be gone again."""
    ids = await say(agent_db, talk, "tea", "tea too", "tea also")
    with agent_db.use():
        for id_ in ids:
            await SearchEntry.create(message_id=id_, user_id=ada.id, words=f"user_{ada.id} tea")
        await SearchMark.create(conversation_id=talk.id, message_id=ids[-1])
    first = await found(agent_db, "tea", ada)
    (new,) = await say(agent_db, talk, "tea at last")
    with agent_db.use():
        await SearchEntry.create(message_id=new, user_id=ada.id, words=f"user_{ada.id} tea")
        await SearchEntry.filter(message_id=new).delete()
        await MessageTable.filter(id=ids[0]).delete()

    assert first == ids[::-1]
    assert await found(agent_db, "tea", ada) == [ids[2], ids[1], new]


async def test_an_index_of_words_can_be_lost(agent_db: Database, ada: User, talk: Conversation) -> None:
    """A migration that makes the table of entries anew takes its trigger away: the next search begins again."""
    ids = await say(agent_db, talk, "tea", "tea too")
    await found(agent_db, "tea", ada)
    if agent_db.session.abilities.word_table:
        await agent_db.session.client.execute_script('DROP TRIGGER "agentdb_search_deletion"')
        with agent_db.use():
            await SearchEntry.filter(message_id=ids[0]).delete()
            await SearchEntry.create(message_id=ids[0], user_id=ada.id, words=f"user_{ada.id} tea")

    assert await found(agent_db, "tea", ada) == ids
    assert (await agent_db.check()).is_clean


async def test_a_downgrade_leaves_no_words_behind(agent_db: Database, ada: User, talk: Conversation) -> None:
    """The index of words is made at the first search and not by a migration; it holds what people said."""
    await say(agent_db, talk, "a secret word")
    await agent_db.conversations.search(user_id=ada.id, query="secret")
    catalogue = "sqlite_schema" if agent_db.session.dialect.name == "sqlite" else "pg_class"
    name = "name" if catalogue == "sqlite_schema" else "relname"
    named = f"SELECT {name} FROM {catalogue} WHERE {name} LIKE 'agentdb_search%'"
    assert await agent_db.session.fetch(named)

    await agent_db.downgrade("0001_initial")
    left = await agent_db.session.fetch(named)
    await agent_db.migrate()

    assert left == []


async def test_a_database_of_the_original_package_has_no_search(agent_db: Database, ada: User) -> None:
    """The error names what makes it able."""
    agent_db.session.abilities = Abilities(support_tables=False)

    with pytest.raises(UnsupportedError, match="agentdb adopt"):
        await agent_db.conversations.search("tea", user_id=ada.id)


@pytest.mark.parametrize(
    "values",
    [
        {"query": ""},
        {"query": "?!"},
        {"query": "a" * 1001},
        {"query": "a\x00"},
        {"query": "\ud800"},
        {"query": None},
        {"user_id": "1"},
        {"user_id": 2**63},
        {"agent_id": 1.5},
        {"limit": 0},
        {"limit": 10**9},
        {"since": datetime(2026, 1, 1)},  # noqa: DTZ001 - a naive one is the point
        {"until": "2026-01-01"},
    ],
    ids=repr,
)
async def test_bad_input_is_refused(agent_db: Database, ada: User, values: dict[str, Any]) -> None:
    """In the same words on every engine, before anything is indexed."""
    with pytest.raises(InvalidInputError):
        await agent_db.conversations.search(**{"query": "tea", "user_id": ada.id, **values})


async def test_a_search_has_a_deadline(agent_db: Database, ada: User, talk: Conversation) -> None:
    """What it has indexed until then stays indexed."""
    await say(agent_db, talk, "tea")
    with pytest.raises(DeadlineError):
        await agent_db.conversations.search("tea", user_id=ada.id, timeout=0.0)

    assert len(await agent_db.conversations.search("tea", user_id=ada.id, timeout=60)) == 1


async def test_a_plan_begins_with_the_words(agent_db: Database, ada: User, talk: Conversation) -> None:
    """Not with all the messages of a user, where the engine has an index of words."""
    await say(agent_db, talk, "tea")
    await found(agent_db, "tea", ada)
    query = _search._STATEMENTS.query(
        agent_db.session,
        "found",
        user_id=ada.id,
        words=f"user_{ada.id} tea",
        agent_id=None,
        since=None,
        until=None,
        limit=20,
    )
    how = {"sqlite": "EXPLAIN QUERY PLAN", "postgres": "EXPLAIN"}[agent_db.session.dialect.name]
    if agent_db.session.dialect.name == "postgres":
        await agent_db.session.client.execute_script(FILL)
    plan = " ".join(str(dict(row)) for row in await agent_db.session.fetch(f"{how} {query.sql}", query.values))

    assert "agentdb_search_words_idx" in plan or "SCAN f VIRTUAL TABLE INDEX 0:M1" in plan, plan


FILL = """
INSERT INTO "Message" ("conversationID") SELECT 1 FROM generate_series(1, 5000);
INSERT INTO "agentdb_search" ("messageID", "userID", "words")
SELECT m."id", c."userID", 'word' || m."id" FROM "Message" m, "Conversation" c WHERE m."content" IS NULL;
ANALYZE;
"""
