"""One public call as it is watched: how long it took, how often it was begun again, what it gave and why it failed.

Only a handle that somebody watches has an `Observer`; the methods of any other are the plain ones. Whoever repeats a
piece of work says so with `count_retries`, which without an observer counts for nobody.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

Attributes: TypeAlias = Mapping[str, str | int]

Describe: TypeAlias = Callable[[Mapping[str, Any]], Attributes]
"""What a span says about a call that succeeded, from its arguments by name."""

# Where a record that is more than one row keeps them.
_LISTS: Final = ("items", "messages", "usage_ids")


class Call:
    """A public call under way, for the length of a block.

    Attributes:
        operation: Domain and method, such as `conversations.append`.
        is_of_service: It is one of a domain, which gives records, and no verb of the handle itself.
        retries: How often it, or the transaction that it is, was begun again.
        rows: How many records it gave; None for a call that gives none.
        attributes: What else is to be told about it if it succeeds.
        error: Why it failed.
        duration_s: How long it took, once it is over.
    """

    def __init__(self, operation: str, watches: tuple[Watch, ...], *, is_of_service: bool = False) -> None:
        self.operation = operation
        self.is_of_service = is_of_service
        self.retries = 0
        self.rows: int | None = None
        self.attributes: Attributes = {}
        self.error: BaseException | None = None
        self.duration_s = 0.0
        self._watches = watches

    @property
    def error_type(self) -> str | None:
        """The class of its error: all that may be told of it, for messages can quote what a caller passed."""
        if self.error is None:
            return None
        kind = type(self.error)
        is_known = kind.__module__.partition(".")[0] in ("agentdb", "builtins")
        return kind.__qualname__ if is_known else f"{kind.__module__}.{kind.__qualname__}"

    def __enter__(self) -> Self:
        self._outer = _current.get()
        _current.set(self)
        self._ends = [watch(self) for watch in self._watches]
        self._since = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.duration_s = time.perf_counter() - self._since
        self.error = error
        for end in reversed(self._ends):
            end()
        _current.set(self._outer)


Watch: TypeAlias = Callable[[Call], Callable[[], None]]
"""Is told when a call begins, and gives what is to be called when it is over."""

_current: Final[ContextVar[Call | None]] = ContextVar("agentdb_call", default=None)


def count_retries(number: int = 1) -> None:
    """Say that the public call of this context was begun again."""
    call = _current.get()
    if call is not None:
        call.retries += number


def rows_of(result: Any) -> int:
    """How many records a call gave: those of a list, of a page, or of one that holds several; none for None."""
    if result is None:
        return 0
    held = next((getattr(result, name) for name in _LISTS if hasattr(result, name)), result)
    is_list = isinstance(held, Sequence) and not isinstance(held, (str, bytes)) and not hasattr(held, "_fields")
    return len(held) if is_list else 1


def is_part() -> bool:
    """Whether what begins now is a part of a call of a service, which a service makes for itself."""
    call = _current.get()
    return call is not None and call.is_of_service
