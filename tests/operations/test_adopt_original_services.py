"""The original's services go on working on an adopted database, beside ours.

Their statements are sent as their driver does: every column is named, `default` stands for what is left out, and a
value is a text whose type the server finds, which here is a literal in quotes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

import agentdb
from agentdb.database import look
from tests.lifecycle.places import Place, Places, configured
from tests.operations.originals import SOUND, make_original


@pytest.fixture
async def place(server_places: Places) -> Place:
    """An adopted database, with its secrets as they were."""
    place = server_places.empty()
    await make_original(place, SOUND)
    async with await look(place.url, settings=configured()) as db:
        await db.adopt(apply=True)
    return place


@pytest.fixture
async def theirs(place: Place) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the original's services."""
    connection = await asyncpg.connect(place.url)
    yield connection
    await connection.close()


async def told(connection: asyncpg.Connection, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a statement."""
    return [tuple(row) for row in await connection.fetch(sql)]


async def test_a_call_is_recorded_and_charged(theirs: asyncpg.Connection) -> None:
    """Read user and model, insert the usage, write the balance as a double."""
    user = await told(theirs, 'SELECT "id", "budget", "remaining" FROM "User" WHERE "id" = \'2\' LIMIT 1')
    usage = await told(
        theirs,
        """
        INSERT INTO "Usage" ("id", "userID", "modelID", "type", "agentID", "messageID", "inputTokens", "outputTokens",
            "cacheReadTokens", "cacheWriteTokens", "cost", "createdAt", "updatedAt")
        VALUES (default, '2', '1', default, default, default, '12', '90', '0', '0', '0.0013859999999999999',
            default, default)
        RETURNING "id", "inputTokens", "cost", "requestId"
        """,
    )
    await theirs.execute(
        """
        UPDATE "User" SET "remaining" = '4.2486139999999999', "updatedAt" = '2026-03-01T10:00:00.000Z'
        WHERE "id" = '2'
        """
    )

    assert user == [(2, 5, Decimal("4.25"))]
    assert usage == [(2, 12, Decimal("0.001386"), None)]
    assert await told(theirs, 'SELECT "remaining"::text FROM "User" WHERE "id" = 2') == [("4.2486140000",)]
    assert await told(theirs, 'SELECT sum("cost") FROM "Usage"') == [(Decimal("0.002772"),)]


async def test_a_conversation_is_held(place: Place, theirs: asyncpg.Connection) -> None:
    """They begin it, ours answers, they read all of it and take it away."""
    talk = await theirs.fetchval(
        """
        INSERT INTO "Conversation" ("id", "userID", "agentID", "title", "deleted", "deletedAt", "summaryMessageID",
            "createdAt", "updatedAt")
        VALUES (default, '2', '1', '', default, default, default, default, default) RETURNING "id"
        """
    )
    message = await theirs.fetchrow(
        f"""
        INSERT INTO "Message" ("id", "conversationID", "parentID", "role", "content", "createdAt", "updatedAt")
        VALUES (default, '{talk}', null, 'user', '[{{"text":"Hello"}}]', default, default) RETURNING *
        """
    )
    async with agentdb.connect(place.url, skip_sync=True, settings=configured(secrets="plain")) as db:
        history = await db.conversations.history(talk, user_id=2)
        answer = await db.conversations.append(
            talk, user_id=2, role="assistant", content=[{"text": "Hi"}], parent_id=message["id"]
        )
    texts = await told(
        theirs,
        f"""
        SELECT "id", "content" -> 0 ->> 'text', "content" #>> '{{0,text}}' FROM "Message"
        WHERE "conversationID" = '{talk}' ORDER BY "createdAt", "id"
        """,
    )
    await theirs.execute(
        f"""
        UPDATE "Conversation" SET "deleted" = 'true', "deletedAt" = now() WHERE "id" = '{talk}' AND "userID" = '2'
        """
    )

    assert [(one.id, one.content) for one in history.items] == [(message["id"], [{"text": "Hello"}])]
    assert (message["requestId"], message["requestIndex"]) == (None, None)
    assert texts == [(message["id"], "Hello", "Hello"), (answer.id, "Hi", "Hi")]
    async with agentdb.connect(place.url, skip_sync=True, settings=configured(secrets="plain")) as db:
        with pytest.raises(agentdb.NotFoundError):
            await db.conversations.history(talk, user_id=2)


async def test_agents_tools_and_knowledge_are_written(place: Place, theirs: asyncpg.Connection) -> None:
    """Tools replaced, vectors stored, an agent and a tool deleted with what hangs on them."""
    await theirs.execute(
        """
        INSERT INTO "Agent" ("id", "userID", "name", "modelParameters")
            VALUES ('50', '2', 'New', '{"temperature":0.1}');
        INSERT INTO "Tool" ("id", "name", "type") VALUES ('50', 'extra', 'user');
        DELETE FROM "AgentTool" WHERE "agentID" = '50';
        INSERT INTO "AgentTool" ("id", "toolID", "agentID") VALUES (default, '1', '50'), (default, '50', '50');
        INSERT INTO "Resource" ("id", "agentID", "messageID", "name", "type", "content", "s3Uri", "metadata")
            VALUES ('50', '50', null, 'a.txt', 'text', 'A', default, '{}');
        INSERT INTO "Vector" ("id", "conversationID", "resourceID", "toolID", "order", "content", "embedding")
            VALUES (default, null, '50', null, '0', 'A', '[0.5,-1]'), (default, null, null, '50', '1', 'B', '[1,0]');
        """
    )
    embeddings = await told(theirs, 'SELECT "embedding" ->> 1 FROM "Vector" ORDER BY "order"')
    await theirs.execute(
        """
        DELETE FROM "Vector" WHERE "toolID" = '50';
        DELETE FROM "Tool" WHERE "id" = '50';
        DELETE FROM "Agent" WHERE "id" = '50' AND "userID" = '2';
        """
    )
    async with await look(place.url, settings=configured()) as db:
        found = await db.check()

    assert embeddings == [("-1",), ("0",)]
    assert await told(theirs, 'SELECT "toolID" FROM "AgentTool" WHERE "agentID" = 50') == []
    assert await told(theirs, 'SELECT "agentID" FROM "Resource" WHERE "id" = 50') == [(None,)]
    assert found.is_clean


async def test_a_start_seeds_and_resets_sequences(theirs: asyncpg.Connection) -> None:
    """Its own migrations are noted as before, its seeds overwrite by id, its session store is as it was."""
    await theirs.execute(
        """
        INSERT INTO "Role" ("id", "name", "displayOrder", "createdAt", "updatedAt")
        VALUES ('1', 'admin', '2', now(), now()), ('2', 'super user', '1', now(), now())
        ON CONFLICT ("id") DO UPDATE SET "name" = excluded."name", "displayOrder" = excluded."displayOrder";
        INSERT INTO "AgentTool" ("id", "agentID", "toolID") VALUES ('1', '1', '1')
        ON CONFLICT ("id") DO UPDATE SET "agentID" = excluded."agentID", "toolID" = excluded."toolID";
        SELECT setval(pg_get_serial_sequence('"Role"', 'id'), (SELECT COALESCE(max("id"), 0) + 1 FROM "Role"), false);
        INSERT INTO "session" ("sid", "sess", "expire") VALUES ('s', '{"userID":1}', now() + interval '30 minutes')
        ON CONFLICT ("sid") DO UPDATE SET "sess" = excluded."sess";
        """
    )
    role = await theirs.fetchval("""INSERT INTO "Role" ("id", "name") VALUES (default, 'new') RETURNING "id" """)

    assert role == 4
    assert await told(theirs, 'SELECT "name" FROM "Role" ORDER BY "id"') == [
        ("admin",),
        ("super user",),
        ("user",),
        ("new",),
    ]
    assert await told(theirs, 'SELECT "hash" FROM "drizzle"."__drizzle_migrations"') == [("h",)]
    assert await told(theirs, """SELECT "sess" ->> 'userID' FROM "session" WHERE "expire" >= now()""") == [("1",)]


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("""INSERT INTO "User" ("email") VALUES ('ada@example.org')""", asyncpg.UniqueViolationError),
        ("""INSERT INTO "Message" ("conversationID") VALUES ('999')""", asyncpg.ForeignKeyViolationError),
        ("""INSERT INTO "Conversation" ("title") VALUES ('')""", asyncpg.NotNullViolationError),
        ("""UPDATE "Usage" SET "inputTokens" = '1.5'""", asyncpg.InvalidTextRepresentationError),
        ("""SELECT json_array_length("content") FROM "Message\"""", asyncpg.UndefinedFunctionError),
    ],
)
async def test_what_they_can_do_no_more(
    theirs: asyncpg.Connection, statement: str, refusal: type[asyncpg.PostgresError]
) -> None:
    """What the documentation says of it."""
    with pytest.raises(refusal):
        await theirs.execute(statement)
