"""One unit of work on its way to SQLite's writer, and the caller who waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from agentdb.engine.call_limits import CallLimit
from agentdb.engine.channel import Answer
from agentdb.engine.steps import Companion, Run, Steps
from agentdb.errors import AgentDBError

if TYPE_CHECKING:
    from agentdb.engine.group import Group

T = TypeVar("T")


class Member(Answer[T]):
    """One unit of work on its way to the writer.

    Attributes:
        repeats: How often it was run again.
        is_short: It is a few indexed statements with little to store.
        companion: How it is done together with others, if it can be.
        is_alone: It was in a group that failed, and is run again in one of its own.
        limit: The caller's own deadline.
    """

    def __init__(
        self,
        steps: Callable[[], Steps[T]],
        *,
        told: Callable[[T], None] | None,
        limit: CallLimit | None,
        is_short: bool,
        companion: Companion | None,
    ) -> None:
        super().__init__()
        self.steps = steps
        self.is_short = is_short
        self.companion = companion
        self.limit = limit
        self.since = self.loop.time()
        self.repeats = 0
        self.is_alone = False
        self.is_given_up = False
        self.group: Group | None = None
        self._told = told
        self._claim = threading.Lock()

    @property
    def kind(self) -> Run[Any, T] | None:
        """What those have too that can be done together with it; None if it is done by itself."""
        return None if self.companion is None else self.companion.run

    def claim(self) -> bool:
        """Whether it is the caller's of this method alone: the writer's to run, or the loop's to answer without."""
        return self._claim.acquire(blocking=False)

    def again(self) -> None:
        """Let it be run once more, alone."""
        self.repeats += 1
        self.error, self.result = None, None
        self.is_alone = True
        self._claim = threading.Lock()

    def give_up(self) -> bool:
        """Its caller was cancelled: whether it will never run."""
        self.is_given_up = True
        is_left = self.claim()
        if self.group is not None:
            self.group.hurry(is_late=self.is_late and not is_left)
        return is_left

    def refuse(self, error: AgentDBError) -> None:
        """Answer without having run it, if nobody has begun it."""
        if self.claim():
            self.error = error
            self.give()

    @property
    def is_late(self) -> bool:
        """Whether its caller's deadline has passed."""
        return self.limit is not None and self.limit.is_late

    def tell(self) -> None:
        """Tell of its result, which is kept.

        Raises:
            Exception: Whatever the one who is told raises.
        """
        if self.error is None and self._told is not None:
            self._told(self.result)  # type: ignore[arg-type]  # None is a result where T has it
