"""Which database is meant: a URL, or what the environment says, as the target of the dialect that answers to it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agentdb.config import Settings
from agentdb.engine.dialect import Dialect, Target
from agentdb.engine.url import Url, parse_url
from agentdb.errors import ConfigurationError

if TYPE_CHECKING:
    from agentdb.engine.native_copy import NativeCopy

_MODULES: Final[Mapping[str, str]] = {
    "sqlite": "agentdb.engine.sqlite",
    "postgresql": "agentdb.engine.postgres",
    "postgres": "agentdb.engine.postgres",
    "postgresql+embedded": "agentdb.engine.postgres",
}


def resolve(url: str | None, settings: Settings) -> Target:
    """Find the database: the argument, else AGENTDB_URL, DB_STORAGE, PGHOST, else a SQLite file of the user.

    Raises:
        ConfigurationError: A URL that cannot be read, with an unknown engine or an unknown option.
    """
    if url is not None:
        return _target(parse_url(url), settings, source="argument")
    if settings.url is not None:
        return _target(parse_url(settings.url.reveal()), settings, source="AGENTDB_URL")
    if settings.storage is not None:
        return _target(Url("postgresql+embedded", path=str(settings.storage)), settings, source="DB_STORAGE")
    if settings.pghost is not None:
        server = Url(
            "postgresql",
            user=settings.pguser,
            password=settings.pgpassword,
            hosts=tuple((host.strip(), settings.pgport) for host in settings.pghost.split(",") if host.strip()),
            path=settings.pgdatabase,
        )
        return _target(server, settings, source="PGHOST")
    return _target(Url("sqlite", path=str(data_directory(settings) / "agent.db")), settings, source="default")


def data_directory(settings: Settings) -> Path:
    """Where data lives: AGENTDB_HOME, else /var/lib/agentdb in system mode, else the user's data directory."""
    if settings.home is not None:
        return settings.home
    if settings.mode == "system":
        return Path("/var/lib/agentdb")
    import platformdirs  # 3 ms for those who name their database

    return platformdirs.user_data_path("agentdb", appauthor=False)


def dialect_of(scheme: str) -> Dialect:
    """The dialect that answers to a URL's scheme.

    Raises:
        ConfigurationError: No engine of that name.
    """
    module = _MODULES.get(scheme)
    if module is None:
        raise ConfigurationError(f"No engine is called {scheme!r}. Known are: {', '.join(sorted(_MODULES))}.")
    dialect: Dialect = importlib.import_module(module).dialect
    return dialect


def native_copy_of(kind: str) -> NativeCopy | None:
    """Who knows copies of this kind; None if no engine does."""
    copies = (dialect_of(scheme).native_copy for scheme in _MODULES)
    return next((copy for copy in copies if copy.kind == kind), None)


def _target(url: Url, settings: Settings, *, source: str) -> Target:
    return dialect_of(url.scheme).target(url, settings, source=source)
