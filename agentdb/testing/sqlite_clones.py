"""SQLite databases for tests: a template is bytes in memory, and a clone is a file with these bytes."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import quote

from agentdb.config import Settings
from agentdb.engine.private_files import DIRECTORY_MODE, create_private
from agentdb.testing.clones import Clones, Seed, fill
from agentdb.testing.loop_thread import LoopThread
from agentdb.testing.once import Once


class SqliteClones(Clones):
    """Makes clones in `directory`, which is empty again when all of them are gone."""

    def __init__(self, directory: Path, settings: Settings, thread: LoopThread) -> None:
        self._directory = directory
        self._settings = settings
        self._thread = thread
        self._templates = Once(self._make_template)
        self._numbers = count(1)

    @contextmanager
    def empty(self) -> Iterator[str]:
        with self._new_file() as path:
            yield _url(path)

    @contextmanager
    def clone(self, seed: Seed) -> Iterator[str]:
        template = self._templates.get(seed)
        with self._new_file() as path:
            create_private(path)
            path.write_bytes(template)
            yield _url(path)

    def _make_template(self, seed: Seed) -> bytes:
        with self._new_file() as path:
            fill(_url(path), seed, self._settings, self._thread)
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # all of it in the one file
            return path.read_bytes()

    @contextmanager
    def _new_file(self) -> Iterator[Path]:
        # A directory for each, because SQLite and agentdb put further files beside a database.
        directory = self._directory / str(next(self._numbers))
        directory.mkdir(mode=DIRECTORY_MODE)
        try:
            yield directory / "agent.db"
        finally:
            shutil.rmtree(directory)


def _url(path: Path) -> str:
    return f"sqlite:///{quote(str(path))}"
