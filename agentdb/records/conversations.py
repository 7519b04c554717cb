"""Conversations and their messages."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from agentdb.records.base import FrozenRecord, Json, Moment


def _reference(value: Any) -> Any:
    return value or None  # the original package wrote 0 for none


class Conversation(FrozenRecord):
    """A talk of one user with an agent."""

    id: int
    user_id: int
    agent_id: int | None = None
    title: str | None = None
    deleted: bool = False
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
