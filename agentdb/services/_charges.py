"""Recording what calls have cost, as steps: the facts, the charge, the rows.

Refusals come before the first write, but for that of a user whose expired reservations were just given back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias

from agentdb.engine import Row, Steps
from agentdb.engine.money import cost_usd, from_database, sum_usd, to_units
from agentdb.engine.values import json_text, now
from agentdb.errors import InvalidInputError, NotFoundError, excerpt
from agentdb.events import Charged
from agentdb.records import Charge
from agentdb.services._balances import Balances
from agentdb.services._conventions import convention_named, disjoint
from agentdb.services._input import about, count, optional_identifier, optional_text, refused, text
from agentdb.services._requests import another_call
from agentdb.sql import Statements
from agentdb.types import Tokens

MAX_ITEMS: Final = 100

_STATEMENTS: Final = Statements("usage")
_COUNTS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_ABSENT: Final[Mapping[str, Any]] = {
    "model": None,
    **dict.fromkeys(_COUNTS, 0),
    "convention": "disjoint",
    **dict.fromkeys(("type", "agent_id", "message_id")),
}
"""What a field of an item is that is not given."""


Named: TypeAlias = tuple[str, int | None, int | None]
"""A model, an agent and a message."""


class Item(NamedTuple):
    """What one row of usage will say, checked. Its tokens are disjoint."""

    model: str
    tokens: Tokens
    type: str | None
    agent_id: int | None
    message_id: int | None

    @property
    def named(self) -> Named:
        """What it points to."""
        return self.model, self.agent_id, self.message_id

    @property
    def columns(self) -> dict[str, Any]:
        """By the names of parameters, but for the model."""
        counts = self.tokens
        return {
            "type": self.type,
            "agent_id": self.agent_id,
            "message_id": self.message_id,
            "input_tokens": counts.input,
            "output_tokens": counts.output,
            "cache_read_tokens": counts.cache_read,
            "cache_write_tokens": counts.cache_write,
        }


class Report(NamedTuple):
    """What a caller reports in one call, checked.

    Attributes:
        is_enforced: Whether a cost that is larger than what remains is refused.
    """

    user_id: int
    items: tuple[Item, ...]
    request_id: str | None
    is_enforced: bool


class Outcome(NamedTuple):
    """A charge, and whether it was made now or by an earlier call with the same key."""

    charge: Charge
    is_new: bool


def item_of(values: Mapping[str, Any]) -> Item:
    """One row of usage from what a caller passes.

    Raises:
        InvalidInputError: No model, a field of another name, or a value that it cannot have.
    """
    if not isinstance(values, Mapping):
        raise refused("An item", "a mapping", values)
    if not values.keys() <= _ABSENT.keys():
        unknown = sorted(str(name) for name in values.keys() - _ABSENT.keys())
        raise InvalidInputError(
            f"An item has the fields {', '.join(_ABSENT)}, found {', '.join(unknown):.200}. "
            "Other units than these four kinds of tokens cannot be recorded yet."
        )
    return checked_item(**{**_ABSENT, **values})


def checked_item(
    *,
    model: Any,
    input_tokens: Any,
    output_tokens: Any,
    cache_read_tokens: Any,
    cache_write_tokens: Any,
    convention: Any,
    type: Any,  # noqa: A002 - the column's name
    agent_id: Any,
    message_id: Any,
) -> Item:
    """One row of usage from the values of all its fields.

    Raises:
        InvalidInputError: One that it cannot have.
    """
    tokens = Tokens(
        count(input_tokens, "input_tokens"),
        count(output_tokens, "output_tokens"),
        count(cache_read_tokens, "cache_read_tokens"),
        count(cache_write_tokens, "cache_write_tokens"),
    )
    return Item(
        text(model, "model"),
        disjoint(tokens, convention_named(convention)),
        optional_text(type, "type"),
        optional_identifier(agent_id, "agent_id"),
        optional_identifier(message_id, "message_id"),
    )


def items_of(values: Sequence[Mapping[str, Any]], what: str) -> tuple[Item, ...]:
    """The rows of one call, whose argument is called `what`.

    Raises:
        InvalidInputError: None, more than 100, or one that is wrong.
    """
    if not isinstance(values, Sequence) or isinstance(values, (str, bytes)):
        raise InvalidInputError(f"{what} is a list of mappings, found {type(values).__name__} {excerpt(values)}.")
    if not 1 <= len(values) <= MAX_ITEMS:
        raise InvalidInputError(f"{what}: one call records 1 to {MAX_ITEMS} items, found {len(values)}.")
    return tuple(about(f"{what}[{position}]", item_of, one) for position, one in enumerate(values))


class Charges(Balances):
    """The steps that charge a user."""

    def _recorded(self, report: Report) -> Steps[Outcome]:
        """Row and charge of a call with one item, or what an earlier one with its request_id made."""
        if report.request_id is not None:
            earlier = yield from self._earlier_call(report)
            if earlier is not None:
                return earlier
        moment, user_id = now(), report.user_id
        (item,) = report.items
        facts = yield from self._facts(user_id, moment, item.model, item.agent_id, item.message_id)
        cost = cost_of(item.tokens, facts)
        if facts["hasExpired"]:
            yield from self._expired(user_id, moment)
        remaining = yield from self._charged(user_id, cost, moment, is_enforced=report.is_enforced)
        usage_id = yield from self._inserted(report, facts["modelID"], cost, moment)
        return Outcome(charge_of((usage_id,), cost, remaining), is_new=True)

    def _recorded_many(self, report: Report) -> Steps[Outcome]:
        """Rows and charge of one call, or what an earlier one with its request_id made."""
        earlier = yield from self._earlier_call(report)
        if earlier is not None:
            return earlier
        moment = now()
        models, costs = yield from self._priced(report, moment)
        cost = sum_usd(costs)
        remaining = yield from self._charged(report.user_id, cost, moment, is_enforced=report.is_enforced)
        usage_ids = yield from self._inserted_many(report, models, costs, moment)
        return Outcome(charge_of(usage_ids, cost, remaining), is_new=True)

    def _earlier_call(self, report: Report) -> Steps[Outcome | None]:
        """What an earlier call with its request_id made; its user is locked then."""
        if report.request_id is None:
            return None
        self._session.abilities.require("request_ids")
        yield from self._locked_user(report.user_id)
        earlier = yield from self._earlier(report, report.request_id)
        return None if earlier is None else Outcome(earlier, is_new=False)

    def _priced(self, report: Report, moment: datetime) -> Steps[tuple[list[int], list[Decimal]]]:
        """The model of each item and its cost."""
        facts: dict[Named, Row] = {}
        for item in report.items:
            named = item.named
            if named not in facts:
                facts[named] = yield from self._facts(report.user_id, moment, *named)
        found = [facts[item.named] for item in report.items]
        costs = [cost_of(item.tokens, row) for item, row in zip(report.items, found, strict=True)]
        if found[0]["hasExpired"]:
            yield from self._expired(report.user_id, moment)
        return [row["modelID"] for row in found], costs

    def _facts(
        self,
        user_id: int,
        moment: datetime,
        model: str | None,
        agent_id: int | None = None,
        message_id: int | None = None,
    ) -> Steps[Row]:
        rows = yield _STATEMENTS.query(
            self._session,
            "facts",
            user_id=user_id,
            model=model,
            agent_id=agent_id,
            message_id=message_id,
            now=moment,
        )
        if not rows:
            raise NotFoundError("user", user_id)
        (row,) = rows
        if row["modelID"] is None and model is not None:
            raise NotFoundError("model", model)
        if row["agentID"] != agent_id:
            raise NotFoundError("agent", agent_id)
        if row["messageID"] != message_id:
            raise NotFoundError("message", message_id)
        return row

    def _inserted(self, report: Report, model_id: int, cost: Decimal, moment: datetime) -> Steps[int]:
        """The id of the new row of a call with one item."""
        (row,) = yield _STATEMENTS.insert(self._session, "record", **row_of(report, model_id, cost, moment))
        usage_id: int = row["id"]
        return usage_id

    def _inserted_many(
        self, report: Report, models: Sequence[int], costs: Sequence[Decimal], moment: datetime
    ) -> Steps[tuple[int, ...]]:
        """The ids of the new rows, in the order of the items."""
        items = [
            item.columns | {"model_id": model, "cost": to_units(cost), "index": index}
            for index, (item, model, cost) in enumerate(zip(report.items, models, costs, strict=True))
        ]
        return (
            yield from _STATEMENTS.inserted(
                self._session,
                "record_many",
                user_id=report.user_id,
                request_id=report.request_id,
                now=moment,
                items=json_text(items),
            )
        )

    def _earlier(self, report: Report, key: str) -> Steps[Charge | None]:
        """What an earlier call with this key recorded."""
        rows = yield from _STATEMENTS.rows(self._session, "recorded", user_id=report.user_id, request_id=key)
        if not rows:
            return None
        if len(rows) != len(report.items):
            raise another_call(key)
        for row, item in zip(rows, report.items, strict=True):
            if not (yield from self._is_same(row, item)):
                raise another_call(key)
        return Charge(
            usage_ids=tuple(row["id"] for row in rows),
            cost_usd=sum_usd(from_database(row["cost"]) for row in rows),
            remaining=(yield from self._balance(report.user_id, now())),
        )

    def _is_same(self, row: Row, item: Item) -> Steps[bool]:
        """Whether a stored row is what was sent, as far as what it points to was not deleted since."""
        stored = (row["inputTokens"], row["outputTokens"], row["cacheReadTokens"], row["cacheWriteTokens"])
        has_other_model = row["modelID"] is not None and row["internalName"] != item.model
        if stored != item.tokens or row["type"] != item.type or has_other_model:
            return False
        pointers = {"agent": (row["agentID"], item.agent_id), "message": (row["messageID"], item.message_id)}
        differing = {what: stored for what, (stored, sent) in pointers.items() if stored != sent}
        if not differing:
            return True
        (there,) = yield from _STATEMENTS.rows(
            self._session, "exist", agent_id=item.agent_id, message_id=item.message_id
        )
        return all(stored is None and not there[f"{what}Exists"] for what, stored in differing.items())


def row_of(report: Report, model_id: int, cost: Decimal, moment: datetime) -> dict[str, Any]:
    """The row of a report with one item, by the names of parameters."""
    (item,) = report.items
    return {
        **item.columns,
        "user_id": report.user_id,
        "model_id": model_id,
        "cost": cost,
        "request_id": report.request_id,
        "request_index": None if report.request_id is None else 0,
        "now": moment,
    }


def charge_of(usage_ids: tuple[int, ...], cost: Decimal, remaining: Decimal | None) -> Charge:
    """A charge that was just made."""
    return Charge.trusted(usage_ids=usage_ids, cost_usd=cost, remaining=remaining)


def cost_of(tokens: Tokens, facts: Row) -> Decimal:
    """What these tokens cost by the prices that `facts` gives."""
    return cost_usd(
        tokens, (facts["cost1kInput"], facts["cost1kOutput"], facts["cost1kCacheRead"], facts["cost1kCacheWrite"])
    )


def told(user_id: int, outcome: Outcome) -> Iterable[Charged]:
    """The event of a charge, unless an earlier call has told it."""
    charge = outcome.charge
    if outcome.is_new:
        yield Charged(user_id=user_id, usage_ids=charge.usage_ids, cost_usd=charge.cost_usd, remaining=charge.remaining)
