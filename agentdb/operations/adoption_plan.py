"""What adopting a database takes, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Repair(NamedTuple):
    """Rows that are put right.

    Attributes:
        what: What is wrong with each, a clause about the row.
        change: What becomes of it.
        rows: How many.
        sample: Their first ids.
    """

    table: str
    what: str
    change: str
    rows: int
    sample: tuple[int, ...]


class Change(NamedTuple):
    """Something of the schema that is changed or made.

    Attributes:
        kind: "type", "column", "default", "null", "index", "foreign key" or "table".
    """

    kind: str
    table: str
    what: str


class Obstacle(NamedTuple):
    """Rows, or a table, that adopting stops at.

    Attributes:
        what: What was found, without the values.
        advice: What to do about it.
        rows: How many rows; 0 for what is wrong with a table.
        sample: Their first ids, or for rows that are equal to each other the first ids of one such group.
    """

    table: str
    what: str
    advice: str
    rows: int = 0
    sample: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class AdoptionPlan:
    """What adopting a database takes.

    Attributes:
        found: The version of agentdb's schema that it has already; None if it is still the original's.
        version: The one that it has afterwards.
        repairs: What is wrong with its rows, in the order in which it is put right.
        changes: What is changed of its tables.
        obstacles: What keeps it from being adopted, until somebody has decided.
        plain_secrets: Secrets that are stored as they are, by place.
        seals_secrets: Whether they are put under the key.
    """

    found: str | None
    version: str
    repairs: tuple[Repair, ...] = ()
    changes: tuple[Change, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    plain_secrets: Mapping[str, int] = field(default_factory=dict)
    seals_secrets: bool = False

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to do."""
        return self.found is None or (self.seals_secrets and bool(self.plain_secrets))
