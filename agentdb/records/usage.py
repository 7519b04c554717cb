"""What a call cost, and what is left."""

from __future__ import annotations

from agentdb.records.base import FrozenRecord, Money


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
