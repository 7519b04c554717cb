"""The running server, which PostgreSQL calls the postmaster: found, waited for, launched and stopped.

`pg_ctl` starts and stops it. It learns the cluster from PGDATA and has its output caught, because it puts what `-D` and
`-l` name between double quotes into a shell command.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Literal

from agentdb.engine.embedded.deadline import Deadline
from agentdb.engine.embedded.folder import Folder, text_of
from agentdb.engine.embedded.os_user import name_of
from agentdb.engine.embedded.processes import find_process
from agentdb.engine.embedded.programs import Programs, last_words
from agentdb.engine.embedded.settings import server_options
from agentdb.engine.embedded.socket_directory import make_socket_directory
from agentdb.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What its postmaster.pid tells."""

    pid: int
    port: int
    socket_directory: str
    is_ready: bool


def find_postmaster(folder: Folder) -> Postmaster | None:
    """The server of this folder if it runs, also while it starts or stops."""
    lines = _pid_file(folder)
    pid = _number(lines[0])
    process = find_process(pid)
    # Known by its arguments: root in a container may not look at another user's working directory.
    if process is None or f"hba_file={folder.file('hba')}" not in process.arguments:
        return None
    return Postmaster(pid, _number(lines[3]), lines[4].strip(), is_ready=lines[7].strip() == "ready")


def wait_until_settled(folder: Folder, deadline: Deadline) -> Postmaster | None:
    """The server once it is ready, or None once none runs: a killed starter may have left it in recovery."""
    while True:
        postmaster = find_postmaster(folder)
        if postmaster is None or postmaster.is_ready:
            return postmaster
        if deadline.has_passed:
            raise UnavailableError(
                f"PostgreSQL in {folder.path} (process {postmaster.pid}) is still starting or stopping. "
                "Try again, or give it a longer timeout_s."
            )
        time.sleep(0.05)


def launch(folder: Folder, programs: Programs, settings: Mapping[str, str], deadline: Deadline) -> Postmaster:
    """Start the server where none runs.

    Raises:
        UnavailableError: It was not ready at the deadline, or ended; none is left behind.
    """
    _drop_recycled_pid(folder)
    _admit_this_user(folder)
    options = server_options(folder, make_socket_directory(folder, programs.account), settings)
    _keep_old_log(folder)
    try:
        with folder.create("log") as log:
            _pg_ctl(folder, programs, deadline, "start", "--options", shlex.join(options), output=log)
        postmaster = find_postmaster(folder)
    except BaseException as error:
        _abandon(folder, programs)
        if isinstance(error, subprocess.TimeoutExpired):
            raise UnavailableError(_start_problem(folder)) from error
        raise
    if postmaster is None or not postmaster.is_ready:
        _abandon(folder, programs)
        raise UnavailableError(_start_problem(folder))
    return postmaster


def stop(folder: Folder, programs: Programs, deadline: Deadline, *, mode: Literal["fast", "immediate"]) -> None:
    """Stop the server.

    Raises:
        UnavailableError: It had not ended at the deadline.
    """
    try:
        done = _pg_ctl(folder, programs, deadline, "stop", "--mode", mode)
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"PostgreSQL in {folder.path} was told to stop and did not answer.") from error
    if done.returncode and find_postmaster(folder) is not None:
        raise UnavailableError(f"PostgreSQL in {folder.path} did not stop: {last_words(done.stdout)}")


def _pid_file(folder: Folder) -> list[str]:
    """The lines of postmaster.pid, at least eight."""
    return text_of(folder.data / "postmaster.pid").splitlines() + [""] * 8


def _number(text: str) -> int:
    return int(text) if text.strip().isdecimal() else 0


def _drop_recycled_pid(folder: Folder) -> None:
    """Remove postmaster.pid if its number now belongs to something that is no PostgreSQL at all.

    Usual after a container was killed, where small numbers come back; PostgreSQL would refuse to start.
    """
    process = find_process(_number(_pid_file(folder)[0]))
    if process is not None and process.name != "postgres":
        (folder.data / "postmaster.pid").unlink()


def _admit_this_user(folder: Folder) -> None:
    folder.write("hba", "local all,replication all peer map=agentdb\n", mode=0o644)
    folder.write("ident", f'agentdb "{name_of(os.geteuid())}" all\n', mode=0o644)


def _keep_old_log(folder: Folder) -> None:
    log = folder.file("log")
    if log.exists():
        log.replace(folder.file("log.1"))


def _pg_ctl(
    folder: Folder, programs: Programs, deadline: Deadline, *arguments: str, output: IO[str] | None = None
) -> subprocess.CompletedProcess[str]:
    waiting = ("--wait", "--timeout", str(max(1, int(deadline.remaining_s))))
    return programs.run("pg_ctl", *arguments, *waiting, data=folder.data, deadline=deadline, output=output)


def _abandon(folder: Folder, programs: Programs) -> None:
    """End a server that we started and that did not get ready. Immediate is safe: the next start recovers."""
    if find_postmaster(folder) is not None:
        stop(folder, programs, Deadline.after(10), mode="immediate")


def _start_problem(folder: Folder) -> str:
    log = folder.file("log")
    return f"PostgreSQL in {folder.path} did not start. The end of {log.name}: {last_words(text_of(log))}"
