"""Long work that blocks, on a thread of its own, without keeping who has given up waiting."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from agentdb.engine.channel import settle

T = TypeVar("T")

Told: TypeAlias = Callable[[int, int], None]
"""Told how far a work has come: so much of so much."""


class _Stopped(Exception):  # noqa: N818 - the caller's wish
    """Nobody waits for it any more."""


async def on_thread(work: Callable[[Told], T], told: Told | None = None) -> T:
    """Run `work` on a thread; what it tells arrives on the event loop.

    A cancelled call returns when the work has ended, which it does when it next tells how far it is.
    """
    stop, loop = threading.Event(), asyncio.get_running_loop()

    def passed_on(done: int, total: int) -> None:
        if stop.is_set():
            raise _Stopped
        if told is not None:
            loop.call_soon_threadsafe(told, done, total)

    return await settle(asyncio.to_thread(work, passed_on), on_cancel=stop.set)
