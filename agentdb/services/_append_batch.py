"""Appends of many callers as one statement, on engines that merge writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypeVar

from agentdb.engine import Batcher, Row, Session, Steps
from agentdb.engine.values import now
from agentdb.errors import AgentDBError, NotFoundError
from agentdb.services._appending import Added, Append, Appended
from agentdb.sql import Statements

T = TypeVar("T")

_STATEMENTS: Final = Statements("batches")


def append_batcher(session: Session) -> Batcher[Append, Appended]:
    """Adds messages, together with those that others add at the same time.

    A repeated call is left to the ordinary steps, which compare it with the first one.
    """

    def run(items: Sequence[Append]) -> Steps[Sequence[Appended | AgentDBError | None]]:
        moment = now()
        if len(items) == 1:
            return [(yield from _alone(session, items[0], moment))]
        rows = yield from _STATEMENTS.rows(
            session,
            "append",
            now=moment,
            conversation_list=[item.place.conversation_id for item in items],
            user_list=[item.place.user_id for item in items],
            parent_list=_given([item.sent.parent_id for item in items]),
            role_list=[item.sent.role for item in items],
            content_list=[item.sent.content for item in items],
            request_list=_given([item.request_id for item in items]),
        )
        return [_answer(item, row, moment) for item, row in zip(items, rows, strict=True)]

    return Batcher(session, run)


def _given(column: list[T | None]) -> list[T | None] | None:
    """A column as it is sent: one of nothing but NULL need not be, for that is what `unnest` makes of it."""
    return None if column.count(None) == len(column) else column


def _alone(session: Session, item: Append, moment: datetime) -> Steps[Appended | None]:
    row = yield from _STATEMENTS.row(
        session,
        "append_alone",
        **item.place._asdict(),
        **item.sent._asdict(),
        request_id=item.request_id,
        now=moment,
    )
    return None if row is None else _appended(item, row["id"], moment)


def _answer(item: Append, row: Row, moment: datetime) -> Appended | AgentDBError | None:
    message_id = row["id"]
    if message_id is not None:
        return _appended(item, message_id, moment)
    if not row["isFound"]:
        return NotFoundError("conversation", item.place.conversation_id)
    if not row["hasParent"] and not row["isRepeated"]:
        return NotFoundError("message", item.sent.parent_id)
    return None


def _appended(item: Append, message_id: int, moment: datetime) -> Appended:
    return Added(message_id, item.place, item.sent, moment, item.request_id)
