"""What keeps a database small and quick and shows damage, which each engine does in its own way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentdb.engine.client import Client


@dataclass(frozen=True, slots=True)
class Space:
    """How much room a database takes.

    Attributes:
        used: Bytes of its files, or of its tables and indexes on a server.
        free: Bytes among them that hold nothing; None where the engine does not tell.
    """

    used: int
    free: int | None


class Upkeep(ABC):
    """The work on an open database that no transaction may hold. Each takes as long as it takes."""

    @abstractmethod
    async def space(self, client: Client) -> Space:
        """How much room it takes now."""

    @abstractmethod
    async def damage(self, client: Client) -> list[str]:
        """Read all pages, where the engine can check them; one sentence for each that is damaged."""

    @abstractmethod
    async def analyze(self, client: Client, tables: Sequence[str]) -> None:
        """Let the planner know what is in the tables now."""

    @abstractmethod
    async def trim(self, client: Client) -> None:
        """Give free pages back as far as that goes without rewriting anything."""

    @abstractmethod
    async def checkpoint(self, client: Client) -> bool:
        """Fold the log into the database as far as this is ours to do; False if somebody keeps it from being whole."""

    @abstractmethod
    async def vacuum(self, client: Client, tables: Sequence[str]) -> bool:
        """Give back, or make usable again, what deleted rows of `tables` took, and clear it where the engine can.

        Returns:
            False if somebody keeps the log from being emptied, where remains may still be read.

        Raises:
            UnavailableError: Somebody held a lock for too long.
            StorageError: There is no room for it.
        """

    @abstractmethod
    async def create_vector_extension(self, client: Client) -> None:
        """Let statements compare embeddings from now on.

        Raises:
            UnsupportedError: The engine or its server has no such extension.
            AccessDeniedError: This role may not create it.
        """
