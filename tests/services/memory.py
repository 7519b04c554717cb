"""What the answers of a sequence have shown by now, and which calls its operations therefore stand for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from agentdb.config import Secret
from agentdb.records import Agent, AgentSummary, Conversation, Message, Model, Policy, Provider, Resource, Role, User
from agentdb.records.agents import Prompt, Tool
from agentdb.records.base import FrozenRecord
from agentdb.records.conversations import Context
from agentdb.records.turns import FinishedTurn
from agentdb.records.usage import Reservation
from agentdb.services._made import Made
from agentdb.types import Page, Price
from tests.services.operations import Again, Call, Kept, NextPage, Seen

NOTHING: Final = 987_654
"""The id of no row."""

_KINDS: Final[Mapping[type[FrozenRecord], str]] = {
    User: "user",
    Role: "role",
    Policy: "policy",
    Provider: "provider",
    Model: "model",
    Agent: "agent",
    AgentSummary: "agent",
    Prompt: "prompt",
    Tool: "tool",
    Conversation: "conversation",
    Message: "message",
    Resource: "resource",
    Reservation: "reservation",
}
# What a call is about stays when it is repeated with other values.
_TARGETS: Final = ("user_id", "request_id", "conversation_id", "reservation_id")


class Memory:
    """Ids by kind with whose they are, the calls that were made, and how many cursors and keys there were."""

    def __init__(self) -> None:
        self._ids: dict[str, dict[int, int | None]] = {}
        self._kept: dict[str, int] = {"cursor": 0, "key": 0}
        self._calls: list[Call] = []
        self._paged: list[tuple[Call, Kept]] = []

    def call_of(self, operation: Call | Again | NextPage) -> Call | None:
        """The call with ids in place of what was seen; None if there is none of that sort yet."""
        if isinstance(operation, Again):
            return self._again(operation)
        if isinstance(operation, Call):
            user = self._resolved(operation.arguments.get("user_id"), None)
            return Call(
                operation.method,
                {name: self._resolved(value, user) for name, value in operation.arguments.items()},
            )
        if not self._paged:
            return None
        call, cursor = self._paged[operation.number % len(self._paged)]
        return Call(call.method, {**call.arguments, "cursor": cursor})

    def learn(self, call: Call, value: Any) -> None:
        """Remember what an answer shows."""
        self._calls.append(call)
        user = call.arguments.get("user_id")
        for shown in parts_of(value):
            if isinstance(shown, FrozenRecord):
                kind, fields = next(kind for cls, kind in _KINDS.items() if isinstance(shown, cls)), dict(shown)
                self._ids.setdefault(kind, {}).setdefault(fields["id"], fields.get("user_id", user))
            elif isinstance(shown, Page):
                self._paged.append((call, self._keep("cursor")))
            else:
                self._keep("key")

    def _keep(self, kind: str) -> Kept:
        self._kept[kind] += 1
        return Kept(kind, self._kept[kind] - 1)

    def _again(self, again: Again) -> Call | None:
        known = [call for call in self._calls if not again.is_keyed or "request_id" in call.arguments]
        if not known:
            return None
        call = known[again.number % len(known)]
        arguments = dict(call.arguments)
        if again.twist == "reworded":
            arguments = {name: _reworded(value) for name, value in reversed(arguments.items())}
        others = [name for name in arguments if name not in _TARGETS]
        if again.twist == "changed" and others:
            changed = others[again.number % len(others)]
            arguments[changed] = _other(arguments[changed])
        return Call(call.method, arguments)

    def _resolved(self, value: Any, user: Any) -> Any:
        match value:
            case Seen(kind="key"):
                return Kept("key", value.number % self._kept["key"]) if self._kept["key"] else "no key yet"
            case Seen():
                known = self._ids.get(value.kind, {})
                own = [key for key, owner in known.items() if owner in (user, None)]
                ids = (own if value.is_own and value.kind != "user" else None) or list(known)
                return ids[value.number % len(ids)] if ids else NOTHING
            case list():
                return [self._resolved(item, user) for item in value]
            case dict():
                return {key: self._resolved(item, user) for key, item in value.items()}
        return value


def parts_of(value: Any) -> list[Any]:
    """The records with an id of their own, the pages that go on, and the secrets, in what a call gave."""
    match value:
        case Secret():
            return [value]
        case Page():
            return [*parts_of(value.items), *([value] if value.next_cursor is not None else [])]
        case Context():  # a turn is one too
            return [*parts_of(value.messages), *parts_of(value.resources)]
        case FinishedTurn():
            return parts_of(value.messages)
        case tuple() | Made():
            return [part for item in value for part in parts_of(item)]
        case FrozenRecord() if isinstance(value, tuple(_KINDS)):
            inner = [getattr(value, name, None) for name in ("prompt", "tools", "api_key")]
            return [value, *(part for one in inner for part in parts_of(one))]
    return []


def _other(value: Any) -> Any:
    """Something near, as a caller might pass it by mistake under an old request_id."""
    match value:
        case bool():
            return not value
        case int() | float() | Decimal():
            return value + 1
        case str():
            return f"{value}!"
        case datetime():
            return value + timedelta(microseconds=1)
        case Price():
            return value._replace(input=value.output, output=value.input)
        case list():
            return [*value[1:], _other(value[0])] if value else [1]
        case dict():
            name = next(iter(value), "more")
            return {**value, name: _other(value.get(name))}
        case None:
            return 1
    return value


def _reworded(value: Any, *, is_inside: bool = False) -> Any:
    """The same JSON: keys in another order, numbers with a point."""
    match value:
        case int() if is_inside and not isinstance(value, bool) and abs(value) < 2**53:
            return float(value)
        case list():
            return [_reworded(item, is_inside=is_inside) for item in value]
        case dict():
            return {name: _reworded(item, is_inside=True) for name, item in reversed(value.items())}
    return value
