"""Copies of a template, a database that was migrated and seeded once: what the engines have in common."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, TypeAlias

from agentdb.config import Settings
from agentdb.database import connect
from agentdb.lifecycle.seed_files import SEED_TABLES
from agentdb.testing.loop_thread import LoopThread

Seed: TypeAlias = Path | Literal[False] | None
"""A directory of seed files, False for a schema without rows, None for the configured or packaged seeds."""


class Clones(ABC):
    """Databases of one engine."""

    @abstractmethod
    def empty(self) -> AbstractContextManager[str]:
        """The URL of an empty database, which is removed with the block."""

    @abstractmethod
    def clone(self, seed: Seed) -> AbstractContextManager[str]:
        """The URL of a migrated and seeded database, which is removed with the block.

        Raises:
            AgentDBError: The template cannot be made; the same for every further clone of it.
        """


def fill(url: str, seed: Seed, settings: Settings, thread: LoopThread) -> None:
    """Migrate and seed the database at `url`, and leave nothing connected to it.

    Raises:
        AgentDBError: As `connect`.
    """
    if seed is not False:
        thread.run(_fill(url, seed, settings))
        return
    # Seeded from files without rows, it is ready for services like any other.
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, SEED_TABLES[0].file).touch()
        thread.run(_fill(url, Path(directory), settings.model_copy(update={"test_api_key": None})))


async def _fill(url: str, seed_directory: Path | None, settings: Settings) -> None:
    async with connect(url, skip_sync=False, seed_directory=seed_directory, settings=settings):
        pass
