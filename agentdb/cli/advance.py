"""How far a long work is, on stderr: a bar on a terminal, elsewhere a line for each part that begins."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

Told: TypeAlias = Callable[[str, int, int], None]


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
        self._what: str | None = None

    def __call__(self, what: str, done: int, total: int) -> None:
        if what != self._what:
            self._what = what
            print(f"{what} ({total:,})", file=sys.stderr)


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
