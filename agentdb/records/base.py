"""The one place where what a database stored becomes a Python value.

A row of SQLite has money as a count, times and JSON as text and booleans as numbers; one of PostgreSQL has Decimal,
datetime, JSON text and bool; a database made by the original package has floats. After these types they are equal.
Each of them is decoded by one function, which validation calls, and the reader of rows; what is null stays None.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Self, TypeAlias

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict

from agentdb.engine import Row
from agentdb.engine.misread import MISREAD, misread
from agentdb.engine.money import from_database
from agentdb.records.reader import column_of, reader_of, trusted

_time_of: Final = datetime.fromisoformat
"""To look it up takes half as long as to call it."""


def money(value: Decimal | float | str) -> Decimal:
    """A stored amount as dollars. A text is not from a database but from a record's own JSON."""
    return Decimal(value) if isinstance(value, str) else from_database(value)


def _amount(value: Any) -> Any:
    return value if value is None else money(value)


def _moment(value: Any) -> Any:
    if value is None:
        return None
    moment = _time_of(value) if isinstance(value, str) else value
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def _json(value: Any) -> Any:
    return value if value is None or not isinstance(value, (str, bytes)) else orjson.loads(value)


Money: TypeAlias = Annotated[Decimal, BeforeValidator(_amount)]
"""US dollars."""

Moment: TypeAlias = Annotated[datetime, BeforeValidator(_moment)]
"""An aware instant in UTC."""

Json: TypeAlias = Annotated[Any, BeforeValidator(_json)]
"""A parsed JSON value, the caller's own."""

Flag: TypeAlias = Annotated[bool, BeforeValidator(bool)]
"""A truth value; no if it is null."""


class FrozenRecord(BaseModel):
    """A value with the schema's column names as aliases: `model_dump(by_alias=True)` gives `userID`."""

    # Rows need no validators, so those are built when somebody validates: a third less time to import the records.
    model_config = ConfigDict(frozen=True, populate_by_name=True, alias_generator=column_of, defer_build=True)

    @classmethod
    def trusted(cls, **values: Any) -> Self:
        """The record of values for all its fields, in their order, which are already what the fields say."""
        return trusted(cls, values, set(values))

    @classmethod
    def from_row(cls, row: Row, **more: Any) -> Self:
        """The record of a row, in which columns such as `prompt.name` belong to a record inside.

        Args:
            more: Values by the names of columns, which go before those of the row.

        Raises:
            StorageError: The row holds a value that its column cannot.
        """
        values = row.values() if isinstance(row, dict) else row
        return cls.from_values((*row.keys(), *more), ((*values, *more.values()),))[0]

    @classmethod
    def from_rows(cls, rows: Sequence[Row]) -> list[Self]:
        """The records of rows that one statement gave.

        Raises:
            StorageError: A row holds a value that its column cannot.
        """
        if not rows:
            return []
        first = rows[0]
        # A driver's row iterates over its values, and one that we made over its names.
        return cls.from_values(tuple(first.keys()), [row.values() for row in rows] if isinstance(first, dict) else rows)

    @classmethod
    def from_values(cls, columns: tuple[str, ...], rows: Iterable[Iterable[Any]]) -> list[Self]:
        """The records of rows that have these columns.

        Raises:
            StorageError: A row holds a value that its column cannot.
        """
        read = reader_of(cls, columns)
        try:
            return read(rows)
        except MISREAD as error:
            raise misread(error) from None
