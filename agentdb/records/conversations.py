"""Conversations and their messages.

Messages are read by the thousand, and validating one takes longer than reading it: those of a row are made without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Annotated, Any, Final, TypeVar

import orjson
from pydantic import BeforeValidator

from agentdb.engine import Row
from agentdb.records.base import FrozenRecord, Json, Moment
from agentdb.records.knowledge import Resource

RecordT = TypeVar("RecordT", bound=FrozenRecord)

_set: Final = object.__setattr__


def _reference(value: Any) -> Any:
    return value or None  # the original package wrote 0 for none


class Conversation(FrozenRecord):
    """A talk of one user with an agent."""

    id: int
    user_id: int
    agent_id: int | None = None
    title: str | None = None
    deleted: Annotated[bool, BeforeValidator(bool)] = False  # the column may be null
    deleted_at: Moment | None = None
    summary_message_id: Annotated[int | None, BeforeValidator(_reference)] = None
    created_at: Moment | None = None
    updated_at: Moment | None = None


class Message(FrozenRecord):
    """One message.

    Attributes:
        content: Blocks as the model API takes them.
        request_id: The caller's key of the call that wrote it.
    """

    id: int
    conversation_id: int
    parent_id: int | None = None
    role: str | None = None
    content: Json = None
    request_id: str | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None


class ConversationPreview(Conversation):
    """A conversation in a list, with the message that was appended last; None if there is none yet."""

    last_message: Message | None = None


class Context(FrozenRecord):
    """What a model has to know of a conversation.

    Attributes:
        messages: From the summary on, if there is one, oldest first.
        resources: What belongs to these messages, oldest first.
        is_cut: Older messages were left out because there are more than asked for.
    """

    conversation: Conversation
    messages: tuple[Message, ...]
    resources: tuple[Resource, ...]
    is_cut: bool = False


_FIELDS: Final[dict[type[FrozenRecord], set[str]]] = {
    cls: set(cls.model_fields) for cls in (Message, ConversationPreview)
}

_MESSAGE: Final = ("id", "conversationID", "parentID", "role", "content", "createdAt", "updatedAt", "requestId")
_CONVERSATION: Final = (
    "id", "userID", "agentID", "title", "deleted", "deletedAt", "summaryMessageID", "createdAt", "updatedAt"
)  # fmt: skip


def trusted(cls: type[RecordT], values: dict[str, Any]) -> RecordT:
    """A record of values for all its fields, which are already what the fields say.

    It takes half the time of validation, and a quarter where there are so many that garbage is collected.
    """
    record = cls.__new__(cls)
    _set(record, "__dict__", values)
    # What pydantic's own model_construct sets, which takes longer than validation.
    _set(record, "__pydantic_fields_set__", _FIELDS[cls])
    _set(record, "__pydantic_extra__", None)
    _set(record, "__pydantic_private__", None)
    return record


def messages_of(rows: Sequence[Row]) -> list[Message]:
    """The messages of rows."""
    take = _taking(rows, _MESSAGE)
    return [_message(*take(row)) for row in rows]


def previews_of(rows: Sequence[Row]) -> list[ConversationPreview]:
    """The conversations of rows in which columns such as `message.id` belong to the last message."""
    take, take_message = _taking(rows, _CONVERSATION), _taking(rows, [f"message.{name}" for name in _MESSAGE])
    return [_preview(take_message(row), *take(row)) for row in rows]


def _taking(rows: Sequence[Row], columns: Iterable[str]) -> Callable[[Row], tuple[Any, ...]]:
    """What takes the values of these columns out of a row, as far as this database has them."""
    names = set(rows[0].keys() if rows else ())
    found = [name for name in columns if name in names]
    return itemgetter(*found) if found else lambda _: ()


def _message(
    message_id: int,
    conversation_id: int,
    parent_id: int | None,
    role: str | None,
    content: Any,
    created_at: Any,
    updated_at: Any,
    request_id: str | None = None,
) -> Message:
    made = _moment(created_at)
    return trusted(
        Message,
        {
            "id": message_id,
            "conversation_id": conversation_id,
            "parent_id": parent_id,
            "role": role,
            "content": orjson.loads(content) if isinstance(content, (str, bytes)) else content,
            "request_id": request_id,
            "created_at": made,
            "updated_at": made if updated_at == created_at else _moment(updated_at),
        },
    )


def _preview(
    message: tuple[Any, ...],
    conversation_id: int,
    user_id: int,
    agent_id: int | None,
    title: str | None,
    deleted: Any,
    deleted_at: Any,
    summary_message_id: int | None,
    created_at: Any,
    updated_at: Any,
) -> ConversationPreview:
    return trusted(
        ConversationPreview,
        {
            "id": conversation_id,
            "user_id": user_id,
            "agent_id": agent_id,
            "title": title,
            "deleted": bool(deleted),
            "deleted_at": _moment(deleted_at),
            "summary_message_id": _reference(summary_message_id),
            "created_at": _moment(created_at),
            "updated_at": _moment(updated_at),
            "last_message": None if message[0] is None else _message(*message),
        },
    )


def _moment(value: Any) -> datetime | None:
    moment: datetime | None = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment is None or moment.tzinfo is UTC else moment.astimezone(UTC)
