"""Tables that agentdb keeps for itself, beside the seventeen of the schema."""

from __future__ import annotations

from tortoise.fields import CASCADE, SET_NULL, ForeignKeyNullableRelation, ForeignKeyRelation, TextField

from agentdb.models.access import User
from agentdb.models.agents import Agent
from agentdb.models.base import Record
from agentdb.models.catalog import Model
from agentdb.models.conversations import Conversation, Message
from agentdb.models.fields import JsonField, MoneyField, NamedIndex, NumberField, TimestampField, reference


class State(Record):
    """The one row that says the database is ready: written by the seed's own transaction, removed by a migration's.

    A service whose newest migration is `schema_version`, or any from `compatible_since` on, may use the database.
    """

    schema_version = TextField()
    compatible_since = TextField()
    seed_digest = TextField(null=True)
    completed_at = TimestampField()

    class Meta:
        table = "agentdb_state"


class SeedEntry(Record):
    """What the seed last wrote: a digest of each column of one row, so that an edited column is left alone."""

    source = TextField()
    table_name = TextField()
    key = TextField()
    row_id = NumberField()
    digests = JsonField()

    class Meta:
        table = "agentdb_seed"
        indexes = (NamedIndex("source", "table_name", "key", is_unique=True),)


class Request(Record):
    """A caller's key of a call whose own rows have no place for it, and what the call gave."""

    user: ForeignKeyRelation[User] = reference("User", CASCADE, related_name="requests", null=False)
    user_id: int
    operation = TextField()
    request_id = TextField()
    digest = TextField()
    result_id = NumberField()

    class Meta:
        table = "agentdb_request"
        indexes = (NamedIndex("user_id", "operation", "request_id", is_unique=True),)


class Reservation(Record):
    """Money that a call may cost, taken out of its user's balance before the call.

    `held` is what was really taken: nothing for a user without a limit. `state` is `held`, `settled`, `released` or
    `expired`; `usage_id` and `cost` are what a settled one came to.
    """

    user: ForeignKeyRelation[User] = reference("User", CASCADE, related_name="reservations", null=False)
    user_id: int
    model: ForeignKeyNullableRelation[Model] = reference("Model", SET_NULL, related_name="reservations")
    model_id: int | None
    amount = MoneyField()
    held = MoneyField()
    state = TextField()
    expires_at = TimestampField()
    request_id = TextField(null=True)
    digest = TextField()
    settled_digest = TextField(null=True)
    usage_id = NumberField(null=True)
    cost = MoneyField(null=True)

    class Meta:
        table = "agentdb_reservation"
        indexes = (
            NamedIndex("user_id", "request_id", is_unique=True),
            NamedIndex("user_id", "state", "expires_at"),
            NamedIndex("state", "expires_at"),
            NamedIndex("model_id"),
        )


class BudgetReset(Record):
    """A period in which balances were set back to budgets, for `all` or for `user:<id>`, and how many they were."""

    period = TextField()
    scope = TextField()
    user: ForeignKeyNullableRelation[User] = reference("User", CASCADE, related_name="budget_resets")
    user_id: int | None
    users = NumberField()

    class Meta:
        table = "agentdb_budget_reset"
        indexes = (NamedIndex("period", "scope", is_unique=True), NamedIndex("user_id"))


class SearchEntry(Record):
    """The words of one message, normalised and separated by spaces."""

    message: ForeignKeyRelation[Message] = reference("Message", CASCADE, related_name="search_entries", null=False)
    message_id: int
    user: ForeignKeyRelation[User] = reference("User", CASCADE, related_name="search_entries", null=False)
    user_id: int
    words = TextField()

    class Meta:
        table = "agentdb_search"
        indexes = (NamedIndex("message_id", is_unique=True), NamedIndex("user_id"))


class SearchMark(Record):
    """How far the messages of a conversation have been indexed for search: `message_id` is the last one."""

    conversation: ForeignKeyRelation[Conversation] = reference(
        "Conversation", CASCADE, related_name="search_marks", null=False
    )
    conversation_id: int
    message_id = NumberField()

    class Meta:
        table = "agentdb_search_mark"
        indexes = (NamedIndex("conversation_id", is_unique=True),)


class UsageDay(Record):
    """Sums of usage rows that were removed: of one UTC day, user, model, agent and type. Several rows may be of one.

    `day` is noon UTC of that day: as the instant of all its calls it falls on the same date in nearly every time zone.
    `pseudonym` stands for a user who was erased, and leads nowhere. `requests` counts a request at its last row.
    """

    day = TimestampField()
    user: ForeignKeyNullableRelation[User] = reference("User", SET_NULL, related_name="usage_days")
    user_id: int | None
    pseudonym = TextField(null=True)
    model: ForeignKeyNullableRelation[Model] = reference("Model", SET_NULL, related_name="usage_days")
    model_id: int | None
    type = TextField(null=True)
    agent: ForeignKeyNullableRelation[Agent] = reference("Agent", SET_NULL, related_name="usage_days")
    agent_id: int | None
    input_tokens = NumberField()
    output_tokens = NumberField()
    cache_read_tokens = NumberField()
    cache_write_tokens = NumberField()
    cost = MoneyField()
    rows = NumberField()
    requests = NumberField()

    class Meta:
        table = "agentdb_usage_day"
        indexes = (
            NamedIndex("day"),
            NamedIndex("user_id", "day"),
            NamedIndex("model_id"),
            NamedIndex("agent_id"),
        )
