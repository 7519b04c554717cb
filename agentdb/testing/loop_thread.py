"""An event loop on a thread of its own, where fixtures that are not async await what they need.

The thread of the tests may be running a loop already, and a loop that a fixture makes there could be taken for theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class LoopThread:
    """Runs one coroutine at a time, all in the same loop, so that a connection can outlive the call that made it."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="agentdb-testing")
        self._runner = asyncio.Runner()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for what `work` gives."""
        return self._thread.submit(self._runner.run, work).result()

    @contextmanager
    def inside(self, block: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """Enter an asynchronous block, and leave it with this one."""
        value = self.run(block.__aenter__())
        try:
            yield value
        finally:
            self.run(block.__aexit__(None, None, None))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()
