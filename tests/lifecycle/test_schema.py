"""The migrated schema is the expected one on every engine, and whatever drifts from it is told."""

from __future__ import annotations

import pytest

from agentdb.engine import Session
from agentdb.engine.dialect import Dialect
from agentdb.engine.introspection import Column, ForeignKey, NamedColumns, Schema, Table
from agentdb.engine.location import dialect_of
from agentdb.lifecycle.migrate import Migrator
from agentdb.lifecycle.schema import differences, expected_schema, read_schema
from agentdb.models import INTERNAL_TABLES, TABLES
from tests.lifecycle.conftest import Opener
from tests.lifecycle.schema_expectation import EXPECTED, EXPRESSION_INDEXES, MIRRORED_INDEXES, schema_for


@pytest.fixture
async def migrated(session: Session) -> Session:
    await Migrator(session).upgrade()
    return session


async def drift(session: Session) -> list[str]:
    return differences(await read_schema(session), expected_schema(session.dialect))


async def run(session: Session, script: str) -> None:
    with session.use():
        await session.client.execute_script(script)


async def test_the_migrated_schema_is_the_expected_one(migrated: Session) -> None:
    """Tables, columns, types, nulls, defaults, keys with on-delete, indexes with columns: all of it, and no more."""
    found = dict(await read_schema(migrated))
    bookkeeping = found.pop("aerich")

    assert found == schema_for(migrated.dialect.name)
    assert set(bookkeeping.columns) == {"id", "version", "app", "content"}


def test_the_expectation_names_every_mirrored_index_and_every_table() -> None:
    """The seventeen tables of the mirrored system with its index names, and our own seven."""
    names = {index for table in schema_for("sqlite").values() for index in table.indexes}

    assert names.issuperset(MIRRORED_INDEXES)
    assert set(EXPECTED) == {*TABLES, *INTERNAL_TABLES}


@pytest.mark.parametrize("scheme", ["sqlite", "postgresql"])
def test_the_models_expect_what_was_written_by_hand(scheme: str) -> None:
    """So that the check of a running database compares with the right thing; models cannot declare expressions."""
    dialect = dialect_of(scheme)
    expected, found = dict(schema_for(dialect.name)), dict(expected_schema(dialect))
    for index in EXPRESSION_INDEXES.get(dialect.name, ()):
        del expected["agentdb_search"].indexes[index.name]  # type: ignore[attr-defined]

    assert differences(found, expected) == []
    assert differences(expected, found) == []
    assert {name: set(table.columns) for name, table in found.items()} == {
        name: set(table.columns) for name, table in expected.items()
    }


async def test_every_index_is_on_real_columns(migrated: Session) -> None:
    """SQLite takes an index on a name that is no column for one on a constant, without an error."""
    found = await read_schema(migrated)
    indexes = [index for table in found.values() for index in table.indexes.values()]
    engine = migrated.dialect.name

    assert MIRRORED_INDEXES.issubset(index.name for index in indexes)
    assert [index for index in indexes if None in index.columns] == list(EXPRESSION_INDEXES.get(engine, ()))


async def test_foreign_keys_have_names_on_sqlite_too(sqlite_url: str, open_session: Opener) -> None:
    """Its catalogue does not tell them, but people who read the schema see them."""
    session = await open_session(sqlite_url)
    await Migrator(session).upgrade()
    rows = await session.fetch('SELECT "name", "sql" FROM "sqlite_schema" WHERE "type" = ?1', ["table"])
    sql = {row["name"]: row["sql"] for row in rows}

    for table, expected in EXPECTED.items():
        for column in expected.keys:
            assert f'CONSTRAINT "{table}_{column}_fkey" REFERENCES' in sql[table]


async def test_nothing_drifts_after_the_migrations(migrated: Session) -> None:
    assert await drift(migrated) == []


async def test_an_empty_database_misses_every_table(session: Session) -> None:
    assert await drift(session) == [f"Table {name} is missing." for name in {**TABLES, **INTERNAL_TABLES}]


async def test_a_dropped_index_is_told(migrated: Session) -> None:
    await run(migrated, 'DROP INDEX "Message_parentID_idx"')

    assert await drift(migrated) == ["Table Message: index Message_parentID_idx is missing."]


async def test_an_index_on_a_constant_is_told(migrated: Session) -> None:
    await run(
        migrated,
        """
        DROP INDEX "Role_displayOrder_idx";
        CREATE INDEX "Role_displayOrder_idx" ON "Role" ((1));
        """,
    )

    assert await drift(migrated) == [
        "Table Role: index Role_displayOrder_idx is on (an expression), not (displayOrder)."
    ]


async def test_an_index_that_is_no_longer_unique_or_whole_is_told(migrated: Session) -> None:
    await run(
        migrated,
        """
        DROP INDEX "User_email_idx";
        CREATE INDEX "User_email_idx" ON "User" ("email") WHERE "email" <> '';
        """,
    )

    assert await drift(migrated) == [
        "Table User: index User_email_idx is not unique and should be.",
        "Table User: index User_email_idx leaves rows out.",
    ]


async def test_a_renamed_column_is_told(migrated: Session) -> None:
    await run(migrated, 'ALTER TABLE "Conversation" RENAME COLUMN "title" TO "heading"')

    assert await drift(migrated) == ["Table Conversation: column title is missing."]


async def test_a_dropped_foreign_key_is_told(migrated: Session) -> None:
    """The table is made again without it: SQLite cannot drop a constraint."""
    now, number = {
        "sqlite": ("(strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00')", "INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL"),
        "postgres": ("now()", "BIGSERIAL NOT NULL PRIMARY KEY"),
    }[migrated.dialect.name]
    time = {"sqlite": "TEXT", "postgres": "TIMESTAMPTZ"}[migrated.dialect.name]
    await run(
        migrated,
        f"""
        DROP TABLE "agentdb_request";
        CREATE TABLE "agentdb_request" (
            "id" {number}, "userID" BIGINT NOT NULL, "operation" TEXT NOT NULL, "requestId" TEXT NOT NULL,
            "digest" TEXT NOT NULL, "resultID" BIGINT NOT NULL,
            "createdAt" {time} DEFAULT {now}, "updatedAt" {time} DEFAULT {now}
        );
        CREATE UNIQUE INDEX "agentdb_request_userID_operation_requestId_idx"
            ON "agentdb_request" ("userID", "operation", "requestId");
        """,
    )

    assert await drift(migrated) == ["Table agentdb_request: foreign key agentdb_request_userID_fkey is missing."]


async def test_altered_columns_are_told(postgres_url: str, open_session: Opener) -> None:
    session = await open_session(postgres_url)
    await Migrator(session).upgrade()
    await run(
        session,
        """
        ALTER TABLE "Usage" ALTER COLUMN "cost" TYPE double precision;
        ALTER TABLE "Message" ALTER COLUMN "conversationID" DROP NOT NULL, ALTER COLUMN "role" SET NOT NULL;
        ALTER TABLE "Conversation" ALTER COLUMN "deleted" DROP DEFAULT;
        ALTER TABLE "Agent" DROP CONSTRAINT "Agent_userID_fkey";
        ALTER TABLE "Agent" ADD CONSTRAINT "Agent_userID_fkey" FOREIGN KEY ("userID") REFERENCES "User" ("id");
        ALTER TABLE "Agent" RENAME CONSTRAINT "Agent_modelID_fkey" TO "Agent_model";
        """,
    )
    found = await drift(session)

    assert sorted(found) == [
        "Table Agent: foreign key Agent_modelID_fkey is named Agent_model.",
        (
            "Table Agent: foreign key Agent_userID_fkey is to User (id) on delete NO ACTION, "
            "not to User (id) on delete CASCADE."
        ),
        "Table Conversation: column deleted has the default None, not false.",
        "Table Message: column conversationID may be null and should not.",
        "Table Message: column role may not be null and should.",
        "Table Usage: column cost is double precision, not numeric(20,10).",
    ]


async def test_what_other_apps_add_is_no_drift(migrated: Session) -> None:
    """Other apps live in the same database; only a column that refuses our rows is in the way."""
    await run(
        migrated,
        """
        CREATE TABLE "theirs" ("id" INTEGER PRIMARY KEY);
        ALTER TABLE "Role" ADD COLUMN "note" TEXT;
        ALTER TABLE "Role" ADD COLUMN "kind" TEXT NOT NULL DEFAULT 'plain';
        CREATE INDEX "Role_note_idx" ON "Role" ("note");
        """,
    )

    assert await drift(migrated) == []


@pytest.fixture(params=["sqlite", "postgresql"])
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return dialect_of(request.param)


def altered(dialect: Dialect, table: Table) -> Schema:
    return {**expected_schema(dialect), "Role": table}


def test_a_column_that_refuses_our_rows_is_told(dialect: Dialect) -> None:
    expected = expected_schema(dialect)
    role = expected["Role"]
    foreign = Column("grade", dialect.catalogue.type_name("TEXT"), is_nullable=False)
    found = altered(dialect, Table({**role.columns, "grade": foreign}, ("id",), {}, role.indexes))

    assert differences(found, expected) == [
        "Table Role: column grade is not ours, may not be null and has no default, so no row of ours can be stored."
    ]


def test_another_primary_key_is_told(dialect: Dialect) -> None:
    expected = expected_schema(dialect)
    role = expected["Role"]
    found = altered(dialect, Table(role.columns, ("id", "name"), {}, role.indexes))

    assert differences(found, expected) == ["Table Role: the primary key is (id, name), not (id)."]


def test_a_foreign_key_without_a_name_is_compared_by_what_it_does() -> None:
    """SQLite's catalogue has no names."""
    columns = {"id": Column("id", "INTEGER", False), "aID": Column("aID", "BIGINT", True)}
    key = ForeignKey("B_aID_fkey", "aID", "A", "id", "SET NULL")
    expected = {"B": Table(columns, ("id",), {"aID": key}, {"B_aID_idx": NamedColumns("B_aID_idx", ("aID",), False)})}
    same = {"B": Table(columns, ("id",), {"aID": key._replace(name=None)}, expected["B"].indexes)}
    other = {"B": Table(columns, ("id",), {"aID": key._replace(name=None, table="C")}, expected["B"].indexes)}

    assert differences(same, expected) == []
    assert differences(other, expected) == [
        "Table B: foreign key B_aID_fkey is to C (id) on delete SET NULL, not to A (id) on delete SET NULL."
    ]
