"""How far long work is: a line that moves on a terminal, plain lines elsewhere, both on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def shown_progress() -> Iterator[Callable[[str, int], None]]:
    """A function to be called with what is being done, and how many rows it has done so far."""
    if not sys.stderr.isatty():
        yield _Lines().tell
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)

        def tell(what: str, done: int) -> None:
            progress.update(task, description=f"{what}: {done:,} rows" if done else what)

        yield tell


class _Lines:
    """One line when something begins."""

    def __init__(self) -> None:
        self._last = ""

    def tell(self, what: str, _done: int) -> None:
        if what != self._last:
            self._last = what
            print(f"{what} ...", file=sys.stderr, flush=True)
