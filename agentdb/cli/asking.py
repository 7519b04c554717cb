"""Whether somebody at the terminal agrees to what cannot be taken back."""

from __future__ import annotations

import sys
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from agentdb.cli.commands import UsageError

Yes: TypeAlias = Annotated[bool, Parameter(name=["--yes", "-y"], negative="", help="Do not ask.")]


def is_agreed(question: str) -> bool:
    """Ask, and wait for the answer. To be called before there is an event loop, which would keep Ctrl-C away.

    Raises:
        UsageError: Nobody can answer.
    """
    if not sys.stdin.isatty():
        raise UsageError("This cannot be taken back, so it asks first, and nobody can answer here. Pass --yes.")
    print(f"{question} [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
