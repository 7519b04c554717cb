"""Attaching to a database that the original package made: the same calls, the same answers, nothing changed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import asyncpg
import pytest

import agentdb
from agentdb import TABLES, ConfigurationError, SchemaError, UnsupportedError
from agentdb.engine import Abilities
from tests.lifecycle.places import Place, Places, configured

COLUMNS = {
    "User": "email text, firstName text, lastName text, status text, roleID integer, apiKey text, "
    "budget double precision, remaining double precision",
    "Role": "name text, displayOrder integer",
    "Policy": "name text, resource text, action text",
    "RolePolicy": "roleID integer, policyID integer",
    "Provider": "name text, apiKey text, endpoint text",
    "Model": "providerID integer, name text, internalName text, type text, description text, maxContext integer, "
    "maxOutput integer, maxReasoning integer, cost1kInput double precision, cost1kOutput double precision, "
    "cost1kCacheRead double precision, cost1kCacheWrite double precision, defaultParameters json",
    "Usage": "userID integer, modelID integer, type text, agentID integer, messageID integer, "
    "inputTokens double precision, outputTokens double precision, cacheReadTokens double precision, "
    "cacheWriteTokens double precision, cost double precision",
    "Prompt": "name text, version integer, content text",
    "Agent": "userID integer, modelID integer, name text, description text, promptID integer, modelParameters json",
    "Tool": "name text, description text, type text, authenticationType text, endpoint text, transportType text, "
    "customConfig json",
    "Conversation": "userID integer, agentID integer, title text, deleted boolean DEFAULT false, "
    "deletedAt timestamptz, summaryMessageID integer DEFAULT 0",
    "Message": "conversationID integer, parentID integer, role text, content json",
    "Resource": "agentID integer, messageID integer, name text, type text, content text, s3Uri text, metadata json",
    "Vector": "conversationID integer, resourceID integer, toolID integer, order integer, content text, embedding json",
    "UserAgent": "userID integer, agentID integer, role text",
    "UserTool": "userID integer, toolID integer, credential json",
    "AgentTool": "toolID integer, agentID integer",
}
INDEXES = {
    "User": ("email", "roleID"),
    "Role": ("displayOrder",),
    "RolePolicy": ("*roleID policyID",),
    "Model": ("internalName", "providerID"),
    "Usage": ("createdAt", "modelID", "userID createdAt", "userID"),
    "Prompt": ("name", "*name version"),
    "Agent": ("modelID", "promptID", "userID"),
    "Conversation": ("agentID", "deleted", "userID createdAt"),
    "Message": ("conversationID createdAt", "conversationID"),
    "Resource": ("agentID", "messageID"),
    "Vector": ("conversationID", "resourceID order", "toolID"),
    "UserAgent": ("*userID agentID",),
    "UserTool": ("*userID toolID",),
    "AgentTool": ("*toolID agentID",),
}


def original_ddl() -> str:
    """What the original package's migrations make; a unique index is marked by a star."""
    statements = [
        'CREATE TABLE "session" ("sid" varchar PRIMARY KEY, "sess" json NOT NULL, "expire" timestamp(6) NOT NULL)',
        'CREATE INDEX "IDX_session_expire" ON "session" ("expire")',
        'CREATE SCHEMA "drizzle"',
        'CREATE TABLE "drizzle"."__drizzle_migrations" ("id" serial PRIMARY KEY, "hash" text, "created_at" bigint)',
    ]
    for table, columns in COLUMNS.items():
        pairs = [column.split(" ", 1) for column in columns.split(", ")]
        own = ", ".join(f'"{name}" {kind}' for name, kind in pairs)
        times = '"createdAt" timestamptz DEFAULT now(), "updatedAt" timestamptz DEFAULT now()'
        statements.append(f'CREATE TABLE "{table}" ("id" serial PRIMARY KEY, {own}, {times})')
    for table, indexes in INDEXES.items():
        for index in indexes:
            names = index.removeprefix("*").split()
            unique, columns = "UNIQUE " * index.startswith("*"), ", ".join(f'"{name}"' for name in names)
            statements.append(f'CREATE {unique}INDEX "{table}_{"_".join(names)}_idx" ON "{table}" ({columns})')
    return ";\n".join(statements)


@pytest.fixture
def own_place(server_places: Places) -> Place:
    """Our own schema with the packaged seeds."""
    return server_places.ready()


@pytest.fixture
async def original_place(server_places: Places, own_place: Place) -> Place:
    """The original's schema with the same seeds, and one user whose key is stored as it is."""
    place = server_places.empty()
    connection = await asyncpg.connect(place.url)
    await connection.execute(original_ddl())
    for table, rows in (await own_place.contents()).items():
        for row in rows if table in TABLES else []:
            names = ", ".join(f'"{name}"' for name in row)
            marks = ", ".join(f"${at}" for at in range(1, len(row) + 1))
            values = [float(value) if isinstance(value, Decimal) else value for value in row.values()]
            await connection.execute(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', *values)
        if table in TABLES:
            await connection.execute(f'SELECT setval(\'"{table}_id_seq"\', (SELECT max(id) + 1 FROM "{table}"), false)')
    await connection.close()
    return place


def attached(place: Place) -> agentdb.Connector:
    """Open a database of the original package."""
    return agentdb.connect(place.url, skip_sync=True, schema="original", settings=configured())


async def test_attaching_checks_no_version(original_place: Place) -> None:
    """What the database lacks is known, and nothing in it is changed."""
    before = await original_place.contents()
    async with attached(original_place) as db:
        abilities, started = db.session.abilities, db.started
        status = await db.status()

    assert abilities == Abilities(request_ids=False, unique_identity=False, support_tables=False, resource_owners=False)
    assert started is None
    assert (status.engine, status.schema_version, status.is_ready) == ("PostgreSQL", None, False)
    assert await original_place.contents() == before


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ('ALTER TABLE "Model" DROP COLUMN "cost1kInput"', r"1 columns.*Model\.cost1kInput"),
        ('DROP TABLE "Provider"', r"6 columns.*Provider\.apiKey"),
        ('ALTER TABLE "User" RENAME TO "user"', r"11 columns.*User\."),
    ],
)
async def test_what_is_missing_is_named(original_place: Place, change: str, missing: str) -> None:
    """A table or column of the seventeen that is not there."""
    await original_place.rows(change)

    with pytest.raises(SchemaError, match=missing):
        await attached(original_place)


async def test_an_empty_database_is_not_the_originals(server_places: Places) -> None:
    """Nor is one of another application."""
    with pytest.raises(SchemaError, match="no database of the original package"):
        await attached(server_places.empty())


async def test_our_own_schema_has_every_ability(own_place: Place) -> None:
    """Attached to in the same way, for instance after it was adopted."""
    async with attached(own_place) as db:
        assert db.session.abilities == Abilities()


async def test_it_is_only_attached_to(original_place: Place) -> None:
    """Starting it would migrate a schema that is not ours."""
    with pytest.raises(ConfigurationError, match="skip_sync=True"):
        await agentdb.connect(original_place.url, schema="original", settings=configured())


@pytest.mark.agentdb(engine="sqlite")
async def test_the_original_never_ran_on_sqlite(ready_place: Place) -> None:
    """The error names the kind of URL that would do."""
    with pytest.raises(UnsupportedError, match="postgresql://"):
        await attached(ready_place)


async def one_turn(db: agentdb.Database, user_id: int) -> dict[str, Any]:
    """Every call of a service, with its result as plain data."""
    by_email = await db.access.login(email=" A@Example.org ")
    new = await db.access.login(email="new@example.org", first_name="New")
    agent = await db.agents.resolve("Standard Chat", user_id=user_id)
    by_id = await db.agents.resolve(agent.id, user_id=user_id)
    talk = await db.conversations.start(user_id=user_id, agent_id=agent.id, title="A talk")
    said = await db.conversations.append(talk.id, user_id=user_id, role="user", content=[{"text": "Hello 🌍"}])
    answer = await db.conversations.append(
        talk.id,
        user_id=user_id,
        role="assistant",
        content=[{"toolUse": {"toolUseId": "1", "name": "search", "input": {"n": 1.5, "deep": [None, True]}}}],
        parent_id=said.id,
        expected_parent=said.id,
    )
    history = await db.conversations.history(talk.id, user_id=user_id, limit=1)
    older = await db.conversations.history(talk.id, user_id=user_id, limit=1, cursor=history.next_cursor)
    charges = [
        await db.usage.record(
            user_id=user_id,
            model=agent.model.internal_name,
            input_tokens=1,
            output_tokens=7,
            cache_read_tokens=3,
            type="chat",
            agent_id=agent.id,
            message_id=answer.id,
            enforce_budget=enforce_budget,
        )
        for enforce_budget in (False, True)
    ]
    return {
        "logins": [plain(by_email), plain(new)],
        "agents": [plain(agent), plain(by_id)],
        "model": plain(await db.catalog.model("mock-model")),
        "models": [plain(model) for model in await db.catalog.models()],
        "talk": plain(talk),
        "messages": [plain(message) for message in (said, answer, *history.items, *older.items)],
        "charges": [plain(charge) for charge in charges],
        "remaining": await db.usage.remaining(user_id),
    }


def plain(record: Any) -> Any:
    """A record without its times."""
    found = record.model_dump() if hasattr(record, "model_dump") else record
    if isinstance(found, dict):
        return {name: plain(value) for name, value in found.items() if name not in ("created_at", "updated_at")}
    return tuple(map(plain, found)) if isinstance(found, (list, tuple)) else found


async def test_every_call_answers_as_on_our_own_schema(original_place: Place, own_place: Place) -> None:
    """Users, catalog, agents, conversations, usage: equal values of equal types."""
    found = []
    ours_opened = agentdb.connect(own_place.url, skip_sync=True, settings=configured(secrets="plain"))
    for connector in (attached(original_place), ours_opened):
        async with connector as opened:
            user = await opened.access.create_user(
                email="A@example.org", first_name="A", budget=Decimal("0.3"), with_api_key=True
            )
            assert user.api_key is not None
            identity = await opened.access.authenticate(user.api_key)
            results = await one_turn(opened, user.id)
            found.append({"identity": plain(identity), **results})
    theirs, ours = found

    assert theirs == ours
    assert types_of(theirs) == types_of(ours)


def types_of(value: Any) -> Any:
    """The same shape with types for values."""
    if isinstance(value, dict):
        return {name: types_of(item) for name, item in value.items()}
    return tuple(map(types_of, value)) if isinstance(value, (list, tuple)) else type(value)


async def test_a_key_that_the_original_stored_still_works(original_place: Place) -> None:
    """Keys are plain text there, old and new ones."""
    await original_place.rows(
        """
        INSERT INTO "User" ("email", "status", "roleID", "apiKey") VALUES ('a@example.org', 'active', 1, 'rsk_old')
        """
    )
    async with attached(original_place) as db:
        identity = await db.access.authenticate("rsk_old")
        created = await db.access.create_user(email="b@example.org", with_api_key=True)
        with pytest.raises(agentdb.AuthenticationError):
            await db.access.authenticate("rsk_other")

    assert (identity.email, identity.role and identity.role.name) == ("a@example.org", "admin")
    assert identity.allows("anything", "whatever")
    assert created.api_key is not None
    assert await original_place.rows('SELECT "apiKey" FROM "User" ORDER BY "id"') == [
        ("rsk_old",),
        (created.api_key.reveal(),),
    ]


async def test_an_address_that_is_stored_as_it_was_typed_is_found(original_place: Place) -> None:
    """The original folded no case; a second user of the same address is still refused."""
    await original_place.rows("""INSERT INTO "User" ("email", "status") VALUES ('Ann@Example.org', 'active')""")
    async with attached(original_place) as db:
        user = await db.access.login(email="Ann@Example.org")
        with pytest.raises(agentdb.ConflictError):
            await db.access.create_user(email="Ann@Example.org")

    assert user.email == "Ann@Example.org"
    assert await original_place.rows('SELECT count(*) FROM "User"') == [(1,)]


async def test_money_is_rounded_to_ten_decimals(original_place: Place) -> None:
    """Binary fractions go no further than the database."""
    async with attached(original_place) as db:
        user = await db.access.create_user(email="a@example.org", budget=Decimal(1))
        with db.use():
            await agentdb.Model.filter(internal_name="mock-model").update(cost1k_input=Decimal("0.1"))
        charges = [await db.usage.record(user_id=user.id, model="mock-model", input_tokens=1000) for _ in range(3)]
        remaining = await db.usage.remaining(user.id)
    stored = await original_place.rows('SELECT "remaining" FROM "User"')

    assert [charge.remaining for charge in charges] == [Decimal("0.9"), Decimal("0.8"), Decimal("0.7")]
    assert [charge.cost_usd for charge in charges] == [Decimal("0.1")] * 3
    assert (remaining, str(remaining)) == (Decimal("0.7"), "0.7000000000")
    assert isinstance(stored[0][0], float)


async def test_no_summary_is_zero_there(original_place: Place) -> None:
    """A conversation that the original made has a summary message 0, which is none."""
    async with attached(original_place) as db:
        user = await db.access.create_user(email="a@example.org")
        await original_place.rows('INSERT INTO "Conversation" ("userID", "title") VALUES ($1, $2)', user.id, "Theirs")
        stored = await original_place.rows('SELECT "id", "summaryMessageID" FROM "Conversation"')
        with db.use():
            theirs = await agentdb.Conversation.get(title="Theirs")
        ours = await db.conversations.start(user_id=user.id)
        message = await db.conversations.append(theirs.id, user_id=user.id, role="user", content=[{"text": "Hello"}])

    assert stored == [(theirs.id, 0)]
    assert agentdb.records.Conversation.model_validate(theirs.to_dict()).summary_message_id is None
    assert ours.summary_message_id is None
    assert message.conversation_id == theirs.id


async def test_a_call_that_needs_more_names_the_way_out(original_place: Place) -> None:
    """A request_id has no place there; nothing is written."""
    async with attached(original_place) as db:
        user = await db.access.create_user(email="a@example.org", budget=Decimal(1))
        talk = await db.conversations.start(user_id=user.id)
        before = await original_place.contents()
        for call in (
            db.conversations.start(user_id=user.id, request_id="r"),
            db.conversations.append(talk.id, user_id=user.id, role="user", content=[{"text": "Hi"}], request_id="r"),
            db.usage.record(user_id=user.id, model="mock-model", input_tokens=1, request_id="r"),
        ):
            with pytest.raises(UnsupportedError, match="agentdb adopt"):
                await call

    assert await original_place.contents() == before
