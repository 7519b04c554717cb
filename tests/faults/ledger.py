"""The ledger of a writer: each intent before its first attempt, and what was acknowledged.

A line is given to the operating system before the writer goes on, so it survives a SIGKILL of the writer.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.faults.intents import Intent

_ACKNOWLEDGED: Final = b'{"acknowledged"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a call was answered: the ids of its rows in their order, and what it has cost."""

    messages: tuple[int, ...] = ()
    usage: tuple[int, ...] = ()
    reservation: int = 0
    conversation: int = 0
    cost: Decimal = Decimal(0)

    def ids(self) -> dict[str, tuple[int, ...]]:
        """By table."""
        return {
            "Message": self.messages,
            "Usage": self.usage,
            "Reservation": (self.reservation,) if self.reservation else (),
            "Conversation": (self.conversation,) if self.conversation else (),
        }


@dataclass(slots=True)
class Entry:
    """An intent, and all that was told about it.

    Attributes:
        began: When it was written down, on a clock that all processes of the machine share.
        acknowledged: When its first answer was.
        answers: More than one if it was repeated although it had been answered.
        is_undone: Its writer was told that it was not done, and left it at that.
    """

    intent: Intent
    began: float
    acknowledged: float = float("inf")
    answers: list[Answer] = field(default_factory=list)
    is_undone: bool = False


class Ledger:
    """One file.

    Attributes:
        count: How many answers were written down.
        latest: When each writer was last answered.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.latest: dict[str, float] = {}
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, mode=0o600)

    def begin(self, intent: Intent) -> None:
        """Before the first attempt."""
        self._write({"intent": intent.written(), "at": time.monotonic()})

    def acknowledge(self, intent: Intent, answer: Answer, *, writer: str) -> None:
        """After the answer."""
        at = time.monotonic()
        told = {
            "messages": answer.messages,
            "usage": answer.usage,
            "reservation": answer.reservation,
            "conversation": answer.conversation,
            "cost": str(answer.cost),
        }
        self._write({"acknowledged": intent.key, "answer": told, "at": at})
        self.count += 1
        self.latest[writer] = at

    def give_up(self, intent: Intent) -> None:
        """Each attempt was answered that nothing was done."""
        self._write({"undone": intent.key})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def _write(self, line: dict[str, Any]) -> None:
        data = json.dumps(line).encode() + b"\n"
        assert os.write(self._file, data) == len(data)


def read(paths: Iterable[Path]) -> dict[str, Entry]:
    """All intents of all ledgers, by key."""
    entries: dict[str, Entry] = {}
    for path in paths:
        for line in path.read_bytes().split(b"\n")[:-1]:  # what follows the last end of a line was torn by a kill
            _take(entries, json.loads(line))
    return entries


def acknowledged_in(paths: Iterable[Path]) -> int:
    """How many answers were written down so far."""
    return sum(path.read_bytes().count(_ACKNOWLEDGED) for path in paths if path.exists())


def _take(entries: dict[str, Entry], line: dict[str, Any]) -> None:
    if "intent" in line:
        intent = Intent.of(line["intent"])
        entry = entries.setdefault(intent.key, Entry(intent, line["at"]))
        entry.began = min(entry.began, line["at"])
        return
    if "undone" in line:
        entries[line["undone"]].is_undone = True
        return
    entry, told = entries[line["acknowledged"]], line["answer"]
    entry.acknowledged = min(entry.acknowledged, line["at"])
    entry.answers.append(
        Answer(
            messages=tuple(told["messages"]),
            usage=tuple(told["usage"]),
            reservation=told["reservation"],
            conversation=told["conversation"],
            cost=Decimal(told["cost"]),
        )
    )
