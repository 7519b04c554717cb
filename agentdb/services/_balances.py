"""What is left of budgets, as steps: it is taken by one guarded statement, and given back by another."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final

from agentdb.engine import Row, Steps
from agentdb.engine.money import LIMIT, from_database, sum_usd
from agentdb.errors import BudgetError, InvalidInputError, NotFoundError
from agentdb.services._service import Service
from agentdb.sql import Statements

_NOTHING: Final = Decimal(0)
_LOWEST: Final = -LIMIT

_STATEMENTS: Final = Statements("usage")


class Balances(Service):
    """The steps that read and move a user's balance."""

    def _balance(self, user_id: int, moment: datetime) -> Steps[Decimal | None]:
        """What remains, with what expired reservations are about to give back; None without a budget."""
        row = yield from _STATEMENTS.row(self._session, "balance", user_id=user_id, now=moment)
        if row is None:
            raise NotFoundError("user", user_id)
        return balance_of(row)

    def _expired(self, user_id: int, moment: datetime) -> Steps[int]:
        """Give back what the user's expired reservations hold; how many there were."""
        yield from self._locked_user(user_id)
        rows = yield from _STATEMENTS.rows(self._session, "expire", user_id=user_id, now=moment)
        yield from self._given_back(user_id, (from_database(row["held"]) for row in rows), moment)
        return len(rows)

    def _given_back(self, user_id: int, held: Iterable[Decimal], moment: datetime) -> Steps[None]:
        amount = sum_usd(held)
        if amount:
            yield from _STATEMENTS.row(
                self._session, "give_back", user_id=user_id, amount=amount, highest=LIMIT, now=moment
            )

    def _charged(
        self, user_id: int, cost: Decimal, moment: datetime, *, is_enforced: bool = False
    ) -> Steps[Decimal | None]:
        """Take `cost`; what remains, or None without a budget."""
        lowest = _NOTHING if is_enforced else _LOWEST
        rows = yield _STATEMENTS.query(
            self._session, "charge", user_id=user_id, cost=cost, lowest=lowest, highest=LIMIT, now=moment
        )
        if not rows:
            raise (yield from self._refusal(user_id, cost, moment, is_enforced=is_enforced))
        (row,) = rows
        return None if row["budget"] is None else from_database(row["remaining"])

    def _refusal(self, user_id: int, cost: Decimal, moment: datetime, *, is_enforced: bool) -> Steps[Exception]:
        remaining = yield from self._balance(user_id, moment)
        if is_enforced and remaining is not None:
            return BudgetError(user_id=user_id, cost=cost, remaining=remaining)
        return InvalidInputError(
            f"User {user_id} has {remaining} US dollars left; a charge of {cost} would leave the range of ±{LIMIT}."
        )


def balance_of(row: Row) -> Decimal | None:
    """What remains, with what expired reservations are about to give back; None without a budget."""
    if row["remaining"] is None:
        return None
    expired = from_database(row["expired"])
    room = sum_usd((LIMIT, expired.copy_negate()))
    return sum_usd((min(from_database(row["remaining"]), room), expired))
