"""Whether every reference in the database is kept by a constraint, and points to a row."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from tortoise.fields.relational import ForeignKeyFieldInstance

from agentdb.engine import Session
from agentdb.engine.introspection import Schema
from agentdb.lifecycle.intruders import find_intruders
from agentdb.lifecycle.schema import differences, expected_schema, read_schema
from agentdb.models import INTERNAL_TABLES, TABLES
from agentdb.models.fields import NumberField


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found.

    Attributes:
        drift: What differs from the schema of the migrations, one sentence each.
        orphans: Rows that point to nothing, one sentence for each reference.
    """

    drift: tuple[str, ...]
    orphans: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.drift or self.orphans)


async def audit(session: Session, *, deep: bool) -> Audit:
    """Compare the catalogue with the schema, and with `deep` also look for rows that point to nothing.

    The catalogue costs a few statements, whatever the size; `deep` reads every reference once.
    """
    with session.use():
        found = await read_schema(session)
        drift = [*await find_intruders(session), *differences(found, expected_schema(session.dialect))]
        orphans = [sentence async for sentence in _orphans(session, found)] if deep else []
    return Audit(tuple(drift), tuple(orphans))


async def _orphans(session: Session, schema: Schema) -> AsyncIterator[str]:
    for table, column, parent in _references():
        if table not in schema or column not in schema[table].columns or parent not in schema:
            continue  # which is a difference already
        rows = await session.fetch(
            f"""
            SELECT count(*) AS "found" FROM "{table}" AS "child"
            LEFT JOIN "{parent}" AS "parent" ON "parent"."id" = "child"."{column}"
            WHERE "child"."{column}" IS NOT NULL AND "parent"."id" IS NULL
            """  # noqa: S608 - names of the schema
        )
        if rows[0]["found"]:
            yield f"{rows[0]['found']} rows of {table} point with {column} to no row of {parent}."


def _references() -> Iterator[tuple[str, str, str]]:
    for model in (*TABLES.values(), *INTERNAL_TABLES.values()):
        meta = model._meta
        for field in meta.fields_map.values():
            if isinstance(field, ForeignKeyFieldInstance):
                yield (
                    meta.db_table,
                    meta.fields_db_projection[str(field.source_field)],
                    field.related_model._meta.db_table,
                )
            elif isinstance(field, NumberField) and field.points_to is not None:
                yield meta.db_table, str(field.source_field), field.points_to[0]
