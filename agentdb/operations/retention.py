"""What is removed by its age, in slices: each is a short transaction of its own, so services go on beside it.

A slice is looked at again under its locks, and whatever was found before them counts for nothing. So nothing inside of
the period is lost, whoever writes meanwhile, and two who do this at the same time remove each row once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from agentdb.engine import Row, Session, Steps
from agentdb.engine.values import INTEGER_MAX, json_text, now
from agentdb.errors import InvalidInputError, excerpt
from agentdb.services.purging import purge
from agentdb.sql import Statements

SLICE: Final = 500
"""Rows that one transaction removes, about."""

LONGEST_DAYS: Final = 36_500
CONTEXT: Final = 1000
"""Messages that a context has at most."""

_STATEMENTS: Final = Statements("maintenance")
_FUTURE: Final = datetime(9999, 12, 30, tzinfo=UTC)


class Removed(NamedTuple):
    """What went with conversations or messages."""

    conversations: int = 0
    messages: int = 0
    resources: int = 0
    chunks: int = 0

    def plus(self, other: Removed) -> Removed:
        """Both together."""
        return Removed(*map(sum, zip(self, other, strict=True)))


@dataclass(frozen=True, slots=True)
class _Slice:
    """What one transaction did, or would.

    Attributes:
        is_last: There is nothing more of its conversation.
    """

    removed: Removed
    is_last: bool


def cut(days: Any, what: str) -> datetime:
    """The beginning of the day in UTC that is so many days before today: what is older goes.

    Raises:
        InvalidInputError: Not a whole number of days from 1 to 36,500.
    """
    if type(days) is not int or not 1 <= days <= LONGEST_DAYS:
        raise InvalidInputError(f"{what} is a whole number of days from 1 to {LONGEST_DAYS}, found {excerpt(days)}.")
    return datetime.combine(now().date() - timedelta(days=days), time(), tzinfo=UTC)


class Retention:
    """Removes from one open database what is older than an instant.

    Args:
        is_dry: Only counts it.
    """

    def __init__(self, session: Session, *, is_dry: bool) -> None:
        self._session = session
        self._is_dry = is_dry

    async def usage(self, before: datetime) -> AsyncIterator[int]:
        """How many rows of usage each slice removed. Their sums by day are kept."""
        if self._is_dry:
            (counted,) = await self._session.query(
                partial(_STATEMENTS.rows, self._session, "count_old_usage", before=before)
            )
            yield counted["rows"]
            return
        while removed := await self._session.write(partial(self._usage_of_nobody, before)):
            yield removed
        user_id = 0
        while rows := await self._session.write(partial(self._usage_from, user_id, before)):
            user_id = rows[-1]["userID"]
            yield len(rows)

    async def messages(self, before: datetime) -> AsyncIterator[Removed]:
        """What each slice removed of the messages that no context needs."""
        async for conversation_id in self._ids("old_conversations", before):
            async for removed in self._slices(partial(self._old_slice, conversation_id, before)):
                yield removed

    async def binned(self, before: datetime) -> AsyncIterator[Removed]:
        """What each slice removed of the conversations that were deleted before an instant."""
        async for conversation_id in self._ids("binned_conversations", before):
            if self._is_dry:
                (found,) = await self._session.query(partial(self._all_of, conversation_id))
                yield Removed(1, found["messages"], found["resources"], found["chunks"])
                continue
            async for removed in self._slices(partial(self._binned_slice, conversation_id, before)):
                yield removed

    async def _ids(self, statement: str, before: datetime) -> AsyncIterator[int]:
        after_id = 0
        while rows := await self._session.query(
            partial(_STATEMENTS.rows, self._session, statement, before=before, after_id=after_id, limit=SLICE)
        ):
            for row in rows:
                yield row["id"]
            after_id = rows[-1]["id"]

    async def _slices(self, steps: Any) -> AsyncIterator[Removed]:
        drive = self._session.query if self._is_dry else self._session.write
        while True:
            done: _Slice = await drive(steps)
            if any(done.removed):
                yield done.removed
            if done.is_last or self._is_dry:
                return

    def _usage_of_nobody(self, before: datetime) -> Steps[int]:
        rows = yield from _STATEMENTS.rows(self._session, "old_usage_of_nobody", before=before, limit=SLICE)
        yield from roll_up(self._session, [row["id"] for row in rows])
        return len(rows)

    def _usage_from(self, user_id: int, before: datetime) -> Steps[Sequence[Row]]:
        rows = yield from _STATEMENTS.rows(self._session, "old_usage", from_user_id=user_id, before=before, limit=SLICE)
        yield from roll_up(self._session, [row["id"] for row in rows])
        return rows

    def _all_of(self, conversation_id: int) -> Steps[Sequence[Row]]:
        return (yield from _STATEMENTS.rows(self._session, "hanging_on_conversation", conversation_id=conversation_id))

    def _old_slice(self, conversation_id: int, before: datetime) -> Steps[_Slice]:
        if not self._is_dry and not (yield from self._held(conversation_id, before)):
            return _Slice(Removed(), is_last=True)
        kept = yield from _STATEMENTS.row(
            self._session,
            "first_kept",
            conversation_id=conversation_id,
            before=before,
            highest=INTEGER_MAX,
            context=CONTEXT - 1,
        )
        return (yield from self._messages_slice(conversation_id, before, kept["id"] if kept else 0))

    def _binned_slice(self, conversation_id: int, before: datetime) -> Steps[_Slice]:
        """A slice of its messages, and with the last one the conversation."""
        held = yield from self._held(conversation_id, before)
        if held is None or not held["isBinned"]:  # purged or restored meanwhile
            return _Slice(Removed(), is_last=True)
        done = yield from self._messages_slice(conversation_id, _FUTURE, INTEGER_MAX)
        if not done.is_last:
            return done
        (rest,) = yield from self._all_of(conversation_id)
        yield from purge(self._session, conversation_id, forgets_usage=True)
        left = Removed(1, rest["messages"], rest["resources"], rest["chunks"])
        return _Slice(done.removed.plus(left), is_last=True)

    def _held(self, conversation_id: int, before: datetime) -> Steps[Row | None]:
        return (
            yield from _STATEMENTS.row(
                self._session, "hold_conversation", conversation_id=conversation_id, before=before
            )
        )

    def _messages_slice(self, conversation_id: int, before: datetime, first_kept: int) -> Steps[_Slice]:
        limit = INTEGER_MAX if self._is_dry else SLICE
        (found,) = yield from _STATEMENTS.rows(
            self._session,
            "old_messages",
            conversation_id=conversation_id,
            before=before,
            first_kept=first_kept,
            limit=limit,
        )
        if not found["messages"]:
            return _Slice(Removed(), is_last=True)
        place = {"conversation_id": conversation_id, "before": before, "last": found["last"]}
        (hanging,) = yield from _STATEMENTS.rows(self._session, "hanging", **place)
        if not self._is_dry:
            for statement in ("remove_chunks", "remove_resources", "remove_messages"):
                yield from _STATEMENTS.rows(self._session, statement, **place)
        removed = Removed(0, found["messages"], hanging["resources"], hanging["chunks"])
        return _Slice(removed, is_last=found["messages"] < limit)


def roll_up(session: Session, ids: Sequence[int], *, pseudonym: str | None = None) -> Steps[None]:
    """Remove rows of usage, and keep their sums by day.

    Args:
        pseudonym: In place of their user.
    """
    if ids:
        listed = json_text(list(ids))
        yield from _STATEMENTS.rows(session, "roll_up", ids=listed, pseudonym=pseudonym, now=now())
        yield from _STATEMENTS.rows(session, "remove_usage", ids=listed)
