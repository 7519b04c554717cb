"""Column types that mean the same on every engine.

A field turns a caller's value into a plain Python one; how that is written to a database is the dialect's business, in
the one funnel that every statement passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias, cast

import orjson
from tortoise import fields
from tortoise.fields.base import Field, OnDelete
from tortoise.fields.db_defaults import SqlDefault
from tortoise.fields.relational import ForeignKeyFieldInstance
from tortoise.indexes import Index

from agentdb.engine.money import dollars, from_database
from agentdb.engine.values import instant, json_text, now, utc

Timestamp: TypeAlias = "datetime | None"


class NumberField(fields.BigIntField):
    """A 64-bit integer. As `summary_message_id` it holds the id of a row that Tortoise cannot declare a relation to."""

    def __init__(self, *, points_to: tuple[str, OnDelete] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.points_to = points_to


class TimestampField(Field[datetime], datetime):
    """An aware instant in UTC, to the microsecond. The database sets the column if a statement leaves it out."""

    SQL_TYPE = "TIMESTAMP"

    class _db_sqlite:
        SQL_TYPE = "TEXT"

    class _db_postgres:
        SQL_TYPE = "TIMESTAMPTZ"

    def __init__(self, *, auto_now: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.auto_now = auto_now

    def to_db_value(self, value: Any, instance: Any) -> datetime | None:
        if self.auto_now and hasattr(instance, "_saved_in_db"):
            value = now()
            setattr(instance, self.model_field_name, value)
        return None if value is None else utc(value)

    def to_python_value(self, value: Any) -> datetime | None:
        return None if value is None else instant(value)


class MoneyField(Field[Decimal], Decimal):  # type: ignore[misc]  # as Tortoise's own DecimalField is declared
    """US dollars with ten decimals; see `agentdb.engine.money`."""

    SQL_TYPE = "NUMERIC(20,10)"

    class _db_sqlite:
        SQL_TYPE = "INTEGER"

    def to_db_value(self, value: Any, instance: Any) -> Decimal | None:
        return None if value is None else dollars(value)

    def to_python_value(self, value: Any) -> Decimal | None:
        if isinstance(value, Given):
            return dollars(value.value)
        return None if value is None else from_database(value)


@dataclass(frozen=True, slots=True)
class Given:
    """A value from a caller, where Tortoise hands a field both these and what a database stored.

    A stored 5 counts 1e-10 dollars on SQLite, a given 5 is five dollars; a stored text is JSON to be parsed, a given
    one is a JSON string.
    """

    value: Any


class JsonField(Field[Any]):
    """Any JSON value."""

    SQL_TYPE = "JSON"
    indexable = False
    field_type = cast(type[Any], object)

    class _db_postgres:
        SQL_TYPE = "JSONB"

    def to_db_value(self, value: Any, instance: Any) -> str | None:
        return None if value is None else json_text(value)

    def to_python_value(self, value: Any) -> Any:
        if isinstance(value, Given):
            return value.value
        return orjson.loads(value) if isinstance(value, (str, bytes)) else value


class NamedIndex(Index):
    """An index named `<Table>_<column>_..._idx` over the columns of attributes: Tortoise's own takes those for columns.

    Its model tells it the names.
    """

    def __init__(self, *attributes: str, is_unique: bool = False) -> None:
        super().__init__(fields=list(attributes))
        self.is_unique = is_unique
        self._columns: list[str] = []

    def name_it(self, table: str, columns: Sequence[str]) -> None:
        """Take the names of the schema."""
        self._columns = list(columns)
        self.name = "_".join([table, *columns, "idx"])

    @property
    def field_names(self) -> list[str]:
        return self._columns

    def describe(self) -> dict[str, Any]:
        # What aerich keeps and compares.
        return super().describe() | {"fields": self._columns, "type": "UNIQUE" if self.is_unique else ""}

    def get_sql(self, schema_generator: Any, model: Any, safe: bool) -> str:
        sql = super().get_sql(schema_generator, model, safe)
        return sql.replace("CREATE INDEX", "CREATE UNIQUE INDEX", 1) if self.is_unique else sql


class NowDefault(SqlDefault):
    """The time of the statement, as the column's default."""

    _SQL = {  # noqa: RUF012 - never changed
        "sqlite": "(strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00')",
        "postgres": "now()",
    }

    def __init__(self) -> None:
        super().__init__("now()")

    def get_sql(self, _context: Any = None, dialect: str | None = None) -> str:
        return self._SQL.get(dialect or "", self.sql)


def timestamp(*, auto_now: bool = False) -> Any:
    """The time of a row's making, or with `auto_now` of its last change, also set by the database."""
    return TimestampField(null=True, default=now, db_default=NowDefault(), auto_now=auto_now)


def reference(model: str, on_delete: OnDelete, *, related_name: str, null: bool = True) -> Any:
    """A foreign key to `model`, whose rows see ours as `related_name`."""
    return ForeignKeyFieldInstance(f"agentdb.{model}", related_name, on_delete, null=null)
