"""Who acts: agents with their prompts and tools, and who may use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tortoise.fields import (
    CASCADE,
    SET_NULL,
    ForeignKeyNullableRelation,
    ForeignKeyRelation,
    ReverseRelation,
    TextField,
)

from agentdb.models.access import User
from agentdb.models.base import Record
from agentdb.models.catalog import Model
from agentdb.models.fields import JsonField, NamedIndex, NumberField, reference

if TYPE_CHECKING:
    from agentdb.models.conversations import Conversation
    from agentdb.models.knowledge import Resource, Vector
    from agentdb.models.usage import Usage


class Prompt(Record):
    """One version of a system prompt."""

    name = TextField(null=True)
    version = NumberField(null=True)
    content = TextField(null=True)

    agents: ReverseRelation[Agent]

    class Meta:
        indexes = (NamedIndex("name"), NamedIndex("name", "version", is_unique=True))


class Agent(Record):
    """A prompt with a model and tools. `user` null is a global agent, readable by everyone."""

    user: ForeignKeyNullableRelation[User] = reference("User", CASCADE, related_name="agents")
    user_id: int | None
    model: ForeignKeyNullableRelation[Model] = reference("Model", SET_NULL, related_name="agents")
    model_id: int | None
    name = TextField(null=True)
    description = TextField(null=True)
    prompt: ForeignKeyNullableRelation[Prompt] = reference("Prompt", SET_NULL, related_name="agents")
    prompt_id: int | None
    model_parameters = JsonField(null=True)

    agent_tools: ReverseRelation[AgentTool]
    conversations: ReverseRelation[Conversation]
    resources: ReverseRelation[Resource]
    usages: ReverseRelation[Usage]
    user_agents: ReverseRelation[UserAgent]

    class Meta:
        indexes = (NamedIndex("model_id"), NamedIndex("prompt_id"), NamedIndex("user_id"))


class Tool(Record):
    """Something an agent can call. `type` is `builtin`; any other is a tool of the users that have a UserTool."""

    name = TextField(null=True)
    description = TextField(null=True)
    type = TextField(null=True)
    authentication_type = TextField(null=True)
    endpoint = TextField(null=True)
    transport_type = TextField(null=True)
    custom_config = JsonField(null=True)

    agent_tools: ReverseRelation[AgentTool]
    user_tools: ReverseRelation[UserTool]
    vectors: ReverseRelation[Vector]


class AgentTool(Record):
    """A tool that an agent may call."""

    tool: ForeignKeyRelation[Tool] = reference("Tool", CASCADE, related_name="agent_tools", null=False)
    tool_id: int
    agent: ForeignKeyRelation[Agent] = reference("Agent", CASCADE, related_name="agent_tools", null=False)
    agent_id: int

    class Meta:
        indexes = (NamedIndex("tool_id", "agent_id", is_unique=True), NamedIndex("agent_id"))


class UserAgent(Record):
    """An agent shared with a user, as `viewer`, `editor` or `owner`."""

    user: ForeignKeyRelation[User] = reference("User", CASCADE, related_name="user_agents", null=False)
    user_id: int
    agent: ForeignKeyRelation[Agent] = reference("Agent", CASCADE, related_name="user_agents", null=False)
    agent_id: int
    role = TextField(null=True)

    class Meta:
        indexes = (NamedIndex("user_id", "agent_id", is_unique=True), NamedIndex("agent_id"))


class UserTool(Record):
    """A user's own tool, with the sealed credential it is called with."""

    user: ForeignKeyRelation[User] = reference("User", CASCADE, related_name="user_tools", null=False)
    user_id: int
    tool: ForeignKeyRelation[Tool] = reference("Tool", CASCADE, related_name="user_tools", null=False)
    tool_id: int
    credential = JsonField(null=True)

    class Meta:
        indexes = (NamedIndex("user_id", "tool_id", is_unique=True), NamedIndex("tool_id"))
