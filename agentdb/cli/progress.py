"""How far a long command is: a bar on a terminal, a line for each part elsewhere. Both go to stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Advance(Protocol):
    """Takes the name of the part that is worked on, how much of it is done, and how much it is if that is known."""

    def __call__(self, part: str, done: int, total: int | None = None, /) -> None: ...


@contextmanager
def progress_shown() -> Iterator[Advance]:
    """Show what the block tells."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("")

        def advance(part: str, done: int, total: int | None = None) -> None:
            bars.update(bar, description=part, completed=done, total=total)

        yield advance


class _Lines:
    """One for a part that is done, or for the beginning of one whose length nobody knows."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, part: str, done: int, total: int | None = None) -> None:
        if total is None and part != self._last:
            print(f"{part} ...", file=sys.stderr, flush=True)
        elif total is not None and done == total:
            print(f"{part}: {total}", file=sys.stderr, flush=True)
        self._last = part
