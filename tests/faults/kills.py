"""Writing processes on one SQLite file, which are killed and replaced."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from signal import SIGKILL
from typing import Any, Final

from tests.faults.intents import Account
from tests.faults.ledger import acknowledged_in

SLOTS: Final = ("full", "fast", "full")
"""The durability of each of the processes that work at the same time."""

_TASKS: Final = 4
_PATIENCE_S: Final = 120.0
_MODULE: Final = "tests.faults.writers"


class Kills:
    """
    Attributes:
        moments: How many processes were killed while they attached, and how many at work.
        acknowledged: How many answers the killed ones had written down.
    """

    def __init__(self, url: str, directory: Path, accounts: Sequence[Account], *, seed: int) -> None:
        self.moments: Counter[str] = Counter()
        self.acknowledged = 0
        self._url, self._directory, self._accounts, self._seed = url, directory, accounts, seed
        self._random = Random(seed)

    @property
    def count(self) -> int:
        """How many processes were killed."""
        return self.moments.total()

    @property
    def ledgers(self) -> list[Path]:
        """Of all processes so far."""
        return sorted(self._directory.glob("*.jsonl"))

    async def go_on(self, *, kills: int, acknowledged: int) -> None:
        """Kill until there are so many of each."""
        share = acknowledged // kills
        async with asyncio.TaskGroup() as group:
            for slot, durability in enumerate(SLOTS):
                group.create_task(self._keep_killing(slot, durability, kills, acknowledged, share))

    async def strike(self, name: str, **arguments: Any) -> None:
        """A process that kills itself before it writes its first answer down."""
        async with self._process(name, is_struck=True, **arguments) as process:
            assert await process.wait() == -SIGKILL
        self.moments["at work"] += 1

    async def live(self, name: str, *, answers: int, **arguments: Any) -> None:
        """A process that is killed at some moment after so many answers."""
        ledger = self._directory / f"{name}.jsonl"
        async with self._process(name, **arguments) as process, asyncio.timeout(_PATIENCE_S):
            while acknowledged_in([ledger]) < answers:
                assert process.returncode is None, "a writer has ended by itself"
                await asyncio.sleep(0.01)
            await asyncio.sleep(self._random.uniform(0, 0.02))
            await self._kill(process, ledger, "at work")

    async def _keep_killing(self, slot: int, durability: str, kills: int, acknowledged: int, share: int) -> None:
        """One in ten dies before it has attached. Half of the next ones first do what the one before has left."""
        earlier, life = None, 0
        while self.count < kills or self.acknowledged < acknowledged:
            name = f"{slot}-{life}"
            arguments = {"durability": durability, "continues": earlier if self._random.random() < 0.5 else None}
            if self._random.random() < 0.1:
                await self._die_attaching(name, arguments)
            else:
                await self.live(name, answers=self._random.randint(1, 2 * share), **arguments)
            earlier, life = (name if (self._directory / f"{name}.jsonl").exists() else None), life + 1

    async def _die_attaching(self, name: str, arguments: dict[str, Any]) -> None:
        async with self._process(name, **arguments) as process:
            assert process.stdout is not None
            with suppress(TimeoutError):
                async with asyncio.timeout(self._random.uniform(0, 0.5)):
                    await process.stdout.readline()
            await self._kill(process, self._directory / f"{name}.jsonl", "attaching")

    async def _kill(self, process: Process, ledger: Path, moment: str) -> None:
        assert process.returncode is None, "a writer has ended by itself"
        process.kill()
        await process.wait()
        self.moments[moment] += 1
        self.acknowledged += acknowledged_in([ledger])

    @asynccontextmanager
    async def _process(self, name: str, **arguments: Any) -> AsyncIterator[Process]:
        """A writer, which is not left behind whatever happens."""
        told = {
            "name": name,
            "directory": str(self._directory),
            "durability": "full",
            "tasks": _TASKS,
            "seed": self._seed,
            "accounts": self._accounts,
            **arguments,
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", _MODULE, self._url, json.dumps(told)), stdout=PIPE
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
