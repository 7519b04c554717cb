"""What a turn leaves behind, checked; and the one statement that keeps it, on engines that merge writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from agentdb.engine import Row, Session, Steps
from agentdb.engine.courier import Courier
from agentdb.engine.flight import MOST_BYTES
from agentdb.engine.money import LIMIT
from agentdb.engine.values import json_text, now
from agentdb.errors import AgentDBError
from agentdb.records import Charge
from agentdb.services._appending import Place
from agentdb.services._charges import Item, Outcome, Report
from agentdb.services._messages import AppendedMany
from agentdb.services._sent import Batch, columns_of
from agentdb.sql import Statements

_STATEMENTS: Final = Statements("turns")


@dataclass(frozen=True, slots=True)
class Finish:
    """Messages and usage of one turn on their way.

    Attributes:
        expected: The message that the conversation ends with.
        is_enforced: Whether a cost that is larger than what remains is refused.
    """

    place: Place
    batch: Batch
    items: tuple[Item, ...]
    request_id: str | None
    expected: int | None
    is_enforced: bool

    @property
    def key(self) -> int:
        """The user, whose row is locked."""
        return self.place.user_id

    @property
    def size(self) -> int:
        """About how many bytes its messages send."""
        return self.batch.messages.size

    @property
    def is_small(self) -> bool:
        """Whether one statement takes all of it."""
        return self.size <= MOST_BYTES

    @property
    def spoken(self) -> int:
        """The place of the message that usage belongs to: the last one of the assistant, else the last one."""
        messages = self.batch.messages
        return max((n for n, sent in enumerate(messages) if sent.role == "assistant"), default=len(messages) - 1)

    def report(self, message_id: int | None, agent_ids: Sequence[int | None]) -> Report:
        """Its usage, where what names no message or agent gets these."""
        items = tuple(
            item._replace(
                message_id=message_id if item.message_id is None else item.message_id,
                agent_id=agent_id if item.agent_id is None else item.agent_id,
            )
            for item, agent_id in zip(self.items, agent_ids, strict=True)
        )
        return Report(self.place.user_id, items, self.request_id, is_enforced=self.is_enforced)


class Finished(NamedTuple):
    """A turn that is kept.

    Attributes:
        outcome: What was charged; None if it reported no usage.
    """

    appended: AppendedMany
    outcome: Outcome | None


def finish_courier(session: Session) -> Courier[Finish, Finished]:
    """Keeps turns.

    A repeated call, users with expired reservations and whatever is refused are left to the ordinary steps.
    """

    def run(turns: Sequence[Finish]) -> Steps[Sequence[Finished | AgentDBError | None]]:
        (turn,) = turns
        moment = now()
        row = yield from _STATEMENTS.row(
            session,
            "finish",
            **turn.place._asdict(),
            **columns_of(turn.batch.messages),
            items=json_text(
                [item.columns | {"model": item.model, "index": index} for index, item in enumerate(turn.items)]
            ),
            request_id=turn.request_id,
            expected=turn.expected,
            lowest=Decimal(0) if turn.is_enforced else -LIMIT,
            highest=LIMIT,
            now=moment,
        )
        if row is None:
            return [None]
        return [Finished(AppendedMany(tuple(row["messageIDs"]), moment), _outcome(row))]

    return Courier(session, run)


def _outcome(row: Row) -> Outcome | None:
    if row["usageIDs"] is None:
        return None
    charge = Charge(usage_ids=tuple(row["usageIDs"]), cost_usd=row["cost"], remaining=row["remaining"])
    return Outcome(charge, is_new=True)
