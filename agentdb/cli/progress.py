"""How far a long command is: a bar on a terminal, a line for each finished part elsewhere. Both go to stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

Advance: TypeAlias = Callable[[str, int, int], None]
"""Takes the name of the part that is worked on, how much of it is done, and how much it is in all."""


@contextmanager
def progress_shown() -> Iterator[Advance]:
    """Show what the block tells."""
    if not sys.stderr.isatty():
        yield _line_when_done
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("")

        def advance(part: str, done: int, total: int) -> None:
            bars.update(bar, description=part, completed=done, total=total)

        yield advance


def _line_when_done(part: str, done: int, total: int) -> None:
    if done == total:
        print(f"{part}: {total}", file=sys.stderr)
