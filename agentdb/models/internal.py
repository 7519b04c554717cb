"""Tables that agentdb keeps for itself, beside the seventeen of the schema."""

from __future__ import annotations

from tortoise.fields import CASCADE, ForeignKeyRelation, TextField

from agentdb.models.access import User
from agentdb.models.base import Record
from agentdb.models.fields import JsonField, NamedIndex, NumberField, TimestampField, reference


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
