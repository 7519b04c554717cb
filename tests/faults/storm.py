"""Faults of a PostgreSQL server, or of the way to it, one after the other while writers work."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from random import Random
from typing import Final, Literal, TypeAlias, get_args

from tests.faults.ledger import Ledger
from tests.faults.proxy import Proxy
from tests.faults.server import Server

Fault: TypeAlias = Literal[
    "server killed",
    "backends terminated",
    "connections cut",
    "COMMIT reply lost",
    "COMMIT request lost",
    "COMMIT reply late, then lost",
    "statement reply lost",
    "statement request lost",
    "statement reply late, then lost",
    "COMMIT held up",
]

PATIENCE_S: Final = 120.0
"""Longest silence; one that lasts so long is a hang."""

_DOWN_S: Final = 1.0


class Storm:
    """
    Attributes:
        faults: How many there were of each kind.
        next_s: After each fault, once what it broke is up again: seconds to the next acknowledged write.
        all_s: The same until each writer has had an answer.
    """

    def __init__(self, server: Server, proxy: Proxy, ledger: Ledger, *, writers: int, seed: int) -> None:
        self.faults: Counter[Fault] = Counter()
        self.next_s: list[float] = []
        self.all_s: list[float] = []
        self._server, self._proxy, self._ledger, self._writers = server, proxy, ledger, writers
        self._random = Random(seed)
        self._inflict: dict[Fault, Callable[[], Awaitable[object]]] = {
            "server killed": self._kill_server,
            "backends terminated": server.terminate_backends,
            "connections cut": self._cut,
            "COMMIT reply lost": partial(proxy.lose, "COMMIT", "reply"),
            "COMMIT request lost": partial(proxy.lose, "COMMIT", "request"),
            "COMMIT reply late, then lost": partial(proxy.lose, "COMMIT", "late"),
            "statement reply late, then lost": partial(proxy.lose, "statement", "late"),
            "statement reply lost": partial(proxy.lose, "statement", "reply"),
            "statement request lost": partial(proxy.lose, "statement", "request"),
            "COMMIT held up": partial(proxy.lose, "COMMIT", "hold"),
        }

    async def rage(self, *, faults: int, acknowledged: int) -> None:
        """So many faults, in equal parts, among so many acknowledged writes."""
        for number, fault in enumerate(self._drawn(faults), 1):
            begun = self._ledger.count
            await self._until(partial(self._is_acknowledged, max(begun + 5, acknowledged * number // (faults + 1))))
            await asyncio.sleep(self._random.uniform(0, 0.02))
            async with asyncio.timeout(PATIENCE_S):
                await self._inflict[fault]()
            self.faults[fault] += 1
            await self._recover(time.monotonic())
        await self._until(partial(self._is_acknowledged, acknowledged))

    async def _recover(self, since: float) -> None:
        for told, answered in ((self.next_s, 1), (self.all_s, self._writers)):
            await self._until(partial(self._is_answered, since, answered))
            told.append(time.monotonic() - since)

    def _drawn(self, faults: int) -> list[Fault]:
        kinds: list[Fault] = list(get_args(Fault))
        drawn: list[Fault] = []
        while len(drawn) < faults:
            self._random.shuffle(kinds)
            drawn += kinds
        return drawn[:faults]

    def _is_acknowledged(self, count: int) -> bool:
        return self._ledger.count >= count

    def _is_answered(self, since: float, writers: int) -> bool:
        return sum(at > since for at in self._ledger.latest.values()) >= writers

    async def _until(self, is_so: Callable[[], bool]) -> None:
        count, since = self._ledger.count, time.monotonic()
        while not is_so():
            await asyncio.sleep(0.005)
            if self._ledger.count > count:
                count, since = self._ledger.count, time.monotonic()
            assert time.monotonic() < since + PATIENCE_S, "nothing is acknowledged any more"

    async def _kill_server(self) -> None:
        await self._server.kill()
        await asyncio.sleep(self._random.uniform(0, _DOWN_S))
        await self._server.start()

    async def _cut(self) -> None:
        assert self._proxy.cut()


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
