"""A unit of work as a generator: it yields statements, gets their rows, and returns its result.

It does no I/O of its own, so each engine drives it in its own way: SQLite runs the whole of it in one hop to the
writer's thread and lets many share a commit, PostgreSQL awaits each statement. A statement that fails ends it: after
an error nothing else of the transaction can be done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from agentdb.engine.misread import misread

T = TypeVar("T")

Row: TypeAlias = Mapping[str, Any]


class Query(NamedTuple):
    """One statement with its positional parameters, as Python values."""

    sql: str
    values: Sequence[Any] = ()


class Insert(Query):
    """An INSERT that ends in RETURNING "id" and skips no row; it gives the ids, in the order of the rows."""

    __slots__ = ()


class Many(NamedTuple):
    """One statement for each of `rows`; it gives no rows back."""

    sql: str
    rows: Iterable[Sequence[Any]]


Steps: TypeAlias = Generator[Query | Many, Sequence[Row], T]
"""What `Session.query` and `Session.write` take, made anew for each attempt."""

Encode: TypeAlias = Callable[[Sequence[Any]], list[Any]]
"""Parameters as the driver takes them; values that no engine may see are refused."""


class Outcome(NamedTuple, Generic[T]):
    """What a unit came to when no statement failed: its result, or the error that it raised itself."""

    result: T | None = None
    refusal: Exception | None = None

    def get(self) -> T:
        """The result; a refusal is raised."""
        if self.refusal is not None:
            raise self.refusal
        return self.result  # type: ignore[return-value]  # None is a result where T has it


def drive(
    steps: Callable[[], Steps[T]], encode: Encode, execute: Callable[[Query | Many], Sequence[Row]]
) -> Outcome[T]:
    """Run a unit where statements are answered at once. What `execute` raises ends it."""
    running = steps()
    rows: Sequence[Row] | None = None
    while True:
        try:
            step = _encoded(running.send(rows), encode)  # type: ignore[arg-type]  # None starts it
        except StopIteration as end:
            return Outcome(end.value)
        except Exception as error:
            return Outcome(refusal=misread(error))
        rows = execute(step)


async def drive_awaiting(
    steps: Callable[[], Steps[T]], encode: Encode, execute: Callable[[Query | Many], Awaitable[Sequence[Row]]]
) -> Outcome[T]:
    """Run a unit where statements are awaited."""
    running = steps()
    rows: Sequence[Row] | None = None
    while True:
        try:
            step = _encoded(running.send(rows), encode)  # type: ignore[arg-type]  # None starts it
        except StopIteration as end:
            return Outcome(end.value)
        except Exception as error:
            return Outcome(refusal=misread(error))
        rows = await execute(step)


def _encoded(step: Query | Many, encode: Encode) -> Query | Many:
    if isinstance(step, Query):
        return type(step)(step.sql, encode(step.values))
    # One by one: another thread's turn need not wait for all of them.
    return Many(step.sql, map(encode, step.rows))
