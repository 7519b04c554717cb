"""A disk under SQLite that reports errors, or is full: what a call says then, and what is in the file after it."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from typing import Any

import pytest

import agentdb
from tests.faults.places import on_sqlite, sqlite_template
from tests.faults.units import TEXT, Place

__all__ = ["sqlite_template"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it makes Linux answer system calls with errors")


async def answers(place: Place, fault: str) -> list[dict[str, Any]]:
    """What a process with a failing disk was told."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.failing_disk", json.dumps([place.url, place.ids, fault]), stdout=PIPE
    )
    told, _ = await process.communicate()
    found: list[dict[str, Any]] = json.loads(told)
    return found


async def test_an_error_in_commit_leaves_it_unknown(request: pytest.FixtureRequest) -> None:
    """The end of the transaction was written, and only making sure of it failed: it may be there after a crash.

    With a request_id it is tried again, and told when that does not help; later it is done once.
    """
    async with on_sqlite(request) as place:
        before, plain, keyed = await answers(place, "fsync,fdatasync")
        async with agentdb.connect(place.url, skip_sync=True) as db:
            for _ in range(2):
                await db.conversations.append(
                    place.conversation_id, user_id=place.user_id, role="user", content=[{"text": TEXT}],
                    request_id="under",
                )  # fmt: skip
        stored = await place.messages()

    assert before == {"kind": None}
    assert (plain["kind"], plain["code"], plain["request_id"]) == ("OutcomeUnknownError", "SQLITE_IOERR_FSYNC", None)
    assert (keyed["kind"], keyed["request_id"]) == ("OutcomeUnknownError", "under")
    assert (plain["repetitions"], keyed["repetitions"]) == (0, 3)
    assert stored in (2, 3)  # "before", "under", and what nobody could know


async def test_an_error_before_commit_is_certain(request: pytest.FixtureRequest) -> None:
    """A page cannot be read, so nothing was done."""
    async with on_sqlite(request) as place:
        _, plain, keyed = await answers(place, "pread64")
        stored = await place.messages()

    for found in (plain, keyed):
        assert (found["kind"], found["code"], found["reason"]) == ("StorageError", "SQLITE_IOERR_READ", "failing")
        assert found["repetitions"] == 0
    assert stored == 1


async def test_a_full_disk_in_commit_is_certain(request: pytest.FixtureRequest) -> None:
    """What ends a transaction is written last, so it was not; reads go on, and writes work when there is space."""
    async with on_sqlite(request) as place:
        before, full, read, after = await answers(place, "full")
        stored = await place.messages()

    assert (full["kind"], full["code"], full["reason"]) == ("StorageError", "SQLITE_IOERR_WRITE", "full")
    assert full["repetitions"] == 0
    assert read == {"messages": 1}
    assert before == after == {"kind": None}
    assert stored == 2
