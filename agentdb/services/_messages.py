"""The end of a conversation, where messages are added: one, or as many as an import brings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property, partial
from itertools import repeat
from typing import Any, Final, NamedTuple

from agentdb.engine import Batcher, Companion, Row, Steps
from agentdb.engine.values import now
from agentdb.errors import AgentDBError, InvalidInputError, shape
from agentdb.events import MessagesAppended
from agentdb.records import Message
from agentdb.services import _appending as appending
from agentdb.services._append_batch import append_batcher
from agentdb.services._appending import Append, Appended, Place, Repeated, place_of, sent_of
from agentdb.services._content import Content, MessageRole, content_json, message_role
from agentdb.services._input import optional_identifier, request_key
from agentdb.services._made import Made
from agentdb.services._sent import Batch, Sent, SentMany
from agentdb.services._service import Service

MAX_MESSAGES: Final = 100_000
MAX_CHARACTERS: Final = 64_000_000

# So many messages are checked before other tasks get their turn: about half a millisecond.
_TURN: Final = 250
_FIELDS: Final = frozenset({"role", "content", "parent_id"})

_SHORT_CHARACTERS: Final = 16 * 1024
"""Longer content takes longer to store than SQLite's statements take otherwise."""


class AppendedMany(NamedTuple):
    """The ids of messages that were added, or the rows that an earlier call wrote."""

    ids: tuple[int, ...]
    moment: datetime
    repeated: Sequence[Row] = ()


class Messages(Service):
    """Adding messages."""

    @cached_property
    def _appends(self) -> Batcher[Append, Appended]:
        return append_batcher(self._session)

    async def append(
        self,
        conversation_id: int,
        *,
        user_id: int,
        role: MessageRole,
        content: Content,
        parent_id: int | None = None,
        expected_parent: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Message:
        """Add one message at the end of a conversation.

        Appends to one conversation are ordered: ids grow in the order of commits, also across processes. The
        conversation's `updated_at` moves with it.

        Args:
            content: Blocks as the model API takes them, each with exactly one of `text`, `toolUse`, `toolResult`,
                `reasoningContent`, `document` and `image`; at most 16 MiB as JSON. A user cannot ask for a tool, an
                assistant cannot answer for one.
            parent_id: A message of the same conversation that this one follows in a thread.
            expected_parent: The id of the message that you believe is the last one, 0 for an empty conversation. If
                somebody was faster nothing is written.
            request_id: Your own name for this call, 1 to 200 characters. Repeating the call with it gives the message
                that the first one wrote.
            timeout: Seconds for the whole call.

        Returns:
            The message. It equals the stored one, where a JSON column may hold keys in another order and 1e20 without
            its exponent.

        Raises:
            NotFoundError: No such conversation, deleted, or not this user's; or no such parent in it.
            ConflictError: `expected_parent` is not the last message, or another call in this conversation had this
                request_id and said something else.
            InvalidInputError: Content or a role that is not accepted; nothing is written.
            UnsupportedError: `request_id`, on a database that the original package made.
            DeadlineError: `timeout` has passed; nothing was written.
        """
        place, sent = place_of(conversation_id, user_id), sent_of(role, content, parent_id)
        expected, key = optional_identifier(expected_parent, "expected_parent"), request_key(request_id)
        steps, told = partial(self._append, place, sent, expected, key), partial(appending.told, place)
        appended: Appended
        if expected is None:
            item, is_short = Append(place, sent, key), len(sent.content) <= _SHORT_CHARACTERS
            appended = await self._merged(
                self._appends,
                item,
                steps,
                timeout,
                told=told,
                row=place.row,
                is_short=is_short,
                companion=Companion(self._appended_together, item) if is_short else None,
            )
        else:
            appended = await self._write(steps, timeout, told=told, request_id=key, row=place.row)
        return appended.message()

    async def append_many(
        self,
        conversation_id: int,
        *,
        user_id: int,
        messages: Sequence[Mapping[str, Any]],
        expected_parent: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Sequence[Message]:
        """Add messages at the end of a conversation in their order: all, or none.

        As `append`, for an import or for what one turn has brought. Other tasks run while thousands are checked and
        written; other writers of the database wait.

        Args:
            messages: 1 to 100,000 mappings with `role`, `content` and if you like `parent_id`, a message that is
                already there; together at most 64 million characters of content as JSON.
            expected_parent: The id of the message that you believe is the last one, 0 for an empty conversation.
            request_id: Your own name for this call, 1 to 200 characters. Repeating the call with it gives the messages
                that the first one wrote.
            timeout: Seconds for the whole call.

        Returns:
            The messages, in the order of their ids. Each record is made when you ask for it, because thousands that
            nobody looks at would stop other tasks. They equal the stored ones, as that of `append` does.

        Raises:
            NotFoundError: No such conversation, deleted, or not this user's; or no such parent in it.
            ConflictError: `expected_parent` is not the last message, or another call in this conversation had this
                request_id and said something else.
            InvalidInputError: A message that is not accepted, none, or too many; nothing is written.
            UnsupportedError: `request_id`, on a database that the original package made.
            DeadlineError: `timeout` has passed; nothing was written.
        """
        place = place_of(conversation_id, user_id)
        expected, key = optional_identifier(expected_parent, "expected_parent"), request_key(request_id)
        batch = await batch_of(messages)

        def told(appended: AppendedMany) -> Iterable[MessagesAppended]:
            return (appending.happened(place, appended.ids),) if appended.ids else ()

        steps = partial(self._append_many, place, batch, expected, key)
        appended = await self._write(steps, timeout, told=told, request_id=key, row=place.row)
        return appended_messages(place, batch, key, appended)

    def _append(self, place: Place, sent: Sent, expected: int | None, key: str | None) -> Steps[Appended]:
        earlier = yield from self._earlier(place, sent, expected, key)
        if earlier is not None:
            return earlier
        moment = now()
        yield from appending.touch(self._session, place, moment)
        return (yield from appending.insert(self._session, place, sent, moment, key))

    def _earlier(self, place: Place, sent: Sent, expected: int | None, key: str | None) -> Steps[Appended | None]:
        """What an earlier call with this key wrote; otherwise all that has to be known before writing is checked."""
        if key is None and expected is None and sent.parent_id is None:
            return None  # nothing to look at: `touch` is the first statement
        alone = SentMany.of([sent])
        rows = yield from self._looked_up(place, Batch(alone, alone.parents), expected, key)
        return Repeated(rows[0]) if rows else None

    def _appended_together(self, items: Sequence[Append]) -> Steps[Sequence[Appended | AgentDBError | None]]:
        """Several appends, in their order.

        One under a request_id that came before it here, and later ones of its conversation, are not decided.
        """
        moment = now()
        touched: set[Place] = set()
        calls: set[tuple[Place, str | None]] = set()
        repeating: set[Place] = set()
        answers: list[Appended | AgentDBError | None] = [None] * len(items)
        positions: list[int] = []
        for position, (place, sent, key) in enumerate(items):
            if (place, key) in calls:
                repeating.add(place)
            if place in repeating:
                continue
            if key is not None:
                calls.add((place, key))
            try:
                answers[position] = earlier = yield from self._earlier(place, sent, None, key)
                if earlier is None and place not in touched:
                    yield from appending.touch(self._session, place, moment)
                    touched.add(place)
                if earlier is None:
                    positions.append(position)
            except AgentDBError as error:
                answers[position] = error
        found = yield from appending.insert_each(self._session, [items[position] for position in positions], moment)
        for position, one in zip(positions, found, strict=True):
            answers[position] = one
        return answers

    def _append_many(self, place: Place, batch: Batch, expected: int | None, key: str | None) -> Steps[AppendedMany]:
        earlier = yield from self._looked_up(place, batch, expected, key)
        moment = now()
        if earlier:
            return AppendedMany((), moment, earlier)
        yield from appending.touch(self._session, place, moment)
        return AppendedMany(
            (yield from appending.insert_many(self._session, place, batch.messages, moment, key)), moment
        )

    def _looked_up(self, place: Place, batch: Batch, expected: int | None, key: str | None) -> Steps[Sequence[Row]]:
        """What an earlier call with this key wrote; otherwise all that has to be known before writing is checked."""
        if key is None and expected is None and not batch.parents:
            return ()  # nothing to look at: `touch` is the first statement
        yield from appending.lock(self._session, place)
        return (yield from self._looked_at(place, batch, expected, key))

    def _looked_at(self, place: Place, batch: Batch, expected: int | None, key: str | None) -> Steps[Sequence[Row]]:
        """The same under a lock of the conversation."""
        if key is not None:
            self._session.abilities.require("request_ids")
            earlier = yield from appending.repeated(self._session, place, batch, key)
            if earlier:
                return earlier
        if expected is not None:
            yield from appending.check_last(self._session, place, expected)
        yield from appending.check_parents(self._session, place, batch.parents)
        return ()


async def batch_of(messages: Any, *, most: int = MAX_MESSAGES) -> Batch:
    """The messages of one call, checked.

    Raises:
        InvalidInputError: None, too many, or one that is not accepted.
    """
    if not isinstance(messages, (list, tuple)) or not messages:
        raise InvalidInputError(f"messages is a list that is not empty, found {shape(messages)}.")
    if len(messages) > most:
        raise InvalidInputError(f"At most {most:,} messages go together, found {len(messages):,}.")
    sent, size = SentMany(), 0
    for start in range(0, len(messages), _TURN):
        for position, message in enumerate(messages[start : start + _TURN], start):
            _add(sent, message, position)
        size += sum(map(len, sent.contents[start:]))
        if size > MAX_CHARACTERS:
            raise InvalidInputError(f"Messages that go together have at most {MAX_CHARACTERS:,} characters as JSON.")
        await asyncio.sleep(0)
    return Batch(sent, sent.parents)


def _add(sent: SentMany, message: Any, position: int) -> None:
    """Put a message at the end of those that were checked."""
    # Of a dict this is known at once.
    is_mapping = type(message) is dict or isinstance(message, Mapping)
    if not is_mapping or not message.keys() <= _FIELDS:
        raise InvalidInputError(
            f"messages[{position}] is a mapping with role, content and parent_id, found {shape(message)}."
        )
    try:
        role = message_role(message.get("role"))
        content = content_json(message.get("content"), role)
        sent.add(role, content, optional_identifier(message.get("parent_id"), "parent_id"))
    except InvalidInputError as error:
        raise InvalidInputError(f"messages[{position}]: {error}") from None


def appended_messages(place: Place, batch: Batch, key: str | None, appended: AppendedMany) -> Sequence[Message]:
    """The messages that a call has added, or that an earlier one had."""
    if appended.repeated:
        return Made(len(appended.repeated), partial(_stored, appended.repeated))
    return Made(len(appended.ids), partial(_added, place, batch.messages, key, appended))


def _stored(rows: Sequence[Row], positions: range) -> Sequence[Message]:
    return Message.from_rows([rows[position] for position in positions])


def _added(
    place: Place, messages: SentMany, key: str | None, appended: AppendedMany, positions: range
) -> Sequence[Message]:
    ids, moment = map(appended.ids.__getitem__, positions), repeat(appended.moment)
    roles, contents, parent_ids = messages.at(positions)
    return Message.from_values(
        ("id", "conversationID", "parentID", "role", "content", "requestId", "createdAt", "updatedAt"),
        zip(ids, repeat(place.conversation_id), parent_ids, roles, contents, repeat(key), moment, moment),
    )
