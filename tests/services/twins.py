"""Two databases that are asked the same, and must answer the same.

Time stands still in both but for what a sequence lets go by. So that their ids are the same too, PostgreSQL's sequences
are set to SQLite's before every call: they alone go on counting when a transaction is rolled back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Final
from unittest.mock import patch

from agentdb import Database
from agentdb.config import Secret
from agentdb.engine import values
from agentdb.errors import AgentDBError
from agentdb.models import INTERNAL_TABLES, TABLES
from agentdb.types import Page
from tests.services.canonical import are_same_hits, canonical, canonical_error, contents
from tests.services.drawn_values import START
from tests.services.memory import Memory, parts_of
from tests.services.operations import Block, Call, Kept, Operation, Wait

# Longer than that of `db.transaction()`: a machine that is busy makes no difference between engines.
_LIMIT_S: Final = 60

# Secrets that a caller has given, and not one that was made for them.
_SECRETS_OF_CALLERS: Final = ("catalog.provider_secret", "agents.tool_credential")


class DifferenceError(AssertionError):
    """Two databases do not answer the same, or do not hold the same."""


class _RollBackError(Exception):
    """Leaves a transaction that is to be taken back."""


class _AnyDatetime(type):
    """A class that every datetime is of: `values` also asks what is one."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, datetime)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call gave, and the same in canonical form; of an error that alone."""

    value: Any
    shown: Any


class Twin:
    """One of the two."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._kept: dict[str, list[Any]] = {"cursor": [], "key": []}
        self._transactions: list[Any] = []

    async def answer(self, call: Call) -> Answer:
        """Make a call."""
        service, method = call.method.split(".")
        arguments = {name: self._own(value) for name, value in call.arguments.items()}
        try:
            value = getattr(getattr(self.db, service), method)(**arguments)
            if call.method != "usage.tokens_of":
                value = await value
        except AgentDBError as error:
            return Answer(None, canonical_error(error))
        if isinstance(value, Secret) and call.method in _SECRETS_OF_CALLERS:
            value = value.reveal()
        for part in parts_of(value):
            if isinstance(part, Page):
                self._kept["cursor"].append(part.next_cursor)
            elif isinstance(part, Secret):
                self._kept["key"].append(part)
        return Answer(value, canonical(value))

    async def begin(self) -> Any:
        """Begin a transaction; how that went."""
        transaction = self.db.session.transaction(limit_s=_LIMIT_S)
        try:
            await transaction.__aenter__()
        except AgentDBError as error:
            return canonical_error(error)
        self._transactions.append(transaction)
        return "begun"

    async def end(self, *, is_kept: bool) -> Any:
        """End the transaction that was begun last; how that went."""
        error = None if is_kept else _RollBackError()
        try:
            await self._transactions.pop().__aexit__(None if error is None else type(error), error, None)
        except _RollBackError:
            return "rolled back"
        except AgentDBError as refusal:
            return canonical_error(refusal)
        return "ended"

    def _own(self, value: Any) -> Any:
        return self._kept[value.kind][value.place] if isinstance(value, Kept) else value


class Twins:
    """A SQLite and a PostgreSQL database."""

    def __init__(self, sqlite: Database, postgres: Database) -> None:
        self._sides = (Twin(sqlite), Twin(postgres))
        self._memory = Memory()
        self._now = START
        self._told: list[str] = []

    async def play(self, operations: Sequence[Operation]) -> None:
        """Do one operation after the other with both, then look at all that they hold.

        Raises:
            DifferenceError: As soon as they differ.
        """
        with self._stopped_clock(), ExitStack() as stack:
            listeners = [side.db.events.subscribe() for side in self._sides]
            for listener in listeners:
                await listener.__aenter__()
                stack.callback(listener.close)
            for operation in operations:
                await self._do(operation)
            stack.close()
            self._compare("events", *[[canonical(event) async for event in listener] for listener in listeners])
        held = [await contents(side.db) for side in self._sides]
        for table in held[0]:
            self._compare(f"table {table}", held[0][table], held[1][table])

    async def _do(self, operation: Operation) -> bool:
        """Do it with both; whether it went well."""
        if isinstance(operation, Wait):
            self._now += operation.duration
            self._told += [f"wait {operation.duration}"] if operation.duration else []
            return True
        if isinstance(operation, Block):
            return await self._in_transaction(operation)
        call = self._memory.call_of(operation)
        return call is None or await self._ask(call)

    async def _ask(self, call: Call) -> bool:
        await self._align()
        self._told.append(f"{call.method}({', '.join(f'{name}={value!r}' for name, value in call.arguments.items())})")
        ours, theirs = [await side.answer(call) for side in self._sides]
        if not (
            call.method == "knowledge.similar"
            and ours.value
            and theirs.value
            and are_same_hits(ours.value, theirs.value)
        ):
            self._compare("answer", ours.shown, theirs.shown)
        self._memory.learn(call, ours.value)
        return not (isinstance(ours.shown, dict) and "error" in ours.shown)

    async def _in_transaction(self, block: Block) -> bool:
        self._told.append("begin")
        begun = [await side.begin() for side in self._sides]
        self._compare("begin", *begun)
        if begun[0] != "begun":
            return False
        is_kept = block.end != "roll back"
        try:
            for operation in block.operations:
                if not await self._do(operation) and block.end == "first error":
                    is_kept = False
                    break
        except BaseException:
            for side in reversed(self._sides):
                await side.end(is_kept=False)
            raise
        self._told.append("commit" if is_kept else "roll back")
        ended = [await side.end(is_kept=is_kept) for side in reversed(self._sides)]
        self._compare("end", *reversed(ended))
        return bool(ended[0] == "ended")

    async def _align(self) -> None:
        """Let PostgreSQL's next ids be SQLite's."""
        sqlite, postgres = (side.db.session for side in self._sides)
        with suppress(AgentDBError):  # a transaction that refuses everything
            rows = await sqlite.fetch("SELECT name, seq FROM sqlite_sequence")
            last = {row["name"]: row["seq"] for row in rows}
            await postgres.fetch(_SET_SEQUENCES, [last.get(name, 0) + 1 for name in _TABLES])

    @contextmanager
    def _stopped_clock(self) -> Iterator[None]:
        def now(_cls: type, _zone: tzinfo) -> datetime:
            return self._now

        clock = _AnyDatetime("clock", (datetime,), {"now": classmethod(now)})
        with patch.object(values, "datetime", clock):
            yield

    def _compare(self, what: str, ours: Any, theirs: Any) -> None:
        if ours != theirs:
            raise DifferenceError(
                "\n".join([*self._told, f"{what} of SQLite:     {ours}", f"{what} of PostgreSQL: {theirs}"])
            )


_TABLES: Final = (*TABLES, *INTERNAL_TABLES)
_SET_SEQUENCES: Final = "SELECT " + ", ".join(
    f"setval(pg_get_serial_sequence('\"{name}\"', 'id'), ${place}, FALSE)" for place, name in enumerate(_TABLES, 1)
)
