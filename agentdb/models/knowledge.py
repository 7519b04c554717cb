"""What is known: resources, and their chunks with embeddings."""

from __future__ import annotations

from tortoise.fields import CASCADE, SET_NULL, ForeignKeyNullableRelation, ReverseRelation, TextField

from agentdb.models.access import User
from agentdb.models.agents import Agent, Tool
from agentdb.models.base import Record
from agentdb.models.conversations import Conversation, Message
from agentdb.models.fields import JsonField, NamedIndex, NumberField, reference


class Resource(Record):
    """File-like content of a user, that belongs to a conversation, one of its messages, or an agent."""

    user: ForeignKeyNullableRelation[User] = reference("User", CASCADE, related_name="resources")
    user_id: int | None
    agent: ForeignKeyNullableRelation[Agent] = reference("Agent", SET_NULL, related_name="resources")
    agent_id: int | None
    message: ForeignKeyNullableRelation[Message] = reference("Message", SET_NULL, related_name="resources")
    message_id: int | None
    conversation: ForeignKeyNullableRelation[Conversation] = reference(
        "Conversation", CASCADE, related_name="resources"
    )
    conversation_id: int | None
    name = TextField(null=True)
    type = TextField(null=True)
    content = TextField(null=True)
    s3_uri = TextField(null=True)
    metadata = JsonField(null=True)

    vectors: ReverseRelation[Vector]

    class Meta:
        indexes = (
            NamedIndex("agent_id"),
            NamedIndex("message_id"),
            NamedIndex("user_id"),
            NamedIndex("conversation_id"),
        )


class Vector(Record):
    """A chunk of text at position `order`, with its embedding as a list of float32 numbers."""

    conversation: ForeignKeyNullableRelation[Conversation] = reference("Conversation", CASCADE, related_name="vectors")
    conversation_id: int | None
    resource: ForeignKeyNullableRelation[Resource] = reference("Resource", CASCADE, related_name="vectors")
    resource_id: int | None
    tool: ForeignKeyNullableRelation[Tool] = reference("Tool", SET_NULL, related_name="vectors")
    tool_id: int | None
    order = NumberField(null=True)
    content = TextField(null=True)
    embedding = JsonField(null=True)

    class Meta:
        indexes = (NamedIndex("conversation_id"), NamedIndex("resource_id", "order"), NamedIndex("tool_id"))
