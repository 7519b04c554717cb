"""Migrations go up and down, each as a whole or not at all, on every engine."""

from __future__ import annotations

import ast
import asyncio
import shutil
import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from agentdb.engine import Session
from agentdb.engine.location import dialect_of
from agentdb.engine.values import now
from agentdb.errors import AgentDBError, SchemaError, TransactionError
from agentdb.lifecycle.migrate import Migrator, Step
from agentdb.lifecycle.packaged import compatible_since, load_migration, migrations_directory, packaged_versions
from agentdb.lifecycle.schema import read_schema
from agentdb.models import (
    INTERNAL_TABLES,
    TABLES,
    Agent,
    AgentTool,
    BudgetReset,
    Conversation,
    Message,
    Model,
    Policy,
    Prompt,
    Provider,
    Request,
    Reservation,
    Resource,
    Role,
    RolePolicy,
    SearchEntry,
    SearchMark,
    SeedEntry,
    State,
    Tool,
    Usage,
    UsageDay,
    User,
    UserAgent,
    UserTool,
    Vector,
)
from tests.lifecycle.conftest import Opener
from tests.lifecycle.schema_expectation import schema_for

COUNTS_OF_DAY = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "rows", "requests")
FIRST = "0001_initial"
PACKAGED = packaged_versions()
LAST = PACKAGED[-1]
TEMPLATE = """
COMPATIBLE_SINCE = "0001_initial"
REQUIRES = {requires!r}
UPGRADE = {upgrade!r}
DOWNGRADE = {downgrade!r}


async def upgrade(db):
    return UPGRADE[db.capabilities.dialect if db else "postgres"]


async def downgrade(db):
    return DOWNGRADE[db.capabilities.dialect if db else "postgres"]


MODELS_STATE = {state!r}
"""


class Folder:
    """Migrations of a future release: the packaged ones, and more."""

    def __init__(self, location: Path) -> None:
        self.location = location
        shutil.copytree(migrations_directory() / "agentdb", location / "agentdb")

    def add(
        self,
        version: str,
        upgrade: str | dict[str, str],
        downgrade: str | dict[str, str] = "SELECT 1;",
        *,
        app: str = "agentdb",
        requires: str | None = None,
    ) -> None:
        """Add a version whose SQL is that of all engines, or of those named."""
        (self.location / app).mkdir(exist_ok=True)
        text = TEMPLATE.format(
            upgrade=upgrade if isinstance(upgrade, dict) else dict.fromkeys(["sqlite", "postgres"], upgrade),
            downgrade=downgrade if isinstance(downgrade, dict) else dict.fromkeys(["sqlite", "postgres"], downgrade),
            requires=requires,
            state=load_migration(LAST).models_state,
        )
        (self.location / app / f"{version}.py").write_text(text)

    def migrator(self, session: Session, app: str = "agentdb") -> Migrator:
        return Migrator(session, app=app, location=self.location)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "migrations")


async def tables(session: Session) -> set[str]:
    return set(await read_schema(session)) - {"aerich"}


async def count(session: Session, table: str) -> int:
    found: int = (await session.fetch(f'SELECT count(*) AS "n" FROM "{table}"'))[0]["n"]
    return found


async def make_ready(session: Session) -> None:
    """Write the ready row, as the seed does."""
    with session.use():
        await State.create(schema_version=LAST, compatible_since=FIRST, completed_at=now())


async def fill(session: Session) -> None:
    """One row in every table, each pointing to the others where it can."""
    with session.use():
        role = await Role.create(name="user", display_order=1)
        policy = await Policy.create(name="all", resource="*", action="*")
        await RolePolicy.create(role=role, policy=policy)
        user = await User.create(email="a@example.org", role=role, budget=Decimal(5))
        provider = await Provider.create(name="mock")
        model = await Model.create(provider=provider, name="Mock", internal_name="mock-model", default_parameters={})
        prompt = await Prompt.create(name="Prompt", version=1, content="Help.")
        agent = await Agent.create(user=user, model=model, prompt=prompt, name="Agent")
        tool = await Tool.create(name="search", type="builtin", custom_config={"depth": 1})
        await AgentTool.create(agent=agent, tool=tool)
        await UserAgent.create(user=user, agent=agent, role="viewer")
        await UserTool.create(user=user, tool=tool, credential={"sealed": "x"})
        talk = await Conversation.create(user=user, agent=agent, title="Talk")
        message = await Message.create(conversation=talk, role="user", content=[{"text": "Hello"}])
        answer = await Message.create(conversation=talk, parent=message, role="assistant", content=[])
        await Conversation.filter(id=talk.id).update(summary_message_id=answer.id)
        resource = await Resource.create(agent=agent, message=message, name="file", metadata={})
        await Vector.create(conversation=talk, resource=resource, tool=tool, order=0, embedding=[0.5])
        await Usage.create(user=user, model=model, agent=agent, message=answer, cost=Decimal("0.1"))
        await SeedEntry.create(source="s", table_name="Role", key="user", row_id=role.id, digests={})
        await Request.create(user=user, operation="start", request_id="r", digest="d", result_id=talk.id)
        await Reservation.create(user=user, amount=1, held=1, state="held", expires_at=now(), digest="d")
        await BudgetReset.create(period="2026-11", scope="all", users=1)
        await SearchEntry.create(message=message, user=user, words="hello")
        await SearchMark.create(conversation=talk, message_id=message.id)
        counts = dict.fromkeys(COUNTS_OF_DAY, 1)
        await UsageDay(day=now(), user=user, model=model, agent=agent, cost=1, **counts).save()
    await make_ready(session)


# Up and down.


async def test_an_empty_database_has_everything_pending(session: Session) -> None:
    migrator = Migrator(session)

    assert await migrator.applied() == ()
    assert await migrator.pending() == packaged_versions()


async def test_upgrade_applies_what_is_pending_and_then_nothing(session: Session) -> None:
    migrator = Migrator(session)

    assert await migrator.upgrade() == packaged_versions()
    assert await migrator.upgrade() == ()
    assert await migrator.applied() == packaged_versions()
    assert await migrator.pending() == ()


async def test_down_and_up_again_with_rows_in_every_table(session: Session) -> None:
    """What a downgrade leaves behind would be in the way of the next upgrade."""
    migrator = Migrator(session)
    await migrator.upgrade()
    await fill(session)
    filled = {table: await count(session, table) for table in (*TABLES, *INTERNAL_TABLES)}
    for _ in packaged_versions():
        await migrator.downgrade()
    left = await tables(session)
    await migrator.upgrade()
    found = dict(await read_schema(session))
    del found["aerich"]

    assert min(filled.values()) == 1
    assert left == set()
    assert found == schema_for(session.dialect.name)
    assert {await count(session, table) for table in filled} == {0}


async def test_downgrade_to_a_version_undoes_all_after_it_newest_first(session: Session, folder: Folder) -> None:
    folder.add("0103_a", 'CREATE TABLE "a" ("id" INT);', 'DROP TABLE "a";')
    folder.add("0104_b", 'CREATE TABLE "b" ("id" INT); INSERT INTO "a" VALUES (1);', 'DROP TABLE "b";')
    folder.add("0105_c", 'CREATE TABLE "c" ("id" INT);', 'DROP TABLE "c";')
    migrator = folder.migrator(session)
    await migrator.upgrade()

    assert await migrator.downgrade() == ("0105_c",)
    assert await migrator.downgrade(LAST) == ("0104_b", "0103_a")
    assert await migrator.downgrade(LAST) == ()
    assert await tables(session) == {*TABLES, *INTERNAL_TABLES}


async def test_downgrade_of_an_empty_database_does_nothing(session: Session) -> None:
    assert await Migrator(session).downgrade() == ()


async def test_downgrade_to_a_version_that_is_not_applied_is_an_error(session: Session) -> None:
    await Migrator(session).upgrade()
    with pytest.raises(
        SchemaError, match=r"0009_future of agentdb is not applied.*Applied are: 0001_initial"
    ) as caught:
        await Migrator(session).downgrade("0009_future")

    assert (caught.value.found, caught.value.expected) == (packaged_versions()[-1], "0009_future")


async def test_history_shows_what_is_applied_and_what_the_package_knows(session: Session, folder: Folder) -> None:
    folder.add("0103_newer", "SELECT 1;")
    await folder.migrator(session).upgrade()
    folder.add("0104_next", "SELECT 1;")

    assert await Migrator(session).history() == (
        *(Step(version, True, True) for version in PACKAGED),
        Step("0103_newer", True, False),
    )
    assert (await folder.migrator(session).history())[-1] == Step("0104_next", False, True)


async def test_a_database_newer_than_the_package_stays_as_it_is(session: Session, folder: Folder) -> None:
    folder.add("0103_newer", 'CREATE TABLE "newer" ("id" INT);', 'DROP TABLE "newer";')
    await folder.migrator(session).upgrade()
    older = Migrator(session)

    assert await older.upgrade() == ()
    with pytest.raises(SchemaError, match="0103_newer of agentdb is not part of this agentdb"):
        await older.downgrade()
    assert await older.applied() == (*PACKAGED, "0103_newer")


# All or nothing.


async def test_a_failing_migration_leaves_nothing_behind(session: Session, folder: Folder) -> None:
    """And the database stays ready, as it was."""
    migrator = folder.migrator(session)
    await migrator.upgrade()
    await make_ready(session)
    folder.add("0103_bad", 'CREATE TABLE "a" ("id" INT); INSERT INTO "a" VALUES (1); SELECT * FROM "nowhere";')
    for _ in range(2):
        with pytest.raises(AgentDBError, match="nowhere") as caught:
            await migrator.upgrade()

    assert caught.value.__notes__ == ["Migration 0103_bad of agentdb was rolled back."]
    assert await migrator.applied() == PACKAGED
    assert await tables(session) == {*TABLES, *INTERNAL_TABLES}
    assert await count(session, "agentdb_state") == 1


async def test_versions_before_a_failing_one_stay(session: Session, folder: Folder) -> None:
    folder.add("0103_good", 'CREATE TABLE "good" ("id" INT);')
    folder.add("0104_bad", 'SELECT * FROM "nowhere";')
    with pytest.raises(AgentDBError, match="nowhere"):
        await folder.migrator(session).upgrade()

    assert await folder.migrator(session).applied() == (*PACKAGED, "0103_good")
    assert "good" in await tables(session)


async def test_a_version_takes_the_ready_row_along(session: Session, folder: Folder) -> None:
    """The seed writes it again when its rows are there, too."""
    migrator = folder.migrator(session)
    await migrator.upgrade()
    folder.add("0103_next", "SELECT 1;")
    await make_ready(session)
    await migrator.upgrade()
    after_upgrade = await count(session, "agentdb_state")
    await make_ready(session)
    await migrator.downgrade()

    assert after_upgrade == 0
    assert await count(session, "agentdb_state") == 0


async def test_a_failing_downgrade_changes_nothing(session: Session, folder: Folder) -> None:
    folder.add("0103_next", 'CREATE TABLE "a" ("id" INT);', 'DROP TABLE "a"; SELECT * FROM "nowhere";')
    migrator = folder.migrator(session)
    await migrator.upgrade()
    with pytest.raises(AgentDBError, match="nowhere"):
        await migrator.downgrade()

    assert await migrator.applied() == (*PACKAGED, "0103_next")
    assert "a" in await tables(session)


@pytest.mark.parametrize("body", ["-- TODO: write me", "", "CREATE TABLE x (id INT);\n-- TODO: and the rest"])
async def test_sql_that_nobody_wrote_stops_before_anything_is_touched(
    session: Session, folder: Folder, body: str
) -> None:
    """Not even the versions before it are applied."""
    folder.add("0103_unwritten", {"sqlite": body, "postgres": body}, {})
    with pytest.raises(SchemaError, match="0103_unwritten has no upgrade for"):
        await folder.migrator(session).upgrade()

    assert await tables(session) == set()


async def test_a_downgrade_for_another_engine_only_stops_before_anything_is_touched(
    session: Session, folder: Folder
) -> None:
    folder.add("0103_one_way", 'CREATE TABLE "a" ("id" INT);', {})
    folder.add("0104_next", 'CREATE TABLE "b" ("id" INT);', 'DROP TABLE "b";')
    await folder.migrator(session).upgrade()
    with pytest.raises(SchemaError, match="0103_one_way has no downgrade for"):
        await folder.migrator(session).downgrade(LAST)

    assert await tables(session) >= {"a", "b"}


async def test_a_cancelled_upgrade_is_done_or_not(url: str, open_session: Opener) -> None:
    """Whatever the moment, each version is there as a whole or not, and the next upgrade completes."""
    first = {*TABLES, "agentdb_state", "agentdb_seed", "agentdb_request"}
    everything = {*TABLES, *INTERNAL_TABLES}
    tables_at: list[set[str]] = [set(), first, everything - {"agentdb_usage_day"}, everything]
    for moment in range(6):
        session = await open_session(url)
        migrator = Migrator(session)
        task = asyncio.ensure_future(migrator.upgrade())
        await asyncio.sleep(moment * 0.01)
        task.cancel()
        await asyncio.wait({task})
        applied, left = await migrator.applied(), await tables(session)
        await migrator.upgrade()
        with session.use(), pytest.raises(AgentDBError):
            await Conversation.create(user_id=1, title="of nobody")
        for _ in PACKAGED:
            await migrator.downgrade()
        await session.close()

        assert applied == PACKAGED[: len(applied)]
        assert left == tables_at[len(applied)]


async def test_a_migration_has_a_transaction_of_its_own(session: Session) -> None:
    with session.use():
        async with session.client.transaction():
            with pytest.raises(TransactionError, match="Leave yours first"):
                await Migrator(session).upgrade()


# What a migration may rely on.


async def test_tables_can_be_rebuilt_on_sqlite_without_losing_what_points_to_them(
    sqlite_url: str, open_session: Opener, folder: Folder
) -> None:
    """With foreign keys enforced, dropping the old table would delete or empty its children."""
    session = await open_session(sqlite_url)
    migrator = folder.migrator(session)
    await migrator.upgrade()
    await fill(session)
    folder.add(
        "0103_rebuild",
        """
        CREATE TABLE "new" ("id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "name" TEXT NOT NULL,
            "displayOrder" BIGINT, "createdAt" TEXT, "updatedAt" TEXT);
        INSERT INTO "new" SELECT "id", "name", "displayOrder", "createdAt", "updatedAt" FROM "Role";
        DROP TABLE "Role";
        ALTER TABLE "new" RENAME TO "Role";
        """,
    )
    await migrator.upgrade()
    rows = await session.fetch('SELECT "roleID" FROM "User" UNION ALL SELECT "roleID" FROM "RolePolicy"')
    enforced = (await session.fetch("PRAGMA foreign_keys"))[0]["foreign_keys"]

    assert [row["roleID"] for row in rows] == [1, 1]
    assert enforced == 1


async def test_rows_that_would_point_to_nothing_roll_a_migration_back_on_sqlite(
    sqlite_url: str, open_session: Opener, folder: Folder
) -> None:
    session = await open_session(sqlite_url)
    migrator = folder.migrator(session)
    await migrator.upgrade()
    await fill(session)
    folder.add("0103_orphans", 'DELETE FROM "Prompt";')
    with pytest.raises(SchemaError, match="1 rows would point to nothing, first of them row 1 of Agent to Prompt"):
        await migrator.upgrade()
    prompts, applied = await count(session, "Prompt"), await migrator.applied()
    with session.use(), pytest.raises(AgentDBError):
        await Conversation.create(user_id=99)

    assert (prompts, applied) == (1, PACKAGED)


async def test_a_migration_states_its_isolation_and_has_no_deadline_on_postgresql(
    postgres_url: str, open_session: Opener, folder: Folder
) -> None:
    """The limits of the handle and of the database are meant for queries."""
    before = await open_session(postgres_url)
    database = postgres_url.rpartition("/")[2]
    await before.fetch(f"""ALTER DATABASE "{database}" SET statement_timeout = '1s'""")
    await before.close()
    folder.add(
        "0103_slow",
        """
        SELECT pg_sleep(1.2);
        CREATE TABLE "seen" AS SELECT current_setting('transaction_isolation') AS "isolation";
        """,
    )
    session = await open_session(f"{postgres_url}?isolation=serializable&statement_timeout_s=1")
    await folder.migrator(session).upgrade()
    seen = await session.fetch('SELECT "isolation" FROM "seen"')

    assert [row["isolation"] for row in seen] == ["read committed"]


async def test_two_databases_are_migrated_at_once(
    sqlite_url: str, postgres_url: str, open_session: Opener, folder: Folder
) -> None:
    """aerich keeps its directory on a class; each run must see its own."""
    folder.add("0103_next", 'CREATE TABLE "next" ("id" INT);', 'DROP TABLE "next";')
    sessions = [await open_session(sqlite_url), await open_session(postgres_url), await open_session("sqlite://")]
    migrators = [folder.migrator(sessions[0]), Migrator(sessions[1]), folder.migrator(sessions[2])]
    up = await asyncio.gather(*(migrator.upgrade() for migrator in migrators))
    down = await asyncio.gather(*(migrator.downgrade() for migrator in migrators))
    left = [await tables(session) for session in sessions]

    assert up == [(*PACKAGED, "0103_next"), PACKAGED, (*PACKAGED, "0103_next")]
    assert down == [("0103_next",), (LAST,), ("0103_next",)]
    assert [len(found) for found in left] == [25, 24, 25]


# Other apps.


async def test_a_version_that_needs_a_newer_schema_waits_for_it(session: Session, folder: Folder) -> None:
    folder.add("0001_notes", 'CREATE TABLE "note" ("id" INT);', app="second", requires=FIRST)
    with pytest.raises(SchemaError, match="0001_notes of second builds on 0001_initial of agentdb") as caught:
        await folder.migrator(session, "second").upgrade()

    assert (caught.value.found, caught.value.expected) == (None, FIRST)
    assert await tables(session) == set()


async def test_agentdb_cannot_go_while_other_apps_build_on_it(session: Session, folder: Folder) -> None:
    folder.add("0001_notes", 'CREATE TABLE "note" ("id" INT);', 'DROP TABLE "note";', app="second", requires=FIRST)
    core, second = folder.migrator(session), folder.migrator(session, "second")
    await core.upgrade()
    await second.upgrade()
    await core.downgrade(FIRST)
    with pytest.raises(SchemaError, match="The tables of second build on those of agentdb"):
        await core.downgrade()
    await second.downgrade()

    assert await core.downgrade() == (FIRST,)


async def test_another_app_leaves_the_ready_row_alone(session: Session, folder: Folder) -> None:
    """Services of agentdb go on attaching while an app beside it is migrated."""
    folder.add("0001_notes", 'CREATE TABLE "note" ("id" INT);', app="second", requires=FIRST)
    await folder.migrator(session).upgrade()
    await make_ready(session)
    await folder.migrator(session, "second").upgrade()

    assert await count(session, "agentdb_state") == 1


# The packaged files.


@pytest.mark.parametrize("version", packaged_versions())
@pytest.mark.parametrize("scheme", ["sqlite", "postgresql"])
def test_every_packaged_version_has_sql_for_every_engine(version: str, scheme: str) -> None:
    migration = load_migration(version)
    migration.check_body("upgrade", dialect_of(scheme).name)
    migration.check_body("downgrade", dialect_of(scheme).name)

    assert migration.compatible_since in packaged_versions()


@pytest.mark.parametrize("version", packaged_versions())
def test_a_packaged_version_imports_nothing_of_agentdb(version: str) -> None:
    """Models change; what a version once did must not."""
    source = (migrations_directory() / "agentdb" / f"{version}.py").read_text(encoding="utf-8")
    imported = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.Import, ast.ImportFrom))]

    assert {getattr(node, "module", None) for node in imported} <= {"__future__", "typing", "tortoise"}


@pytest.mark.parametrize("version", packaged_versions())
async def test_aerich_reads_the_packaged_versions(version: str) -> None:
    """It asks for the SQL with and without a connection, and reads the state."""
    from aerich.migrate import Migrate
    from aerich.utils import decompress_dict

    class Reader(Migrate):
        migrate_location = migrations_directory() / "agentdb"

    found = Reader.get_migration_info_for_file(f"{version}.py")
    migration = load_migration(version)

    assert found.models_state == decompress_dict(migration.models_state)
    assert await found.upgrade(None) == migration.upgrade["postgres"]  # type: ignore[arg-type]  # as aerich does
    assert await found.downgrade(None) == migration.downgrade["postgres"]  # type: ignore[arg-type]  # as aerich does


def test_versions_are_known_without_importing_aerich() -> None:
    """Its import takes most of a second, and a service that attaches does not need it."""
    script = (
        "import sys\n"
        "from agentdb.lifecycle.packaged import compatible_since, packaged_versions\n"
        "print(packaged_versions()[0], compatible_since(packaged_versions()[0]), 'aerich' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()

    assert told == [FIRST, FIRST, "False"]


def test_versions_are_numbered_without_gaps() -> None:
    numbers: Sequence[int] = [int(version[:4]) for version in packaged_versions()]

    assert list(numbers) == list(range(1, len(numbers) + 1))
    assert compatible_since(FIRST) == FIRST


def test_a_version_of_another_package_is_an_error() -> None:
    with pytest.raises(SchemaError, match="0099_unheard of agentdb is not part of this agentdb"):
        load_migration("0099_unheard")
