"""How far a long work is, on stderr: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

Told: TypeAlias = Callable[[str, int, int], None]

LINE_EVERY_S: Final = 5.0


@contextmanager
def shown_advance(*, is_shown: bool = True) -> Iterator[Told]:
    """For a work that tells what it is at, how much of it is done, and how much there is."""
    if not is_shown:
        yield lambda what, done, total: None
    elif sys.stderr.isatty():
        with _bar() as told:
            yield told
    else:
        yield _Lines()


class _Lines:
    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        if time.monotonic() > self._last + LINE_EVERY_S:
            self._last = time.monotonic()
            print(f"{what}: {done:,} of {total:,}", file=sys.stderr)


@contextmanager
def _bar() -> Iterator[Told]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("")

        def told(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        yield told
