"""A person's data leaves the database: all tables in one transaction, then what deleted rows leave in its files."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from agentdb.engine import Session, Steps
from agentdb.engine.retry import Doubts
from agentdb.engine.values import now
from agentdb.errors import (
    AgentDBError,
    InvalidInputError,
    NotFoundError,
    TransactionError,
    UnavailableError,
    excerpt,
)
from agentdb.lifecycle.start import check_at_head
from agentdb.operations.personal import REMOVED, SUMMED, query_of
from agentdb.operations.retention import roll_up
from agentdb.sql import Statements

_STATEMENTS: Final = Statements("maintenance")
_BATCH: Final = 5000
_PATIENCE_S: Final = 30 * 24 * 3600.0
"""No deadline, for calls that have one."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased.

    Attributes:
        removed: Rows that are gone, by table.
        summed: Rows whose sums by day stay under a pseudonym, by table.
        is_scrubbed: Nothing of them can be read in the database's files either.
        remains: Why not, if so.
    """

    removed: Mapping[str, int]
    summed: Mapping[str, int]
    is_scrubbed: bool
    remains: str | None


class Eraser:
    """Erases one person from an open database."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def erase(self, user_id: int) -> Erasure:
        """`Database.erase_user` tells all."""
        check_user_id(user_id)
        if self._session.client.joined() is not None:
            raise TransactionError("An erasure has a transaction of its own. Leave yours first.")
        await check_at_head(self._session)
        attempt = partial(self._attempted, user_id)
        try:
            removed, summed = await attempt()
        except UnavailableError as error:  # a search may index what they said, and hold that before it asks for them
            removed, summed = await self._session.repeats.run(attempt, error, Doubts())
        remains = await self._scrubbed()
        return Erasure(removed, summed, remains is None, remains)

    async def _attempted(self, user_id: int) -> tuple[dict[str, int], dict[str, int]]:
        # Not a unit of the services: those have deadlines, and a person may have said a lot.
        async with self._session.client.transaction(isolation="read committed", is_patient=True):
            return await self._session.write(partial(self._erased, user_id), timeout_s=_PATIENCE_S)

    def _erased(self, user_id: int) -> Steps[tuple[dict[str, int], dict[str, int]]]:
        if (yield from _STATEMENTS.row(self._session, "hold_user", user_id=user_id)) is None:
            raise NotFoundError("user", user_id)
        yield from _STATEMENTS.rows(self._session, "hold_conversations_of_user", user_id=user_id)
        removed: dict[str, int] = {}
        summed: dict[str, int] = {}
        for tables, counts in ((REMOVED, removed), (SUMMED, summed)):
            for table, condition in tables.items():
                # Before anything goes: a row may go along with another.
                counts[table] = yield from self._count(table, condition, user_id)
        yield from self._summed(user_id)
        for table, condition in REMOVED.items():
            yield query_of(self._session, f'DELETE FROM "{table}" WHERE {condition}', user_id)  # noqa: S608 - ours
        return removed, summed

    def _count(self, table: str, condition: str, user_id: int) -> Steps[int]:
        (row,) = yield query_of(
            self._session,
            f'SELECT COUNT(*) AS "rows" FROM "{table}" WHERE {condition}',  # noqa: S608 - all of it is ours
            user_id,
        )
        return int(row["rows"])

    def _summed(self, user_id: int) -> Steps[None]:
        """Keep the sums under a name that is not kept anywhere else, so there is no way back."""
        pseudonym = secrets.token_hex(16)
        while rows := (yield from _STATEMENTS.rows(self._session, "usage_of_user", user_id=user_id, limit=_BATCH)):
            yield from roll_up(self._session, [row["id"] for row in rows], pseudonym=pseudonym)
        yield from _STATEMENTS.rows(
            self._session, "forget_user_of_days", user_id=user_id, pseudonym=pseudonym, now=now()
        )

    async def _scrubbed(self) -> str | None:
        """Clear what the deleted rows left; why that is not whole, if so."""
        dialect, client = self._session.dialect, self._session.client
        try:
            await self._follow_words()
            if not await dialect.upkeep.vacuum(client, (*REMOVED, *SUMMED)):
                return "Somebody reads an earlier state of the database. Run `agentdb maintain --vacuum` afterwards."
        except AgentDBError as error:
            return f"{error} Run `agentdb maintain --vacuum` afterwards."
        return None

    async def _follow_words(self) -> None:
        table = self._session.dialect.word_table
        if table is None:
            return
        while await self._session.query(table.state, timeout_s=_PATIENCE_S) == "behind":
            await self._session.write(table.follow, timeout_s=_PATIENCE_S)


def check_user_id(user_id: Any) -> None:
    """
    Raises:
        InvalidInputError: It is no id.
    """
    if type(user_id) is not int:
        raise InvalidInputError(f"user_id is an int, found {type(user_id).__name__} {excerpt(user_id)}.")
