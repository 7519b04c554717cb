"""Which directories are refused. Each is looked at before anything is made, and a refused one is left as it was.

The most dangerous are those that look like ours: a cluster of another major version, of another program or of PGlite
would be destroyed by opening it.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

from agentdb.engine.embedded.folder import PREFIX, Folder, default_directory, text_of
from agentdb.engine.embedded.os_user import Account, find_barrier, is_root, name_of
from agentdb.engine.embedded.programs import POSTGRES_MAJOR
from agentdb.errors import ConfigurationError

_STRANGER: Final = Account(65534, 65534)  # has as few rights as a user that is yet to be created


def refuse_unusable(folder: Folder) -> None:
    """Raise ConfigurationError unless this user may keep a cluster there."""
    path = folder.path
    existing = next(place for place in (path, *path.parents) if os.path.exists(place))
    if not existing.is_dir():
        raise ConfigurationError(f"{existing} is a file. Embedded PostgreSQL needs a directory of its own.")
    if not os.access(existing, os.R_OK | os.X_OK if existing == path else os.X_OK):
        raise ConfigurationError(f"{existing} cannot be read by this user. Use a directory of your own.")
    if existing == path:
        _refuse_foreign_content(folder)
        _refuse_foreign_owner(folder)
        _refuse_other_major(folder.data)
    if not os.access(existing, os.W_OK):
        raise ConfigurationError(f"{existing} is read-only. Embedded PostgreSQL needs a directory it can write to.")


def refuse_unreachable(path: Path, account: Account | None) -> None:
    """Raise ConfigurationError if root's server, running as `account` or as a new user, could not get to `path`."""
    barrier = find_barrier(path, account or _STRANGER) if is_root() else None
    if barrier is not None:
        name = name_of(account.uid) if account else "agentdb"
        raise ConfigurationError(
            f"The OS user {name}, who runs PostgreSQL for root, may not pass through {barrier}. "
            f"Use a directory below one that everybody may enter, such as {default_directory()}; "
            f"agentdb does not change the permissions of {barrier}."
        )


def _refuse_foreign_content(folder: Folder) -> None:
    entries = sorted(entry.name for entry in folder.path.iterdir())
    if folder.mark.name in entries:
        return
    if "PG_VERSION" in entries:
        raise ConfigurationError(_foreign_cluster(folder.path))
    # A volume of its own has lost+found. Our own files without the mark are a first start that just began.
    foreign = [name for name in entries if not name.startswith(PREFIX) and name != "lost+found"]
    if foreign:
        raise ConfigurationError(
            f"{folder.path} holds other data ({', '.join(foreign[:3])}{', ...' if foreign[3:] else ''}). "
            "Embedded PostgreSQL needs a new or empty directory, or one it made."
        )


def _foreign_cluster(path: Path) -> str:
    sign = _sign_of_pglite(path)
    if sign:
        return (
            f"{path} looks like a PGlite directory of version {_major(path)} ({sign}), which a PostgreSQL server "
            "cannot open. Use another directory; to keep the data, dump it with PGlite and load it there."
        )
    return (
        f"{path} is a PostgreSQL {_major(path)} data directory that was not made by agentdb, which runs PostgreSQL "
        f"{POSTGRES_MAJOR}. Use another directory, or start its own server and connect with postgresql://."
    )


def _sign_of_pglite(path: Path) -> str | None:
    """What gives a PGlite directory away; a server that was ever started always leaves postmaster.opts."""
    if (path / "postmaster.opts").exists():
        return None
    lines = text_of(path / "postmaster.pid").splitlines()
    if lines and lines[0].startswith("-"):
        return f"postmaster.pid names the process {lines[0]}"
    for name in ("postmaster.pid", "postgresql.conf", "pg_hba.conf", "pg_ident.conf"):
        word = re.search("pglite|web_user", text_of(path / name), re.IGNORECASE)
        if word:
            return f"{name} mentions {word[0]}"
    return "no server was ever started on it: there is no postmaster.opts"


def _refuse_foreign_owner(folder: Folder) -> None:
    # What root made has a cluster of somebody else; whoever is not root must own that too.
    for place in (folder.path,) if is_root() else (folder.path, folder.data):
        if place.exists() and place.stat().st_uid != os.geteuid():
            raise ConfigurationError(
                f"{place} belongs to OS user {name_of(place.stat().st_uid)}, this process runs as "
                f"{name_of(os.geteuid())}. Run as the one who made it, or use a directory of your own."
            )
    if folder.path.stat().st_mode & stat.S_IWOTH:
        raise ConfigurationError(
            f"Every OS user can write to {folder.path}. Run `chmod o-w` on it, or use another directory."
        )


def _refuse_other_major(data: Path) -> None:
    if data.exists() and _major(data) != str(POSTGRES_MAJOR):
        raise ConfigurationError(
            f"{data} was made by PostgreSQL {_major(data)}, this agentdb runs PostgreSQL {POSTGRES_MAJOR}. "
            "Dump it with the agentdb that made it and load it into a new directory."
        )


def _major(data: Path) -> str:
    return text_of(data / "PG_VERSION").strip() or "of an unknown version"
