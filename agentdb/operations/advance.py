"""How far a long work has come."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias, TypeVar

from agentdb.engine.threads import Told as ToldCount
from agentdb.engine.threads import on_thread

T = TypeVar("T")


Told: TypeAlias = Callable[[str, int, int | None], None]
"""Told what is worked on, how much of it is done, and how much there is if that is known: rows, bytes or steps."""


def nobody(what: str, done: int, total: int | None) -> None:
    """Who need not be told."""


async def in_thread(work: Callable[[ToldCount], T], what: str, told: Told) -> T:
    """Run `work`, which blocks and tells how far it is, on a thread."""
    return await on_thread(work, partial(told, what))
