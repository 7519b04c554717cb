"""Holding money, as steps: taken before a call, then settled for what the call has cost, or given back."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from agentdb.engine import Row, Steps
from agentdb.engine.money import from_database, sum_usd
from agentdb.engine.values import now
from agentdb.errors import ConflictError, NotFoundError
from agentdb.records import Charge, Reservation
from agentdb.services._charges import Charges, Outcome, Report, cost_of
from agentdb.services._requests import another_call, digest_of
from agentdb.sql import Statements
from agentdb.types import Tokens

_STATEMENTS: Final = Statements("usage")


class Asked(NamedTuple):
    """What a caller wants to have held: an amount, or so many tokens of a model."""

    amount: Decimal | None
    model: str | None
    tokens: Tokens
    ttl: timedelta

    @property
    def digest(self) -> str:
        """Equal for a call that repeats this one."""
        values = self._asdict() | {"amount": str(self.amount), "ttl": self.ttl.total_seconds()}
        return digest_of(values)


class Holding(Charges):
    """The steps of reservations."""

    def _reserved(self, user_id: int, asked: Asked, key: str | None) -> Steps[Reservation]:
        moment, digest = now(), asked.digest
        if key is not None:
            earlier = yield from self._earlier_reservation(user_id, key, digest, moment)
            if earlier is not None:
                return earlier
        facts = yield from self._facts(user_id, moment, asked.model)
        amount = asked.amount
        if amount is None:
            amount = cost_of(asked.tokens, facts)
        if facts["hasExpired"]:
            yield from self._expired(user_id, moment)
        remaining = yield from self._charged(user_id, amount, moment, is_enforced=True)
        expires_at = moment + asked.ttl
        (row,) = yield from _STATEMENTS.rows(
            self._session,
            "reserve",
            user_id=user_id,
            model_id=facts["modelID"],
            amount=amount,
            held=Decimal(0) if remaining is None else amount,
            expires_at=expires_at,
            request_id=key,
            digest=digest,
            now=moment,
        )
        return Reservation(id=row["id"], amount_usd=amount, remaining=remaining, expires_at=expires_at, state="held")

    def _earlier_reservation(self, user_id: int, key: str, digest: str, moment: datetime) -> Steps[Reservation | None]:
        yield from self._expired(user_id, moment)
        row = yield from _STATEMENTS.row(self._session, "reserved", user_id=user_id, request_id=key)
        if row is None:
            return None
        if row["digest"] != digest:
            raise another_call(key)
        return (yield from self._told(row, row["state"], user_id, moment))

    def _settled(self, reservation_id: int, report: Report) -> Steps[Outcome]:
        moment, digest = now(), _digest(report)
        row = yield from self._owned(reservation_id, report.user_id, moment)
        if row["state"] == "settled":
            return Outcome((yield from self._settled_before(row, report.user_id, digest, moment)), is_new=False)
        if row["state"] == "released":
            raise ConflictError(f"Reservation {reservation_id} was released. Report its call with `record`.")
        if report.request_id is not None:
            yield from self._check_unused(report.user_id, report.request_id)
        (model_id,), (cost,) = yield from self._priced(report, moment)
        # What has expired was given back, if not before then with the prices.
        is_held = row["state"] == "held" and not row["isExpired"]
        held = from_database(row["held"]) if is_held else Decimal(0)
        remaining = yield from self._charged(report.user_id, sum_usd((cost, held.copy_negate())), moment)
        usage_id = yield from self._inserted(report, model_id, cost, moment)
        yield from _STATEMENTS.rows(
            self._session,
            "settle",
            reservation_id=reservation_id,
            digest=digest,
            usage_id=usage_id,
            cost=cost,
            now=moment,
        )
        return Outcome(Charge(usage_ids=(usage_id,), cost_usd=cost, remaining=remaining), is_new=True)

    def _settled_before(self, row: Row, user_id: int, digest: str, moment: datetime) -> Steps[Charge]:
        if row["settledDigest"] != digest:
            raise ConflictError(
                f"Reservation {row['id']} was settled with other values. Repeat that call unchanged, or report a "
                "further one with `record`."
            )
        remaining = yield from self._balance(user_id, moment)
        return Charge(usage_ids=(row["usageID"],), cost_usd=from_database(row["cost"]), remaining=remaining)

    def _check_unused(self, user_id: int, key: str) -> Steps[None]:
        if (yield from _STATEMENTS.rows(self._session, "recorded", user_id=user_id, request_id=key)):
            raise another_call(key)

    def _released(self, reservation_id: int, user_id: int) -> Steps[Reservation]:
        moment = now()
        row = yield from self._owned(reservation_id, user_id, moment)
        if row["state"] == "settled":
            cost = from_database(row["cost"])
            raise ConflictError(f"Reservation {reservation_id} was settled: its call has cost {cost:f} US dollars.")
        if row["state"] != "released":
            yield from _STATEMENTS.rows(self._session, "release", reservation_id=reservation_id, now=moment)
        if row["state"] == "held":
            yield from self._given_back(user_id, [from_database(row["held"])], moment)
        return (yield from self._told(row, "released", user_id, moment))

    def _owned(self, reservation_id: int, user_id: int, moment: datetime) -> Steps[Row]:
        """The user's reservation, which nobody else changes until the transaction ends."""
        yield from self._locked_user(user_id)
        row = yield from _STATEMENTS.row(
            self._session, "reservation", reservation_id=reservation_id, user_id=user_id, now=moment
        )
        if row is None:
            raise NotFoundError("reservation", reservation_id)
        return row

    def _told(self, row: Row, state: str, user_id: int, moment: datetime) -> Steps[Reservation]:
        remaining = yield from self._balance(user_id, moment)
        return Reservation.model_validate(
            {
                "id": row["id"],
                "amount_usd": row["amount"],
                "remaining": remaining,
                "expires_at": row["expiresAt"],
                "state": state,
            }
        )

    def _expired_batch(self, limit: int, moment: datetime) -> Steps[int]:
        rows = yield from _STATEMENTS.rows(self._session, "expired", now=moment, limit=limit)
        total = 0
        for user_id in sorted({row["userID"] for row in rows}):
            total += yield from self._expired(user_id, moment)
        return total


def _digest(report: Report) -> str:
    (item,) = report.items
    return digest_of(item._asdict() | {"request_id": report.request_id})
