"""The tables as plain Tortoise models with its stock fields, as far as the benchmark needs them.

Money is the column's own: 1e-10 dollars as integers on SQLite, so `money_field` is told the engine before the first
import.
"""

from __future__ import annotations

import os
from typing import Any, Final

from tortoise import fields
from tortoise.models import Model as TortoiseModel

ENGINE_VARIABLE: Final = "AGENTDB_BENCHMARK_ENGINE"
"""Set by the contestant: `sqlite` or `postgres`."""


def money_field() -> Any:
    """A column of money on the engine of this process."""
    if os.environ[ENGINE_VARIABLE] == "sqlite":
        return fields.BigIntField(null=True)
    return fields.DecimalField(max_digits=20, decimal_places=10, null=True)


def renamed(field: Any, column: str) -> Any:
    """A field whose column has another name."""
    field.source_field = column
    return field


def link(model: str, related_name: str, column: str) -> Any:
    """A foreign key."""
    return fields.ForeignKeyField(f"models.{model}", related_name=related_name, null=True, source_field=column)


class Timed(TortoiseModel):
    id = fields.BigIntField(primary_key=True)
    created_at = fields.DatetimeField(auto_now_add=True, source_field="createdAt")
    updated_at = fields.DatetimeField(auto_now=True, source_field="updatedAt")

    class Meta:
        abstract = True


class Role(Timed):
    name = fields.TextField(null=True)
    policies: Any = fields.ManyToManyField(
        "models.Policy", through="RolePolicy", forward_key="policyID", backward_key="roleID", related_name="roles"
    )

    class Meta:
        table = "Role"


class Policy(Timed):
    name = fields.TextField(null=True)
    resource = fields.TextField(null=True)
    action = fields.TextField(null=True)

    class Meta:
        table = "Policy"


class User(Timed):
    email = fields.TextField(null=True)
    first_name = fields.TextField(null=True, source_field="firstName")
    last_name = fields.TextField(null=True, source_field="lastName")
    status = fields.TextField(null=True)
    role = link("Role", "users", "roleID")
    api_key = fields.TextField(null=True, source_field="apiKey")
    budget = money_field()
    remaining = money_field()

    class Meta:
        table = "User"


class Provider(Timed):
    name = fields.TextField(null=True)
    endpoint = fields.TextField(null=True)

    class Meta:
        table = "Provider"


class Model(Timed):
    provider = link("Provider", "models", "providerID")
    name = fields.TextField(null=True)
    internal_name = fields.TextField(null=True, source_field="internalName")
    type = fields.TextField(null=True)
    description = fields.TextField(null=True)
    max_context = fields.BigIntField(null=True, source_field="maxContext")
    max_output = fields.BigIntField(null=True, source_field="maxOutput")
    max_reasoning = fields.BigIntField(null=True, source_field="maxReasoning")
    cost1k_input = renamed(money_field(), "cost1kInput")
    cost1k_output = renamed(money_field(), "cost1kOutput")
    cost1k_cache_read = renamed(money_field(), "cost1kCacheRead")
    cost1k_cache_write = renamed(money_field(), "cost1kCacheWrite")
    default_parameters: Any = fields.JSONField(null=True, source_field="defaultParameters")

    class Meta:
        table = "Model"


class Prompt(Timed):
    name = fields.TextField(null=True)
    version = fields.BigIntField(null=True)
    content = fields.TextField(null=True)

    class Meta:
        table = "Prompt"


class Tool(Timed):
    name = fields.TextField(null=True)
    description = fields.TextField(null=True)
    type = fields.TextField(null=True)
    authentication_type = fields.TextField(null=True, source_field="authenticationType")
    endpoint = fields.TextField(null=True)
    transport_type = fields.TextField(null=True, source_field="transportType")
    custom_config: Any = fields.JSONField(null=True, source_field="customConfig")

    class Meta:
        table = "Tool"


class Agent(Timed):
    user = link("User", "agents", "userID")
    model = link("Model", "agents", "modelID")
    prompt = link("Prompt", "agents", "promptID")
    name = fields.TextField(null=True)
    description = fields.TextField(null=True)
    model_parameters: Any = fields.JSONField(null=True, source_field="modelParameters")
    tools: Any = fields.ManyToManyField(
        "models.Tool", through="AgentTool", forward_key="toolID", backward_key="agentID", related_name="agents"
    )

    class Meta:
        table = "Agent"


class UserAgent(Timed):
    user = link("User", "user_agents", "userID")
    agent = link("Agent", "user_agents", "agentID")

    class Meta:
        table = "UserAgent"


class Conversation(Timed):
    user = link("User", "conversations", "userID")
    agent = link("Agent", "conversations", "agentID")
    title = fields.TextField(null=True)
    deleted = fields.BooleanField(null=True, default=False)

    class Meta:
        table = "Conversation"


class Message(Timed):
    conversation = link("Conversation", "messages", "conversationID")
    parent = link("Message", "children", "parentID")
    role = fields.TextField(null=True)
    content: Any = fields.JSONField(null=True)

    class Meta:
        table = "Message"


class Usage(Timed):
    user = link("User", "usages", "userID")
    model = link("Model", "usages", "modelID")
    input_tokens = fields.BigIntField(null=True, source_field="inputTokens")
    output_tokens = fields.BigIntField(null=True, source_field="outputTokens")
    cache_read_tokens = fields.BigIntField(null=True, source_field="cacheReadTokens")
    cache_write_tokens = fields.BigIntField(null=True, source_field="cacheWriteTokens")
    cost = money_field()

    class Meta:
        table = "Usage"
