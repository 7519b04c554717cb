"""The PostgreSQL server that tests run on: the one that a variable names, or one started for them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from agentdb.engine.embedded import release_server, start_server
from agentdb.errors import AgentDBError

VARIABLE = "AGENTDB_TEST_POSTGRES_URL"

_SETTINGS = {
    # Nobody needs the data when the machine stops.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # Copies of databases go through the log, which may lie in memory.
    "max_wal_size": "128MB",
    # Several processes may share the server.
    "max_connections": "200",
}


@contextmanager
def postgres_server(directory: Path, *, is_shared: bool) -> Iterator[str]:
    """The URL of a server, whose user may create databases, inside the block.

    Args:
        directory: Where to start a server if the variable names none.
        is_shared: Whether other processes use the server in `directory` too; then it is not removed.

    Raises:
        AgentDBError: No server can be started.
    """
    if os.environ.get(VARIABLE):
        yield os.environ[VARIABLE]
        return
    try:
        with _started(directory) as url:
            yield url
    finally:
        if not is_shared:
            shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _started(directory: Path) -> Iterator[str]:
    try:
        server = start_server(directory, settings=_SETTINGS)
    except AgentDBError as error:
        error.add_note(f"Or name a server whose user may create databases: {VARIABLE}=postgresql://user@host/database")
        raise
    try:
        yield f"postgresql://{server.user}@{quote(server.host, safe='')}:{server.port}/{server.database}"
    finally:
        release_server(server)
