"""Copying a whole database by the engine's own means, and putting such a copy in a database's place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeAlias

if TYPE_CHECKING:
    from agentdb.engine.client import Client
    from agentdb.engine.dialect import Target
    from agentdb.engine.snapshot import Snapshot
    from agentdb.engine.threads import Told

Facts: TypeAlias = Mapping[str, str]
"""What has to be known of a copy beside its content."""


class NativeCopy(ABC):
    """How one engine does it. A copy is one file."""

    kind: ClassVar[str]
    """As a backup names it."""

    is_compressed: ClassVar[bool]
    """Whether a copy is small by itself."""

    leaves_out: ClassVar[tuple[str, ...]]
    """Tables that a copy has without their rows; whoever restores it writes them."""

    takes_all: ClassVar[bool]
    """Whether a copy holds, and replaces, the tables of others too."""

    @abstractmethod
    async def obstacle(self, client: Client) -> str | None:
        """Why no copy of this database can be made; None if it can."""

    @abstractmethod
    def copied(
        self, client: Client, file: Path, *, tables: Sequence[str], told: Told
    ) -> AbstractAsyncContextManager[tuple[Snapshot, Facts]]:
        """Copy the database into the empty `file`: `tables`, and with `takes_all` all others. Writers go on.

        Within the block the snapshot shows the state that is copied. The copy is whole when the block is left.

        Raises:
            AgentDBError: There is no copy.
        """

    @abstractmethod
    async def prove(self, file: Path, facts: Facts) -> str | None:
        """Read all of a copy; what that showed, as a sentence, or None where nothing could be read.

        Raises:
            StorageError: It is damaged.
        """

    @abstractmethod
    def as_target(self, file: Path) -> Target | None:
        """The copy as a database that can be opened; None for a copy that has to be restored first."""

    @abstractmethod
    def place_of(self, target: Target) -> Path | None:
        """The file that a copy becomes, from a place in its directory; None where a database is no file."""

    @abstractmethod
    async def check_place(self, client: Client, facts: Facts) -> None:
        """Let a copy be put in the place of this database.

        Raises:
            UnsupportedError: It cannot be; says what can.
        """

    @abstractmethod
    async def put(self, file: Path, client: Client, facts: Facts, *, tables: Sequence[str], told: Told) -> None:
        """Put a copy in the place of the database of `client`, which is not open if copies are targets. All or nothing.

        Args:
            tables: What goes if it is there, also where the copy is of a time that had no such table.

        Raises:
            UnavailableError: Somebody has it open, where that cannot be.
            AgentDBError: The database is as it was.
        """
