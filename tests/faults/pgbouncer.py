"""A real PgBouncer in transaction mode before a server, for the length of a block.

The program is Debian's package `pgbouncer`. Tests that need it carry the marker `pgbouncer`, which leaves them out
where it is not installed; the head of the run says so.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults.relay import relayed

if sys.platform != "win32":
    import pwd

START_S: Final = 30.0
ATTEMPTS: Final = 5

_SETTINGS: Final = """\
[databases]
* = host={server_host} port={server_port} user={user}

[pgbouncer]
listen_addr = {host}
listen_port = {port}
listen_backlog = 1024
unix_socket_dir =
auth_type = md5
auth_file = {directory}/users
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 1000
server_tls_sslmode = disable
# After a server that could not be reached it is tried again so soon.
server_login_retry = 0.2
server_connect_timeout = 5
logfile = {directory}/log
pidfile =
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A running PgBouncer.

    Attributes:
        pid: Of its process.
        log: What it says.
    """

    host: str
    port: int
    user: str
    password: str
    database: str
    pid: int
    log: Path

    @property
    def url(self) -> str:
        """As a user would write it."""
        return f"{self.bare_url}?pooler=transaction"

    @property
    def bare_url(self) -> str:
        """Without saying that there is a pooler."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"


def find_pgbouncer() -> Path | None:
    """The program, if it is installed."""
    found = shutil.which("pgbouncer", path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin")))
    return Path(found) if found else None


def version_of(program: Path) -> str:
    """As `1.18.0`."""
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    found = re.search(r"PgBouncer (\S+)", told)
    return found.group(1) if found else "of unknown version"


@contextmanager
def pgbouncer(server_host: str, server_port: int, database: str, user: str, *, pool_size: int = 4) -> Iterator[Place]:
    """A PgBouncer on loopback, which lets in nobody but who has its random password.

    Args:
        server_host: A name or address, or the directory of a socket. The server has to let `user` in without password.
        pool_size: Connections to the server at most, for each database.
    """
    program = find_pgbouncer()
    assert program is not None, "PgBouncer is not installed."
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="agentdb-pgbouncer-"))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        account = _account()
        if account is not None:
            os.chown(directory, account.pw_uid, account.pw_gid)
            if server_host.startswith("/"):
                # The server lets the OS user in who runs the tests, and PgBouncer does not run as root.
                door = directory / f".s.PGSQL.{server_port}"
                stack.enter_context(relayed(door, server_host, server_port))
                os.chown(door, account.pw_uid, account.pw_gid)
                server_host = str(directory)
        password = secrets.token_urlsafe(16)
        (directory / "users").write_text(f'"{user}" "{password}"\n')
        for _ in range(ATTEMPTS):  # somebody else may take the port first
            port = _free_port()
            settings = _SETTINGS.format(
                server_host=server_host,
                server_port=server_port,
                user=user,
                host="127.0.0.1",
                port=port,
                directory=directory,
                pool_size=pool_size,
            )
            (directory / "pgbouncer.ini").write_text(settings)
            process = _start(program, directory, account)
            stack.callback(_stop, process)
            if _answers(process, port):
                yield Place("127.0.0.1", port, user, password, database, process.pid, directory / "log")
                return
        raise AssertionError(f"PgBouncer did not start: {(directory / 'log').read_text()[-2000:]}")


def _account() -> pwd.struct_passwd | None:
    """Who runs it for root, as whom it refuses to run; None for anybody else."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _start(program: Path, directory: Path, account: pwd.struct_passwd | None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [program, "--quiet", directory / "pgbouncer.ini"],
        cwd="/",
        env={"LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether it listens; False if it has ended."""
    until = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return process.poll() is None
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
