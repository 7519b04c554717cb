"""The one place where what a database stored becomes a Python value.

A row of SQLite has money as a count, times and JSON as text and booleans as numbers; one of PostgreSQL has Decimal,
datetime, JSON text and bool; a database made by the original package has floats. After these types they are equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Self, TypeAlias

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict

from agentdb.engine import Row
from agentdb.engine.money import from_database
from agentdb.models.names import column_name


def money(value: Decimal | float | str) -> Decimal:
    """A stored amount as dollars. A text is not from a database but from a record's own JSON."""
    return Decimal(value) if isinstance(value, str) else from_database(value)


def _moment(value: Any) -> Any:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.astimezone(UTC)


def _json(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, (str, bytes)) else value


Money: TypeAlias = Annotated[Decimal, BeforeValidator(money)]
"""US dollars."""

Moment: TypeAlias = Annotated[datetime, BeforeValidator(_moment)]
"""An aware instant in UTC."""

Json: TypeAlias = Annotated[Any, BeforeValidator(_json)]
"""A parsed JSON value."""


class FrozenRecord(BaseModel):
    """A value with the schema's column names as aliases: `model_dump(by_alias=True)` gives `userID`."""

    model_config = ConfigDict(
        frozen=True,
        populate_by_name=True,
        alias_generator=lambda name: column_name(name, is_reference=name.endswith("_id") and name != "request_id"),
    )

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """The record of a row, in which columns such as `prompt.name` belong to a record inside."""
        return cls.model_validate(nested(row))


def nested(row: Row) -> dict[str, Any]:
    """`{"id": 1, "prompt.id": 2}` as `{"id": 1, "prompt": {"id": 2}}`; a part whose id is null is not there: None."""
    if not any("." in name for name in row.keys()):  # noqa: SIM118 - a SQLite row iterates over its values
        return dict(row)
    root: dict[str, Any] = {}
    for name, value in dict(row).items():
        *path, last = name.split(".")
        part = root
        for step in path:
            part = part.setdefault(step, {})
        part[last] = value
    return {name: _present(value) for name, value in root.items()}


def _present(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    if "id" in value and value["id"] is None:
        return None
    return {name: _present(part) for name, part in value.items()}
