"""A process for each contestant: stock Tortoise and ours would clash in one, and each has its own memory and loop."""

from __future__ import annotations

import asyncio
import multiprocessing
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.answers import answers
from benchmarks.contestants import contestant
from benchmarks.data import Size, World
from benchmarks.measure import measured
from benchmarks.places import Place
from benchmarks.workloads import BY_KEY

_PATIENCE_S = 300


class WorkerError(Exception):
    """A contestant failed; the message is its traceback."""


class Worker:
    """A contestant in a process of its own, which works only while it is asked."""

    def __init__(self, kind: str, place: Place, size: Size, *, has_uvloop: bool = False) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, kind, place, size, has_uvloop), daemon=True)
        self._process.start()
        theirs.close()
        self.kind = kind
        self.receive()

    def ask(self, command: str, **arguments: Any) -> Any:
        """What the process answers.

        Raises:
            WorkerError: It failed, or gave no answer in time.
        """
        self.tell(command, **arguments)
        return self.receive()

    def tell(self, command: str, **arguments: Any) -> None:
        """Set it to work without waiting."""
        self._pipe.send((command, arguments))

    def receive(self) -> Any:
        """Wait for what it answers to `tell`."""
        if not self._pipe.poll(_PATIENCE_S):
            raise WorkerError(f"{self.kind} gave no answer within {_PATIENCE_S} s.")
        try:
            is_answer, value = self._pipe.recv()
        except EOFError:
            raise WorkerError(f"The process of {self.kind} has died.") from None
        if not is_answer:
            raise WorkerError(f"{self.kind}: {value}")
        return value

    def close(self) -> None:
        """Disconnect and end it. Closing twice is harmless."""
        if self._process.is_alive():
            try:
                self.ask("close")
            finally:
                self._process.join(10)
                self._process.kill()
        self._pipe.close()


def _serve(pipe: Connection, kind: str, place: Place, size: Size, has_uvloop: bool) -> None:
    with asyncio.Runner(loop_factory=_uvloop() if has_uvloop else None) as runner:
        try:
            runner.run(_answer(pipe, kind, place, size))
        except BaseException:
            pipe.send((False, traceback.format_exc()))


async def _answer(pipe: Connection, kind: str, place: Place, size: Size) -> None:
    world, one = World(size), contestant(kind, place)
    await one.open()
    pipe.send((True, None))
    while True:
        # Waiting stops the loop: while others are measured this process does nothing.
        command, arguments = _received(pipe)
        if command == "close":
            await one.close()
            pipe.send((True, None))
            return
        if command == "end":
            await one.close()
            return
        try:
            pipe.send((True, await _do(one, place, world, command, arguments)))
        except Exception:
            pipe.send((False, traceback.format_exc()))


def _received(pipe: Connection) -> tuple[str, dict[str, Any]]:
    try:
        found: tuple[str, dict[str, Any]] = pipe.recv()
    except EOFError:  # the parent was ended
        return "end", {}
    return found


async def _do(one: Any, place: Place, world: World, command: str, arguments: dict[str, Any]) -> Any:
    match command:
        case "answers":
            return await answers(one, world)
        case "measure":
            workload = BY_KEY[arguments.pop("workload")]
            return await measured(one, workload, world, **arguments)
        case "fallbacks":
            return one.fallbacks
        case "memory":
            from benchmarks.memory import memory_of_handles

            return await memory_of_handles(place, world.long_talk, **arguments)
        case "stages" | "processors":
            from benchmarks.stages import processors_of, stages_of

            return await (stages_of if command == "stages" else processors_of)(one, world, **arguments)
    raise ValueError(f"No command is called {command!r}.")


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop

    return uvloop.new_event_loop
