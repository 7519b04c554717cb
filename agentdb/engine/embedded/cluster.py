"""Making the cluster: under another name at first, so that what is called `data` is always a whole one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from agentdb.engine.embedded.deadline import Deadline
from agentdb.engine.embedded.folder import Folder
from agentdb.engine.embedded.programs import POSTGRES_MAJOR, Programs, last_words
from agentdb.engine.private_files import sync_directory
from agentdb.errors import UnavailableError

_ARGUMENTS: Final = (
    "--username=postgres",
    "--auth-local=peer",
    "--auth-host=reject",
    "--encoding=UTF8",
    "--locale=C",
    # Text sorts by code point, as on SQLite, and no update of the system's locales can break an index.
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--set=timezone=UTC",
    "--set=log_timezone=UTC",
    "--no-instructions",
)


def make_cluster(folder: Folder, programs: Programs, deadline: Deadline, *, sync: bool) -> None:
    """Mark the folder as ours and make its cluster; a failure leaves none.

    Args:
        sync: Wait until the disk has it. Only a cluster that need not survive a power cut can do without.
    """
    folder.write("json", json.dumps({"made_by": "agentdb", "postgresql": POSTGRES_MAJOR}), mode=0o644)
    fresh = folder.path / "data.new"
    if fresh.exists():
        shutil.rmtree(fresh)  # of an initialisation that was killed
    fresh.mkdir(mode=0o700)
    os.chown(fresh, programs.account.uid, programs.account.gid)
    try:
        _initialise(fresh, folder, programs, deadline, sync=sync)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    fresh.rename(folder.data)
    sync_directory(folder.path)


def _initialise(fresh: Path, folder: Folder, programs: Programs, deadline: Deadline, *, sync: bool) -> None:
    arguments = _ARGUMENTS if sync else (*_ARGUMENTS, "--no-sync")
    try:
        done = programs.run("initdb", *arguments, data=fresh, deadline=deadline)
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"PostgreSQL was still making a cluster in {folder.path} at the deadline.") from error
    if done.returncode:
        raise UnavailableError(f"PostgreSQL could not make a cluster in {folder.path}: {last_words(done.stdout)}")
