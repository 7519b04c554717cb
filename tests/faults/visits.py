"""Visiting damaged databases in processes that may hang or die of it, without doing so oneself."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults.damages import damage

VISITOR: Final = (sys.executable, "-m", "tests.faults.visitor")
_LONGEST_LINE: Final = 1 << 22
_WRITTEN_TO: Final = ("values", "swapped roots", "rewritten schema")


@dataclass(frozen=True, slots=True)
class Visit:
    """One damaged database.

    Attributes:
        number: What drew the damage.
        kind: Which one it was.
        outcomes: What came of each call; empty if the process did not come back.
        end: How the process ended, if it did.
    """

    number: int
    kind: str
    outcomes: dict[str, str]
    end: str | None = None

    @property
    def calls(self) -> dict[str, str]:
        """What came of each call of agentdb."""
        return {name: told for name, told in self.outcomes.items() if name != "memory"}

    def faults(self) -> list[str]:
        """Whatever may not happen.

        A record repeats what a column without a decoder holds, so where somebody else wrote values of another kind it
        has them too.
        """
        fine = ("answered", "refused", *(("odd types",) if self.kind in _WRITTEN_TO else ()))
        found = [f"{name}: {told}" for name, told in self.calls.items() if not told.startswith(fine)]
        return [f"{self.number} ({self.kind}) {fault}" for fault in (*found, *([self.end] if self.end else ()))]


async def visit_all(
    numbers: Iterable[int], template: Path, *, limit_s: float, command: Sequence[str] = VISITOR, processes: int = 2
) -> list[Visit]:
    """Damage a copy of `template` for each number, and have it visited.

    Args:
        limit_s: How long a visit may take; then its process is ended, and that is a hang.
    """
    waiting, found = iter(numbers), list[Visit]()

    async def work(place: Path) -> None:
        async with _visitor(command) as first:
            process = first
            for number in waiting:
                visit = await _visited(process, number, template, place, limit_s)
                found.append(visit)
                if visit.end is not None:
                    await work(place)  # with another process
                    return

    async with asyncio.TaskGroup() as group:
        for worker in range(processes):
            group.create_task(work(template.with_name(f"visited-{worker}")))
    return found


async def _visited(process: Process, number: int, template: Path, place: Path, limit_s: float) -> Visit:
    kind = await asyncio.to_thread(_prepare, number, template, place)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(limit_s):
            process.stdin.write(json.dumps([str(place / "agent.db")]).encode() + b"\n")
            line = await process.stdout.readline()
    except TimeoutError:
        return Visit(number, kind, {}, f"no answer within {limit_s} s")
    if not line:
        return Visit(number, kind, {}, f"the process died with {await process.wait()}")
    return Visit(number, kind, json.loads(line))


def _prepare(number: int, template: Path, place: Path) -> str:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    shutil.copyfile(template, place / "agent.db")
    return damage(number, place / "agent.db")


@asynccontextmanager
async def _visitor(command: Sequence[str]) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, limit=_LONGEST_LINE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
