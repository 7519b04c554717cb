"""What agentdb has to reach: ratios to the floor of the same run, and factors over plain Tortoise.

A latency is at most that multiple of the floor's, a throughput at least that multiple. `W8` is a multiple of plain
Tortoise, `W9` a number of seconds. A row passes on the median of its rounds' ratios, with `SLACK`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SQLITE: Final = "sqlite"
SQLITE_FAST: Final = "sqlite-fast"
POSTGRES: Final = "postgres"
ENGINES: Final = (SQLITE, SQLITE_FAST, POSTGRES)

SLACK: Final = {SQLITE: 1.25, SQLITE_FAST: 1.25, POSTGRES: 1.5}


@dataclass(frozen=True, slots=True)
class Target:
    """What one row has to reach on one engine.

    Attributes:
        floor: Ratio to the floor.
        tortoise: How many times faster than plain Tortoise.
    """

    floor: float
    tortoise: float | None


# SQLite with durability full, fast, PostgreSQL; faster than Tortoise on SQLite, on PostgreSQL.
_TABLE: Final[dict[str, tuple[float, float, float, float | None, float | None]]] = {
    "W1": (1.4, 2.0, 1.3, 2, 2),
    "W1x16": (2.0, 1.0, 2.0, 10, 5),
    "W2": (2.5, 2.5, 1.3, 4, 3),
    "W3": (1.7, 2.0, 1.3, 5, 4),
    "W3x16": (3.0, 1.5, 4.0, 20, 10),
    "W3x16u": (1.8, 1.3, 1.5, 10, 6),
    "W4": (1.3, 1.3, 1.6, 20, 5),
    "W5": (1.6, 1.6, 1.6, 40, 10),
    "W6": (1.0, 1.0, 1.3, 3, 2.5),
    "W7": (2.0, 2.0, 1.8, 12, 5),
    "W8": (1.1, 1.1, 1.2, None, None),
    "W9": (0.010, 0.010, 0.010, 30, 30),
}


def target(key: str, engine: str) -> Target | None:
    """The target of a workload; None for one that is only for information."""
    if key not in _TABLE:
        return None
    full, fast, postgres, tortoise_sqlite, tortoise_postgres = _TABLE[key]
    if engine == POSTGRES:
        return Target(postgres, tortoise_postgres)
    return Target(fast if engine == SQLITE_FAST else full, tortoise_sqlite)
