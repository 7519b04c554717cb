"""A full disk and a read-only file: the right error, reads go on, the same handle writes again, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import agentdb
from agentdb import StorageError
from agentdb.config import Settings
from agentdb.engine.private_files import create_private
from tests.faults.spaces import SPACES, command_of, why_no_tmpfs
from tests.faults.without_rights import without_rights

SETTINGS: dict[str, Any] = {"secret_key": "a key of these tests"}


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty directory that any account can be let into."""
    path = Path(tempfile.mkdtemp(prefix="agentdb-full-"))
    yield path
    shutil.rmtree(path)


async def told_by(*command: str) -> Any:
    """What a process prints."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(300):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    return json.loads(said)


def gaps(story: dict[str, Any]) -> list[str]:
    """Whatever callers were told that is not so in the file."""
    found = [] if story["integrity"] == [["ok"]] else [f"integrity: {story['integrity']}"]
    for kind in ("usage", "message"):
        there = [key for key in story[kind] if key is not None]
        found += [f"lost {key}" for key in story["kept"][kind] if key not in there]
        found += [f"done, though refused: {key}" for key in story["refused"][kind] if key in there]
        found += [f"doubled {key}" for key in set(there) if there.count(key) > 1]
    spent = (10**6 - Decimal(story["remaining"])) * 10**10
    if spent != story["rows_cost"]:
        found.append(f"the balance tells {spent}, the rows {story['rows_cost']}")
    return found


@pytest.mark.parametrize("space", SPACES)
async def test_a_full_disk(space: str, place: Path) -> None:
    """Eight writers with keys of their own and a reader, before, while and after there is no room, on one handle.

    Nothing is lost or done twice, what was refused was not done, and checkpoints neither stop nor harm anything.
    """
    kind = "limit" if space == "tmpfs" and why_no_tmpfs() is not None else space
    story = await told_by(*command_of(kind), "-m", "tests.faults.full_disk", kind, str(place / "agent.db"))
    told = story["told"]

    assert gaps(story) == []
    assert set(told["with room"]) == {"kept"} == set(told["again"])
    assert set(told["full"]) <= {"kept", "StorageError full"}
    assert told["full"]["StorageError full"] >= 60
    assert story["transaction"] == "StorageError full"
    assert min(story["reads"][phase] for phase in ("with room", "full", "again")) > 0


GOOD_STORY: dict[str, Any] = {
    "integrity": [["ok"]],
    "usage": ["a", "b"],
    "message": ["c", None],
    "kept": {"usage": ["a", "b"], "message": ["c"]},
    "refused": {"usage": ["x"], "message": []},
    "remaining": "999999.9999998000",
    "rows_cost": 2000,
}
LIES: dict[str, dict[str, Any]] = {
    "lost": {"message": [None]},
    "doubled": {"usage": ["a", "b", "b"]},
    "done, though refused": {"usage": ["a", "b", "x"]},
    "the balance": {"rows_cost": 3000},
    "integrity": {"integrity": [["*** in database main ***"]]},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_gap_is_seen(lie: str) -> None:
    """Each that may not be; a good story has none."""
    assert gaps(GOOD_STORY) == []
    assert any(gap.startswith(lie) for gap in gaps({**GOOD_STORY, **LIES[lie]}))


async def test_a_start_on_a_full_disk(place: Path) -> None:
    """Wherever in the start it runs full, a later start completes what is there, and finds nothing wrong."""
    told = await told_by(sys.executable, "-m", "tests.faults.full_start", str(place))

    assert {outcome for outcome, _, _ in told} == {"StorageError full", "ready"}
    assert len([outcome for outcome, _, _ in told if outcome != "ready"]) >= 5
    assert {(again, drift) for _, again, drift in told} == {("ready", "clean")}


async def test_a_read_only_file(place: Path) -> None:
    """Reads are answered, writes say that it is read-only; when it is not any more, the same handle writes."""
    path, settings = place / "agent.db", Settings.load(env_file=None, **SETTINGS)
    url = f"sqlite:///{path}"
    await anything(url, settings)  # what it takes is imported
    with without_rights(place, *(place / name for name in os.listdir(place))):
        os.chmod(path, 0o400)
        async with agentdb.connect(url, skip_sync=True, settings=settings) as db:
            before = await db.usage.remaining(1)
            refused = [await error_of(db) for _ in range(3)]
            while_read_only = await db.usage.remaining(1)
            roles = await asyncio.gather(*(db.access.roles() for _ in range(8)))
            for name in os.listdir(place):  # those of its log are as the database was when they were made
                os.chmod(f"{place}/{name}", 0o600)
            charge = await db.usage.record(user_id=1, model="mock-model", input_tokens=1000)
            async with db.transaction():
                await db.conversations.start(user_id=1)

    assert [(type(error), getattr(error, "reason", "")) for error in refused] == [(StorageError, "read-only")] * 3
    assert before == while_read_only
    assert len(roles[0]) > 0
    assert before is not None
    assert charge.remaining is not None
    assert charge.remaining < before


async def anything(url: str, settings: Settings) -> None:
    """A database with a user, to which everything has happened once."""
    async with agentdb.connect(url, skip_sync=False, settings=settings) as db:
        await db.access.create_user(email="ada@example.org", budget=Decimal(10))
        await db.usage.record(user_id=1, model="mock-model", input_tokens=1)
        await db.conversations.start(user_id=1)
        await db.access.roles()


async def error_of(db: agentdb.Database) -> Exception | None:
    """What a write is told."""
    try:
        await db.usage.record(user_id=1, model="mock-model", input_tokens=1000)
    except Exception as error:
        return error
    return None


async def test_a_directory_without_room_for_a_file(place: Path) -> None:
    """Where nobody may make a file, the error says so, and nothing is there."""
    settings = Settings.load(env_file=None, **SETTINGS)
    await anything("sqlite:///:memory:", settings)
    with without_rights(place):
        os.chmod(place, 0o500)
        with pytest.raises(StorageError, match="cannot be made") as caught:
            await agentdb.connect(f"sqlite:///{place}/agent.db", skip_sync=False, settings=settings)
        os.chmod(place, 0o700)

    assert caught.value.reason == "read-only"
    assert os.listdir(place) == []
    assert create_private(place / "agent.db")
