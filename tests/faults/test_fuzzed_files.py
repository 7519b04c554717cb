"""A damaged or hostile SQLite file gives a clean error or a consistent answer: no hang, no crash, no foreign error."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import agentdb
from agentdb import AgentDBError, Database, SchemaError, StorageError
from agentdb.config import Settings
from agentdb.models import INTERNAL_TABLES, TABLES
from agentdb.models.names import TABLE_NAMES
from agentdb.records import Role
from tests.counts import COUNTS
from tests.faults.damages import DAMAGES
from tests.faults.fuzzing import SECRET, make_template
from tests.faults.visitor import ANSWERED, KEY, READS, WRITES, asked, is_typed
from tests.faults.visits import Visit, visit_all

LIMIT_S = 180.0
"""For twenty calls, twice, on a machine that is busy with other things."""

REFUSED_AS_A_WHOLE = [
    *("greedy trigger", "deaf trigger", "view as table", "view that is written", "virtual table", "unknown module"),
    *("generated column", "something else", "directory beside", "pipe beside", "zeros"),
]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole database with something in every part of it."""
    path = tmp_path_factory.mktemp("fuzzed") / "template.db"
    runner = asyncio.Runner()
    with runner:
        runner.run(make_template(path))
    return path


@pytest.fixture
def whole(template: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copyfile(template, tmp_path / "agent.db"))


def attached(path: Path) -> agentdb.Connector:
    """A service that attaches to it."""
    return agentdb.connect(f"sqlite:///{path}", skip_sync=True, settings=Settings.load(env_file=None, secret_key=KEY))


def change(path: Path, script: str) -> None:
    """Let somebody else write to it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.executescript(script)


async def test_damaged_files(template: Path) -> None:
    """Each way of damage many times over: attach, read twice, write, search, check, and start as the owner.

    What is whole answers everything; what is made to mislead is refused as a whole; no error repeats what rows hold.
    """
    visits = await visit_all(range(COUNTS.fuzzed_files), template, limit_s=LIMIT_S)
    outcomes = Counter(told.partition(":")[0] for visit in visits for told in visit.calls.values())

    assert [fault for visit in visits for fault in visit.faults()] == []
    assert len(visits) == COUNTS.fuzzed_files >= len(DAMAGES)
    assert {visit.kind for visit in visits} == set(DAMAGES)
    assert [told for visit in visits for told in visit.calls.values() if SECRET in told] == []
    assert not_all_answered([visit for visit in visits if visit.kind == "untouched"]) == []
    assert [visit for visit in visits if visit.kind in REFUSED_AS_A_WHOLE and len(visit.calls) > 2] == []
    assert outcomes[ANSWERED] > 200
    assert outcomes["refused StorageError"] > 20
    assert outcomes["refused SchemaError"] > 5
    assert max(int(visit.outcomes["memory"]) for visit in visits) < 1 << 30


def not_all_answered(visits: Sequence[Visit]) -> list[str]:
    """What a whole database did not answer, or was not asked."""
    names = {f"{verb} {name}" for verb in ("attach", "start") for name in (*READS, *WRITES)} | {"attach", "start"}
    return [
        f"{visit.number}: {name} {visit.calls.get(name)}"
        for visit in visits
        for name in names
        if visit.calls.get(name) != ANSWERED
    ]


# What looks at the visits is itself looked at.

PLANTS = {
    "a hang": ("import time; input(); time.sleep(600)", r"no answer within"),
    "a crash": ("import os; input(); os.abort()", r"died with -6"),
    "an end": ("input()", r"died with 0"),
    "a foreign error": ('input(); print(\'{"attach": "foreign ValueError: x"}\', flush=True)', r"foreign ValueError"),
    "two answers": ('input(); print(\'{"attach roles": "two answers"}\', flush=True)', r"two answers"),
    "odd types": ('input(); print(\'{"attach roles": "odd types"}\', flush=True)', r"odd types"),
}


@pytest.mark.parametrize("plant", PLANTS)
async def test_what_may_not_happen_is_seen(plant: str, template: Path) -> None:
    """Each of them, and the visits go on with another process."""
    program, expected = PLANTS[plant]
    limit_s = 1 if plant == "a hang" else 30  # the others answer, whatever else the machine does
    visits = await visit_all(range(3), template, limit_s=limit_s, command=(sys.executable, "-c", program), processes=1)
    faults = [fault for visit in visits for fault in visit.faults()]

    assert len(visits) == 3
    assert any(expected in fault for fault in faults)


async def test_answers_are_compared_and_typed(agent_db: Database) -> None:
    """Another answer to the same question, and a value of another type than its field's."""
    answers = iter(range(10))

    async def changing(_: Database) -> Any:
        return next(answers)

    async def foreign(_: Database) -> Any:
        raise KeyError("x")

    role = (await agent_db.access.roles())[0]

    assert await asked(agent_db, changing, twice=True) == "two answers"
    assert (await asked(agent_db, foreign, twice=False)).startswith("foreign KeyError")
    assert is_typed(role)
    assert not_typed(role.model_copy(update={"name": b"\xff"}))


def not_typed(role: Role) -> bool:
    """Whether validation would not let it pass."""
    try:
        return not is_typed(role)
    except ValueError:
        return True


# What the files have shown, one by one.


def test_all_tables_are_guarded() -> None:
    """Their names are told twice, because who attaches does not import the models."""
    assert sorted(TABLE_NAMES) == sorted([*TABLES, *INTERNAL_TABLES, "aerich"])


async def test_a_text_that_is_none(whole: Path) -> None:
    """The error says that the file is damaged, and not what the row holds; the same handle goes on."""
    change(whole, f'UPDATE "Conversation" SET "title" = CAST(x\'ff\' || \'{SECRET}\' AS TEXT) WHERE "id" = 1')
    async with attached(whole) as db:
        with pytest.raises(StorageError) as caught:
            await db.conversations.get(1, user_id=1)
        with pytest.raises(StorageError) as again:
            await db.conversations.list(user_id=1)
        other = await db.conversations.get(2, user_id=1)

    assert caught.value.reason == again.value.reason == "corrupt"
    assert SECRET not in f"{caught.value} {again.value}"
    assert other.id == 2


@pytest.mark.parametrize(
    "script",
    [
        f'UPDATE "Message" SET "content" = \'[{SECRET}\'',
        f'UPDATE "Message" SET "createdAt" = \'{SECRET}\'',
        f'UPDATE "Conversation" SET "updatedAt" = \'{SECRET}\'',
        f'UPDATE "User" SET "remaining" = \'{SECRET}\'',
        f'UPDATE "Role" SET "createdAt" = \'{SECRET}\'',
    ],
)
async def test_values_of_another_kind(whole: Path, script: str) -> None:
    """Whoever meets them says that the database is damaged, in services, on the owner's road and in Tortoise."""
    change(whole, script)
    told: list[AgentDBError] = []
    async with attached(whole) as db:
        for call in (*READS.values(), *WRITES.values()):
            try:
                await call(db)
            except AgentDBError as error:
                told.append(error)

    assert {type(error) for error in told} == {StorageError}
    assert not any(SECRET in str(error) for error in told)
    assert all(error.__cause__ is None or SECRET not in str(error.__cause__) for error in told)


@pytest.mark.parametrize("place", ["agent.db", "agent.db-wal", "agent.db-journal", "agent.db.migrate-lock"])
async def test_a_pipe_is_not_waited_for(whole: Path, place: str) -> None:
    """In the place of the database or of a file that SQLite keeps beside it."""
    pipe = whole.with_name(place)
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe, 0o400)
    url, settings = f"sqlite:///{whole}", Settings.load(env_file=None, secret_key=KEY)
    async with asyncio.timeout(60):
        with pytest.raises(StorageError, match="is a pipe"):
            await agentdb.connect(url, skip_sync=False, settings=settings)


@pytest.mark.parametrize("verb", ["attach", "start", "migrate", "seed"])
async def test_a_trigger_on_a_table_of_ours(whole: Path, verb: str) -> None:
    """Is named and nothing is done; what looks at the database finds it too, and others may have theirs."""
    change(
        whole,
        'CREATE TABLE "theirs" ("a"); CREATE TRIGGER "theirs_too" AFTER INSERT ON "theirs" BEGIN SELECT 1; END; '
        'CREATE VIEW "their_view" AS SELECT * FROM "User"',
    )
    async with attached(whole) as db:
        before = await db.usage.remaining(1)
    change(whole, 'CREATE TRIGGER "rich" AFTER INSERT ON "Usage" BEGIN UPDATE "User" SET "remaining" = 9e15; END')
    url, settings = f"sqlite:///{whole}", Settings.load(env_file=None, secret_key=KEY)
    async with await agentdb.database.look(url, settings=settings) as seen:
        drift = (await seen.check()).drift
        with pytest.raises(SchemaError, match=r"Usage has the trigger 'rich'.*Drop it"):
            if verb in ("migrate", "seed"):
                await getattr(seen, verb)()
            else:
                await agentdb.connect(url, skip_sync=verb == "attach", settings=settings)
    change(whole, 'DROP TRIGGER "rich"')
    async with attached(whole) as db:
        after = await db.usage.remaining(1)

    assert drift == ("Table Usage has the trigger 'rich'.",)
    assert before == after


async def test_our_own_trigger_is_known(whole: Path) -> None:
    """The one that search makes, and only that."""
    async with attached(whole) as db:
        found = await db.session.fetch('SELECT "name" FROM "sqlite_schema" WHERE "type" = \'trigger\'')

    assert [row["name"] for row in found] == ["agentdb_search_deletion"]


async def test_values_that_would_fill_the_memory(whole: Path) -> None:
    """Are not made, whoever asks for them."""
    async with attached(whole) as db:
        with pytest.raises(AgentDBError, match="too big"):
            await db.session.fetch("SELECT length(zeroblob(900000000) || 'x')")
