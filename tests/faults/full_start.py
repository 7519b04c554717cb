"""A process that starts new databases on disks which run full after so many bytes, and again when there is room."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from pathlib import Path
from typing import Final

import agentdb
from agentdb import StorageError
from agentdb.config import Settings

_LIMITS: Final = (0, 4096, 20_000, 33_000, 60_000, 120_000, 250_000, 500_000, 50_000_000)


def allow(bytes_per_file: int) -> None:
    """Let no file of this process become longer."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_per_file, resource.RLIM_INFINITY))


async def started(path: Path) -> tuple[str, str]:
    """What came of a start, and what its check found."""
    settings = Settings.load(env_file=None, secret_key="a key of these tests")
    try:
        async with agentdb.connect(f"sqlite:///{path}", skip_sync=False, settings=settings) as db:
            return "ready", "clean" if (await db.check()).is_clean else "drifted"
    except StorageError as error:
        return f"StorageError {error.reason}", ""


async def main() -> None:
    """Print what came of each start without room, and of the next one."""
    await started(Path(sys.argv[1], "first.db"))  # what it takes is imported, and compiled
    told = []
    for limit in _LIMITS:
        path = Path(sys.argv[1], f"{limit}.db")
        allow(limit)
        outcome, _ = await started(path)
        allow(resource.RLIM_INFINITY)
        told.append([outcome, *await started(path)])
    print(json.dumps(told))  # noqa: T201 - its answer


if __name__ == "__main__":
    asyncio.run(main())
