"""The OS user who runs the server, and running something as that user.

PostgreSQL refuses to run as root. For root it runs as the owner of the cluster, or as a user that exists for this
purpose; for anybody else it runs as themselves.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from agentdb.errors import ConfigurationError

if sys.platform != "win32":
    import pwd


@dataclass(frozen=True, slots=True)
class Account:
    uid: int
    gid: int


def is_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0


def find_server_account(data: Path) -> Account | None:
    """Who runs the server of the cluster in `data`; None for root if a user for it is yet to be created.

    Never `nobody`: other services run under that name and could read the cluster.
    """
    if not is_root():
        return Account(os.geteuid(), os.getegid())
    if data.exists():
        return owner_of(data)
    return _find_account("agentdb") or _find_account("postgres")


def create_server_account() -> Account:
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", "agentdb"]
    try:
        problem = subprocess.run(command, capture_output=True, text=True, check=False).stderr.strip()
    except OSError as error:
        problem = str(error)
    account = _find_account("agentdb")
    if account is None:
        raise ConfigurationError(
            f"PostgreSQL refuses to run as root, and the OS user agentdb could not be created: {problem}. "
            "Create an OS user agentdb, or run as a user other than root."
        )
    return account


def owner_of(path: Path) -> Account:
    status = path.stat()
    return Account(status.st_uid, status.st_gid)


def name_of(uid: int) -> str:
    """The user's name, or the number of one without a name, as in many containers."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def run_as(
    account: Account,
    command: list[str],
    *,
    timeout_s: float,
    environment: Mapping[str, str] = {},
    output: IO[str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run as `account`, with none of our environment: it may hold keys, and the other user could read them."""
    inherited = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    other = account.uid != os.geteuid()
    return subprocess.run(
        command,
        check=False,
        text=True,
        errors="replace",
        timeout=timeout_s,
        cwd="/",
        env={**inherited, "LC_ALL": "C", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if output is None else output,
        stderr=subprocess.STDOUT,
        user=account.uid if other else None,
        group=account.gid if other else None,
        extra_groups=[] if other else None,
    )


def find_barrier(path: Path, account: Account) -> str | None:
    """The first existing directory on the way to `path`, itself included, that `account` may not enter."""
    way = [str(place) for place in reversed((path, *path.parents)) if os.path.exists(place)]
    # Asked as that user: mode bits alone would not tell about access control lists.
    script = 'for place do [ -x "$place" ] || { printf %s "$place"; exit 1; }; done'
    return run_as(account, ["/bin/sh", "-c", script, "sh", *way], timeout_s=10).stdout or None


def _find_account(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid)
