"""One row in every table, with a value in every column, and all the ways to read them back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from tortoise.fields import BooleanField, TextField
from tortoise.fields.base import Field

from agentdb.engine import Session
from agentdb.models import INTERNAL_TABLES, TABLES, Conversation, Message, Record, User
from agentdb.models.fields import JsonField, MoneyField, NumberField, TimestampField

MOMENT: Final = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
BIG: Final = 2**53 + 1  # more than a float keeps
TYPICAL: Final[Mapping[type[Field[Any]], Any]] = {
    BooleanField: True,
    JsonField: {"text": "Zoë 🙂", "numbers": [1, 2.5, -1e-7, BIG], "none": None, "flag": False, "nested": {"a": []}},
    MoneyField: Decimal("0.0000000001"),
    NumberField: BIG,
    TextField: 'Zoë\'s "text" 🙂\n\\ %s ? $1',
    TimestampField: MOMENT,
}
# A conversation points to a message that points to the conversation.
NOT_YET: Final[Mapping[type[Record], Mapping[str, None]]] = {Conversation: {"summary_message_id": None}}
ALL: Final[Mapping[str, type[Record]]] = {**TABLES, **INTERNAL_TABLES}


def typical(model: type[Record]) -> dict[str, Any]:
    """A value for every column of `model`; what points to a row points to the one with the id 1."""
    return {name: typical_value(model._meta.fields_map[name]) for name in model._meta.fields_db_projection}


def typical_value(field: Field[Any]) -> Any:
    """A value for one column."""
    is_id = field.pk or getattr(field, "reference", None) or getattr(field, "points_to", None)
    return 1 if is_id else TYPICAL[type(field)]


async def write_typical_rows(session: Session) -> None:
    """Write them; afterwards no column is null."""
    with session.use():
        async with session.transaction():
            for model in ALL.values():
                await model.create(**{**typical(model), **NOT_YET.get(model, {})})
            await Conversation.all().update(summary_message_id=1)
            for model in ALL.values():
                await model.all().update(updated_at=MOMENT)  # which save() sets itself


async def read_every_way(session: Session) -> dict[str, Any]:
    """The rows as each kind of query gives them, with the type of each value."""
    with session.use():
        found = {name: await read_table(model) for name, model in ALL.items()}
        return {**found, "joined": await read_joined(), "prefetched": await read_prefetched()}


async def read_table(model: type[Record]) -> dict[str, Any]:
    """One table, by each kind of query."""
    row = typical(model)
    raw: Any = await model.raw(f'SELECT * FROM "{model._meta.db_table}"')
    columns = [name for name in row if not isinstance(model._meta.fields_map[name], JsonField)]  # can be compared
    return {
        "get": typed((await model.get(id=1)).to_dict()),
        "values": typed(await model.all().values(*row)),
        "values_list": typed(await model.all().values_list(*row)),
        "raw": typed([one.to_dict() for one in raw]),
        "equal": {name: await model.filter(**{name: row[name]}).count() for name in columns},
        "ordered": {name: typed(await model.all().order_by(name).values(name)) for name in columns},
        "null": {name: await model.filter(**{f"{name}__isnull": True}).count() for name in row},
    }


async def read_joined() -> Any:
    """Rows that came with another in one query."""
    message: Any = await Message.get(id=1).select_related(
        "conversation__user__role", "conversation__agent__model__provider"
    )
    talk = message.conversation
    return typed([one.to_dict() for one in (talk, talk.user, talk.user.role, talk.agent, talk.agent.model.provider)])


async def read_prefetched() -> Any:
    """Rows that came in further queries."""
    user: Any = await User.get(id=1).prefetch_related("conversations__messages", "usages", "user_tools")
    rows = (user.conversations[0], user.conversations[0].messages[0], user.usages[0], user.user_tools[0])
    return typed([one.to_dict() for one in rows])


def typed(value: Any) -> Any:
    """`value` with the type of everything in it, since 1, 1.0, True and Decimal(1) are equal."""
    match value:
        case Mapping():
            return {key: typed(item) for key, item in value.items()}
        case list() | tuple():
            return [typed(item) for item in value]
    return type(value).__name__, str(value)
