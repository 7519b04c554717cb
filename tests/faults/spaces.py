"""Ways in which a disk runs full under a database, and has room again."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from agentdb import Database
from agentdb.engine.sqlite_client import SqliteClient

_PLENTY: Final = 1 << 30


class Space(ABC):
    """The room that a database has, in a process of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def reopened(self, db: Database) -> Database:
        """The handle that meets the full disk: the same one, unless it takes another."""
        return db

    @abstractmethod
    def fill(self, db: Database) -> None:
        """Leave no room."""

    @abstractmethod
    def free(self, db: Database) -> None:
        """Give it back."""


class Limit(Space):
    """The process may not write beyond the beginning of any file."""

    def fill(self, db: Database) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))

    def free(self, db: Database) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


class Quota(Space):
    """The database may have no more pages."""

    def fill(self, db: Database) -> None:
        self._set(db, 1)  # SQLite takes as many as there are

    def free(self, db: Database) -> None:
        self._set(db, _PLENTY)

    def _set(self, db: Database, pages: int) -> None:
        client = db.session.client
        assert isinstance(client, SqliteClient)
        assert client._writer is not None
        is_set = threading.Event()

        def work(raw: sqlite3.Connection) -> None:
            raw.execute(f"PRAGMA max_page_count = {pages}").close()
            is_set.set()

        client._writer.post(work)
        assert is_set.wait(10)


class Tmpfs(Space):
    """A file system of eight megabytes that somebody else has filled."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(path.parent)], check=True)

    def fill(self, db: Database) -> None:
        ballast = os.open(self._ballast, os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(ballast, bytes(4096))
        except OSError:
            return
        finally:
            os.close(ballast)

    def free(self, db: Database) -> None:
        self._ballast.unlink()

    @property
    def _ballast(self) -> Path:
        return self.path.with_name("ballast")


SPACES: Final[dict[str, type[Space]]] = {"limit": Limit, "quota": Quota, "tmpfs": Tmpfs}

_NAMESPACE: Final = ("unshare", "--mount", "--map-root-user", "--propagation", "private")


def command_of(space: str) -> Sequence[str]:
    """What a process starts with in which this space can be made: for a file system, one that has mounts of its own."""
    return (*_NAMESPACE, sys.executable) if space == "tmpfs" else (sys.executable,)


@cache
def why_no_tmpfs() -> str | None:
    """Why this machine lets nobody mount a file system; None if it does."""
    if shutil.which("unshare") is None:
        return "there is no unshare"
    done = subprocess.run(
        [*_NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, text=True, check=False
    )
    return None if done.returncode == 0 else done.stderr.strip() or "mounting is refused"


def report_spaces() -> str:
    """One line for the head of a test run: which full disks there are."""
    reason = why_no_tmpfs()
    return f"full disks: limit, quota, {'tmpfs' if reason is None else f'a second limit for tmpfs ({reason})'}"
