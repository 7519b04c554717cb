"""Charges of many callers as one statement, on engines that merge writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from agentdb.engine import Batcher, Row, Session, Steps
from agentdb.engine.money import LIMIT
from agentdb.engine.values import now
from agentdb.errors import AgentDBError, BudgetError, NotFoundError
from agentdb.records import Charge
from agentdb.services._charges import Item, Outcome, Report
from agentdb.sql import Statements

_STATEMENTS: Final = Statements("batches")
_ITEM_BYTES: Final = 256


class Record(NamedTuple):
    """One call with one item on its way."""

    report: Report

    @property
    def key(self) -> int:
        """The user, whose row is locked."""
        return self.report.user_id

    @property
    def size(self) -> int:
        """About how many bytes it sends."""
        return _ITEM_BYTES + len(self.item.type or "")

    @property
    def request_id(self) -> str | None:
        """The caller's name for it."""
        return self.report.request_id

    @property
    def item(self) -> Item:
        """What the row will say."""
        return self.report.items[0]

    @property
    def lowest(self) -> Decimal:
        """What has to remain."""
        return Decimal(0) if self.report.is_enforced else -LIMIT


def record_batcher(session: Session) -> Batcher[Record, Outcome]:
    """Records usage and charges for it, together with what others record at the same time.

    A repeated call, amounts out of range and users with expired reservations are left to the ordinary steps.
    """

    def run(records: Sequence[Record]) -> Steps[Sequence[Outcome | AgentDBError | None]]:
        moment = now()
        if len(records) == 1:
            return [(yield from _alone(session, records[0], moment))]
        items = [record.item for record in records]
        rows = yield from _STATEMENTS.rows(
            session,
            "record",
            now=moment,
            highest=LIMIT,
            user_list=[record.report.user_id for record in records],
            request_list=[record.request_id for record in records],
            lowest_list=[record.lowest for record in records],
            model_list=[item.model for item in items],
            type_list=[item.type for item in items],
            agent_list=[item.agent_id for item in items],
            message_list=[item.message_id for item in items],
            input_list=[item.tokens.input for item in items],
            output_list=[item.tokens.output for item in items],
            cache_read_list=[item.tokens.cache_read for item in items],
            cache_write_list=[item.tokens.cache_write for item in items],
        )
        return [_answer(record, row) for record, row in zip(records, rows, strict=True)]

    return Batcher(session, run)


def _alone(session: Session, record: Record, moment: datetime) -> Steps[Outcome | None]:
    item = record.item
    row = yield from _STATEMENTS.row(
        session,
        "record_alone",
        now=moment,
        highest=LIMIT,
        user_id=record.report.user_id,
        request_id=record.request_id,
        lowest=record.lowest,
        model=item.model,
        type=item.type,
        agent_id=item.agent_id,
        message_id=item.message_id,
        input_tokens=item.tokens.input,
        output_tokens=item.tokens.output,
        cache_read_tokens=item.tokens.cache_read,
        cache_write_tokens=item.tokens.cache_write,
    )
    return None if row is None else _charged(row)


def _answer(record: Record, row: Row) -> Outcome | AgentDBError | None:
    """Reasons in the order in which the ordinary steps find them."""
    user_id, item = record.report.user_id, record.item
    if row["id"] is not None:
        return _charged(row)
    if not row["isFound"]:
        return NotFoundError("user", user_id)
    if row["isRepeated"] or row["hasExpired"]:
        return None
    if not row["hasModel"]:
        return NotFoundError("model", item.model)
    if not row["hasAgent"]:
        return NotFoundError("agent", item.agent_id)
    if not row["hasMessage"]:
        return NotFoundError("message", item.message_id)
    if row["isSound"] and record.report.is_enforced and row["remaining"] < row["cost"]:
        return BudgetError(user_id=user_id, cost=row["cost"], remaining=row["remaining"])
    return None


def _charged(row: Row) -> Outcome:
    charge = Charge(usage_ids=(row["id"],), cost_usd=row["cost"], remaining=row["remaining"])
    return Outcome(charge, is_new=True)
