"""Notes of a user."""

from __future__ import annotations

from tortoise.fields import CASCADE, ForeignKeyRelation, TextField

from agentdb.models import Record, User
from agentdb.models.fields import NamedIndex, NumberField, reference


class Note(Record):
    """A note, seen from its user as `user.notes`."""

    user: ForeignKeyRelation[User] = reference("User", CASCADE, related_name="notes", null=False)
    user_id: int
    title = TextField(null=True)
    position = NumberField(null=True)

    class Meta:
        indexes = (NamedIndex("user_id", "position", is_unique=True), NamedIndex("title"))


__models__ = [Note]
