"""Who uses a server: a file that counts the starts of each process. Read and written under the folder's lock."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from agentdb.engine.embedded.folder import Folder, text_of
from agentdb.engine.embedded.processes import find_process


class User(NamedTuple):
    """A process for certain: the system gives its number to another one some day."""

    pid: int
    started_s: float


@contextmanager
def counted(folder: Folder) -> Iterator[None]:
    """Count one more start of this process, unless the block fails."""
    users, me = _living_users(folder), _this_user()
    users[me] += 1
    _write_users(folder, users)
    try:
        yield
    except BaseException:
        users[me] -= 1
        _write_users(folder, users)
        raise


def take_back(folder: Folder) -> bool:
    """Count one start of this process less, if there is one; True if it was the last of all."""
    users, me = _living_users(folder), _this_user()
    if not users[me]:
        return False
    users[me] -= 1
    _write_users(folder, users)
    return not users.total()


def _living_users(folder: Folder) -> Counter[User]:
    try:
        entries = json.loads(text_of(folder.file("users")) or "[]")
        users = {User(entry["pid"], entry["started_s"]): entry["count"] for entry in entries}
    except (ValueError, KeyError, TypeError):
        users = {}  # torn by a power cut: whoever was counted there is gone
    return Counter({user: count for user, count in users.items() if _is_living(user)})


def _this_user() -> User:
    process = find_process(os.getpid())
    return User(os.getpid(), process.started_s if process else 0.0)


def _is_living(user: User) -> bool:
    process = find_process(user.pid)
    return process is not None and process.started_s == user.started_s


def _write_users(folder: Folder, users: Counter[User]) -> None:
    entries = [user._asdict() | {"count": count} for user, count in users.items() if count]
    folder.write("users", json.dumps(entries), mode=0o600)
