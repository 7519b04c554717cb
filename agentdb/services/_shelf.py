"""The conversations of a user as a whole: listed, renamed, thrown away, taken back, and destroyed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from agentdb.engine import Row, Steps
from agentdb.engine.values import INTEGER_MAX, now
from agentdb.errors import ConflictError, NotFoundError
from agentdb.records import Conversation
from agentdb.records.conversations import ConversationPreview
from agentdb.services._appending import Place, place_of, refuse
from agentdb.services._cursor import decode_cursor, encode_cursor
from agentdb.services._input import flag, identifier, optional_identifier, optional_text, page_size
from agentdb.services._service import Service
from agentdb.services.purging import purge
from agentdb.sql import Statements
from agentdb.types import Page

_STATEMENTS: Final = Statements("conversations")

# Before and after all that is stored; the engines' own ends of time are not the same.
_PAST: Final = datetime(1, 1, 2, tzinfo=UTC)
_FUTURE: Final = datetime(9999, 12, 31, tzinfo=UTC)


class Shelf(Service):
    """Conversations as a whole."""

    async def get(self, conversation_id: int, *, user_id: int, timeout: float | None = None) -> Conversation:
        """A conversation without its messages.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such conversation, deleted, or not this user's.
            DeadlineError: `timeout` has passed.
        """
        place = place_of(conversation_id, user_id)
        conversation = Conversation.from_row(await self._query(partial(self._get, place), timeout))
        if conversation.deleted:
            raise NotFoundError("conversation", conversation_id)
        return conversation

    async def list(
        self,
        *,
        user_id: int,
        agent_id: int | None = None,
        deleted: bool = False,
        limit: int = 20,
        cursor: str | None = None,
        timeout: float | None = None,
    ) -> Page[ConversationPreview]:
        """A user's conversations, each with its last message, last changed first, in one statement.

        A cursor is a place in the order of changes: a conversation that changes between two pages goes to the top,
        where the next first page shows it; no page shows a conversation that one before it has shown.

        Args:
            agent_id: Only those with this agent.
            deleted: Those that were deleted, in place of the others.
            limit: At most so many, 1 to 1000.
            cursor: `next_cursor` of a page of the same list, for the conversations after it.
            timeout: Seconds for the whole call.

        Raises:
            InvalidInputError: A limit out of range, or a cursor that this list did not give.
            DeadlineError: `timeout` has passed.
        """
        scope, size = _scope(user_id, agent_id, deleted), page_size(limit)
        listing = f"conversations:{':'.join(map(str, scope.values()))}"
        after = (_FUTURE, INTEGER_MAX) if cursor is None else decode_cursor(cursor, listing, datetime | None, int)
        steps = partial(_STATEMENTS.rows, self._session, "list", **scope, **_bounds(*after), limit=size + 1)
        found = sorted(ConversationPreview.from_rows(await self._query(steps, timeout)), key=_newness, reverse=True)
        shown, is_last = tuple(found[:size]), len(found) <= size
        return Page(shown, None if is_last else encode_cursor(listing, shown[-1].updated_at, shown[-1].id))

    async def count(
        self, *, user_id: int, agent_id: int | None = None, deleted: bool = False, timeout: float | None = None
    ) -> int:
        """How many conversations `list` has.

        Args:
            agent_id: Only those with this agent.
            deleted: Those that were deleted, in place of the others.
            timeout: Seconds for the whole call.

        Raises:
            DeadlineError: `timeout` has passed.
        """
        steps = partial(_STATEMENTS.rows, self._session, "count", **_scope(user_id, agent_id, deleted))
        (row,) = await self._query(steps, timeout, is_short=False)
        return int(row["count"])

    async def rename(
        self, conversation_id: int, *, user_id: int, title: str | None, timeout: float | None = None
    ) -> Conversation:
        """Give a conversation another title.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such conversation, deleted, or not this user's.
            DeadlineError: `timeout` has passed; nothing was changed.
        """
        place = place_of(conversation_id, user_id)
        steps = partial(self._changed, place, "rename", {"title": optional_text(title, "title")})
        return Conversation.from_row(await self._write(steps, timeout))

    async def delete(self, conversation_id: int, *, user_id: int, timeout: float | None = None) -> Conversation:
        """Throw a conversation away; `restore` takes it back.

        It and all that belongs to it is no longer found, but in `list(deleted=True)`. Deleting it again changes
        nothing, not the time of the first deletion either.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such conversation, or not this user's.
            DeadlineError: `timeout` has passed; nothing was changed.
        """
        return await self._set_deleted(place_of(conversation_id, user_id), timeout, deleted=True)

    async def restore(self, conversation_id: int, *, user_id: int, timeout: float | None = None) -> Conversation:
        """Take a deleted conversation back, with all that belongs to it. One that is not deleted stays as it is.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such conversation, or not this user's.
            DeadlineError: `timeout` has passed; nothing was changed.
        """
        return await self._set_deleted(place_of(conversation_id, user_id), timeout, deleted=False)

    async def purge(self, conversation_id: int, *, user_id: int, timeout: float | None = None) -> None:
        """Destroy a deleted conversation with its messages and their resources; nothing brings it back.

        What was charged stays, without its message.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such conversation, or not this user's.
            ConflictError: It is not deleted.
            DeadlineError: `timeout` has passed; nothing was destroyed.
        """
        await self._write(partial(self._purge, place_of(conversation_id, user_id)), timeout)

    async def _set_deleted(self, place: Place, timeout: float | None, *, deleted: bool) -> Conversation:
        return Conversation.from_row(await self._write(partial(self._deleted, place, deleted=deleted), timeout))

    def _get(self, place: Place) -> Steps[Row]:
        row = yield from _STATEMENTS.row(self._session, "conversation", **place._asdict())
        return row if row is not None else refuse(place)

    def _changed(self, place: Place, statement: str, values: Mapping[str, Any]) -> Steps[Row]:
        row = yield from _STATEMENTS.row(self._session, statement, now=now(), **place._asdict(), **values)
        return row if row is not None else refuse(place)

    def _deleted(self, place: Place, *, deleted: bool) -> Steps[Row]:
        moment = now()
        row = yield from _STATEMENTS.row(
            self._session,
            "set_deleted",
            deleted=deleted,
            deleted_at=moment if deleted else None,
            now=moment,
            **place._asdict(),
        )
        return row if row is not None else (yield from self._get(place))  # it is already so

    def _purge(self, place: Place) -> Steps[None]:
        row = yield from _STATEMENTS.row(self._session, "lock_conversation", **place._asdict())
        if row is None:
            refuse(place)
        if not row["deleted"]:
            raise ConflictError(f"Conversation {place.conversation_id} is not deleted. Delete it before you purge it.")
        has_foreign_keys = self._session.abilities.support_tables  # like all that our migrations make
        yield from purge(self._session, place.conversation_id, forgets_usage=not has_foreign_keys)


def _scope(user_id: Any, agent_id: Any, deleted: Any) -> dict[str, Any]:
    """Which conversations a list has."""
    return {
        "user_id": identifier(user_id, "user_id"),
        "agent_id": optional_identifier(agent_id, "agent_id"),
        "deleted": flag(deleted, "deleted"),
    }


def _newness(conversation: Conversation) -> tuple[datetime, int]:
    return conversation.updated_at or _PAST, conversation.id


def _bounds(updated_at: datetime | None, conversation_id: int) -> dict[str, Any]:
    """What comes after a place in the list; those without a time come last."""
    if updated_at is None:
        return {"before": _PAST, "before_id": 0, "undated_before": conversation_id}
    return {"before": updated_at, "before_id": conversation_id, "undated_before": INTEGER_MAX}
