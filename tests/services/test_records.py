"""What a database stored, as Python values: the same from every engine."""

from __future__ import annotations

from datetime import UTC, datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from agentdb.records import Charge, Conversation, Message, Model, Tool, User
from agentdb.records.base import nested
from agentdb.types import Price

MOMENT = datetime(2026, 2, 28, 12, 30, 15, 1, tzinfo=UTC)

SQLITE: dict[str, Any] = {
    "id": 1,
    "userID": 2,
    "deleted": 1,
    "deletedAt": "2026-02-28 12:30:15.000001+00:00",
    "createdAt": "2026-02-28 12:30:15.000001+00:00",
}
POSTGRES: dict[str, Any] = {"id": 1, "userID": 2, "deleted": True, "deletedAt": MOMENT, "createdAt": MOMENT}


def test_rows_of_both_engines_are_one_record() -> None:
    """Booleans, times and names."""
    sqlite, postgres = Conversation.from_row(SQLITE), Conversation.from_row(POSTGRES)

    assert sqlite == postgres
    assert sqlite.deleted is True
    assert sqlite.created_at == MOMENT
    assert type(sqlite.created_at.tzinfo) is type(postgres.created_at.tzinfo) is timezone  # type: ignore[union-attr]  # it is set


def test_money_is_decoded_by_its_type() -> None:
    """SQLite counts 1e-10 dollars, PostgreSQL has decimals, the original package had floats."""
    amounts = [
        User.from_row({"id": 1, "budget": stored}).budget for stored in (12_345, Decimal("1.2345e-6"), 1.2345e-6)
    ]

    assert amounts == [Decimal("0.0000012345")] * 3


def test_a_summary_of_zero_is_none() -> None:
    """The original package wrote 0 where there is no summary."""
    assert Conversation.from_row({**SQLITE, "summaryMessageID": 0}).summary_message_id is None
    assert Conversation.from_row({**SQLITE, "summaryMessageID": 7}).summary_message_id == 7


@pytest.mark.parametrize("stored", ['[{"text": "x"}]', b'[{"text": "x"}]', [{"text": "x"}]])
def test_json_is_parsed(stored: Any) -> None:
    """However the driver hands it over."""
    assert Message.from_row({"id": 1, "conversationID": 1, "content": stored}).content == [{"text": "x"}]


def test_columns_with_a_path_belong_to_a_record_inside() -> None:
    """A part whose id is null is not there."""
    row = {"id": 1, "a.id": 2, "a.b.id": None, "a.b.x": None, "c.id": None, "c.x": 3, "price.input": None}

    assert nested(row) == {"id": 1, "a": {"id": 2, "b": None}, "c": None, "price": {"input": None}}


def test_a_record_survives_its_own_json() -> None:
    """What was written for a client reads back equal."""
    model = Model(
        id=1,
        internal_name="m",
        price=Price(Decimal("0.003"), Decimal(1)),
        default_parameters={"a": [1, 2.5]},
        created_at=MOMENT,
    )
    charge = Charge(usage_ids=(1, 2), cost_usd=Decimal("0.0000000001"), remaining=Decimal(-1))

    assert Model.model_validate_json(model.model_dump_json()) == model
    assert Charge.model_validate_json(charge.model_dump_json()) == charge


def test_a_record_can_speak_the_schemas_names() -> None:
    """For clients that know the columns."""
    tool = Tool(id=1, authentication_type="oauth")
    message = Message(id=1, conversation_id=2, request_id="r")

    assert tool.model_dump(by_alias=True, exclude_none=True) == {"id": 1, "authenticationType": "oauth"}
    assert message.model_dump(by_alias=True, exclude_none=True) == {"id": 1, "conversationID": 2, "requestId": "r"}


def test_a_record_is_frozen() -> None:
    """What a service said stays said."""
    with pytest.raises(ValidationError, match="frozen"):
        Tool(id=1).name = "other"


@pytest.mark.parametrize(("remaining", "is_overdrawn"), [(None, False), (0, False), (1, False), (-1, True)])
def test_overdrawn_is_below_zero(remaining: int | None, is_overdrawn: bool) -> None:
    """Nothing left is not too much spent."""
    charge = Charge(usage_ids=(), cost_usd=Decimal(0), remaining=None if remaining is None else Decimal(remaining))

    assert charge.is_overdrawn is is_overdrawn
