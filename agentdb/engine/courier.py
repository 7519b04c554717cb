"""Writes that are one statement each, which is its own transaction, and that never leave together.

Such a statement is too long to be merged with others. Those of one key leave in order of arrival, because they would
only wait for each other's lock; all others leave at once, each with a connection. Cancellation, deadlines and lost
connections are those of a flight with one member.
"""

from __future__ import annotations

import asyncio
from typing import Final

from agentdb.engine.batch import Batcher
from agentdb.engine.flight import Flight, ItemT, Member, ResultT

MOST_LOOKING: Final = 16
"""So many wait for a connection at most: however many writes there are, each finds the next one in a short time."""


class Courier(Batcher[ItemT, ResultT]):
    """Writes of one kind, each in one round trip."""

    def _depart(self) -> None:
        if self._client is None:
            return
        looking = sum(not flight.members for flight in self._flights)  # or about to look again
        for _ in range(self._ready(MOST_LOOKING) - looking if looking < MOST_LOOKING else 0):
            flight: Flight[ItemT, ResultT] = Flight(self._client, on_slow=self._depart)
            self._flights[flight] = asyncio.ensure_future(self._fly(flight))

    def _ready(self, most: int) -> int:
        """How many could leave at once, counted up to `most`."""
        under_way = self._keys_under_way()
        ready: set[int] = set()
        for member in self._waiting:
            if member.item.key not in under_way:
                ready.add(member.item.key)
                if len(ready) == most:
                    break
        return len(ready)

    def _boarded(self) -> list[Member[ItemT, ResultT]]:
        """The next one whose key is not under way."""
        keys = self._keys_under_way()
        for place, member in enumerate(self._waiting):
            if member.item.key not in keys:
                del self._waiting[place]
                member.loop.call_soon(self._depart)  # one looks for a connection no longer
                return [member]
        return []
