"""The file of a SQLite database: what may be opened, how it is made, and what lies beside it.

SQLite itself never makes one here. It would follow a link to wherever that points, with the rights that the umask
leaves; its log and journal files then have the rights of the database.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final
from urllib.parse import quote

from agentdb.engine.dialect import no_database
from agentdb.engine.private_files import create_private
from agentdb.errors import StorageError

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
SQLITES_OWN: Final = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database."""


def beside(path: Path, suffix: str) -> Path:
    """A file beside a database, under its name with `suffix`: where SQLite too looks, whatever links lead there."""
    # Two names of one database have one log, one key and one lock.
    real = Path(os.path.realpath(path))
    return real.with_name(real.name + suffix)


def file_uri(path: Path) -> str:
    """What SQLite opens, for reading only where it must; a missing file it does not make."""
    return f"file:{quote(str(path))}?mode=rw"


def make_file(path: Path) -> None:
    """Make the file of a database, empty and private, if there is none.

    Raises:
        StorageError: It cannot be made there.
    """
    try:
        is_made = create_private(path)
    except OSError as error:
        raise _unmade(path, error) from error
    if not is_made and path.is_symlink() and not path.exists():
        raise StorageError(
            f"{path} is a link to {os.path.realpath(path)}, where there is nothing. Nothing is made through a link: "
            "remove it, or name the file itself.",
            reason="unreadable",
        )


def check_file(path: Path) -> None:
    """Refuse what SQLite should not even open: to open a pipe may wait for ever.

    Raises:
        StorageError: It, or what lies beside it for SQLite, is no ordinary file.
        SchemaError: There is none.
    """
    if not _is_ordinary(path, "Name the database file."):
        raise no_database(path)
    for suffix in SQLITES_OWN:
        _is_ordinary(beside(path, suffix), "SQLite keeps a file of its own there: remove it.")


def is_writable(path: Path) -> bool:
    """Whether this process may write to a database: to its file, and to what SQLite keeps beside it."""
    files = (path, *(beside(path, suffix) for suffix in SQLITES_OWN))
    is_effective = os.access in os.supports_effective_ids  # a file is opened with these
    return all(os.access(file, os.W_OK, effective_ids=is_effective) for file in files if file.exists())


def _is_ordinary(path: Path, advice: str) -> bool:
    """Whether there is such a file; anything else is refused."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    except OSError as error:
        said = f"{path} cannot be looked at: {error.strerror}. {advice}"
        raise StorageError(said, reason="unreadable") from error
    if stat.S_ISDIR(mode):
        raise StorageError(f"{path} is a directory. {advice}", reason="unreadable")
    if not stat.S_ISREG(mode):
        raise StorageError(f"{path} is a pipe, a socket or a device. {advice}", reason="unreadable")
    return True


def _unmade(path: Path, error: OSError) -> StorageError:
    if error.errno in _FULL:
        return StorageError(f"{path} cannot be made: {error.strerror}. Free some space.", reason="full")
    if not path.parent.is_dir():
        return StorageError(f"There is no directory {path.parent}. Make it, or correct the path.", reason="unreadable")
    return StorageError(
        f"{path} cannot be made: {error.strerror}. Name a directory that this user may write to.", reason="read-only"
    )
