"""What a database stored, as Python values: the same from every engine."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from types import NoneType
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agentdb import Database
from agentdb.errors import StorageError
from agentdb.records import (
    Agent,
    Charge,
    Chunk,
    Conversation,
    FrozenRecord,
    Identity,
    Message,
    Model,
    Prompt,
    Provider,
    Resource,
    Role,
    Tool,
    UsageRow,
    User,
    agents,
    base,
)
from agentdb.records.agents import Visibility, stored_model, stored_tools
from agentdb.records.base import Flag, Json, Moment, Money
from agentdb.records.catalog import StoredPrice
from agentdb.records.conversations import Context, ConversationPreview, Reference
from agentdb.records.knowledge import Embedding
from agentdb.records.reader import column_of, reader_of
from agentdb.records.usage import Count
from agentdb.types import Price

READ = (
    Agent, Chunk, Conversation, ConversationPreview, Message, Model, Prompt, Provider, Resource, Role, Tool, UsageRow,
    User,
)  # fmt: skip
"""Records that are read out of rows."""

TEXTS, IDS, JSONS = st.text(max_size=5), st.integers(0, 2**63 - 1), st.sampled_from(['{"a": [1, 2.5]}', "[]", "7"])
COUNTS, AMOUNTS = st.integers(0, 10**6), st.decimals(-900, 900, places=10)
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - see timezones
COMMON: dict[Any, st.SearchStrategy[Any]] = {
    int: IDS,
    str: TEXTS,
    Json: JSONS,
    Count: COUNTS,
    Visibility: st.sampled_from(["own", "shared", "global"]),
    tuple[Tool, ...]: st.just(()),
    Embedding: st.sampled_from([None, "[0.1, 2]", '"none"']),
    Reference: st.none() | IDS,
}
STORED = (
    COMMON
    | {
        Money: st.integers(-(10**12), 10**12),
        Moment: MOMENTS.map(lambda moment: moment.isoformat(sep=" ", timespec="microseconds")),
        Flag: st.sampled_from([0, 1]),
    },
    COMMON | {Money: AMOUNTS, Moment: MOMENTS, Flag: st.booleans()},
    COMMON
    | {
        Money: AMOUNTS.map(float),
        Moment: MOMENTS.map(lambda moment: moment.astimezone(timezone(timedelta(hours=2)))),
        Flag: st.booleans(),
        Count: COUNTS.map(float),
    },
)
"""What columns hold, by what the fields are: in SQLite, in PostgreSQL, and in a database of the original package."""

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
    """A part whose id is null is not there, and what no field is for is left out."""
    model = {"id": 2, "internalName": "m", "price.input": None, "provider.id": None, "provider.name": "none"}
    row = {"id": 1, "prompt.id": None, **{f"model.{name}": value for name, value in model.items()}, "secret": "s"}

    assert Agent.from_row(row, visibility="own") == Agent(id=1, visibility="own", model=Model(id=2, internal_name="m"))


def test_a_field_needs_a_column_or_a_default() -> None:
    """A statement that forgot one is told so."""
    with pytest.raises(TypeError, match=r"Message\.conversation_id"):
        Message.from_row({"id": 1})


@pytest.mark.parametrize("stored", STORED, ids=["sqlite", "postgres", "original"])
@pytest.mark.parametrize("cls", READ, ids=lambda cls: cls.__name__)
@given(data=st.data())
def test_a_row_gives_the_record_that_validation_would_give(
    cls: type[FrozenRecord], stored: Mapping[Any, st.SearchStrategy[Any]], data: st.DataObject
) -> None:
    """Whatever stands in the row, and whichever columns a database lacks."""
    row = data.draw(rows_of(cls, stored))
    validated = cls.model_validate(nested(row))

    for found in (cls.from_row(row), *cls.from_rows([row, row])):
        assert_same(found, validated)


@pytest.mark.agentdb(engine="both")
async def test_services_give_what_validation_would_give(agent_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The records of each hot path, from rows of each engine."""
    seen = set[type[FrozenRecord]]()

    def compared(cls: type[FrozenRecord], columns: tuple[str, ...]) -> Callable[[Iterable[Any]], list[Any]]:
        def records(rows: Iterable[Any]) -> list[Any]:
            kept = [tuple(row) for row in rows]
            made = reader_of(cls, columns)(kept)
            for record, row in zip(made, kept, strict=True):
                assert_same(record, cls.model_validate(nested(dict(zip(columns, row, strict=True)))))
            seen.add(cls)
            return made

        return records

    monkeypatch.setattr(base, "reader_of", compared)
    monkeypatch.setattr(agents, "reader_of", compared)
    agents._model.cache_clear()
    agents._tools.cache_clear()
    user = await agent_db.access.create_user(email="ada@example.org", budget=Decimal(10), role="user")
    assert (await agent_db.access.identity(user.id)).access
    agent = await agent_db.agents.resolve("Standard Chat", user_id=user.id)
    talk = await agent_db.conversations.start(user_id=user.id, agent_id=agent.id)
    await agent_db.conversations.append(talk.id, user_id=user.id, role="user", content=[{"text": "Hello"}])
    await agent_db.conversations.context(talk.id, user_id=user.id)
    await agent_db.conversations.history(talk.id, user_id=user.id)
    await agent_db.conversations.list(user_id=user.id)
    await agent_db.usage.record(user_id=user.id, model=agent.model.internal_name, input_tokens=12)
    await agent_db.usage.list(user_id=user.id)
    await agent_db.catalog.models()

    assert {Agent, Context, ConversationPreview, Identity, Message, Model, Tool, UsageRow} <= seen


def test_what_a_caller_may_change_is_the_callers_own() -> None:
    """Tools and models of one text share what nobody can change."""
    text = '[[2, "b", null, null, null, null, null, "{\\"a\\": []}"], [1, "a", null, null, null, null, null, null]]'
    first, second = stored_tools(text), stored_tools(text)
    first[1].custom_config["a"].append(1)
    model = model_text(5, parameters='{"a": []}')
    stored_model(model).default_parameters["a"].append(1)

    assert [tool.id for tool in second] == [1, 2]
    assert second[1].custom_config == stored_model(model).default_parameters == {"a": []}
    assert second[0] is first[0]
    assert stored_model(model_text(5, parameters=7)).default_parameters == 7
    assert stored_model(model_text(5)) is stored_model(model_text(5))


@pytest.mark.parametrize("price", ["0.0030000000", 30_000_000, 0.003])
def test_a_model_in_a_text_has_the_same_price_from_each_engine(price: Any) -> None:
    """Whose JSON has dollars as a text, a count of 1e-10 dollars, or the floating point of the original package."""
    model = stored_model(model_text(price))

    assert (model.id, model.internal_name, model.provider, model.created_at) == (1, "m", None, MOMENT)
    assert repr(model.price.input) == repr(Decimal("0.0030000000"))
    assert model.price == Price(Decimal("0.003"))


@pytest.mark.parametrize("price", ["NaN", "much", []])
def test_a_damaged_price_is_noticed(price: Any) -> None:
    """Whatever the JSON of a model says."""
    with pytest.raises((StorageError, ArithmeticError)):
        stored_model(model_text(price))


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


def model_text(price: Any, *, parameters: Any = None) -> str:
    """A model as `agents.sql` gives it."""
    moment = "2026-02-28T12:30:15.000001+00:00"
    values = [
        1,
        None,
        "m",
        None,
        None,
        None,
        None,
        None,
        price,
        None,
        0,
        None,
        parameters,
        moment,
        None,
        None,
        None,
        None,
    ]
    return json.dumps(values)


@st.composite
def rows_of(draw: st.DrawFn, cls: type[FrozenRecord], stored: Mapping[Any, st.SearchStrategy[Any]]) -> dict[str, Any]:
    """A row of a record, in which columns that it can do without may be null, or missing."""
    row: dict[str, Any] = {}
    for name, hint in get_type_hints(cls, include_extras=True).items():
        field = cls.model_fields.get(name)
        if field is None or (not field.is_required() and draw(st.booleans())):
            continue
        column, kinds = field.alias or column_of(name), get_args(hint)
        kind = next((one for one in kinds if one is not NoneType), hint) if NoneType in kinds else hint
        if kind is StoredPrice:
            row |= {f"{column}.{part}": draw(st.none() | stored[Money]) for part in Price._fields}
        elif isinstance(kind, type) and issubclass(kind, FrozenRecord):
            part = draw(rows_of(kind, stored))
            absent = {"id": None} if NoneType in kinds and draw(st.booleans()) else {}
            row |= {f"{column}.{one}": value for one, value in (part | absent).items()}
        else:
            row[column] = draw((st.none() | stored[kind]) if NoneType in kinds else stored[kind])
    return row


def nested(row: Mapping[str, Any]) -> dict[str, Any]:
    """`{"id": 1, "prompt.id": 2}` as `{"id": 1, "prompt": {"id": 2}}`, for a validation that knows no rows."""
    whole: dict[str, Any] = {}
    for name, value in row.items():
        head, _, rest = name.partition(".")
        if rest:
            whole.setdefault(head, {})[rest] = value
        else:
            whole[head] = value
    parts = {name: nested(part) for name, part in whole.items() if isinstance(part, dict)}
    return whole | {name: None if part.get("id", 0) is None else part for name, part in parts.items()}


def assert_same(found: FrozenRecord, expected: FrozenRecord) -> None:
    """Whatever a caller does with them."""
    assert type(found) is type(expected)
    assert found == expected
    assert repr(found) == repr(expected)
    assert found.model_fields_set == expected.model_fields_set
    assert found.model_dump_json(by_alias=True) == expected.model_dump_json(by_alias=True)
    assert pickle.loads(pickle.dumps(found)) == expected
    assert found.model_copy(update={"id": 0}, deep=True) == expected.model_copy(update={"id": 0}, deep=True)
    assert hashed(found) == hashed(expected)


def hashed(record: FrozenRecord) -> int | None:
    """Its hash; None where a list or a dict inside has none."""
    try:
        return hash(record)
    except TypeError:
        return None
