"""A call that is cancelled at a chosen moment: at its n-th suspension, or some turns of the event loop later."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Moment:
    """
    Attributes:
        suspension: Which time that the call waits, from 1.
        turns: How many turns of the event loop later. With none, what it waits for is surely not there yet.
    """

    suspension: int
    turns: int


class Interruption:
    """Runs a call as a task, and cancels it.

    Attributes:
        is_reached: Whether the call waited so many times.
        is_cancelled: Whether it ended as cancelled.
        result: What it gave, if it did.
        error: What it raised, if it did.
    """

    def __init__(self, call: Coroutine[Any, Any, Any], moment: Moment) -> None:
        self.is_reached = self.is_cancelled = False
        self.result: Any = None
        self.error: Exception | None = None
        self._call = call
        self._moment = moment
        self._task: asyncio.Task[Any] | None = None

    async def run(self) -> None:
        """Let it happen; it is over when this returns."""
        self._task = asyncio.create_task(self._watched())
        await asyncio.wait({self._task})
        if self._task.cancelled():
            self.is_cancelled = True
        elif isinstance(error := self._task.exception(), Exception):
            self.error = error
        else:
            self.result = self._task.result()

    async def _watched(self) -> Any:
        return await _Watched(self._call, self)

    def suspended(self, times: int) -> None:
        """The call is about to wait."""
        if times == self._moment.suspension:
            self.is_reached = True
            self._cancel(self._moment.turns)

    def _cancel(self, turns: int) -> None:
        assert self._task is not None
        if turns:
            asyncio.get_running_loop().call_soon(self._cancel, turns - 1)
        else:
            self._task.cancel()


class _Watched:
    """A coroutine, to be awaited, whose suspensions are counted."""

    def __init__(self, call: Coroutine[Any, Any, Any], watch: Interruption) -> None:
        self._call = call
        self._watch = watch

    def __await__(self) -> Generator[Any, Any, Any]:
        inner, times = self._call.__await__(), 0
        try:
            waits_for = next(inner)
            while True:
                times += 1
                self._watch.suspended(times)
                try:
                    given = yield waits_for
                except BaseException as error:
                    waits_for = inner.throw(error)
                else:
                    waits_for = inner.send(given)
        except StopIteration as end:
            return end.value
