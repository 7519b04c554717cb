"""The clock, inside the process of one contestant."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from time import perf_counter

from benchmarks.contestant import Contestant
from benchmarks.data import World
from benchmarks.workloads import Workload

_WARM_UP_CALLS = 5


@dataclass(slots=True)
class Measured:
    """One round of one workload.

    Attributes:
        samples: Seconds of each call.
        elapsed: Seconds of all of them together.
        errors: Calls that raised, with their number.
    """

    samples: list[float] = field(default_factory=list)
    elapsed: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        """Calls in a second."""
        return len(self.samples) / self.elapsed

    def quantile(self, share: float) -> float:
        """The sample that `share` of all lie below."""
        ordered = sorted(self.samples)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def measured(
    one: Contestant, workload: Workload, world: World, *, first: int, seconds: float, fewest: int
) -> Measured:
    """A round: `seconds` of calls, but at least `fewest` by each task, numbered from `first` on."""
    gc.collect()
    numbers = count(first)
    if workload.kind == "bulk":
        return await _calls(one, workload, world, numbers, seconds=0, fewest=1)
    if workload.kind == "beside":
        return await _beside(one, workload, world, numbers, seconds)
    tasks = 1 if one.is_synchronous else workload.tasks
    await _by_tasks(one, workload, world, numbers, tasks, seconds=0, fewest=min(fewest, _WARM_UP_CALLS))
    return await _by_tasks(one, workload, world, numbers, tasks, seconds=seconds, fewest=fewest)


async def _by_tasks(
    one: Contestant,
    workload: Workload,
    world: World,
    numbers: Iterator[int],
    tasks: int,
    *,
    seconds: float,
    fewest: int,
) -> Measured:
    if tasks == 1:
        return await _calls(one, workload, world, numbers, seconds=seconds, fewest=fewest)
    begun = perf_counter()
    parts = await asyncio.gather(
        *(_calls(one, workload, world, numbers, seconds=seconds, fewest=fewest) for _ in range(tasks))
    )
    whole = Measured(elapsed=perf_counter() - begun)
    for part in parts:
        whole.samples += part.samples
        for name, times in part.errors.items():
            whole.errors[name] = whole.errors.get(name, 0) + times
    return whole


async def _calls(
    one: Contestant, workload: Workload, world: World, numbers: Iterator[int], *, seconds: float, fewest: int
) -> Measured:
    found, call, samples = Measured(), workload.call, list[float]()
    begun = before = perf_counter()
    end = begun + seconds
    while before < end or len(samples) < fewest:
        try:
            await call(one, world, next(numbers))
        except Exception as error:
            name = f"{type(error).__name__}: {error}"[:200]
            found.errors[name] = found.errors.get(name, 0) + 1
            if sum(found.errors.values()) > fewest:
                raise
        after = perf_counter()
        samples.append(after - before)
        before = after
    found.samples, found.elapsed = samples, before - begun
    return found


async def _beside(
    one: Contestant, workload: Workload, world: World, numbers: Iterator[int], seconds: float
) -> Measured:
    """Reads while bulk inserts follow each other: `Size.reads`, or fewer where they take longer than 10 rounds."""
    is_over = False

    async def insert() -> None:
        while not is_over:
            await one.bulk_beside(world.spare_talk(next(numbers)), world.bulk)

    found = Measured()
    inserting = asyncio.create_task(insert())
    begun = before = perf_counter()
    try:
        while len(found.samples) < world.size.reads and (before - begun < 10 * seconds or not found.samples):
            # The turn of the loop that a service takes between two requests belongs to the second one's wait.
            await asyncio.sleep(0)
            await workload.call(one, world, 0)
            after = perf_counter()
            found.samples.append(after - before)
            before = after
    finally:
        is_over = True
        await inserting
    found.elapsed = before - begun
    return found
