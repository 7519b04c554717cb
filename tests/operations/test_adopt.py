"""Adopting a database of the original package: it becomes what the migrations make, in one go or not at all."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from decimal import Decimal

import asyncpg
import pytest

import agentdb
from agentdb import SchemaError, StorageError, UnavailableError, UnsupportedError
from agentdb.database import look
from agentdb.engine import Session
from agentdb.operations import adopt
from agentdb.operations.adoption_plan import AdoptionPlan
from tests.counts import COUNTS
from tests.lifecycle.places import KEY, Place, Places, configured
from tests.operations.originals import SOUND, catalogue, make_original, run_scripts


@pytest.fixture
async def original(server_places: Places) -> Place:
    """The original's tables with sound rows."""
    place = server_places.empty()
    await make_original(place, SOUND)
    return place


async def adopted(place: Place, *, apply: bool = True, seal_secrets: bool = False) -> AdoptionPlan:
    """Adopt a database, or only plan it."""
    async with await look(place.url, settings=configured(secret_key=KEY)) as db:
        return await db.adopt(apply=apply, seal_secrets=seal_secrets)


async def test_the_result_is_what_the_migrations_make(original: Place, server_places: Places) -> None:
    """Every column, constraint, index and sequence, and what the migrations note of themselves."""
    ready = server_places.ready()
    plan = await adopted(original)
    async with await look(original.url, settings=configured()) as db:
        found, status = await db.check(), await db.status()
    noted = 'SELECT "version", "app", "content" FROM "aerich" ORDER BY "id"'

    assert (plan.repairs, plan.obstacles) == ((), ())
    assert found.is_clean
    assert status.is_ready
    assert await catalogue(original) == await catalogue(ready)
    assert await original.rows(noted) == await ready.rows(noted)


async def test_rows_stay_as_they_were(original: Place) -> None:
    """All of them, with their values, those of the session store and of the other migration tool too."""
    before = await original.contents()
    await adopted(original)
    after = await original.contents()

    for table, rows in before.items():
        assert [{name: row[name] for name in rows[0]} for row in after[table]] == [read_back(row) for row in rows]
    assert await original.rows('SELECT "hash" FROM "drizzle"."__drizzle_migrations"') == [("h",)]


def read_back(row: dict[str, object]) -> dict[str, object]:
    """Doubles are exact decimals now, and JSON has one form."""
    texts = {'[{"text": "Hi  there", "text": "Hi"}]': '[{"text": "Hi"}]'}
    return {
        name: Decimal(str(value)) if isinstance(value, float) else texts.get(str(value), value)
        for name, value in row.items()
    }


async def test_a_plan_changes_nothing_and_waits_for_nobody(original: Place) -> None:
    """Somebody is writing meanwhile, and the server itself would refuse a write."""
    before, made = await original.contents(), await catalogue(original)
    connection = await asyncpg.connect(original.url)
    try:
        async with connection.transaction():
            await connection.execute('UPDATE "User" SET "remaining" = 1')
            plan = await asyncio.wait_for(adopted(original, apply=False), 30)
            await connection.execute('UPDATE "User" SET "remaining" = 4.25 WHERE "id" = 2')
            await connection.execute('UPDATE "User" SET "remaining" = NULL WHERE "id" = 1')
    finally:
        await connection.close()

    assert plan.is_needed
    assert {"type", "column", "null", "index", "foreign key", "table", "default"} == {one.kind for one in plan.changes}
    assert plan.plain_secrets == {"User.apiKey": 1, "Provider.apiKey": 1, "UserTool.credential": 1}
    assert (await original.contents(), await catalogue(original)) == (before, made)


async def test_in_a_plan_the_server_refuses_to_write(original: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever agentdb would do by mistake."""

    async def mistaken(session: Session) -> dict[str, int]:
        await session.fetch('UPDATE "User" SET "status" = NULL')
        return {}

    monkeypatch.setattr(adopt, "count_plain", mistaken)
    with pytest.raises(StorageError) as caught:
        await adopted(original, apply=False)

    assert caught.value.reason == "read-only"


async def test_two_at_once_do_it_once(original: Place) -> None:
    """The second one waits, and then has nothing to do."""
    plans = await asyncio.gather(adopted(original), adopted(original))

    assert sorted(plan.is_needed for plan in plans) == [False, True]


async def test_a_service_that_was_attached_before_goes_on(original: Place) -> None:
    """It took the database for the original's, and finds what it knows of it."""
    answers = []
    async with agentdb.connect(original.url, skip_sync=True, schema="original", settings=configured()) as db:
        for is_adopted in (False, True):
            if is_adopted:
                await adopted(original)
            user = await db.access.authenticate("rsk_ada")
            sent = await db.conversations.append(2, user_id=user.id, role="user", content=[{"text": "Hi", "n": 0.5}])
            history = await db.conversations.history(2, user_id=user.id, limit=1)
            charge = await db.usage.record(user_id=2, model="us.anthropic.claude-sonnet-4-6", input_tokens=1000)
            answers.append((sent.content, [one.id for one in history.items] == [sent.id], charge.remaining))

    assert answers == [
        ([{"text": "Hi", "n": 0.5}], True, Decimal("4.247")),
        ([{"text": "Hi", "n": 0.5}], True, Decimal("4.244")),
    ]


async def test_a_second_time_there_is_nothing_to_do(original: Place, server_places: Places) -> None:
    """Nor for a database that agentdb made."""
    await adopted(original)
    before = await original.contents()
    again = [await adopted(original), await adopted(original, apply=False), await adopted(server_places.ready())]

    assert [(plan.is_needed, plan.found) for plan in again] == [(False, again[0].version)] * 3
    assert await original.contents() == before


async def test_services_of_agentdb_work_on_it(original: Place) -> None:
    """Attached, with the keys that the original stored; and an owner starts on it, and seeds what is missing."""
    await adopted(original)
    plain = configured(secrets="plain")
    async with agentdb.connect(original.url, skip_sync=True, settings=plain) as db:
        ada = await db.access.authenticate("rsk_ada")
        bob = await db.access.login(email="Bob@Example.org")
        agent = await db.agents.resolve("Standard Chat", user_id=bob.id)
        sent = [
            await db.conversations.append(
                1, user_id=bob.id, role="user", content=[{"text": "apples"}], request_id="once"
            )
            for _ in range(2)
        ]
        charge = await db.usage.record(
            user_id=bob.id, model=agent.model.internal_name, input_tokens=1000, request_id="once"
        )
        hits = await db.conversations.search("hi", user_id=bob.id)
    async with agentdb.connect(original.url, settings=plain) as db:
        seeded = db.started
        kept = await db.catalog.model("us.anthropic.claude-sonnet-4-6")

    assert (ada.email, ada.role and ada.role.name, bob.id) == ("ada@example.org", "admin", 2)
    assert sent[0] == sent[1]
    assert (charge.cost_usd, charge.remaining) == (Decimal("0.003"), Decimal("4.247"))
    assert [hit.message_id for hit in hits] == [2]
    assert seeded is not None
    assert (seeded.applied, kept.id, kept.name) == ((), 1, "Sonnet")


@pytest.mark.parametrize("is_later", [False, True])
async def test_secrets_are_put_under_the_key_on_request(original: Place, *, is_later: bool) -> None:
    """At once, or when the original's services are gone."""
    if is_later:
        await adopted(original)
    plan = await adopted(original, seal_secrets=True)
    again = await adopted(original, seal_secrets=True)
    async with agentdb.connect(original.url, skip_sync=True, settings=configured(secret_key=KEY)) as db:
        ada = await db.access.authenticate("rsk_ada")
        provider = await db.catalog.provider_secret("google")
        credential = await db.agents.tool_credential(2, user_id=2)
    text = await original.text()

    assert (plan.is_needed, again.is_needed, again.plain_secrets) == (True, False, {})
    assert ada.id == 1
    assert provider is not None
    assert provider.reveal() == "a provider's key"
    assert credential is not None
    assert credential.reveal() == '{"password":"p"}'
    assert not any(secret in text for secret in ("rsk_ada", "a provider's key", "password"))


async def test_sealing_needs_a_key(original: Place) -> None:
    """Which is said before anything is done."""
    async with await look(original.url, settings=configured()) as db:
        with pytest.raises(agentdb.ConfigurationError, match="AGENTDB_SECRET_KEY"):
            await db.adopt(apply=True, seal_secrets=True)


OBSTACLES = {
    "equal e-mails": (
        """INSERT INTO "User" ("id", "email") VALUES (7, ' ADA@example.org')""",
        ("User", "email is that of another row", 2, (1, 7)),
    ),
    "equal API keys": (
        """INSERT INTO "User" ("id", "apiKey") VALUES (8, 'rsk_ada')""",
        ("User", "apiKey is that of another row", 2, (1, 8)),
    ),
    "equal models": (
        """INSERT INTO "Model" ("id", "internalName") VALUES (7, 'us.anthropic.claude-sonnet-4-6')""",
        ("Model", "internalName is that of another row", 2, (1, 7)),
    ),
    "equal roles": (
        """INSERT INTO "Role" ("id", "name") VALUES (7, 'admin')""",
        ("Role", "name is that of another row", 2, (1, 7)),
    ),
    "too much money": (
        """UPDATE "User" SET "remaining" = 900000000.5 WHERE "id" = 1""",
        ("User", "remaining is no amount from -900,000,000 to 900,000,000 dollars", 1, (1,)),
    ),
    "money that is none": (
        """UPDATE "User" SET "budget" = 'NaN' WHERE "id" = 1""",
        ("User", "budget is no amount from -900,000,000 to 900,000,000 dollars", 1, (1,)),
    ),
    "too many tokens": (
        """UPDATE "Usage" SET "inputTokens" = 1e19""",
        ("Usage", "inputTokens is no number of at most 64 bits", 1, (1,)),
    ),
    "a time that is none": (
        """UPDATE "User" SET "createdAt" = 'infinity' WHERE "id" = 2""",
        ("User", "createdAt is no time from the year 1 to 9999", 1, (2,)),
    ),
    "a number that no jsonb holds": (
        """UPDATE "Message" SET "content" = '[{"text": "1e999999", "n": 1e999999}]' WHERE "id" = 3""",
        ("Message", "content holds a number that jsonb cannot hold", 1, (3,)),
    ),
    "a column that refuses rows": (
        """
        ALTER TABLE "Tool" ADD COLUMN "extra" text NOT NULL DEFAULT 'x';
        ALTER TABLE "Tool" ALTER "extra" DROP DEFAULT
        """,
        (
            "Tool",
            (
                "Table Tool: column extra is not ours, may not be null and has no default, "
                "so no row of ours can be stored."
            ),
            0,
            (),
        ),
    ),
    "a type without a conversion": (
        """ALTER TABLE "User" ALTER "updatedAt" DROP DEFAULT, ALTER "updatedAt" TYPE timestamp""",
        (
            "User",
            "Table User: column updatedAt is timestamp without time zone, not timestamp with time zone.",
            0,
            (),
        ),
    ),
}


async def test_what_has_to_be_decided_stops_it(original: Place) -> None:
    """All of it is told at once, and nothing is changed."""
    await run_scripts(original, *(change for change, _ in OBSTACLES.values()))
    before, made = await original.contents(), await catalogue(original)
    plan = await adopted(original, apply=False)
    with pytest.raises(SchemaError, match=r"yours to decide:(.|\n)*such as 1(.|\n)*And 6 more"):
        await adopted(original)

    found = [(one.table, one.what, one.rows, one.sample) for one in plan.obstacles]
    assert sorted(found) == sorted(expected for _, expected in OBSTACLES.values())
    assert repr(await original.contents()) == repr(before)  # NaN equals nothing
    assert await catalogue(original) == made


async def test_empty_names_are_equal_and_empty_keys_are_none(original: Place) -> None:
    """What a repair makes null stops nothing, and no unique index is met by surprise."""
    await run_scripts(original, """INSERT INTO "User" ("id", "apiKey") VALUES (7, ' '), (8, ' '), (9, ''), (10, '')""")
    assert (await adopted(original, apply=False)).obstacles == ()

    await run_scripts(original, """INSERT INTO "Provider" ("id", "name") VALUES (7, ''), (8, '')""")
    (obstacle,) = (await adopted(original, apply=False)).obstacles
    assert (obstacle.table, obstacle.rows, obstacle.sample) == ("Provider", 2, (7, 8))

    await run_scripts(original, """DELETE FROM "Provider" WHERE "id" = 8""")
    assert (await adopted(original)).is_needed


async def test_a_text_that_looks_like_a_number_is_none(original: Place) -> None:
    """An exponent inside a string stops nothing."""
    await original.rows(
        """UPDATE "Message" SET "content" = '[{"text": "\\\\ 1e999999 \\" 1e999999"}]' WHERE "id" = 3"""
    )

    assert (await adopted(original)).obstacles == ()


async def test_tables_in_use_are_left_alone(original: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for a while, and then says what to do."""
    monkeypatch.setattr(adopt, "TABLE_LOCK_S", 0.2)
    before, made = await original.contents(), await catalogue(original)
    connection = await asyncpg.connect(original.url)
    try:
        async with connection.transaction():
            await connection.execute('SELECT FROM "Usage"')
            with pytest.raises(UnavailableError, match=r"used the tables for over 0\.2 s, so nothing was changed"):
                await adopted(original)
    finally:
        await connection.close()

    assert (await original.contents(), await catalogue(original)) == (before, made)
    assert (await adopted(original)).is_needed


KILLED = """
import asyncio, os, signal, sys
from agentdb.config import Settings
from agentdb.database import look
from agentdb.engine import Session

def told(what, done, steps):
    if done == max(0, steps - 1 - int(sys.argv[2])):
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    async with await look(sys.argv[1], settings=Settings.load(env_file=None)) as db:
        await db.adopt(apply=True, told=told)

asyncio.run(main())
"""


@pytest.mark.parametrize("step", range(0, 6 * COUNTS.killed_adoptions, 6))
async def test_killed_in_the_middle_it_is_as_before(server_places: Places, step: int) -> None:
    """At any step, counted from the last one; the next attempt succeeds."""
    place = server_places.empty()
    await make_original(place, SOUND, """UPDATE "User" SET "email" = 'ADA@example.org', "roleID" = 9 WHERE "id" = 1""")
    before, made = await place.contents(), await catalogue(place)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, place.url, str(step))
    code = await process.wait()

    assert code == -signal.SIGKILL
    assert (await place.contents(), await catalogue(place)) == (before, made)
    assert [(one.table, one.rows) for one in (await adopted(place)).repairs] == [("User", 1), ("User", 1)]


async def test_a_statement_that_fails_undoes_all(original: Place) -> None:
    """Such as a type that a view depends on; the error says where."""
    await original.rows('CREATE VIEW "costs" AS SELECT "cost" FROM "Usage"')
    before, made = await original.contents(), await catalogue(original)
    with pytest.raises(agentdb.AgentDBError, match="used by a view") as caught:
        await adopted(original)

    assert "columns of Usage. Nothing was changed." in "".join(caught.value.__notes__)
    assert (await original.contents(), await catalogue(original)) == (before, made)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ('DROP TABLE "Vector" CASCADE', "no database of the original package: 9 columns are missing"),
        ("""DELETE FROM "aerich" WHERE "version" LIKE '0002%'""", "agentdb migrate"),
        ("""INSERT INTO "aerich" ("version", "app", "content") VALUES ('9999_x.py', 'agentdb', '{}')""", "newer than"),
    ],
)
async def test_what_cannot_be_adopted_is_told(server_places: Places, change: str, told: str) -> None:
    """A database of somebody else, or of agentdb at another version."""
    place = server_places.ready()
    await place.rows(change)

    for apply in (False, True):
        with pytest.raises(SchemaError, match=told):
            await adopted(place, apply=apply)


async def test_it_is_not_migrated_by_accident(original: Place) -> None:
    """A start, or a migration, names the way."""
    before = await original.contents()
    with pytest.raises(SchemaError, match="agentdb adopt"):
        await agentdb.connect(original.url, settings=configured(secret_key=KEY))

    assert await original.contents() == before


@pytest.mark.agentdb(engine="sqlite")
async def test_the_original_never_ran_on_sqlite(ready_place: Place) -> None:
    """The error names the kind of URL that would do."""
    for apply in (False, True):
        with pytest.raises(UnsupportedError, match="postgresql://"):
            await adopted(ready_place, apply=apply)


async def test_an_older_tool_had_made_the_tables(original: Place) -> None:
    """Text of a limited length, integers for doubles, and keys and indexes of the same name that differ."""
    await run_scripts(
        original,
        """
        ALTER TABLE "User" ALTER "email" TYPE varchar(255), ALTER "email" SET NOT NULL;
        ALTER TABLE "User" ALTER "budget" TYPE numeric(12, 2);
        ALTER TABLE "Usage" ALTER "inputTokens" TYPE integer;
        ALTER TABLE "Usage" ADD CONSTRAINT "theirs" FOREIGN KEY ("userID") REFERENCES "User" ON DELETE CASCADE;
        DROP INDEX "Prompt_name_version_idx";
        CREATE INDEX "Prompt_name_version_idx" ON "Prompt" ("version", "name");
        """,
    )
    await adopted(original)
    async with await look(original.url, settings=configured()) as db:
        found = await db.check()

    assert found.is_clean


def test_steps_are_told_in_order(steps: Sequence[tuple[str, int, int | None]]) -> None:
    """From none done to all done."""
    assert [done for _, done, _ in steps] == list(range(len(steps)))
    assert {total for _, _, total in steps} == {len(steps) - 1}


@pytest.fixture
async def steps(original: Place) -> list[tuple[str, int, int | None]]:
    """What is told while a database is adopted."""
    found: list[tuple[str, int, int | None]] = []
    async with await look(original.url, settings=configured()) as db:
        await db.adopt(apply=True, told=lambda *step: found.append(step))
    return found
