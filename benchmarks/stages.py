"""Where the time of a write goes: of one caller by the clock, of sixteen by the processor."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import count, pairwise
from statistics import median
from time import perf_counter, process_time, thread_time
from typing import Any, Final, TypeAlias
from unittest.mock import patch

import psutil  # type: ignore[import-untyped]  # psutil has no type hints

from benchmarks.contestant import Contestant
from benchmarks.data import World
from benchmarks.report import aligned
from benchmarks.workloads import BY_KEY, Workload

Marks: TypeAlias = dict[str, float]

ALONE: Final = ("W1", "W3")
TOGETHER: Final = ("W1x16", "W3x16u")
STAGES: Final = ("before", "statements", "to the thread", "commit", "back", "after")
"""Before the transaction, within it, the hop to the writer's thread, COMMIT, the hop back, after it."""

PROCESSORS: Final = ("event loop", "other threads", "server")

_CALLS: Final = 400
_CALLS_OF_TASK: Final = 60


async def stages_of(one: Contestant, world: World, *, workload: str, first: int) -> dict[str, float]:
    """Median seconds of each of `STAGES` in the calls of one caller on SQLite, and of the whole call."""
    from benchmarks.contestant_agentdb import AgentDb

    watched = _watched_group if isinstance(one, AgentDb) else _watched_floor
    found: list[Marks] = []
    marks: Marks = {}
    gc.collect()
    with watched(one, marks):
        for number in range(first, first + _CALLS):
            marks.clear()
            begun = perf_counter()
            await BY_KEY[workload].call(one, world, number)
            found.append(_stages(begun, marks, perf_counter()))
    return {name: median(call[name] for call in found) for name in (*STAGES, "whole")}


async def processors_of(one: Contestant, world: World, *, workload: str, first: int) -> dict[str, float]:
    """Mean seconds of the processor in a call, and of the clock, when 16 tasks call (a synchronous floor: one)."""
    chosen, numbers = BY_KEY[workload], count(first)
    tasks = 1 if one.is_synchronous else chosen.tasks
    calls = _CALLS_OF_TASK * chosen.tasks
    await _called(one, chosen, world, numbers, tasks, calls // 10)
    gc.collect()
    server, whole, loop, begun = _server_time(), process_time(), thread_time(), perf_counter()
    await _called(one, chosen, world, numbers, tasks, calls)
    elapsed, loop, whole = perf_counter() - begun, thread_time() - loop, process_time() - whole
    spent = (loop, whole - loop, _server_time() - server, elapsed)
    return dict(zip((*PROCESSORS, "whole"), (seconds / calls for seconds in spent), strict=True))


def table_of(titles: Sequence[str], found: Sequence[tuple[str, str, dict[str, float]]], head: str) -> str:
    """In microseconds, a row for each workload and contestant."""
    lines = [
        (f"{BY_KEY[key].key} {BY_KEY[key].title}", kind, *(f"{one[title] * 1e6:.0f}" for title in (*titles, "whole")))
        for key, kind, one in found
    ]
    return aligned([(head, "", *titles, "whole"), *lines])


async def _called(
    one: Contestant, workload: Workload, world: World, numbers: Iterator[int], tasks: int, calls: int
) -> None:
    async def some() -> None:
        for _ in range(calls // tasks):
            await workload.call(one, world, next(numbers))

    await asyncio.gather(*(some() for _ in range(tasks)))


def _stages(begun: float, marks: Marks, ended: float) -> dict[str, float]:
    committing, committed = marks["committing"], marks["committed"]
    posted, woken = marks.get("posted", committing), marks.get("woken", committed)
    moments = (begun, marks["running"], posted, committing, committed, woken, ended)
    parts = (later - earlier for earlier, later in pairwise(moments))
    return dict(zip((*STAGES, "whole"), (*parts, ended - begun), strict=True))


@contextmanager
def _watched_group(_: Contestant, marks: Marks) -> Iterator[None]:
    """Let agentdb's writer set marks on its way."""
    from agentdb.engine import group, inline_writer
    from agentdb.engine.sqlite_channel import SqliteChannel
    from agentdb.engine.writer import WriterQueue

    commit = group.commit

    def timed_commit(raw: Any) -> None:
        marks["committing"] = perf_counter()
        commit(raw)
        marks["committed"] = perf_counter()

    with (
        patch.object(group, "commit", timed_commit),
        patch.object(inline_writer, "commit", timed_commit),
        _marking(marks, "running", group.Group, "begin_at_once"),
        _marking(marks, "running", inline_writer.InlineWriter, "write"),
        _marking(marks, "posted", SqliteChannel, "post"),
        _marking(marks, "woken", WriterQueue, "_finish"),
    ):
        yield


def _marking(marks: Marks, name: str, owner: type, method: str) -> AbstractContextManager[Any]:
    """Have calls of a method set a mark."""
    call = getattr(owner, method)

    def marked(*arguments: Any, **named: Any) -> Any:
        marks[name] = perf_counter()
        return call(*arguments, **named)

    return patch.object(owner, method, marked)


@contextmanager
def _watched_floor(one: Any, marks: Marks) -> Iterator[None]:
    """Let the connection of SQLite's floor set marks."""
    with patch.object(one, "_db", _Timed(one._db, marks)):
        yield


class _Timed:
    """A connection that tells when its first statement began, and how long COMMIT took."""

    def __init__(self, db: Any, marks: Marks) -> None:
        self._db = db
        self._marks = marks

    def execute(self, sql: str, *values: Any) -> Any:
        before = perf_counter()
        self._marks.setdefault("running", before)
        try:
            return self._db.execute(sql, *values)
        finally:
            if sql == "COMMIT":
                self._marks |= {"committing": before, "committed": perf_counter()}


def _server_time() -> float:
    """Seconds that PostgreSQL's processes have used so far."""
    spent = 0.0
    for process in psutil.process_iter(["name", "cpu_times"]):
        if process.info["name"] == "postgres" and process.info["cpu_times"] is not None:
            spent += process.info["cpu_times"].user + process.info["cpu_times"].system
    return spent
