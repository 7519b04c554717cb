"""Whether somebody at the terminal agrees to what cannot be taken back."""

from __future__ import annotations

import sys
from typing import Annotated, TypeAlias

from cyclopts import Parameter

Yes: TypeAlias = Annotated[bool, Parameter(name=["--yes", "-y"], negative="", help="Do not ask.")]


class UsageError(Exception):
    """The command cannot be run as it was typed."""


def check_somebody_answers() -> None:
    """
    Raises:
        UsageError: There is no terminal.
    """
    if not sys.stdin.isatty():
        raise UsageError("This cannot be taken back, so it asks first, and nobody can answer here. Pass --yes.")


def is_agreed(question: str) -> bool:
    """Ask, and wait for the answer. To be called where there is no event loop, which would keep Ctrl-C away.

    Raises:
        UsageError: Nobody can answer.
    """
    check_somebody_answers()
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    print("Nothing was changed.", file=sys.stderr)
    return False
