"""A unit of work as a generator: it yields statements, gets their rows, and returns its result.

It does no I/O of its own, so each engine drives it in its own way: SQLite runs the whole of it without a pause, on the
event loop's thread or on another one, and lets many share a commit; PostgreSQL awaits each statement. A statement that
fails ends it: after an error nothing else of the transaction can be done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from agentdb.engine.misread import misread
from agentdb.errors import AgentDBError

T = TypeVar("T")
ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

Row: TypeAlias = Mapping[str, Any]


class Query(NamedTuple):
    """One statement with its positional parameters, as Python values."""

    sql: str
    values: Sequence[Any] = ()


class Insert(Query):
    """An INSERT that ends in RETURNING "id" and skips no row; it gives the ids, in the order of the rows."""

    __slots__ = ()


class Update(Query):
    """An UPDATE that ends in RETURNING "id"; it gives a row for each that it changed, and only their number counts."""

    __slots__ = ()


class Many(NamedTuple):
    """One statement for each of `rows`; it gives no rows back."""

    sql: str
    rows: Iterable[Sequence[Any]]


class InsertEach(Many):
    """An INSERT that ends in RETURNING "id", for each of `rows`; it gives the ids, in the order of the rows."""

    __slots__ = ()


Steps: TypeAlias = Generator[Query | Many, Sequence[Row], T]
"""What `Session.query` and `Session.write` take, made anew for each attempt."""

Encode: TypeAlias = Callable[[Sequence[Any]], list[Any]]
"""Parameters as the driver takes them; values that no engine may see are refused."""


Run: TypeAlias = Callable[[Sequence[ItemT]], Steps[Sequence["ResultT | AgentDBError | None"]]]
"""Steps that do several writes of one kind, with an answer for each: its result, the error that refuses it, or None for
one that they do not decide. For the last two nothing was done."""


class Companion(NamedTuple):
    """One write as `run` takes it, together with others that have the same `run`."""

    run: Run[Any, Any]
    item: Any


class Outcome(NamedTuple, Generic[T]):
    """What a unit came to when no statement failed: its result, or the error that it raised itself."""

    result: T | None = None
    refusal: Exception | None = None

    def get(self) -> T:
        """The result; a refusal is raised."""
        if self.refusal is not None:
            raise self.refusal
        return self.result  # type: ignore[return-value]  # None is a result where T has it


Execute: TypeAlias = Callable[[Query | Many, Any], T]
"""Runs a statement with its parameters as the driver takes them: a list, or for a `Many` its rows one by one, because
another thread's turn need not wait for all of them."""


def drive(steps: Callable[[], Steps[T]], encode: Encode, execute: Execute[Sequence[Row]]) -> Outcome[T]:
    """Run a unit where statements are answered at once. What `execute` raises ends it."""
    running = steps()
    rows: Sequence[Row] | None = None
    while True:
        try:
            step = running.send(rows)  # type: ignore[arg-type]  # None starts it
            values = encode(step.values) if isinstance(step, Query) else map(encode, step.rows)
        except StopIteration as end:
            return Outcome(end.value)
        except Exception as error:
            return Outcome(refusal=misread(error))
        rows = execute(step, values)


async def drive_awaiting(
    steps: Callable[[], Steps[T]], encode: Encode, execute: Execute[Awaitable[Sequence[Row]]]
) -> Outcome[T]:
    """Run a unit where statements are awaited."""
    running = steps()
    rows: Sequence[Row] | None = None
    while True:
        try:
            step = running.send(rows)  # type: ignore[arg-type]  # None starts it
            values = encode(step.values) if isinstance(step, Query) else map(encode, step.rows)
        except StopIteration as end:
            return Outcome(end.value)
        except Exception as error:
            return Outcome(refusal=misread(error))
        rows = await execute(step, values)
