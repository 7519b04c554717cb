"""Ways to damage a SQLite database: by chance, as disks do, and on purpose, as somebody who means harm would.

Each is given a copy of a whole database that nobody has open, and says nothing of what the result is good for.
"""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

from tests.faults.hostile_schemas import HOSTILE

Damage: TypeAlias = Callable[[Path, Random], None]

PAGE: Final = 4096
_LEAVES_AND_NODES: Final = {2, 5, 10, 13}


def flipped(data: bytearray, at: int, chance: Random) -> None:
    """Change one bit."""
    data[at] ^= 1 << chance.randrange(8)


def pages_of(data: bytearray, *, are_trees: bool) -> list[int]:
    """Numbers of the pages, from 0, that belong to a b-tree, or of the others: of free and overflow pages."""
    return [number for number in range(1, len(data) // PAGE) if (data[number * PAGE] in _LEAVES_AND_NODES) == are_trees]


def _changed(change: Callable[[bytearray, Random], None], path: Path, chance: Random) -> None:
    data = bytearray(path.read_bytes())
    change(data, chance)
    path.write_bytes(data)


def _header(data: bytearray, chance: Random) -> None:
    for _ in range(chance.randint(1, 3)):
        flipped(data, chance.randrange(100), chance)


def _schema_page(data: bytearray, chance: Random) -> None:
    for _ in range(chance.randint(1, 20)):
        flipped(data, chance.randrange(100, PAGE), chance)


def _page_heads(data: bytearray, chance: Random) -> None:
    """Type, number of cells and pointers of b-tree pages: what has most effect."""
    for number in chance.sample(pages_of(data, are_trees=True), 12):
        flipped(data, number * PAGE + chance.randrange(24), chance)


def _anywhere_in_trees(data: bytearray, chance: Random) -> None:
    for number in chance.choices(pages_of(data, are_trees=True), k=60):
        flipped(data, number * PAGE + chance.randrange(PAGE), chance)


def _other_pages(data: bytearray, chance: Random) -> None:
    """Lists of free pages, and chains of overflow pages, which may then run in a circle."""
    for number in pages_of(data, are_trees=False):
        at = number * PAGE
        data[at : at + 4] = chance.randrange(len(data) // PAGE + 2).to_bytes(4, "big")


def _zeroed_pages(data: bytearray, chance: Random) -> None:
    for number in chance.sample(range(1, len(data) // PAGE), 5):
        data[number * PAGE : (number + 1) * PAGE] = bytes(PAGE)


def _noisy_pages(data: bytearray, chance: Random) -> None:
    for number in chance.sample(range(1, len(data) // PAGE), 3):
        data[number * PAGE : (number + 1) * PAGE] = chance.randbytes(PAGE)


def _swapped_pages(data: bytearray, chance: Random) -> None:
    for _ in range(3):
        one, other = (slice(at * PAGE, (at + 1) * PAGE) for at in chance.sample(range(1, len(data) // PAGE), 2))
        data[one], data[other] = data[other], data[one]


def _everywhere(data: bytearray, chance: Random) -> None:
    for _ in range(2000):
        flipped(data, chance.randrange(100, len(data)), chance)


def _cut(data: bytearray, chance: Random) -> None:
    del data[chance.randrange(len(data)) :]


def _cut_at_a_page(data: bytearray, chance: Random) -> None:
    del data[chance.randrange(1, len(data) // PAGE) * PAGE :]


def _appended(data: bytearray, chance: Random) -> None:
    data += chance.randbytes(chance.randint(1, 5 * PAGE))


def _newer_format(data: bytearray, chance: Random) -> None:
    at, value = chance.choice([(47, 5), (47, 255), (18, 3), (19, 3)])
    data[at] = value


def _in_the_log(change: Callable[[bytearray, Random], None], path: Path, chance: Random) -> None:
    """Damage a log that holds what was written last, as after the death of a writer."""
    log = path.with_name(f"{path.name}-wal")
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute('UPDATE "Message" SET "content" = \'[{"text": "from the log"}]\' WHERE "id" % 3 = 0')
        raw.execute('UPDATE "User" SET "firstName" = \'Logged\'')
        files = {file: file.read_bytes() for file in (path, log)}
    for file, content in files.items():
        file.write_bytes(content)
    _changed(change, log, chance)


def _flips_in_the_log(data: bytearray, chance: Random) -> None:
    for _ in range(chance.randint(1, 30)):
        flipped(data, chance.randrange(len(data)), chance)


def _log_of_another(path: Path, chance: Random) -> None:
    other = path.with_name("other.db")
    with closing(sqlite3.connect(other, isolation_level=None)) as raw:
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute("CREATE TABLE other AS SELECT 1")
        path.with_name(f"{path.name}-wal").write_bytes(other.with_name("other.db-wal").read_bytes())
    other.unlink()


def _noise_beside(suffix: str, path: Path, chance: Random) -> None:
    path.with_name(path.name + suffix).write_bytes(chance.randbytes(chance.randint(1, 10 * PAGE)))


def _directory_beside(path: Path, chance: Random) -> None:
    path.with_name(path.name + chance.choice(["-wal", "-shm", "-journal"])).mkdir()


def _pipe_beside(path: Path, chance: Random) -> None:
    os.mkfifo(path.with_name(path.name + chance.choice(["-wal", "-shm", "-journal"])))


def _something_else(path: Path, chance: Random) -> None:
    """No ordinary file: a pipe that nobody writes to would be waited for."""
    path.unlink()
    kind = chance.choice(["directory", "pipe", "socket", "device", "loop", "nothing"])
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path, chance.choice([0o600, 0o400]))
    elif kind == "socket":
        _socket(path)
    elif kind == "device":
        path.symlink_to(chance.choice(["/dev/zero", "/dev/null"]))
    else:
        path.symlink_to(path if kind == "loop" else path.with_name("nothing"))


def _socket(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # its name may be too long for a socket
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(before)


def _no_database(path: Path, chance: Random) -> None:
    path.write_bytes(chance.choice([b"", b"\0", b"SQLite format 3\0", b"<html>", chance.randbytes(5000)]))


def _zeros(path: Path, chance: Random) -> None:
    path.write_bytes(b"")
    os.truncate(path, 100_000_000)


def _of_another_application(path: Path, chance: Random) -> None:
    path.unlink()
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute(f"PRAGMA application_id = {chance.randrange(2**31)}")
        raw.execute(f"PRAGMA user_version = {chance.randrange(2**31)}")
        raw.execute("CREATE TABLE places (id INTEGER PRIMARY KEY, url LONGVARCHAR)")
        raw.execute("INSERT INTO places (url) VALUES ('https://example.org')")


def _untouched(path: Path, chance: Random) -> None:
    """The control: everything has to be answered."""


DAMAGES: Final[dict[str, Damage]] = {
    "untouched": _untouched,
    "header": partial(_changed, _header),
    "schema page": partial(_changed, _schema_page),
    "heads of pages": partial(_changed, _page_heads),
    "trees": partial(_changed, _anywhere_in_trees),
    "free and overflow pages": partial(_changed, _other_pages),
    "zeroed pages": partial(_changed, _zeroed_pages),
    "noisy pages": partial(_changed, _noisy_pages),
    "swapped pages": partial(_changed, _swapped_pages),
    "everywhere": partial(_changed, _everywhere),
    "cut": partial(_changed, _cut),
    "cut at a page": partial(_changed, _cut_at_a_page),
    "appended": partial(_changed, _appended),
    "newer format": partial(_changed, _newer_format),
    "flips in the log": partial(_in_the_log, _flips_in_the_log),
    "cut log": partial(_in_the_log, _cut),
    "log of another": _log_of_another,
    "noise as log": partial(_noise_beside, "-wal"),
    "noise as memory": partial(_noise_beside, "-shm"),
    "noise as journal": partial(_noise_beside, "-journal"),
    "directory beside": _directory_beside,
    "pipe beside": _pipe_beside,
    "something else": _something_else,
    "no database": _no_database,
    "zeros": _zeros,
    "of another application": _of_another_application,
    **HOSTILE,
}


def damage(number: int, path: Path) -> str:
    """Damage the database in the way that `number` draws, the same each time; which way that is."""
    names = list(DAMAGES)
    name = names[number % len(names)]
    DAMAGES[name](path, Random(number))
    return name
