"""The generator tells what the models changed, for every engine, and an app beside agentdb works the same way."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from aerich.utils import decompress_dict, get_formatted_compressed_data

from agentdb.engine import Session
from agentdb.engine.location import dialect_of
from agentdb.errors import SchemaError
from agentdb.lifecycle.makemigrations import Draft, Source, draft, main, write
from agentdb.lifecycle.migrate import Migrator
from agentdb.lifecycle.packaged import TODO, load_migration, migrations_directory, packaged_versions
from agentdb.lifecycle.schema import differences, expected_schema, read_schema
from agentdb.models import User
from tests.lifecycle.conftest import Opener
from tests.lifecycle.second_app.models import Note

ROOT = Path(__file__).parents[2]
PACKAGED = Path(__file__).parent / "second_app" / "migrations"
MODULES = ("tests.lifecycle.second_app.models",)
SECOND = Source("second", MODULES, PACKAGED)

Edit: TypeAlias = Callable[[dict[str, Any]], None]


def earlier(location: Path, edit: Edit, sql: str = "") -> Source:
    """The second app as if an earlier release had had another model of a note, made by `sql`."""
    migration = load_migration("0001_notes", app="second", location=PACKAGED)
    state = deepcopy(decompress_dict(migration.models_state))
    edit(state["agentdb.Note"])
    source = Source("second", MODULES, location)
    write(
        Draft(
            dict.fromkeys(migration.upgrade, sql),
            dict.fromkeys(migration.downgrade, 'DROP TABLE "Note";'),
            state,
            migration.requires,
        ),
        source,
        "notes",
    )
    return source


def without(*names: str) -> Edit:
    """An edit that takes columns, relations and indexes away."""

    def edit(note: dict[str, Any]) -> None:
        for part in ("data_fields", "fk_fields", "indexes"):
            note[part] = [one for one in note[part] if one["name"] not in names]

    return edit


# No difference.


async def test_the_models_are_as_their_newest_migration_left_them() -> None:
    assert await draft(Source()) is None


def test_the_command_says_that_there_is_no_difference() -> None:
    """As `nox -s makemigrations -- name` runs it, in a process of its own; no file appears."""
    before = packaged_versions()
    command = [sys.executable, "-m", "agentdb.lifecycle.makemigrations", "nothing_new"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "No difference.\n")
    assert packaged_versions() == before


def test_a_name_is_small_letters(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["Not A Name"])

    assert caught.value.code == 2
    assert "a name is needed" in capsys.readouterr().err


# An app beside agentdb.


async def test_the_second_app_is_generated_as_it_is_packaged(tmp_path: Path) -> None:
    """Only its own table, built on the newest core version; and then there is no difference any more."""
    source = Source("second", MODULES, tmp_path)
    made = await draft(source)
    assert made is not None
    write(made, source, "notes")
    name = "second/0001_notes.py"

    assert (tmp_path / name).read_text() == (PACKAGED / name).read_text()
    assert list(made.state) == ["agentdb.Note"]
    assert await draft(source) is None


async def test_the_core_has_no_difference_with_the_second_app_installed() -> None:
    """Its reverse relation on User is nothing that the database sees."""
    assert await draft(SECOND) is None
    assert "notes" in User._meta.backward_fk_fields
    assert await draft(Source()) is None


async def test_the_second_app_goes_up_and_down(url: str, open_session: Opener) -> None:
    session = await open_session(url, *MODULES)
    core, second = Migrator(session), Migrator(session, app="second", location=PACKAGED)
    await core.upgrade()
    up = await second.upgrade()
    with session.use():
        user = await User.create(email="a@example.org")
        await Note.create(user=user, title="first", position=1)
        notes = await User.get(id=user.id).prefetch_related("notes")
        titles = [note.title for note in notes.notes]  # type: ignore[attr-defined]  # User does not know the app
        drift = differences(await read_schema(session), expected_schema(session.dialect, [Note]))
    history = await second.history()
    down = await second.downgrade()
    left = await read_schema(session)
    applied = await core.applied()

    assert titles == ["first"]
    assert drift == []
    assert up == down == ("0001_notes",)
    assert [step.is_applied for step in history] == [True]
    assert "Note" not in left
    assert applied == packaged_versions()


async def test_the_core_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the app's migration would hold the core's changes."""
    core = tmp_path / "core"
    shutil.copytree(migrations_directory() / "agentdb", core / "agentdb")
    file = core / "agentdb" / f"{packaged_versions()[-1]}.py"
    state = decompress_dict(load_migration(file.stem).models_state)
    state["agentdb.Role"]["data_fields"].pop()
    file.write_text(file.read_text() + f"\nMODELS_STATE = (\n    {get_formatted_compressed_data(state)}\n)\n")
    monkeypatch.setattr("agentdb.lifecycle.packaged.migrations_directory", lambda: core)
    with pytest.raises(SchemaError, match="Make that migration first"):
        await draft(SECOND)


# What has changed.


def test_check_shows_the_sql_and_writes_nothing(tmp_path: Path) -> None:
    """In a process of its own, as continuous integration runs it."""
    earlier(tmp_path, without("title", "Note_title_idx"))
    command = [sys.executable, "-m", "agentdb.lifecycle.makemigrations", "--check", "--app", "second"]
    command += ["--models", *MODULES, "--location", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    assert done.returncode == 1
    assert done.stdout.count('ALTER TABLE "Note" ADD COLUMN "title" TEXT;') == 2
    assert packaged_versions("second", location=tmp_path) == ("0001_notes",)


@pytest.mark.parametrize("scheme", ["sqlite", "postgresql"])
async def test_an_added_column_brings_its_default_and_its_foreign_key(scheme: str, tmp_path: Path) -> None:
    """Stock aerich drops database defaults, and names the attribute of a relation in place of its column."""
    source = earlier(tmp_path, without("user", "user_id", "created_at", "Note_userID_position_idx"))
    made = await draft(source)
    assert made is not None
    sql = made.upgrade[dialect_of(scheme).name]

    assert 'CREATE UNIQUE INDEX "Note_userID_position_idx" ON "Note" ("userID", "position");' in sql
    if scheme == "postgresql":
        assert 'ADD COLUMN "createdAt" TIMESTAMPTZ DEFAULT now();' in sql
        assert (
            '"userID" BIGINT NOT NULL CONSTRAINT "Note_userID_fkey" REFERENCES "User" ("id") ON DELETE CASCADE;' in sql
        )
    else:
        assert f'{TODO}: rebuild the table to add "Note"."createdAt"' in sql
        assert f'{TODO}: rebuild the table to add "Note"."userID"' in sql


async def test_a_dropped_relation_goes_with_its_column_and_comes_back_named(tmp_path: Path) -> None:
    def with_agent(note: dict[str, Any]) -> None:
        relation, column = note["fk_fields"][0], next(one for one in note["data_fields"] if one["name"] == "user_id")
        changed = {"name": "agent", "python_type": "agentdb.Agent", "raw_field": "agent_id", "nullable": True}
        note["fk_fields"].append(relation | changed | {"on_delete": "SET NULL"})
        note["data_fields"].append(column | {"name": "agent_id", "db_column": "agentID", "nullable": True})

    made = await draft(earlier(tmp_path, with_agent))
    assert made is not None

    assert set(made.upgrade.values()) == {'ALTER TABLE "Note" DROP COLUMN "agentID";\n'}
    assert made.downgrade["postgres"].splitlines() == [
        'ALTER TABLE "Note" ADD "agentID" BIGINT;',
        (
            'ALTER TABLE "Note" ADD CONSTRAINT "Note_agentID_fkey" FOREIGN KEY ("agentID") REFERENCES "Agent" ("id") '
            "ON DELETE SET NULL;"
        ),
    ]
    assert f'{TODO}: rebuild the table to add the foreign key of "Note"."agentID"' in made.downgrade["sqlite"]


async def test_a_relation_that_becomes_a_plain_number_loses_its_constraint(tmp_path: Path) -> None:
    def position_was_a_relation(note: dict[str, Any]) -> None:
        note["fk_fields"].append(note["fk_fields"][0] | {"name": "rank", "raw_field": "position"})

    made = await draft(earlier(tmp_path, position_was_a_relation))
    assert made is not None

    assert made.upgrade["postgres"] == 'ALTER TABLE "Note" DROP CONSTRAINT IF EXISTS "Note_position_fkey";\n'
    assert made.upgrade["sqlite"] == f'{TODO}: rebuild the table to drop the foreign key of "Note"."position";\n'


async def test_what_is_generated_can_be_applied_and_taken_back(session: Session, tmp_path: Path) -> None:
    """Columns and indexes of both kinds come and go, and the result is what the models want."""
    whole = load_migration("0001_notes", app="second", location=PACKAGED)
    dialect = session.dialect.name
    source = earlier(
        tmp_path,
        without("title", "position", "Note_title_idx", "Note_userID_position_idx"),
        "\n".join(
            line
            for line in whole.upgrade[dialect].splitlines()
            if '"title"' not in line and '"position"' not in line and "_idx" not in line
        ),
    )
    made = await draft(source)
    assert made is not None
    write(made, source, "title_and_position")
    migrator = Migrator(session, app="second", location=tmp_path)
    await Migrator(session).upgrade()
    up = await migrator.upgrade()
    drift = differences(await read_schema(session), expected_schema(session.dialect, [Note]))
    await migrator.downgrade()
    note = (await read_schema(session))["Note"]

    assert up == ("0001_notes", "0002_title_and_position")
    assert drift == []
    assert not {"title", "position"} & set(note.columns)
    assert note.indexes == {}


async def test_what_sqlite_cannot_alter_is_left_to_a_person(tmp_path: Path) -> None:
    """The migrator refuses the file until the table's rebuild is written."""

    def required(note: dict[str, Any]) -> None:
        next(one for one in note["data_fields"] if one["name"] == "title")["nullable"] = False

    made = await draft(earlier(tmp_path, required))
    assert made is not None

    assert made.upgrade["postgres"] == 'ALTER TABLE "Note" ALTER COLUMN "title" DROP NOT NULL;\n'
    assert made.upgrade["sqlite"] == f'{TODO}: rebuild the table to change "Note"."title";\n'


async def test_a_unique_index_differs_from_a_plain_one(tmp_path: Path) -> None:
    def plain(note: dict[str, Any]) -> None:
        next(one for one in note["indexes"] if one["name"] == "Note_userID_position_idx")["type"] = ""

    made = await draft(earlier(tmp_path, plain))
    assert made is not None

    for sql in made.upgrade.values():
        assert sql.splitlines() == [
            'DROP INDEX IF EXISTS "Note_userID_position_idx";',
            'CREATE UNIQUE INDEX "Note_userID_position_idx" ON "Note" ("userID", "position");',
        ]


async def test_what_aerich_does_not_compare_is_told(tmp_path: Path) -> None:
    """Of a changed rule on delete it only prints a line."""

    def kept(note: dict[str, Any]) -> None:
        note["fk_fields"][0]["on_delete"] = "RESTRICT"

    made = await draft(earlier(tmp_path, kept))
    assert made is not None

    assert all(sql.startswith(TODO) for sql in made.upgrade.values())


async def test_docstrings_are_no_comments_in_the_database(tmp_path: Path) -> None:
    made = await draft(Source("second", MODULES, tmp_path))
    assert made is not None

    assert Note.__doc__ is not None
    for sql in made.upgrade.values():
        assert "COMMENT" not in sql
        assert "seen from its user" not in sql
