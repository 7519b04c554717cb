"""Steps that add messages to a conversation. Whoever has to look before writing holds the conversation's lock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from datetime import datetime
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias

import orjson

from agentdb.engine import Row, Session, Steps
from agentdb.engine.queues import HotRow
from agentdb.engine.values import canonical_json
from agentdb.errors import ConflictError, NotFoundError
from agentdb.events import MessagesAppended
from agentdb.records import Message
from agentdb.services._content import content_json, message_role
from agentdb.services._input import identifier, optional_identifier
from agentdb.services._requests import another_call
from agentdb.services._sent import Batch, Sent, SentMany, columns_of
from agentdb.sql import Statements

# They are compared at once on the event loop's thread: a millisecond or two.
_COMPARED_ROWS: Final = 200

_STATEMENTS: Final = Statements("conversations")


class Place(NamedTuple):
    """A conversation of a user."""

    conversation_id: int
    user_id: int

    @property
    def row(self) -> HotRow:
        """What is locked."""
        return "Conversation", self.conversation_id


class Append(NamedTuple):
    """One message on its way."""

    place: Place
    sent: Sent
    request_id: str | None

    @property
    def key(self) -> int:
        """The conversation, which is locked."""
        return self.place.conversation_id

    @property
    def size(self) -> int:
        """About how many bytes it sends."""
        return len(self.sent.content)


class Added(NamedTuple):
    """A message that was just inserted, as far as `append` promises: reading it back takes longer."""

    id: int
    place: Place
    sent: Sent
    moment: datetime
    request_id: str | None

    def message(self) -> Message:
        """The message."""
        return Message.trusted(
            id=self.id,
            conversation_id=self.place.conversation_id,
            parent_id=self.sent.parent_id,
            role=self.sent.role,
            content=orjson.loads(self.sent.content),
            request_id=self.request_id,
            created_at=self.moment,
            updated_at=self.moment,
        )


class Repeated(NamedTuple):
    """The row of a message that an earlier call with the same request_id had added."""

    row: Row

    def message(self) -> Message:
        """The message."""
        return Message.from_row(self.row)


Appended: TypeAlias = Added | Repeated


def place_of(conversation_id: Any, user_id: Any) -> Place:
    """A place that need not exist."""
    return Place(identifier(conversation_id, "conversation_id"), identifier(user_id, "user_id"))


def sent_of(role: Any, content: Any, parent_id: Any) -> Sent:
    """A message, checked."""
    known = message_role(role)
    return Sent(known, content_json(content, known), optional_identifier(parent_id, "parent_id"))


def told(place: Place, appended: Appended) -> Iterable[MessagesAppended]:
    """What happened: nothing if it was a repeated call."""
    return (happened(place, (appended.id,)),) if isinstance(appended, Added) else ()


def happened(place: Place, ids: tuple[int, ...]) -> MessagesAppended:
    """Messages were added to a conversation."""
    return MessagesAppended(user_id=place.user_id, conversation_id=place.conversation_id, message_ids=ids)


def refuse(place: Place) -> NoReturn:
    """There is no such conversation for this user."""
    raise NotFoundError("conversation", place.conversation_id)


def lock(session: Session, place: Place) -> Steps[Row]:
    """Let nobody else write to the conversation until the transaction ends."""
    row = yield from _STATEMENTS.row(session, "lock_conversation", **place._asdict())
    return row if row is not None and not row["deleted"] else refuse(place)


def touch(session: Session, place: Place, moment: datetime) -> Steps[None]:
    """Lock the conversation and move its `updatedAt`."""
    rows = yield _STATEMENTS.update(
        session, "touch", conversation_id=place.conversation_id, user_id=place.user_id, now=moment
    )
    if not rows:
        refuse(place)


def check_last(session: Session, place: Place, expected: int) -> Steps[None]:
    """The conversation ends where the caller believes."""
    row = yield from _STATEMENTS.row(session, "last_message", conversation_id=place.conversation_id)
    last = (row and row["id"]) or 0
    if last != expected:
        raise ConflictError(
            f"The last message of conversation {place.conversation_id} is {last}, not {expected}. "
            "Read what was added, and decide again."
        )


def check_parents(session: Session, place: Place, parents: Set[int]) -> Steps[None]:
    """Whatever is followed stands in the same conversation."""
    missing = yield from _missing(session, place, parents)
    if missing:
        raise NotFoundError("message", min(missing))


def insert(session: Session, place: Place, sent: Sent, moment: datetime, key: str | None) -> Steps[Added]:
    """Add one message."""
    (row,) = yield _STATEMENTS.insert(session, "append", **_parameters(place, sent, key, moment))
    return Added(row["id"], place, sent, moment, key)


def insert_each(session: Session, appends: Sequence[Append], moment: datetime) -> Steps[Sequence[Added]]:
    """Add messages of several calls, in this order."""
    if not appends:
        return ()
    rows = [_parameters(*append, moment) for append in appends]
    ids = yield _STATEMENTS.insert_each(session, "append", rows)
    return [Added(row["id"], place, sent, moment, key) for row, (place, sent, key) in zip(ids, appends, strict=True)]


def insert_many(
    session: Session, place: Place, messages: SentMany, moment: datetime, key: str | None
) -> Steps[tuple[int, ...]]:
    """Add messages in their order, by statements of about a megabyte."""
    ids: list[int] = []
    for page in messages.pages():
        ids += yield from _STATEMENTS.inserted(
            session,
            "append_many",
            conversation_id=place.conversation_id,
            **columns_of(page),
            now=moment,
            request_id=key,
            first_index=len(ids),
        )
    return tuple(ids)


def repeated(session: Session, place: Place, batch: Batch, key: str) -> Steps[Sequence[Row]]:
    """What an earlier call with this key wrote, if there was one. The conversation is locked.

    Raises:
        ConflictError: It wrote something else.
    """
    rows = yield from _rows_under(session, place, key, first_index=0)
    if not rows:
        return ()
    missing = yield from _missing(session, place, batch.parents)
    found: list[Row] = []
    while rows:
        if not _are_same(rows, batch.messages[len(found) : len(found) + len(rows)], missing):
            raise another_call(key)
        found += rows
        rows = yield from _rows_under(session, place, key, first_index=len(found))
    if len(found) != len(batch.messages):
        raise another_call(key)
    return found


def _parameters(place: Place, sent: Sent, key: str | None, moment: datetime) -> dict[str, Any]:
    return {
        "conversation_id": place.conversation_id,
        "role": sent.role,
        "content": sent.content,
        "parent_id": sent.parent_id,
        "request_id": key,
        "request_index": None if key is None else 0,
        "now": moment,
    }


def _rows_under(session: Session, place: Place, key: str, *, first_index: int) -> Steps[Sequence[Row]]:
    return (
        yield from _STATEMENTS.rows(
            session,
            "appended",
            conversation_id=place.conversation_id,
            request_id=key,
            first_index=first_index,
            limit=_COMPARED_ROWS,
        )
    )


def _missing(session: Session, place: Place, ids: Set[int]) -> Steps[Set[int]]:
    """Those of `ids` that are no messages of the conversation."""
    if not ids:
        return set()
    given = orjson.dumps(sorted(ids)).decode()
    rows = yield from _STATEMENTS.rows(session, "missing_messages", conversation_id=place.conversation_id, ids=given)
    return {row["id"] for row in rows}


def _are_same(rows: Sequence[Row], messages: Sequence[Sent], missing: Set[int]) -> bool:
    """Whether stored rows are what was sent, as far as parents were not deleted since."""
    return len(rows) == len(messages) and all(
        row["role"] == sent.role
        and (row["parentID"] == sent.parent_id or (row["parentID"] is None and sent.parent_id in missing))
        and _is_same_json(row["content"], sent.content)
        for row, sent in zip(rows, messages, strict=True)
    )


def _is_same_json(stored: Any, sent: str) -> bool:
    return stored == sent or canonical_json(orjson.loads(stored)) == canonical_json(orjson.loads(sent))
