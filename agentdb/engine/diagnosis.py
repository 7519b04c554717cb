"""What an engine can say of its own health: how it is doing, and what an operator should know and do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from agentdb.engine.client import Client
    from agentdb.engine.dialect import Target

Severity: TypeAlias = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an operator should know.

    Attributes:
        code: Names the kind of finding, the same in every release.
        severity: "error" for what loses or shows data or keeps services out, "warning" for what may come to that,
            "info" for what is good to know.
        found: What is so.
        advice: What to do about it.
    """

    code: str
    severity: Severity
    found: str
    advice: str


@dataclass(frozen=True, slots=True)
class Connections:
    """The connections of one handle.

    Attributes:
        in_use: How many work for somebody.
        idle: How many are open and free.
        limit: How many there may be.
        waiting: Calls that wait for a connection, or for their turn to write.
    """

    in_use: int
    idle: int
    limit: int
    waiting: int

    @property
    def are_all_taken(self) -> bool:
        """Whether whoever comes now has to wait."""
        return self.in_use >= self.limit


@dataclass(frozen=True, slots=True)
class Vitals:
    """What one short read tells.

    Attributes:
        version: Of the server, or of the library that reads the file.
        is_read_only: The engine refuses to write just now.
        clock: What time the server has; None where there is no server.
    """

    version: str
    is_read_only: bool
    clock: datetime | None


class Diagnosis(ABC):
    """The questions of a doctor that each engine answers in its own way. Asking changes nothing."""

    @abstractmethod
    def of_place(self, target: Target) -> Iterator[Finding]:
        """What is known without opening the database: its files, and how it would be reached. Touches files."""

    @abstractmethod
    async def vitals(self, client: Client) -> Vitals:
        """One round trip that proves that it answers.

        Raises:
            AgentDBError: It does not.
        """

    @abstractmethod
    async def of_database(self, client: Client, *, deep: bool) -> list[Finding]:
        """What the open database says of itself.

        Args:
            deep: Read all of it, where that finds damage.

        Raises:
            AgentDBError: It cannot be read.
        """
