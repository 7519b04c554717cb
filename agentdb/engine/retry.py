"""What is done again by itself, how soon, and how often. `Repeats.run` is the only place where anything is repeated.

Repeated is what was not done, and what is in doubt if it would find out by itself that it was done. Waits grow from
20 ms to a second and are drawn at random from 0 on, so that those who failed together do not come back together. Who
lost a row or a lock to somebody else tries again for half a minute. A server that cannot be reached gets few
repetitions, however many calls there are: it has to come up under them.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from agentdb.engine.dialect import ConnectionLostError
from agentdb.errors import (
    AccessDeniedError,
    AgentDBError,
    ConfigurationError,
    DeadlineError,
    OutcomeUnknownError,
    SchemaError,
    StorageError,
    TransactionError,
    UnavailableError,
)

T = TypeVar("T")

FIRST_WAIT_S: Final = 0.02
LONGEST_WAIT_S: Final = 1.0
LONGEST_S: Final = 30.0
"""How long a call is repeated at most."""

MOST_CONNECTIONS: Final = 15
"""How often one call is repeated because there was no connection."""

MOST_DOUBTS: Final = 3
"""How many lost connections a write survives that would find out by itself whether it was done."""

WINDOW_S: Final = 10
SHARE: Final = 0.1
FLOOR: Final = 20
"""Of the calls of the last 10 s at most a tenth are repeated because there was no connection, but always so many."""

_NO_CONNECTION: Final = ("57P03", "53300")

UNDECIDED: Final = (
    AccessDeniedError,
    ConfigurationError,
    DeadlineError,
    SchemaError,
    StorageError,
    TransactionError,
    UnavailableError,
)
"""Errors that say nothing about an earlier attempt, which may have been done."""


def is_no_connection(error: BaseException) -> bool:
    """Whether it says that there is no connection, in place of what the database has decided."""
    if isinstance(error, OutcomeUnknownError):
        return isinstance(error.__cause__, ConnectionLostError)
    return isinstance(error, ConnectionLostError) or (
        isinstance(error, AgentDBError) and error.engine_code in _NO_CONNECTION
    )


def in_doubt(error: BaseException) -> OutcomeUnknownError:
    """A write was cut off by `error`, or was in doubt before it."""
    unknown = OutcomeUnknownError(
        f"{error} It was a write, so it may be stored or not. Repeat it only with the same request_id.",
        engine_code=error.engine_code if isinstance(error, AgentDBError) else None,
    )
    unknown.__cause__ = error
    return unknown


class Budget:
    """How many repetitions there may be while there is no connection."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds: deque[tuple[int, list[int]]] = deque()
        self._second = -1
        self._counts = [0, 0]

    def called(self) -> None:
        """Count a call."""
        self._now()[0] += 1

    def spend(self) -> bool:
        """Whether there may be one more repetition, which is counted then."""
        counts = self._now()
        calls = sum(of_second[0] for _, of_second in self._seconds)
        repetitions = sum(of_second[1] for _, of_second in self._seconds)
        if repetitions >= max(FLOOR, SHARE * calls):
            return False
        counts[1] += 1
        return True

    def _now(self) -> list[int]:
        second = int(self._clock())
        if second != self._second:
            self._second, self._counts = second, [0, 0]
            self._seconds.append((second, self._counts))
            while self._seconds[0][0] <= second - WINDOW_S:
                self._seconds.popleft()
        return self._counts


class Doubts:
    """What one call knows of its attempts.

    Attributes:
        is_keyed: A repetition finds out whether an earlier attempt was done, and then does nothing.
        count: How many attempts may have been done.
        met: Why the last attempt was not done, if that is certain.
    """

    __slots__ = ("count", "is_keyed", "met")

    def __init__(self, *, is_keyed: bool = False) -> None:
        self.is_keyed = is_keyed
        self.count = 0
        self.met: UnavailableError | None = None

    def confirmed(self, error: AgentDBError) -> AgentDBError:
        """`error`, unless it claims that nothing was done while an earlier attempt may have been."""
        return in_doubt(error) if self.count and isinstance(error, UNDECIDED) else error


class Repeats:
    """The repetitions of one handle.

    Attributes:
        count: How many there were.
    """

    def __init__(self) -> None:
        self.count = 0
        self.budget = Budget()

    def may_follow(self, error: BaseException) -> bool:
        """Whether the budget has room for a repetition after `error`, which is counted then."""
        if is_no_connection(error) and not self.budget.spend():
            return False
        self.count += 1
        return True

    async def run(self, attempt: Callable[[], Awaitable[T]], first: AgentDBError, doubts: Doubts) -> T:
        """Make attempts, after one that ended with `first`, until one is not to be repeated.

        Raises:
            UnavailableError: Not done, and the time or the budget of repetitions is used up.
            OutcomeUnknownError: It may have been done, and either cannot find out or could not.
            AgentDBError: What the last attempt said.
        """
        import stamina  # 9 ms that a start can do without

        patience = _Patience(self, doubts)
        try:
            async for again in stamina.retry_context(on=patience.wait_after, attempts=None, timeout=LONGEST_S):
                with again:
                    if again.num == 1:
                        raise first
                    return await attempt()
        except AgentDBError as error:
            told = doubts.confirmed(patience.explained(error))
            if told is error:
                raise
            raise told from error
        raise AssertionError("stamina gives at least one attempt")


class _Patience:
    """Of one call: whether it is repeated after an error, and when."""

    def __init__(self, repeats: Repeats, doubts: Doubts) -> None:
        self._repeats = repeats
        self._doubts = doubts
        self._waits = 0
        self._connections = 0
        self._is_refused = False

    def wait_after(self, error: Exception) -> bool | float:
        """Seconds until the next attempt; False for none."""
        if isinstance(error, OutcomeUnknownError):
            self._doubts.count += 1
            if not self._doubts.is_keyed or self._doubts.count > MOST_DOUBTS:
                return False
        elif not isinstance(error, UnavailableError):
            return False
        else:
            self._doubts.met = error
        if is_no_connection(error):
            self._connections += 1
            if self._connections > MOST_CONNECTIONS:
                return False
        if not self._repeats.may_follow(error):
            self._is_refused = True
            return False
        import random  # a start can do without it, too

        longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**self._waits)
        self._waits += 1
        return random.uniform(0, longest)  # noqa: S311 - nobody has to be unable to guess it

    def explained(self, error: AgentDBError) -> AgentDBError:
        """`error`, with the reason why it ends a call that would have been repeated otherwise."""
        if not self._is_refused or not isinstance(error, UnavailableError):
            return error
        return UnavailableError(
            f"{error} It was not tried again, because a tenth of the calls of the last {WINDOW_S} s were repeated "
            "already for want of a connection.",
            engine_code=error.engine_code,
        )
