"""What calls cost, what is held for them, and what is left."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from agentdb.records.base import FrozenRecord, Moment, Money

ReservationState: TypeAlias = Literal["held", "settled", "released", "expired"]

Count: TypeAlias = Annotated[int, BeforeValidator(int)]
"""A number of tokens, which the original package kept as a float."""


class Charge(FrozenRecord):
    """Usage that was recorded and charged.

    Attributes:
        usage_ids: The rows, one for each item.
        cost_usd: Of all rows together.
        remaining: What is left of the user's budget after it, below zero when overdrawn; None without a budget. For a
            call that is repeated under its request_id: what is left now.
    """

    usage_ids: tuple[int, ...]
    cost_usd: Money
    remaining: Money | None = None

    @property
    def is_overdrawn(self) -> bool:
        """Whether more was spent than the budget had."""
        return self.remaining is not None and self.remaining < 0


class Reservation(FrozenRecord):
    """Money that a call may cost, taken out of what remains before the call.

    Attributes:
        amount_usd: What was asked for.
        remaining: What is left beside it, now; None without a budget.
        expires_at: When it is given back by itself.
        state: `held` until it is settled, released or expired.
    """

    id: int
    amount_usd: Money
    remaining: Money | None = None
    expires_at: Moment
    state: ReservationState


class UsageRow(FrozenRecord):
    """One model call.

    Attributes:
        user_id: None when the user was erased; so are the others when what they point to is gone.
        model: Internal name.
        type: The caller's own word for what it was for.
        cost_usd: At the prices of its time.
        request_id: The caller's key of the call that recorded it.
    """

    id: int
    user_id: int | None = None
    model_id: int | None = None
    model: str | None = None
    type: str | None = None
    agent_id: int | None = None
    message_id: int | None = None
    input_tokens: Count = 0
    output_tokens: Count = 0
    cache_read_tokens: Count = 0
    cache_write_tokens: Count = 0
    cost_usd: Money = Field(alias="cost")
    request_id: str | None = None
    created_at: Moment


class UsageTotals(FrozenRecord):
    """Sums over the usage of one group. What was not grouped by is None.

    Attributes:
        period: The group's time as its zone's calendar writes it: `2026-03-08T01:00-05:00`, `2026-03-08`, `2026-W10`
            or `2026-03`.
        start: The instant at which that period began, also when the report begins inside of it.
        pseudonym: Stands for a user who was erased, and leads nowhere.
        rows: Calls of the data layer's `record`, one for each model call.
        requests: Distinct requests: rows of one user with one request_id are one, so are rows without that which name
            one message.
        users: Distinct users, also those that were erased.
    """

    period: str | None = None
    start: datetime | None = None
    user_id: int | None = None
    pseudonym: str | None = None
    model_id: int | None = None
    model: str | None = None
    agent_id: int | None = None
    type: str | None = None
    cost_usd: Money
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    rows: int
    requests: int
    users: int
