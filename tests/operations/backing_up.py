"""Processes that write while backups are taken, and processes that take or restore one until they are killed."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Final

import agentdb
from agentdb import Database
from agentdb.database import look
from agentdb.engine import sqlite_copy
from agentdb.operations.manifest import BackupFormat, TableFacts
from agentdb.operations.portable import read_tables
from agentdb.operations.restoration import restore
from tests.lifecycle.places import KEY, Place, configured
from tests.lifecycle.starters import Worker, event, launched

BUDGET: Final = Decimal(1000)
MODEL: Final = "us.anthropic.claude-sonnet-4-6"
COST: Final = Decimal("0.001386")
"""Of 12 input and 90 output tokens of that model."""


@dataclass
class Writer:
    """A process that commits one turn after the other: a question, an answer, and what it cost.

    Attributes:
        acknowledged: Turns that it knew to be stored when it was asked last.
    """

    name: str
    worker: Worker
    acknowledged: int = 0

    def ask(self) -> int:
        """How many turns it knows to be stored."""
        with suppress(EOFError):  # it has ended
            while self.worker.answers.poll():
                self.acknowledged = self.worker.answer()
        return self.acknowledged


def write(url: str, name: str, until: Event) -> Writer:
    """Start one. It is at work when this returns."""
    writer = Writer(name, launched(_write, url, name, until))
    writer.acknowledged = writer.worker.answer()
    return writer


async def _write(answers: Connection, url: str, name: str, until: Event) -> int:
    done = 0
    async with agentdb.connect(url, settings=configured(), skip_sync=True) as db:
        user = await db.access.create_user(email=f"{name}@example.org", budget=BUDGET)
        talk = await db.conversations.start(user_id=user.id, agent_id=1, title=name)
        while not until.is_set():
            await db.conversations.finish_turn(
                talk.id,
                user_id=user.id,
                messages=[
                    {"role": "user", "content": [{"text": f"question {done}"}]},
                    {"role": "assistant", "content": [{"text": f"answer {done}"}]},
                ],
                usage=[{"model": MODEL, "input_tokens": 12, "output_tokens": 90}],
                request_id=f"turn {done}",
            )
            done += 1
            answers.send(done)
            await asyncio.sleep(0.01)  # leaves the machine something for the backup
    return done


@contextmanager
def writing(url: str) -> Iterator[list[Writer]]:
    """Three of them are at work until the block is left; then each knows how many turns it stored."""
    until = event()
    writers = [write(url, name, until) for name in ("ada", "bob", "eve")]
    try:
        yield writers
    finally:
        until.set()
        for writer in writers:
            while writer.worker.process.is_alive():
                writer.ask()
            writer.ask()
            assert writer.worker.ended() == 0


async def turns_in(db: Database, writer: Writer) -> int:
    """How many turns of a writer stand in a database: all whole, none missing, and the money exact."""
    place = db.session.dialect.placeholder(1)
    [user] = await db.session.fetch(f'SELECT "id" FROM "User" WHERE "email" = {place}', [f"{writer.name}@example.org"])
    rows = await db.session.fetch(
        'SELECT m."content" FROM "Message" AS m JOIN "Conversation" AS c ON c."id" = m."conversationID" '
        f'WHERE c."userID" = {place} ORDER BY m."id"',
        [user["id"]],
    )
    texts = [str(row["content"]) for row in rows]
    count, rest = divmod(len(texts), 2)
    assert rest == 0
    for number in range(count):
        assert f"question {number}" in texts[2 * number]
        assert f"answer {number}" in texts[2 * number + 1]
    [usage] = await db.session.fetch(f'SELECT count(*) AS "rows" FROM "Usage" WHERE "userID" = {place}', [user["id"]])
    assert usage["rows"] == count
    assert await db.usage.remaining(user["id"]) == BUDGET - count * COST
    return count


async def facts_of(url: str) -> dict[str, TableFacts]:
    """What all tables of a database hold."""
    async with await look(url, settings=configured()) as db, db.session.client.snapshot() as snapshot:
        return await read_tables(snapshot, told=lambda what, done, total: None)


def take_backup(
    place: Place, file: Path, *, dies_at: int | None = None, kind: BackupFormat = "auto", room: int | None = None
) -> Worker:
    """In a process, that is killed when it tells for so many times how far it is; else it answers how often it did.

    Args:
        room: How many bytes a file may have there.
    """
    return launched(_take_backup, place.url, file, dies_at, kind, room)


async def _take_backup(
    answers: Connection, url: str, file: Path, dies_at: int | None, kind: BackupFormat, room: int | None
) -> int:
    sqlite_copy.STEP_PAGES = 20
    counter = _Counter(dies_at)
    async with await look(url, settings=configured(secret_key=KEY)) as db:
        if room is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        await db.backup(file, format=kind, told=counter.told)
    return counter.count


def put_back(file: Path, place: Place, *, dies_at: int | None = None) -> Worker:
    """The same for a restore in the place of what is there."""
    return launched(_put_back, place.url, file, dies_at)


async def _put_back(answers: Connection, url: str, file: Path, dies_at: int | None) -> int:
    sqlite_copy.STEP_PAGES = 20
    counter, settings = _Counter(dies_at), configured(secret_key=KEY)
    await restore(file, url, settings=settings, replace=True, told=counter.told)
    return counter.count


class _Counter:
    def __init__(self, dies_at: int | None) -> None:
        self.count = 0
        self._dies_at = dies_at

    @property
    def told(self) -> Callable[[str, int, int | None], None]:
        return self._tell

    def _tell(self, what: str, done: int, total: int | None) -> None:
        self.count += 1
        if self.count == self._dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
