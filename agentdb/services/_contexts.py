"""What a model has to know of a conversation, and the summary that keeps it short."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import orjson

from agentdb.engine import Row, Steps
from agentdb.engine.values import now
from agentdb.records import Message, Resource
from agentdb.records.conversations import Context
from agentdb.services import _appending as appending
from agentdb.services._appending import Appended, Place, Repeated, place_of, sent_of, told
from agentdb.services._content import Content, is_summary, summary_content
from agentdb.services._input import MAX_PAGE, identifier, page_size, request_key
from agentdb.services._requests import another_call
from agentdb.services._sent import Batch, Sent, SentMany
from agentdb.services._service import Service
from agentdb.sql import Statements

_STATEMENTS: Final = Statements("conversations")


class Found(NamedTuple):
    """What a context is made of.

    Attributes:
        first: A row that holds the conversation.
        messages: Rows of the messages, newest first.
        is_cut: There are more messages.
        resources: Rows of what belongs to these, newest first.
    """

    first: Row
    messages: Sequence[Row]
    is_cut: bool
    resources: Sequence[Row] = ()


class Contexts(Service):
    """Loading and shortening what a model is told."""

    async def context(
        self, conversation_id: int, *, user_id: int, limit: int = 1000, timeout: float | None = None
    ) -> Context:
        """The conversation as a model has to know it: one statement, and another one if messages have resources.

        One more is needed where somebody has stored a summary that does not count.

        It begins with the summary if there is one, else with the first message. A summary counts if its first block has
        a text of at least 50 characters, as every one that `summarise` stores.

        Args:
            limit: At most so many messages, the newest ones, 1 to 1000; the summary comes on top.
            timeout: Seconds for the whole call.

        Returns:
            With the resources of these messages, at most the 1000 newest, contents included.

        Raises:
            NotFoundError: No such conversation, deleted, or not this user's.
            InvalidInputError: A limit out of range.
            DeadlineError: `timeout` has passed.
        """
        steps = partial(self._context, place_of(conversation_id, user_id), page_size(limit))
        found = await self._query(steps, timeout)
        messages, resources = Message.from_rows(found.messages[::-1]), Resource.from_rows(found.resources[::-1])
        return Context.from_row(found.first, messages=tuple(messages), resources=tuple(resources), isCut=found.is_cut)

    async def summarise(
        self,
        conversation_id: int,
        *,
        user_id: int,
        summary: str | Content,
        expected_parent: int,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Message:
        """Let a summary stand for all that was said so far: `context` begins with it from now on.

        It is a message of the user at the end of the conversation; nothing is deleted. Of two that sum up the same,
        one is refused.

        Args:
            summary: A text, or blocks of which the first has a text, of at least 50 characters.
            expected_parent: The id of the last message that it sums up.
            request_id: Your own name for this call, 1 to 200 characters. Repeating the call with it gives the message
                that the first one wrote.
            timeout: Seconds for the whole call.

        Returns:
            The stored message.

        Raises:
            NotFoundError: No such conversation, deleted, or not this user's.
            ConflictError: Something was added after `expected_parent`, which the summary would hide; or another call in
                this conversation had this request_id and said something else.
            InvalidInputError: A summary that is too short, or that no message can have; nothing is written.
            UnsupportedError: `request_id`, on a database that the original package made.
            DeadlineError: `timeout` has passed; nothing was written.
        """
        place, sent = place_of(conversation_id, user_id), sent_of("user", summary_content(summary), None)
        expected, key = identifier(expected_parent, "expected_parent"), request_key(request_id)
        steps = partial(self._summarise, place, sent, expected, key)
        appended: Appended = await self._write(steps, timeout, told=partial(told, place), request_id=key, row=place.row)
        return appended.message()

    def _context(self, place: Place, limit: int) -> Steps[Found]:
        found = yield from self._found(place, limit, partial(_STATEMENTS.rows, self._session, "context"))
        kept = found.messages
        if not any(row["hasResources"] for row in kept):
            return found
        resources = yield from _STATEMENTS.rows(
            self._session,
            "context_resources",
            **place._asdict(),
            first=kept[-1]["id"],
            newest_from=kept[min(limit, len(kept)) - 1]["id"],
            last=kept[0]["id"],
            limit=MAX_PAGE,
        )
        return found._replace(resources=resources)

    def _found(self, place: Place, limit: int, load: Callable[..., Steps[Sequence[Row]]]) -> Steps[Found]:
        """The conversation and its messages by `load`, which may give more columns than these."""
        load = partial(load, **place._asdict(), limit=limit + 1)
        rows = (yield from load(starts_at_summary=True)) or appending.refuse(place)
        summary_id = rows[0]["conversation.summaryMessageID"]
        if summary_id and not _begins_with_summary(rows, summary_id):
            rows = (yield from load(starts_at_summary=False)) or appending.refuse(place)
            summary_id = None
        messages = [row for row in rows if row["id"] is not None]
        newest = messages[:-1] if summary_id else messages
        kept = [*newest[:limit], *messages[len(newest) :]]
        return Found(rows[0], kept, len(newest) > limit)

    def _summarise(self, place: Place, sent: Sent, expected: int, key: str | None) -> Steps[Appended]:
        conversation = yield from appending.lock(self._session, place)
        if key is not None:
            self._session.abilities.require("request_ids")
            earlier = yield from appending.repeated(self._session, place, Batch(SentMany.of([sent]), frozenset()), key)
            if earlier and (conversation["summaryMessageID"] or 0) < earlier[0]["id"]:
                raise another_call(key)  # which appended the same text, and summed up nothing
            if earlier:
                return Repeated(earlier[0])
        yield from appending.check_last(self._session, place, expected)
        moment = now()
        added = yield from appending.insert(self._session, place, sent, moment, key)
        yield from _STATEMENTS.rows(
            self._session,
            "set_summary",
            conversation_id=place.conversation_id,
            message_id=added.id,
            now=moment,
        )
        return added


def _begins_with_summary(rows: Sequence[Row], summary_id: int) -> bool:
    return rows[-1]["id"] == summary_id and is_summary(_parsed(rows[-1]["content"]))


def _parsed(content: Any) -> Any:
    return orjson.loads(content) if isinstance(content, (str, bytes)) else content
