"""What an open handle of agentdb takes."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import psutil  # type: ignore[import-untyped]  # psutil has no type hints

from benchmarks.contestant_agentdb import connector
from benchmarks.data import Talk
from benchmarks.places import Place


async def memory_of_handles(place: Place, talk: Talk, handles: int) -> dict[str, float]:
    """Bytes of one of `handles` further ones that have answered once: of the process, and of Python's own objects."""
    process = psutil.Process()
    before = process.memory_info().rss
    async with _opened(place, talk, handles):
        resident = process.memory_info().rss - before
    tracemalloc.start()
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    async with _opened(place, talk, handles):
        gc.collect()
        traced = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return {"handles": handles, "resident_bytes": resident / handles, "python_bytes": traced / handles}


@asynccontextmanager
async def _opened(place: Place, talk: Talk, handles: int) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for _ in range(handles):
            db = await stack.enter_async_context(connector(place))
            await db.conversations.history(talk.conversation_id, user_id=talk.user_id)
        yield
