"""The directory of the server's Unix socket: its path short and plain, and nobody else's to enter.

A socket's path has 104 to 108 bytes at most, so a folder that lies deep has its socket in a temporary directory.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from agentdb.engine.embedded.folder import Folder
from agentdb.engine.embedded.os_user import Account, find_barrier, name_of
from agentdb.errors import ConfigurationError

_MOST_BYTES: Final = 85  # with the socket's name it must fit in 104 bytes on macOS, 108 on Linux
_SYSTEM_TEMPORARY: Final = Path("/tmp")  # noqa: S108  # the name is not secret, and a directory of others is refused


def make_socket_directory(folder: Folder, account: Account) -> Path:
    """The folder's own `run`, or a directory in a temporary one if that does not do; 0700, of `account`."""
    name = f"agentdb-{hashlib.sha256(os.fsencode(folder.path)).hexdigest()[:16]}"
    for place in (folder.path / "run", Path(tempfile.gettempdir()) / name, _SYSTEM_TEMPORARY / name):
        if _fits(place) and find_barrier(place.parent, account) is None:
            _make_private(place, account)
            return place
    raise ConfigurationError(
        f"The path {folder.path} is too long for a Unix socket, and no temporary directory can be entered by the OS "
        f"user {name_of(account.uid)}. Use a shorter directory."
    )


def _fits(place: Path) -> bool:
    # PostgreSQL reads a list with commas and quotes there, clients do too: plain names need no quoting in either.
    return len(os.fsencode(place)) <= _MOST_BYTES and re.fullmatch(r"[\w/.~+-]+", str(place), re.ASCII) is not None


def _make_private(place: Path, account: Account) -> None:
    with suppress(FileExistsError):
        place.mkdir(mode=0o700)
    status = place.lstat()
    # In a temporary directory somebody else may have been first.
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in {os.geteuid(), account.uid}:
        raise ConfigurationError(f"{place} is needed for the server's socket but belongs to somebody else. Remove it.")
    place.chmod(0o700)
    os.chown(place, account.uid, account.gid)
