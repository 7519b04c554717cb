"""A service does what the ownership matrix gives it, and is refused everything else before it is sent."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import agentdb
from agentdb import AccessDeniedError, Agent, ConfigurationError, Database, Message, Provider, Usage, User
from agentdb.engine import Dialect
from agentdb.engine.accesses import accesses
from agentdb.models.names import TABLE_NAMES
from agentdb.operations.ownership import read_ownership
from agentdb.services.writes import WRITES, WRITES_WITH
from agentdb.testing.factory import DatabaseFactory
from tests.faults.calls import NAMES
from tests.operations.serving import GATES, SERVICES, WAYS, Way, Workspace, refusal, served, serving
from tests.services.bad_calls import CALLS, SUMMARY
from tests.services.both_engines import furnished
from tests.services.conftest import statements

__all__ = ["statements"]

DOCS = Path(__file__).parents[2] / "docs" / "operations.md"
PACKAGED = Path(__file__).parents[2] / "agentdb" / "operations" / "ownership.toml"
MODEL = "us.anthropic.claude-sonnet-4-6"
HELLO = [{"text": "Hello"}]
THE_OWNER = "the owner of the database"

through_every_gate = pytest.mark.parametrize("way", GATES, ids=str)
in_every_way = pytest.mark.parametrize("way", WAYS, ids=str)


def documented() -> dict[str, set[str]]:
    """The services of each call, as the documentation lists them."""
    table = DOCS.read_text().split("<!-- ownership -->")[1].split("<!-- end of ownership -->")[0]
    found = {}
    for line in table.strip().splitlines()[2:]:
        _, services, calls, _ = line.split("|")
        for call in re.findall(r"`([\w.]+)`", calls):
            found[call] = {name.strip() for name in services.split(",")} - {THE_OWNER}
    return found


@in_every_way
async def test_a_call_works_for_those_whose_it_is_and_nobody_else(agent_db_factory: DatabaseFactory, way: Way) -> None:
    """Every public call as every service: by the gate, by the rights of roles, and by both."""
    async with serving(agent_db_factory, way) as workspace:
        found = await served(workspace)

    assert found == documented()
    assert found.keys() == set(NAMES)


@through_every_gate
async def test_nothing_is_sent_of_a_call_that_is_refused(
    agent_db_factory: DatabaseFactory, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even what the call would have read first."""
    async with serving(agent_db_factory, way) as workspace:
        sent: list[Sequence[Any]] = []
        dialect = type(workspace.owner.session.dialect)
        encode = dialect.encode

        def spy(self: Dialect, values: Sequence[Any]) -> list[Any]:
            sent.append(values)
            return encode(self, values)

        monkeypatch.setattr(dialect, "encode", spy)
        for service, db in workspace.services.items():
            for name in NAMES:
                domain, verb = name.split(".")
                if service not in documented()[name]:
                    with pytest.raises(AccessDeniedError) as caught:
                        await getattr(getattr(db, domain), verb)(**CALLS[name].fine(workspace.world))

                    assert (sent, caught.value.service) == ([], service), name
                    assert caught.value.tables, name


@through_every_gate
async def test_a_turn_with_usage_is_nobodys(agent_db_factory: DatabaseFactory, way: Way) -> None:
    """It writes for two services at once; without usage it is the one's who keeps what was said."""
    async with serving(agent_db_factory, way) as workspace:
        turn = {**CALLS["conversations.finish_turn"].fine(workspace.world), "usage": [{"model": MODEL}]}
        refusals = {name: await refusal(db, "conversations.finish_turn", turn) for name, db in services_of(workspace)}

    told = {name: (error.tables, error.owners) for name, error in refusals.items() if error is not None}
    assert told["cms"] == (("Usage", "User"), ("gateway", "server"))
    assert told.keys() == set(SERVICES)


async def test_the_error_tells_who_what_and_whose(agent_db_factory: DatabaseFactory) -> None:
    """As text and as attributes."""
    async with serving(agent_db_factory, Way("sqlite")) as workspace:
        of_call = await refusal(workspace.services["gateway"], "agents.create", {"user_id": 1, "name": "Mine"})
        of_seed = await refusal(workspace.services["cms"], "catalog.create_provider", {"name": "new"})
        of_text = await denied(workspace.services["server"], 'DELETE FROM "Usage"')

    assert of_call is not None
    assert of_seed is not None
    assert str(of_call) == (
        "The service 'gateway' may not call agents.create: Agent, AgentTool are written by cms. It was not sent. "
        "Let the owner do it, or change the ownership (AGENTDB_OWNERSHIP)."
    )
    assert str(of_call) in DOCS.read_text()
    assert (of_call.verb, of_call.tables, of_call.owners) == ("agents.create", ("Agent", "AgentTool"), ("cms",))
    assert (of_seed.tables, of_seed.owners) == (("Provider",), ())
    assert "Provider is written by the owner of the database alone" in str(of_seed)
    assert (of_text.service, of_text.verb, of_text.tables) == ("server", "DELETE", ("Usage",))


@in_every_way
async def test_tortoise_and_raw_statements_are_refused_alike(agent_db_factory: DatabaseFactory, way: Way) -> None:
    """What the services of agentdb do not do, a program may try itself."""
    async with serving(agent_db_factory, way) as workspace:
        gateway, cms = workspace.services["gateway"], workspace.services["cms"]
        talk_id = workspace.world.talk_id
        with gateway.use():
            await refused(Agent.create(name="Mine"))
            await refused(Agent.bulk_create([Agent(name="Mine"), Agent(name="Mine too")]))
            await refused(Message.filter(conversation_id=talk_id).delete())
            await refused(Message.filter(conversation_id=talk_id).first())
            await refused(User.filter(id=1).update(email="a@example.org"))
            await User.filter(id=1).update(remaining=1)
            await Usage.filter(id=1).update(type="chat")
            assert len(await Provider.all()) > 0
        with cms.use():
            await refused(Provider.all())
            await refused(Provider.filter(api_key="x").values("id"))
            await refused(User.filter(id=1).update(remaining=1))
            await refused(User.filter(id=1).delete())
            assert len(await Provider.all().values("id", "name")) > 0
            assert await Message.filter(conversation_id=talk_id).update(parent_id=None) > 0
        for sql in (
            'SELECT "content" FROM "Message"',
            'INSERT INTO "Policy" ("name") VALUES (\'p\')',
            'WITH gone AS (DELETE FROM "User" RETURNING "id") SELECT * FROM gone',
            'SELECT p."apiKey" FROM "Provider" p; DROP TABLE "Usage"',
            'TRUNCATE "Usage"',
        ):
            await denied(gateway, sql)
        await denied(cms, 'SELECT p."apiKey" FROM "Provider" p')
        await gateway.session.fetch('SELECT "apiKey" FROM "Provider"')


@through_every_gate
async def test_the_owners_verbs_show_no_service_what_it_may_not_read(
    agent_db_factory: DatabaseFactory, way: Way, tmp_path: Path
) -> None:
    """Nor does one state of the database, from which backups are made."""
    async with serving(agent_db_factory, way) as workspace:
        for name, db in services_of(workspace):
            file = tmp_path / name
            with pytest.raises(AccessDeniedError):
                await db.export_user(workspace.world.user_id, file)
            with pytest.raises(AccessDeniedError):
                await db.backup(file)
            with pytest.raises(AccessDeniedError):
                await db.erase_user(workspace.world.user_id)
            assert not file.exists()
        async with workspace.services["gateway"].session.client.snapshot() as snapshot:
            await snapshot.rows('SELECT "apiKey" FROM "Provider"')
            with pytest.raises(AccessDeniedError):
                await snapshot.rows('SELECT "content" FROM "Message"')


_REFUSED = (
    'SELECT content FROM "Message"',
    'SELECT "id", content FROM "Message" m WHERE "id" = 1',
    'SELECT m FROM "Message" m',
    'SELECT to_jsonb("Message") FROM "Message"',
    'SELECT (m).* FROM "Message" m',
    'SELECT "content" FROM "Usage" u JOIN "Message" m ON u."messageID" = m."id"',
    'SELECT m."content" FROM ("Message" m JOIN "Usage" u ON TRUE)',
    'SELECT DISTINCT ON (1) "content" FROM "Message"',
    'SELECT 1 AS "content" FROM "Message" WHERE "content" IS NOT NULL',
    'SELECT "public"."Message"."content" FROM "public"."Message"',
    'INSERT INTO "Usage" ("type") SELECT "content" FROM "Message"',
    'INSERT INTO "Usage" ("type") VALUES (1) RETURNING (SELECT "content" FROM "Message")',
    'SELECT "id" FROM "Message" UNION TABLE "Prompt"',
    'WITH all_of_it AS (TABLE "Message") SELECT 1 FROM all_of_it',
    'SELECT * INTO copies FROM "Usage"',
    "DELETE FROM 'User'",
    'UPDATE "User" SET "remaining" = (SELECT 1), email = 2',
    'EXPLAIN ANALYZE DELETE FROM "User"',
)
_ALLOWED = (
    'SELECT COUNT("id") "title" FROM "Conversation" GROUP BY "userID" ORDER BY "title"',
    'SELECT "Message"."id" "content" FROM "Message"',
    'SELECT CASE WHEN "id" = 1 THEN 2 END "content" FROM "Message"',
    'SELECT "total" FROM (SELECT COUNT("id") AS "total" FROM "Message") x JOIN "Message" m ON TRUE',
    'SELECT "email", "cost" FROM "User" u JOIN "Usage" us ON us."userID" = u."id"',
    'SELECT "email", "conversationID" FROM "User" u JOIN "Message" m ON TRUE',
    'INSERT INTO "Usage" ("userID") SELECT "id" FROM "Conversation" RETURNING "cost", "type"',
    'INSERT INTO "Usage" ("id") VALUES (1) ON CONFLICT ("id") DO UPDATE SET "type" = excluded."type", "cost" = 0',
    'WITH gone AS (DELETE FROM "Usage" RETURNING *) SELECT * FROM gone',
)


@pytest.mark.parametrize("sql", _REFUSED)
def test_what_the_gateway_may_not_do_is_found_however_it_is_written(sql: str) -> None:
    """It reads some columns of messages, and updates some of users."""
    gateway = read_ownership().rights("gateway")
    assert gateway is not None
    with pytest.raises(AccessDeniedError):
        gateway.check(sql)


@pytest.mark.parametrize("sql", _ALLOWED)
def test_what_the_gateway_may_do_is_not_taken_for_something_else(sql: str) -> None:
    """Such as a name that Tortoise gives to a column of the result."""
    gateway = read_ownership().rights("gateway")
    assert gateway is not None
    gateway.check(sql)


@in_every_way
async def test_the_hot_paths_work_with_these_rights(agent_db_factory: DatabaseFactory, way: Way) -> None:
    """Merged, repeated and locking writes too, which are outside of any transaction here."""
    async with serving(agent_db_factory, way) as workspace:
        world = workspace.world
        server, gateway, cms = (workspace.services[name] for name in SERVICES)
        user_id = world.user_id
        made = await server.access.create_user(email="new@example.org", budget=Decimal(5), with_api_key=True)
        assert made.api_key is not None
        for db in (server, gateway, cms):
            assert (await db.access.authenticate(made.api_key)).id == made.id
            assert (await db.health()).is_ready
        for _ in range(2):
            talk = await cms.conversations.start(user_id=user_id, agent_id=world.agent_id, request_id="talk")
            said = await cms.conversations.append(
                talk.id, user_id=user_id, role="user", content=HELLO, request_id="one"
            )
            many = [{"role": "user", "content": HELLO}] * 3
            await cms.conversations.append_many(talk.id, user_id=user_id, messages=many, request_id="many")
            await cms.conversations.finish_turn(talk.id, user_id=user_id, messages=many, request_id="turn")
            await gateway.usage.record(
                user_id=user_id,
                model=MODEL,
                input_tokens=1,
                message_id=said.id,
                agent_id=world.agent_id,
                request_id="record",
            )
            held = await gateway.usage.reserve(user_id=user_id, amount_usd=1, request_id="held")
            await gateway.usage.settle(held.id, user_id=user_id, model=MODEL, output_tokens=1, request_id="settled")
            await server.usage.reset_budgets(period="2026-W10", user_id=user_id)
        turn = await cms.conversations.begin_turn(talk.id, user_id=user_id)
        await cms.conversations.finish_turn(talk.id, user_id=user_id, messages=many)
        await cms.conversations.summarise(
            talk.id, user_id=user_id, summary=SUMMARY, expected_parent=await last_of(cms, talk.id, user_id)
        )
        found = await cms.conversations.search("hello", user_id=user_id)
        await cms.conversations.delete(talk.id, user_id=user_id)
        await cms.conversations.purge(talk.id, user_id=user_id)
        (usage,) = [one for one in (await gateway.usage.list(user_id=user_id)).items if one.type is None][:1]

    assert turn.remaining is not None
    assert len(turn.messages) == 1 + 3 + 3
    assert len(found) > 0
    assert usage.message_id is None


# The calls with which the next test tries all others repeat nothing; the hot paths do.
OF_REPEATED_CALLS = {
    *("agentdb_request", "User.updatedAt"),
    *("Usage.userID", "Usage.agentID", "Usage.requestId", "Usage.requestIndex", "Usage.createdAt"),
}


async def test_every_right_is_needed(agent_db_factory: DatabaseFactory, tmp_path: Path) -> None:
    """Without any single entry of the matrix a call that works is refused."""
    matrix, file = tomllib.loads(PACKAGED.read_text()), tmp_path / "matrix.json"
    idle = set()
    async with serving(agent_db_factory, Way("sqlite")) as workspace:
        owner, settings = workspace.owner, workspace.owner.settings.model_copy(update={"ownership_file": file})
        for service, kind, place in [(*key, place) for key, places in entries(matrix) for place in places]:
            fewer = [one for one in matrix[service][kind] if one != place]
            file.write_text(json.dumps({**matrix, service: {**matrix[service], kind: fewer}}))
            async with agentdb.connect(owner.url, skip_sync=True, service=service, settings=settings) as db:
                for name in [name for name, services in documented().items() if service in services]:
                    if await refusal(db, name, CALLS[name].fine(workspace.world)):
                        break
                else:
                    idle.add((service, place))

    assert idle == {("cms", place) for place in OF_REPEATED_CALLS}


async def test_a_key_is_accepted_where_its_digest_cannot_move(
    agent_db_factory: DatabaseFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway only reads users' keys; the server moves the digest when it sees the key."""
    async with serving(agent_db_factory, Way("sqlite")) as workspace:
        owner, user_id = workspace.owner, workspace.world.user_id
        key = await owner.access.issue_api_key(user_id)
        settings = owner.settings.model_copy(
            update={
                "secret_key": agentdb.Secret("the next secret key of the tests"),
                "secret_key_previous": owner.settings.secret_key,
            }
        )
        stored = [await digest_of(owner, user_id)]
        for service in ("gateway", "server"):
            async with agentdb.connect(owner.url, skip_sync=True, service=service, settings=settings) as db:
                db.session.has_written = True
                assert (await db.access.authenticate(key)).id == user_id
                assert (await db.access.authenticate(key)).id == user_id
                stored.append(await digest_of(owner, user_id))

    assert stored[0] == stored[1] != stored[2]


async def test_a_handle_of_nobody_is_not_asked(agent_db_url: str) -> None:
    """Nor is a service that the packaged matrix does not name."""
    for service in (None, "reports"):
        async with agentdb.connect(agent_db_url, skip_sync=True, service=service) as db:
            await db.access.create_policy(f"p {service}", resource="r", action="a")
            assert db.session.client.rights is None


async def test_a_matrix_of_your_own(agent_db_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts for connect, in TOML and in JSON, and an unknown name in it is an error."""
    matrix = {"billing": {"writes": ["Usage"], "reads": ["User"], "updates": ["Conversation.title"]}}
    (tmp_path / "matrix.json").write_text(json.dumps(matrix))
    (tmp_path / "matrix.toml").write_text('[billing]\nwrites = ["Usage"]\nreads = ["User"]\n')
    for name in ("matrix.json", "matrix.toml"):
        monkeypatch.setenv("AGENTDB_OWNERSHIP", str(tmp_path / name))
        async with agentdb.connect(agent_db_url, skip_sync=True, service="billing") as db:
            await db.session.fetch('DELETE FROM "Usage"')
            await db.session.fetch('SELECT * FROM "User"')
            await denied(db, 'UPDATE "Conversation" SET "deleted" = TRUE')
            await denied(db, 'UPDATE "Conversation" SET "title" = title')
            if name == "matrix.json":
                await db.session.fetch('UPDATE "Conversation" SET "title" = CURRENT_DATE')
            await denied(db, 'SELECT * FROM "Role"')
        with pytest.raises(ConfigurationError, match=r"names no service 'gateway'. It names: billing"):
            await agentdb.connect(agent_db_url, skip_sync=True, service="gateway")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "it cannot be read"),
        ("[", "it cannot be read"),
        ('gateway = "User"', "gateway has lists called writes, updates, reads"),
        ("[gateway]\nwrite = []", "gateway has lists called writes, updates, reads"),
        ("[gateway]\nreads = 1", "gateway.reads is a list of texts"),
        ("[gateway]\nreads = [1]", "gateway.reads is a list of texts"),
        ('[gateway]\nreads = ["Users"]', "gateway.reads names 'Users', which is no table"),
        ('[gateway]\nreads = ["User.a b"]', "gateway.reads names 'User.a b'"),
        ('[gateway]\nreads = ["User."]', "gateway.reads names 'User.'"),
        ('[gateway]\nwrites = ["User.email"]', "gateway.writes names whole tables"),
    ],
)
def test_a_matrix_that_cannot_be_used_says_why(tmp_path: Path, text: str | None, told: str) -> None:
    """With its file."""
    file = tmp_path / "matrix.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError, match=re.escape(told)) as caught:
        read_ownership(file)

    assert str(file) in str(caught.value)


async def test_the_list_of_what_calls_write_is_true(agent_db: Database, statements: list[str]) -> None:
    """For every call: neither more nor less than what it does with the least arguments."""
    world = await furnished(agent_db, huge="")
    await agent_db.session.fetch('UPDATE "agentdb_reservation" SET "expiresAt" = "createdAt" WHERE "id" = 1')
    # Last, because whoever charges or asks what is left sets free what has expired.
    for name in sorted(NAMES, key=lambda name: name != "usage.expire_reservations"):
        statements.clear()
        assert await refusal(agent_db, name, CALLS[name].fine(world)) is None
        if name == "usage.expire_reservations":
            assert places(statements) == set(WRITES[name].split()), name
            await agent_db.usage.expire_reservations()
        else:
            assert places(statements) == set(WRITES.get(name, "").split()), name
    statements.clear()
    turn = {**CALLS["conversations.finish_turn"].fine(world), "usage": [{"model": MODEL}]}
    await refusal(agent_db, "conversations.finish_turn", turn)
    (more,) = WRITES_WITH.values()
    assert places(statements) == {*WRITES["conversations.finish_turn"].split(), *more.split()}


def test_the_packaged_matrix_is_the_one_that_was_agreed() -> None:
    """Who writes which table of the schema, and who nothing."""
    services = read_ownership().services
    written = {name: {table for table in owned.writes if table[0].isupper()} for name, owned in services.items()}

    assert written == {
        "server": {"User", "Role"},
        "gateway": {"Usage"},
        "cms": {
            *("Agent", "Conversation", "Message", "Resource", "Vector"),
            *("UserAgent", "UserTool", "AgentTool", "Prompt", "Tool"),
        },
    }
    assert services["gateway"].updates == ("User.remaining", "User.updatedAt")
    assert not any("Provider" in (*owned.reads,) for name, owned in services.items() if name != "gateway")


def places(sent: Sequence[str]) -> set[str]:
    """What statements write, as the list of what calls write has it."""
    found = frozenset[Any]().union(*map(accesses, sent))
    whole = {access.table for access in found if access.verb in ("INSERT", "DELETE")}
    columns = {
        f"{access.table}.{column}"
        for access in found
        if access.verb == "UPDATE" and access.table not in whole
        for column in access.columns
    }
    return {_AS_WRITTEN.get(place, place) for place in (*whole, *columns)}


_AS_WRITTEN = {
    **{table.lower(): table for table in TABLE_NAMES},
    **{place.lower(): place for text in WRITES.values() for place in text.split()},
}


def entries(matrix: dict[str, dict[str, list[str]]]) -> list[tuple[tuple[str, str], list[str]]]:
    """Service and kind, and what a matrix names there."""
    return [((service, kind), places) for service, kinds in matrix.items() for kind, places in kinds.items()]


def services_of(workspace: Workspace) -> Sequence[tuple[str, Database]]:
    """Each with its name."""
    return list(workspace.services.items())


async def refused(query: Any) -> None:
    """A Tortoise query that is not this service's."""
    with pytest.raises(AccessDeniedError):
        await query


async def denied(db: Database, sql: str) -> AccessDeniedError:
    """What a raw statement gets that is not this service's."""
    with pytest.raises(AccessDeniedError) as caught:
        await db.session.client.execute_script(sql)
    return caught.value


async def digest_of(db: Database, user_id: int) -> str:
    """How a user's API key is stored."""
    (row,) = await db.session.fetch(f'SELECT "apiKey" FROM "User" WHERE "id" = {user_id}')
    return str(row["apiKey"])


async def last_of(db: Database, conversation_id: int, user_id: int) -> int:
    """The id of the last message."""
    return (await db.conversations.context(conversation_id, user_id=user_id)).messages[-1].id
