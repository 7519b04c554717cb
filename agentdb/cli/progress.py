"""How far a long command is: a bar on a terminal, lines elsewhere. Both go to stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentdb.operations.advance import Told


@contextmanager
def progress_shown() -> Iterator[Told]:
    """Show what the block tells."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("")

        def told(what: str, done: int, total: int | None) -> None:
            bars.update(bar, description=what, completed=done, total=total)

        yield told


class _Lines:
    """One when something begins that takes more than one step, and one when it is done."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, what: str, done: int, total: int | None) -> None:
        if done == total:
            print(f"{what}: {total}", file=sys.stderr, flush=True)
        elif what != self._last:
            print(f"{what} ...", file=sys.stderr, flush=True)
        self._last = what
