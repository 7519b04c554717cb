"""What was said: conversations and their messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tortoise.fields import (
    CASCADE,
    SET_NULL,
    BooleanField,
    ForeignKeyNullableRelation,
    ForeignKeyRelation,
    ReverseRelation,
    TextField,
)

from agentdb.models.access import User
from agentdb.models.agents import Agent
from agentdb.models.base import Record
from agentdb.models.fields import JsonField, NamedIndex, NumberField, TimestampField, reference

if TYPE_CHECKING:
    from agentdb.models.knowledge import Resource, Vector
    from agentdb.models.usage import Usage


class Conversation(Record):
    """A talk of one user with one agent. Messages before `summary_message_id` are summed up in that message."""

    user: ForeignKeyRelation[User] = reference("User", CASCADE, related_name="conversations", null=False)
    user_id: int
    agent: ForeignKeyNullableRelation[Agent] = reference("Agent", SET_NULL, related_name="conversations")
    agent_id: int | None
    title = TextField(null=True)
    deleted = BooleanField(null=True, default=False, db_default=False)
    deleted_at = TimestampField(null=True)
    # Two tables that point at each other are more than Tortoise can declare; the migration has the constraint.
    summary_message_id = NumberField(null=True, points_to=("Message", SET_NULL))

    messages: ReverseRelation[Message]
    resources: ReverseRelation[Resource]
    vectors: ReverseRelation[Vector]

    class Meta:
        indexes = (
            NamedIndex("agent_id"),
            NamedIndex("deleted"),
            NamedIndex("user_id", "created_at"),
            NamedIndex("user_id", "updated_at"),
            NamedIndex("summary_message_id"),
        )


class Message(Record):
    """One message. Order inside a conversation is the order of ids, which is the order of commits.

    `request_id` and `request_index` are the caller's key of the call that wrote it.
    """

    conversation: ForeignKeyRelation[Conversation] = reference(
        "Conversation", CASCADE, related_name="messages", null=False
    )
    conversation_id: int
    parent: ForeignKeyNullableRelation[Message] = reference("Message", SET_NULL, related_name="children")
    parent_id: int | None
    role = TextField(null=True)
    content = JsonField(null=True)
    request_id = TextField(null=True)
    request_index = NumberField(null=True)

    children: ReverseRelation[Message]
    resources: ReverseRelation[Resource]
    usages: ReverseRelation[Usage]

    class Meta:
        indexes = (
            NamedIndex("conversation_id", "created_at"),
            NamedIndex("conversation_id"),
            NamedIndex("conversation_id", "id"),
            NamedIndex("parent_id"),
            NamedIndex("conversation_id", "request_id", "request_index", is_unique=True),
        )
