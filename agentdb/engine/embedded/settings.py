"""The settings of a server: ours, which make it embedded, and those that a caller may pass."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from agentdb.engine.embedded.folder import Folder
from agentdb.errors import ConfigurationError

_RESERVED: Final = frozenset(
    {
        "config_file",
        "data_directory",
        "external_pid_file",
        "hba_file",
        "ident_file",
        "listen_addresses",
        "logging_collector",
        "port",
        "unix_socket_directories",
        "unix_socket_group",
        "unix_socket_permissions",
    }
)


def check_settings(settings: Mapping[str, str]) -> None:
    """Raise ConfigurationError for one that is ours, or that could be read as something else on a command line."""
    for name, value in settings.items():
        if not re.fullmatch("[a-z_.]+", name):
            raise ConfigurationError(
                f"{name!r} is not the name of a PostgreSQL setting: letters a-z, '_' and '.' only."
            )
        if name in _RESERVED:
            raise ConfigurationError(
                f"The PostgreSQL setting {name!r} is agentdb's own on an embedded server. Leave it out."
            )
        if not value.isprintable():
            raise ConfigurationError(f"The value of the PostgreSQL setting {name!r} has unprintable characters.")


def server_options(folder: Folder, socket_directory: Path, settings: Mapping[str, str]) -> list[str]:
    """The arguments of the server."""
    ours = {
        "listen_addresses": "",
        "port": "5432",  # only names the socket file
        "unix_socket_directories": str(socket_directory),
        "unix_socket_permissions": "0700",
        "hba_file": str(folder.file("hba")),
        "ident_file": str(folder.file("ident")),
        "logging_collector": "off",
    }
    return [part for name, value in {**settings, **ours}.items() for part in ("-c", f"{name}={value}")]
