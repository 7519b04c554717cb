"""Where everything lies, and which setting says so. It is found out without opening a database or making anything."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from agentdb.config import Settings
from agentdb.engine import Target
from agentdb.engine.location import data_directory, data_directory_source, unused_sources


@dataclass(frozen=True, slots=True)
class Place:
    """A file or directory.

    Attributes:
        source: Which setting chose it.
        mode: Its permissions, or "hidden" from this account; None if it is not there.
        owner: The account that it belongs to.
    """

    path: str
    source: str
    mode: str | None
    owner: str | None


@dataclass(frozen=True, slots=True)
class Paths:
    """What a process would use that is started here and now.

    Attributes:
        engine: "SQLite" or "PostgreSQL".
        source: Which setting named the database: "argument", a variable, or "default".
        location: Where it is, without secrets.
        unused: Variables that name a database too, and do not count.
        database: Its file or directory; None on a server and in memory.
        data_directory: Where it lies when no setting names one; nothing is made there for any other.
        key: The file of the secret key; None where there is none to be.
        key_source: "AGENTDB_SECRET_KEY", "AGENTDB_SECRET_KEY_FILE", "beside the database", or "none".
        settings_file: The `.env` that is read, if there is one.
    """

    engine: str
    source: str
    location: str
    unused: tuple[str, ...]
    database: Place | None
    data_directory: Place
    key: Place | None
    key_source: str
    settings_file: str | None


def find_paths(target: Target, settings: Settings, *, env_file: Path | str = ".env") -> Paths:
    """Where the database of `target` and all that belongs to it lies.

    Args:
        env_file: The one that the settings were read from.
    """
    key_source, key_file = _key(target, settings)
    read = Path(env_file).absolute()
    return Paths(
        engine=target.dialect.title,
        source=target.source,
        location=target.shown,
        unused=unused_sources(target, settings),
        database=_place(target.storage, target.source) if target.storage else None,
        data_directory=_place(data_directory(settings), data_directory_source(settings)),
        key=_place(key_file, key_source) if key_file else None,
        key_source=key_source,
        settings_file=str(read) if read.is_file() else None,
    )


def _key(target: Target, settings: Settings) -> tuple[str, Path | None]:
    if settings.secret_key is not None:
        return "AGENTDB_SECRET_KEY", None
    if settings.secret_key_file is not None:
        return "AGENTDB_SECRET_KEY_FILE", settings.secret_key_file
    return ("beside the database", target.key_file) if target.key_file else ("none", None)


def _place(path: Path, source: str) -> Place:
    try:
        found = path.stat()
    except PermissionError:
        return Place(str(path), source, "hidden", None)
    except OSError:
        return Place(str(path), source, None, None)
    return Place(str(path), source, f"{stat.S_IMODE(found.st_mode):04o}", _owner(path, found))


def _owner(path: Path, found: os.stat_result) -> str:
    try:
        return path.owner()
    except (KeyError, NotImplementedError):  # an account without a name, as in containers; a system without accounts
        return str(found.st_uid)
