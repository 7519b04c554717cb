"""Files and directories that only their owner may read, from their first byte on.

To create a file and then take rights away leaves a moment in which somebody else can open it, and whoever has opened it
goes on reading. So it is made with the rights that it shall have, and only then opened.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700


def create_private(path: Path) -> bool:
    """Make an empty file, 0600; whether it was missing. What is there already, if only a link to nothing, stays.

    Raises:
        OSError: It cannot be made there.
    """
    try:
        _create(path)
    except FileExistsError:
        return False
    return True


def make_private_directory(path: Path, *, mode: int = DIRECTORY_MODE) -> None:
    """Make it and its missing parents, 0700; what is there already keeps its permissions.

    Args:
        mode: For those that another account has to pass through.

    Raises:
        OSError: It cannot be made there, or is a file.
    """
    missing = [place for place in (path, *path.parents) if not os.path.exists(place)]
    for place in reversed(missing):
        try:
            place.mkdir(mode=DIRECTORY_MODE)
        except FileExistsError:  # somebody else made it at this moment, and its permissions are theirs
            continue
        if mode != DIRECTORY_MODE:
            place.chmod(mode)  # whatever the umask is
    if not path.is_dir():
        raise NotADirectoryError(f"{path} is no directory.")


def _create(path: Path) -> None:
    if sys.platform == "linux":
        # Not by opening it: to close a file frees all locks that this process has on it, and another thread may
        # have opened the new database, and locked it, in between.
        os.mknod(path, FILE_MODE)
    else:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE_MODE))


def publish(draft: Path, path: Path, *, overwrite: bool = False) -> bool:
    """Let a finished file appear under its name, on the disk too; whether it did.

    Args:
        overwrite: In the place of a file that is there. Otherwise that one stays.

    Raises:
        OSError: It cannot appear there.
    """
    with open(draft, "rb") as file:
        os.fsync(file.fileno())
    if overwrite:
        draft.replace(path)
    elif not _appeared(draft, path):
        return False
    sync_directory(path.parent)
    return True


def sync_directory(path: Path) -> None:
    """Let the names in a directory survive a power failure."""
    if os.name == "nt":  # directories cannot be opened there, and their entries are journalled
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _appeared(draft: Path, path: Path) -> bool:
    try:
        os.link(draft, path)  # unlike a rename it never replaces a file that somebody else made meanwhile
    except FileExistsError:
        return False
    except OSError:
        if os.path.lexists(path):
            return False
        draft.rename(path)  # a file system without links
        return True
    draft.unlink()
    return True
