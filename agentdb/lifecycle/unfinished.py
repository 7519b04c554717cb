"""A database that somebody is still filling with the rows of another one, or was when his process ended.

Until all are there it must not look ready, and nobody else may make it so. The note of it is one row of the seeds'
ledger with an id that no row has, written in the transaction of the rows that it counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import orjson

from agentdb.engine import Client, Session
from agentdb.engine.dialect import MissingRelationError
from agentdb.engine.misread import reading
from agentdb.engine.values import INTEGER_MIN, json_text
from agentdb.errors import SchemaError
from agentdb.lifecycle.packaged import packaged_versions

NOTE_ID: Final = INTEGER_MIN

# No table of this name is ever seeded, so no seed looks at the row.
_NO_TABLE: Final = "agentdb unfinished"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """How far a database is filled.

    Attributes:
        work: What fills it, as the command is called.
        origin: What the other database says it is; see `Dialect.identity`.
        shown: Where that one is, without secrets.
        version: The newest migration of both.
        step: How many parts of the work are done.
        last_id: The last row of the next part that is there.
    """

    work: str
    origin: str
    shown: str
    version: str
    step: int
    last_id: int


async def read_unfinished(session: Session) -> Unfinished | None:
    """The note, if there is one. A plain read."""
    place = session.dialect.placeholder(1)
    try:
        rows = await session.fetch(f'SELECT * FROM "agentdb_seed" WHERE "id" = {place}', [NOTE_ID])  # noqa: S608
    except MissingRelationError:
        return None
    with reading():
        return next(
            (Unfinished(row["source"], row["key"], last_id=row["rowID"], **_facts(row["digests"])) for row in rows),
            None,
        )


async def note_unfinished(client: Client, note: Unfinished) -> None:
    """Write the note, in place of an earlier one, inside the caller's transaction."""
    await forget_unfinished(client)
    places = ", ".join(client.dialect.placeholder(at) for at in range(1, 7))
    facts = json_text({"shown": note.shown, "version": note.version, "step": note.step})
    await client.fetch(
        f'INSERT INTO "agentdb_seed" ("id", "source", "tableName", "key", "rowID", "digests") VALUES ({places})',  # noqa: S608 - placeholders
        [NOTE_ID, note.work, _NO_TABLE, note.origin, note.last_id, facts],
    )


async def forget_unfinished(client: Client) -> None:
    """Take the note away, inside the caller's transaction."""
    await client.fetch(f'DELETE FROM "agentdb_seed" WHERE "id" = {client.dialect.placeholder(1)}', [NOTE_ID])  # noqa: S608


async def refuse_unfinished(session: Session) -> None:
    """Keep a database from being made ready by anybody but who fills it.

    Raises:
        SchemaError: It is unfinished.
    """
    found = await read_unfinished(session)
    if found is not None:
        raise SchemaError(
            f"The database at {session.target.shown} is the unfinished target of a {found.work} from {found.shown}. "
            f"Run `agentdb {found.work}` again: it goes on where it ended.",
            found="unfinished",
            expected=packaged_versions()[-1],
        )


def _facts(stored: Any) -> dict[str, Any]:
    facts = orjson.loads(stored)
    return {name: facts[name] for name in ("shown", "version", "step")}
