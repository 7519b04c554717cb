"""Conversations and their messages."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field

from agentdb.records.base import Flag, FrozenRecord, Json, Moment
from agentdb.records.knowledge import Resource


def _reference(value: Any) -> Any:
    return value or None  # the original package wrote 0 for none


Reference: TypeAlias = Annotated[int | None, BeforeValidator(_reference)]
"""The id of a row, if there is one."""


class Conversation(FrozenRecord):
    """A talk of one user with an agent."""

    id: int
    user_id: int
    agent_id: int | None = None
    title: str | None = None
    deleted: Flag = False
    deleted_at: Moment | None = None
    summary_message_id: Reference = None
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
    content: Json = Field(default=None, repr=False)
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
