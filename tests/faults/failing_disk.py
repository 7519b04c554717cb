"""A process whose disk fails: it attaches to a SQLite file, lets the kernel answer its system calls with errors, makes
calls, and tells what they said. The errors cannot be taken back, so they end with the process."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import json
import platform
import resource
import signal
import struct
import sys
from typing import Any, Final

import agentdb
from agentdb import Database
from agentdb.errors import AgentDBError, OutcomeUnknownError, StorageError
from tests.faults.units import TEXT

# By name, on x86-64 and on 64-bit ARM.
_CALLS: Final = {"fsync": (74, 82), "fdatasync": (75, 83), "pread64": (17, 67), "pwrite64": (18, 68)}
_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}
_EVERY_THREAD: Final = 1


def fail(names: list[str], error: int) -> None:
    """From now on these system calls end with that error, in every thread of this process."""
    numbers = [_CALLS[name][0 if platform.machine() == "x86_64" else 1] for name in names]
    program = [_instruction(0x20, 0)]  # load the number of the call
    for left, number in zip(range(len(numbers), 0, -1), numbers, strict=True):
        program.append(_instruction(0x15, number, equal=left))  # jump to the last instruction
    program += [_instruction(0x06, 0x7FFF0000), _instruction(0x06, 0x00050000 | error)]  # allow; fail
    code = ctypes.create_string_buffer(b"".join(program))
    filters = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # no new privileges
    assert libc.syscall(_SECCOMP[platform.machine()], 1, _EVERY_THREAD, filters) == 0, ctypes.get_errno()


def _instruction(code: int, value: int, *, equal: int = 0) -> bytes:
    return struct.pack("HBBI", code, equal, 0, value)


def fill_up(file: str) -> None:
    """From now on no file may become larger than this one is."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with open(file, "rb") as opened:
        size = opened.seek(0, 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def free_space() -> None:
    """Undo `fill_up`."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


async def append(db: Database, ids: list[int], key: str | None, text: str = TEXT) -> dict[str, Any]:
    """What an append says."""
    before = db.session.repeats.count
    try:
        await db.conversations.append(ids[0], user_id=ids[1], role="user", content=[{"text": text}], request_id=key)
    except AgentDBError as error:
        return {
            "kind": type(error).__name__,
            "code": error.engine_code,
            "reason": error.reason if isinstance(error, StorageError) else None,
            "request_id": error.request_id if isinstance(error, OutcomeUnknownError) else None,
            "repetitions": db.session.repeats.count - before,
        }
    return {"kind": None}


async def main(url: str, ids: list[int], fault: str) -> list[dict[str, Any]]:
    """The answers to a few calls under a fault."""
    async with agentdb.connect(url, skip_sync=True) as db:
        found = [await append(db, ids, "before")]
        if fault == "full":
            fill_up(f"{url.removeprefix('sqlite:///')}-wal")
            found += [await append(db, ids, None, "x" * 1_000_000), {"messages": await read(db, ids)}]
            free_space()
            found.append(await append(db, ids, None))
        else:
            # What the writer remembers it would not read.
            await db.session.client.execute_script("PRAGMA cache_size = 0; PRAGMA shrink_memory")
            # SQLite itself takes EIO of a read for a damaged file system.
            fail(fault.split(","), errno.ESTALE if fault == "pread64" else errno.EIO)
            found += [await append(db, ids, None), await append(db, ids, "under")]
        return found


async def read(db: Database, ids: list[int]) -> int:
    """How many messages there are."""
    return len((await db.conversations.history(ids[0], user_id=ids[1])).items)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps(asyncio.run(main(*given))), flush=True)  # noqa: T201 - its answer
