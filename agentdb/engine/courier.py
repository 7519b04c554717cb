"""Writes that are one statement each, which is its own transaction, and that never leave together.

Such a statement is too long to be merged with others. Those of one key leave in order of arrival, because they would
only wait for each other's lock; all others leave at once, each with a connection. Cancellation, deadlines and lost
connections are those of a flight with one member.
"""

from __future__ import annotations

import asyncio

from agentdb.engine.batch import Batcher
from agentdb.engine.flight import Flight, ItemT, Member, ResultT


class Courier(Batcher[ItemT, ResultT]):
    """Writes of one kind, each in one round trip."""

    def _depart(self) -> None:
        if self._client is None:
            return
        ready = {member.item.key for member in self._waiting} - self._keys_under_way()
        if len(ready) > sum(flight.is_looking for flight in self._flights):
            flight: Flight[ItemT, ResultT] = Flight(self._client, on_slow=self._depart)
            self._flights[flight] = asyncio.ensure_future(self._fly(flight))

    def _boarded(self) -> list[Member[ItemT, ResultT]]:
        """The next one whose key is not under way."""
        keys = self._keys_under_way()
        for member in self._waiting:
            if member.item.key not in keys:
                self._waiting.remove(member)
                return [member]
        return []
