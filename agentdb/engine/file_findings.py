"""What can be wrong with the files of a database, whichever engine keeps them: who may read them, where they lie."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agentdb.engine.diagnosis import Finding
from agentdb.engine.mounts import network_file_system

_MIB: Final = 2**20
LITTLE_SPACE: Final = 512 * _MIB
"""Less than that is a warning: a backup, a bulk of messages or a long reader's log may need it."""

NO_SPACE: Final = 32 * _MIB

_OTHERS_READ: Final = stat.S_IRGRP | stat.S_IROTH
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def of_file(path: Path) -> Iterator[Finding]:
    """Who else may read or write a file of the database."""
    mode = _mode(path)
    if mode & (_OTHERS_READ | _OTHERS_WRITE):
        yield Finding(
            "file-open",
            "warning",
            f"{path} can be {_done(mode)} by {_who(mode)} (mode {mode:04o}). It holds conversations.",
            f"chmod 600 {path}",
        )


def of_key_file(path: Path) -> Iterator[Finding]:
    """Who else may read or replace a file that holds the secret key."""
    mode, around = _mode(path), _mode(path.parent)
    if mode & (_OTHERS_READ | _OTHERS_WRITE):
        yield Finding(
            "key-file-open",
            "error",
            f"The key file {path} can be {_done(mode)} by {_who(mode)} (mode {mode:04o}).",
            f"chmod 600 {path}, and rotate the key if somebody may have read it.",
        )
    if _is_open(around):
        yield Finding(
            "key-directory-open",
            "error",
            f"The key file {path} lies in a directory that others may write to (mode {around:04o}), who could "
            "replace it.",
            f"chmod go-w {path.parent}, or move the key and set AGENTDB_SECRET_KEY_FILE.",
        )


def of_directory(path: Path) -> Iterator[Finding]:
    """Who else may look into, or add to, the directory of a database."""
    mode = _mode(path)
    if _is_open(mode):
        yield Finding(
            "directory-open",
            "warning",
            f"{_who(mode & _OTHERS_WRITE).capitalize()} may replace the database: "
            f"its directory {path} has the mode {mode:04o}.",
            f"chmod 700 {path}",
        )
    elif mode & _OTHERS_READ:
        yield Finding(
            "directory-readable",
            "info",
            f"The directory {path} can be listed by {_who(mode & _OTHERS_READ)} (mode {mode:04o}).",
            f"chmod 700 {path}, if nothing else lies there.",
        )


def of_place(path: Path) -> Iterator[Finding]:
    """What the file system below `path`, which exists, means for a database."""
    kind = network_file_system(path)
    if kind is not None:
        yield on_network(path, kind)
    yield from of_space(path, shutil.disk_usage(path).free)


def on_network(path: Path, kind: str) -> Finding:
    """A database that lies on a file system of the type `kind`."""
    return Finding(
        "network-file-system",
        "error",
        f"{path} lies on a network file system ({kind}), where locks and shared memory do not work as a database "
        "needs them: it can be damaged.",
        "Move it to a local disk, or use a PostgreSQL server.",
    )


def of_space(path: Path, free: int) -> Iterator[Finding]:
    """What `free` bytes beside the database mean."""
    if free < LITTLE_SPACE:
        yield Finding(
            "disk-space",
            "error" if free < NO_SPACE else "warning",
            f"{free // _MIB} MiB are free where the database lies ({path}).",
            "Free some space, or move the database: writes fail when there is none left.",
        )


def processes_with(path: Path) -> tuple[int, ...] | None:
    """Other processes that have the file open, as far as this user may see; None where nobody tells."""
    try:
        wanted, processes = path.stat(), list(Path("/proc").glob("[0-9]*"))
    except OSError:
        return None
    if not processes:
        return None
    others = (int(process.name) for process in processes if int(process.name) != os.getpid())
    return tuple(sorted(other for other in others if _has_open(other, wanted)))


def _has_open(process: int, wanted: os.stat_result) -> bool:
    try:
        opened = list(Path(f"/proc/{process}/fd").iterdir())
    except OSError:  # it has ended, or belongs to somebody else
        return False
    for descriptor in opened:
        try:
            if os.path.samestat(descriptor.stat(), wanted):
                return True
        except OSError:
            continue
    return False


def _mode(path: Path) -> int:
    # Windows has rights that these bits do not show.
    return stat.S_IMODE(path.stat().st_mode) if os.name != "nt" else 0


def _is_open(directory_mode: int) -> bool:
    # In a sticky directory, as that of temporary files, only the owner of a file may replace it.
    return bool(directory_mode & _OTHERS_WRITE) and not directory_mode & stat.S_ISVTX


def _who(mode: int) -> str:
    return "everybody" if mode & stat.S_IRWXO else "its group"


def _done(mode: int) -> str:
    return (
        "read and written"
        if mode & _OTHERS_READ and mode & _OTHERS_WRITE
        else ("read" if mode & _OTHERS_READ else "written")
    )
