"""One message appended in a unit of work, and faults that befall it: what the tables of error classes are made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import agentdb
from agentdb import Database
from agentdb.errors import AgentDBError
from tests.faults.private_server import PrivateServer, Wire

TEXT = "a message that no error may quote"


@dataclass
class Place:
    """A database, and who writes to it.

    Attributes:
        name: Of the database on the server, or the path of the file.
        ids: Of a conversation and its user.
        attempts: How often the unit was begun.
    """

    name: str
    url: str
    ids: tuple[int, int]
    messages: Callable[[], Awaitable[int]]
    server: PrivateServer | None = None
    wire: Wire | None = None
    attempts: int = field(default=0)

    @property
    def conversation_id(self) -> int:
        """Where messages are appended."""
        return self.ids[0]

    @property
    def user_id(self) -> int:
        """Who appends them."""
        return self.ids[1]

    @property
    def own_server(self) -> PrivateServer:
        """The server, where there is one."""
        assert self.server is not None
        return self.server

    @property
    def own_wire(self) -> Wire:
        """The way to the server that can be cut."""
        assert self.wire is not None
        return self.wire

    @property
    def file(self) -> Path:
        """The file, where there is one."""
        return Path(self.name)

    async def append(self, db: Database) -> None:
        """The write."""
        await db.conversations.append(self.conversation_id, user_id=self.user_id, role="user", content=[{"text": TEXT}])


Fault: TypeAlias = Callable[[Place, Database], AbstractAsyncContextManager[None]]
"""Makes the write inside the block fail, or fails itself; at the end of the block the trouble is over."""

Prepare: TypeAlias = Callable[[Place], Awaitable[object]]


def no_fault(place: Place, db: Database) -> AbstractAsyncContextManager[None]:
    """All goes well."""
    return nullcontext()


async def as_it_is(place: Place) -> None:
    """Nothing to prepare."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table of error classes.

    Attributes:
        kind: What is raised where nothing is repeated.
        codes: What the engine may have said.
        prepare: Before the handle is opened.
        inside: A fault in the first attempt of the unit, before its write.
        around: A fault around the whole unit, COMMIT included.
        is_repeated: Whether `db.run` makes a second attempt.
        stored: How many messages are there after a unit that failed.
        options: Of the handle's URL.
    """

    name: str
    kind: type[AgentDBError]
    codes: tuple[str | None, ...]
    prepare: Prepare = as_it_is
    inside: Fault = no_fault
    around: Fault = no_fault
    is_repeated: bool = False
    stored: int = 0
    reason: str | None = None
    options: str = ""


def opened(place: Place, row: Row) -> agentdb.Connector:
    """A handle on the place that makes nothing."""
    return agentdb.connect(place.url + row.options, skip_sync=True)


async def in_transaction(place: Place, row: Row, db: Database) -> None:
    """The write in the caller's own transaction."""
    async with row.around(place, db), db.transaction(), row.inside(place, db):
        await place.append(db)


async def in_unit(place: Place, row: Row, db: Database) -> None:
    """The write in a unit that is repeated where that is safe."""

    async def work() -> None:
        place.attempts += 1
        async with row.inside(place, db) if place.attempts == 1 else nullcontext():
            await place.append(db)

    async with row.around(place, db):
        await db.run(work)
