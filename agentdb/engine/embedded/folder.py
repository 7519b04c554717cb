"""The folder of an embedded server: where each file lies, how it is written, and the lock.

Files are replaced and never changed in place, so that a process that dies while it writes leaves a whole one.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from agentdb.engine.embedded.deadline import Deadline
from agentdb.engine.embedded.os_user import is_root
from agentdb.engine.private_files import DIRECTORY_MODE, make_private_directory
from agentdb.errors import ConfigurationError, UnavailableError

if sys.platform != "win32":
    import fcntl

SYSTEM_FOLDER = Path("/var/lib/agentdb")
PREFIX: Final = "agentdb-server."


def default_directory() -> Path:
    """Below `/var/lib/agentdb` for root, else in the user's data directory."""
    if is_root():
        return SYSTEM_FOLDER / "postgres"
    import platformdirs  # 3 ms for those who name their directory

    return platformdirs.user_data_path("agentdb") / "postgres"


@dataclass(frozen=True, slots=True)
class Folder:
    path: Path

    @classmethod
    def at(cls, directory: Path) -> Folder:
        """The folder that the directory is, or whose cluster it is."""
        if not str(directory).isprintable():
            raise ConfigurationError(f"The directory {str(directory)!r} has unprintable characters in its name.")
        path = directory.expanduser().resolve()
        above = cls(path.parent)
        return above if path == above.data and above.mark.exists() else cls(path)

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def mark(self) -> Path:
        return self.file("json")

    def file(self, suffix: str) -> Path:
        return self.path / f"{PREFIX}{suffix}"

    def create(self, suffix: str) -> TextIO:
        """A new file that only its owner can read, open for writing."""
        return open(self.file(suffix), "x", encoding="utf-8", opener=_open_private)

    def write(self, suffix: str, text: str, *, mode: int) -> None:
        fresh = self.file(f"{suffix}.new")
        fresh.unlink(missing_ok=True)
        with self.create(f"{suffix}.new") as file:
            file.write(text)
            os.fchmod(file.fileno(), mode)
        fresh.replace(self.file(suffix))

    @contextmanager
    def locked(self, deadline: Deadline) -> Iterator[None]:
        """Alone among threads and processes; the kernel unlocks for a holder that dies."""
        descriptor = os.open(self.file("lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, mode=0o600)
        try:
            while not _try_lock(descriptor):
                if deadline.has_passed:
                    raise UnavailableError(
                        f"Another process is still starting or stopping PostgreSQL in {self.path}. Try again."
                    )
                time.sleep(0.05)
            yield
        finally:
            # Unlocked by name, because a process forked meanwhile holds a copy of the descriptor.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)


def make_directory(path: Path) -> None:
    """Make it and its missing parents, whatever the umask is; what exists keeps its permissions.

    They are the owner's alone, but where root starts the server: then the account that runs it has to pass through.
    """
    make_private_directory(path, mode=0o711 if is_root() else DIRECTORY_MODE)


def text_of(path: Path) -> str:
    """What the file holds; nothing if it is missing or cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
