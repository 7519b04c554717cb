"""Who may do what: users, roles and policies."""

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

from agentdb.models.base import Record
from agentdb.models.fields import MoneyField, NamedIndex, NumberField, reference

if TYPE_CHECKING:
    from agentdb.models.agents import Agent, UserAgent, UserTool
    from agentdb.models.conversations import Conversation
    from agentdb.models.knowledge import Resource
    from agentdb.models.usage import Usage


class Role(Record):
    """A named set of policies. `display_order` sorts lists; it is not a rank."""

    name = TextField(null=True)
    display_order = NumberField(null=True)

    users: ReverseRelation[User]
    role_policies: ReverseRelation[RolePolicy]

    class Meta:
        indexes = (NamedIndex("display_order"), NamedIndex("name", is_unique=True))


class Policy(Record):
    """The right to do `action` on `resource`; `*` stands for every one."""

    name = TextField(null=True)
    resource = TextField(null=True)
    action = TextField(null=True)

    role_policies: ReverseRelation[RolePolicy]

    class Meta:
        indexes = (NamedIndex("name", is_unique=True),)


class RolePolicy(Record):
    """A policy that a role grants."""

    role: ForeignKeyRelation[Role] = reference("Role", CASCADE, related_name="role_policies", null=False)
    role_id: int
    policy: ForeignKeyRelation[Policy] = reference("Policy", CASCADE, related_name="role_policies", null=False)
    policy_id: int

    class Meta:
        indexes = (NamedIndex("role_id", "policy_id", is_unique=True), NamedIndex("policy_id"))


class User(Record):
    """A person or a service account.

    `api_key` holds a keyed digest. `budget` null is unlimited; `remaining` null with a budget means all of it.
    """

    email = TextField(null=True)
    first_name = TextField(null=True)
    last_name = TextField(null=True)
    status = TextField(null=True)
    role: ForeignKeyNullableRelation[Role] = reference("Role", SET_NULL, related_name="users")
    role_id: int | None
    api_key = TextField(null=True)
    budget = MoneyField(null=True)
    remaining = MoneyField(null=True)

    agents: ReverseRelation[Agent]
    conversations: ReverseRelation[Conversation]
    resources: ReverseRelation[Resource]
    usages: ReverseRelation[Usage]
    user_agents: ReverseRelation[UserAgent]
    user_tools: ReverseRelation[UserTool]

    class Meta:
        indexes = (
            NamedIndex("email", is_unique=True),
            NamedIndex("role_id"),
            NamedIndex("api_key", is_unique=True),
        )
