"""A unit of work as a generator: it yields statements, gets their rows, and returns its result.

It does no I/O of its own, so each engine drives it in its own way: SQLite runs the whole of it in one hop to the
writer's thread and lets many share a commit, PostgreSQL awaits each statement. A statement that fails ends it: after
an error nothing else of the transaction can be done.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from agentdb.engine.client import Row

T = TypeVar("T")


class Query(NamedTuple):
    """One statement with its positional parameters, as Python values."""

    sql: str
    values: Sequence[Any] = ()


class Many(NamedTuple):
    """One statement for each of `rows`; it gives no rows back."""

    sql: str
    rows: Sequence[Sequence[Any]]


Steps: TypeAlias = Generator[Query | Many, Sequence[Row], T]
"""What `Session.query` and `Session.write` take, made anew for each attempt."""
