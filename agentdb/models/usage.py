"""What it cost: one row for each model call."""

from __future__ import annotations

from tortoise.fields import SET_NULL, ForeignKeyNullableRelation, TextField

from agentdb.models.access import User
from agentdb.models.agents import Agent
from agentdb.models.base import Record
from agentdb.models.catalog import Model
from agentdb.models.conversations import Message
from agentdb.models.fields import MoneyField, NamedIndex, NumberField, reference


class Usage(Record):
    """Tokens of one model call and their cost in US dollars. It outlives everything that it points to.

    `request_id` and `request_index` are the caller's key of the call that recorded it.
    """

    user: ForeignKeyNullableRelation[User] = reference("User", SET_NULL, related_name="usages")
    user_id: int | None
    model: ForeignKeyNullableRelation[Model] = reference("Model", SET_NULL, related_name="usages")
    model_id: int | None
    type = TextField(null=True)
    agent: ForeignKeyNullableRelation[Agent] = reference("Agent", SET_NULL, related_name="usages")
    agent_id: int | None
    message: ForeignKeyNullableRelation[Message] = reference("Message", SET_NULL, related_name="usages")
    message_id: int | None
    input_tokens = NumberField(null=True)
    output_tokens = NumberField(null=True)
    cache_read_tokens = NumberField(null=True)
    cache_write_tokens = NumberField(null=True)
    cost = MoneyField(null=True)
    request_id = TextField(null=True)
    request_index = NumberField(null=True)

    class Meta:
        indexes = (
            NamedIndex("created_at"),
            NamedIndex("model_id"),
            NamedIndex("user_id", "created_at"),
            NamedIndex("user_id"),
            NamedIndex("agent_id"),
            NamedIndex("message_id"),
            NamedIndex("user_id", "request_id", "request_index", is_unique=True),
        )
