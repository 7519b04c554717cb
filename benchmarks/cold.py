"""A process from nothing to its first answer: `python -m benchmarks.cold CONTESTANT PLACE SIZE`, timed from outside."""

from __future__ import annotations

import asyncio
import json
import sys

from benchmarks.contestants import contestant
from benchmarks.data import Size, World
from benchmarks.places import Place, PostgresPlace, SqlitePlace

READY = "ready"


async def _start(kind: str, place: Place, size: Size) -> None:
    one = contestant(kind, place)
    await one.open()
    await one.history(World(size).long_talk)
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    await one.close()


if __name__ == "__main__":
    kind, place, size = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
    made = SqlitePlace(**place) if "path" in place else PostgresPlace(**place)
    asyncio.run(_start(kind, made, Size(**size)))
