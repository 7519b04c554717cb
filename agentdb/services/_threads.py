"""What was said, in order: the end of a conversation, and the branches that messages make by following one another."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from agentdb.engine import Row, Steps
from agentdb.engine.values import INTEGER_MAX
from agentdb.errors import NotFoundError
from agentdb.records import Message
from agentdb.services._appending import Place, place_of
from agentdb.services._cursor import decode_cursor, encode_cursor
from agentdb.services._input import identifier, page_size
from agentdb.services._service import Service
from agentdb.sql import Statements
from agentdb.types import Page

_STATEMENTS: Final = Statements("conversations")


class Threads(Service):
    """Reading messages."""

    async def history(
        self,
        conversation_id: int,
        *,
        user_id: int,
        limit: int = 50,
        cursor: str | None = None,
        timeout: float | None = None,
    ) -> Page[Message]:
        """The last messages of a conversation, oldest first.

        Args:
            limit: At most so many, 1 to 1000.
            cursor: `next_cursor` of a page, for the messages before it.
            timeout: Seconds for the whole call.

        Returns:
            Messages in the order in which they were appended; `next_cursor` is None when there are none before them.

        Raises:
            NotFoundError: No such conversation, deleted, or not this user's.
            InvalidInputError: A limit out of range, or a cursor that this conversation's history did not give.
            DeadlineError: `timeout` has passed.
        """
        place, size, listing = place_of(conversation_id, user_id), page_size(limit), f"history:{conversation_id}"
        before = INTEGER_MAX if cursor is None else decode_cursor(cursor, listing, int)[0]
        rows = await self._query(partial(self._history, place, before, size + 1), timeout)
        shown = Message.from_rows(rows[:size])[::-1]
        return Page(tuple(shown), encode_cursor(listing, shown[0].id) if len(rows) > size else None)

    async def thread(
        self, message_id: int, *, user_id: int, limit: int = 1000, timeout: float | None = None
    ) -> tuple[Message, ...]:
        """The branch that ends in a message: what it follows, through `parent_id`, from the root on.

        Args:
            limit: At most so many, 1 to 1000; of a longer branch these are the last. The first of them then has a
                `parent_id`, whose thread is the part before.
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such message in a conversation of this user, or that is deleted.
            InvalidInputError: A limit out of range.
            DeadlineError: `timeout` has passed.
        """
        ids = {"message_id": identifier(message_id, "message_id"), "user_id": identifier(user_id, "user_id")}
        steps = partial(_STATEMENTS.rows, self._session, "thread", **ids, limit=page_size(limit))
        messages = Message.from_rows(await self._query(steps, timeout))
        if not messages:
            raise NotFoundError("message", message_id)
        return tuple(messages)

    async def replies(
        self,
        message_id: int,
        *,
        user_id: int,
        limit: int = 50,
        cursor: str | None = None,
        timeout: float | None = None,
    ) -> Page[Message]:
        """The messages that follow a message: where a thread goes on, in several branches if there are several.

        Args:
            limit: At most so many, 1 to 1000.
            cursor: `next_cursor` of a page, for the messages after it.
            timeout: Seconds for the whole call.

        Returns:
            Messages in the order in which they were appended.

        Raises:
            NotFoundError: No such message in a conversation of this user, or that is deleted.
            InvalidInputError: A limit out of range, or a cursor that this message's replies did not give.
            DeadlineError: `timeout` has passed.
        """
        ids = {"message_id": identifier(message_id, "message_id"), "user_id": identifier(user_id, "user_id")}
        size, listing = page_size(limit), f"replies:{message_id}"
        after = 0 if cursor is None else decode_cursor(cursor, listing, int)[0]
        rows = await self._query(partial(self._replies, ids, after, size + 1), timeout)
        shown = Message.from_rows(rows[:size])
        return Page(tuple(shown), encode_cursor(listing, shown[-1].id) if len(rows) > size else None)

    def _history(self, place: Place, before: int, limit: int) -> Steps[Sequence[Row]]:
        rows = yield from _STATEMENTS.rows(self._session, "history", **place._asdict(), before_id=before, limit=limit)
        return _present(rows, NotFoundError("conversation", place.conversation_id))

    def _replies(self, ids: dict[str, int], after: int, limit: int) -> Steps[Sequence[Row]]:
        rows = yield from _STATEMENTS.rows(self._session, "replies", **ids, after=after, limit=limit)
        return _present(rows, NotFoundError("message", ids["message_id"]))


def _present(rows: Sequence[Row], refusal: NotFoundError) -> Sequence[Row]:
    """The rows with a message; the single one of a place without messages has none."""
    if not rows:
        raise refusal
    return rows if rows[0]["id"] is not None else ()
