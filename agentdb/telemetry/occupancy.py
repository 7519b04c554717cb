"""How busy one database handle is."""

from __future__ import annotations

from typing import NamedTuple


class Occupancy(NamedTuple):
    """What its connections and queues hold just now. It may be read from any thread.

    Attributes:
        idle: Connections that are open and that nobody uses.
        used: Connections that somebody uses.
        most: How many connections there may be.
        waiting: Writes that wait for SQLite's writer, or for the next statement that takes several of them along.
        fallbacks: Groups or batches of writes that failed as a whole since it was opened.
        checkpoints: Checkpoints of SQLite's log that were finished since.
    """

    idle: int
    used: int
    most: int
    waiting: int
    fallbacks: int
    checkpoints: int = 0
