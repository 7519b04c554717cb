"""A server and a real hot standby of it, both embedded."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from agentdb.engine.embedded import POSTGRES_MAJOR, EmbeddedServer, release_server, start_server
from agentdb.engine.embedded.folder import Folder
from agentdb.engine.embedded.os_user import is_root, owner_of
from agentdb.engine.embedded.programs import installed_wheel, reachable_programs
from agentdb.testing.plugin import new_server_directory
from tests.engine.engines import outside
from tests.faults.relay import relayed

_SETTINGS = {"fsync": "off", "full_page_writes": "off", "wal_receiver_timeout": "5s", "max_wal_size": "64MB"}


@dataclass(frozen=True, slots=True)
class Pair:
    """Who is primary at first, and who follows it."""

    primary: EmbeddedServer
    standby: EmbeddedServer

    async def promote(self) -> None:
        """Let the standby have all that was written, and take writes from then on."""
        [(written,)] = await outside(url_of(self.primary), "SELECT pg_current_wal_flush_lsn()::text")
        for _ in range(3000):
            [(has_all,)] = await outside(
                url_of(self.standby), "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", written
            )
            if has_all:
                break
            await asyncio.sleep(0.02)
        else:
            raise AssertionError("The standby does not follow.")
        [(is_promoted,)] = await outside(url_of(self.standby), "SELECT pg_promote()")
        assert is_promoted

    async def refuse_writes(self) -> None:
        """Let the primary go on as one that only answers."""
        await outside(url_of(self.primary), "ALTER SYSTEM SET default_transaction_read_only = on")
        await outside(url_of(self.primary), "SELECT pg_reload_conf()")
        for _ in range(3000):
            # A new connection knows it when all others have been told.
            [(value,)] = await outside(url_of(self.primary), "SHOW default_transaction_read_only")
            if value == "on":
                return
            await asyncio.sleep(0.02)
        raise AssertionError("The primary does not hear of it.")

    def end_primary(self) -> None:
        """Stop it, and every connection to it."""
        release_server(self.primary)


def place_of(server: EmbeddedServer) -> str:
    """As a host of a URL."""
    return f"{quote(server.host, safe='')}:{server.port}"


def url_of(server: EmbeddedServer) -> str:
    """Its maintenance database."""
    return f"postgresql://{server.user}@{place_of(server)}/{server.database}"


@contextmanager
def pair() -> Iterator[Pair]:
    """Both run inside the block."""
    with ExitStack() as stack:
        directories = [new_server_directory() for _ in range(2)]
        for directory in directories:
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
        primary = start_server(directories[0], settings=_SETTINGS)
        stack.callback(release_server, primary)
        _copy(primary, directories[1], stack)
        standby = start_server(directories[1], settings=_SETTINGS)
        stack.callback(release_server, standby)
        yield Pair(primary, standby)


def _copy(primary: EmbeddedServer, directory: Path, stack: ExitStack) -> None:
    """Make a cluster in `directory` that follows `primary`."""
    directory.mkdir(mode=0o755)
    folder = Folder(directory)
    account = owner_of(primary.directory / "data")
    folder.write("json", json.dumps({"made_by": "agentdb", "postgresql": POSTGRES_MAJOR}), mode=0o644)
    program = reachable_programs(installed_wheel(), account).directory / "pg_basebackup"
    source = ("--host", primary.host, "--port", str(primary.port), "--username", primary.user)
    subprocess.run(
        [program, *source, "--pgdata", folder.data, "--write-recovery-conf", "--checkpoint", "fast", "--no-sync"],
        check=True,
        timeout=300,
    )
    if not is_root():
        return
    # The primary lets root in, who runs the tests, and not the OS user of the standby.
    between = Path(tempfile.mkdtemp(prefix="agentdb-standby-"))
    stack.callback(shutil.rmtree, between, ignore_errors=True)
    door = between / f".s.PGSQL.{primary.port}"
    stack.enter_context(relayed(door, primary.host, primary.port))
    with (folder.data / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"primary_conninfo = 'host={between} port={primary.port} user={primary.user}'\n")
    for path in (between, door, folder.data, *folder.data.rglob("*")):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
