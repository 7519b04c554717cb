"""What nobody but the owner of a database can decide, and what therefore keeps it from being adopted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from agentdb.engine import Row
from agentdb.engine.introspection import Schema
from agentdb.engine.money import LIMIT
from agentdb.engine.postgres_alterations import altered
from agentdb.lifecycle.schema import differences
from agentdb.operations.adoption_plan import Obstacle

Fetch: TypeAlias = Callable[..., Awaitable[Sequence[Row]]]


class _Check(NamedTuple):
    table: str
    what: str
    advice: str
    where: str


_INTEGER_LIMIT: Final = 9.2e18
_INTEGERS: Final = ("real", "double precision", "numeric")


async def obstacles(fetch: Fetch, found: Schema, expected: Schema, emails: dict[int, str | None]) -> list[Obstacle]:
    """All of them.

    Args:
        emails: Addresses by the id of their user, where they will not be what they are now.
    """
    met = [
        Obstacle(
            sentence.removeprefix("Table ").partition(":")[0],
            sentence,
            "agentdb has no conversion for it. Change the column by hand, so that nothing of this is left.",
        )
        for sentence in differences(
            {**expected, **altered(found, expected)}, {name: expected[name] for name in expected if name in found}
        )
    ]
    for check in _checks(found, expected):
        sample = '(array_agg("id" ORDER BY "id"))[1:5]'
        counting = f'SELECT count(*) AS "rows", {sample} AS "sample" FROM "{check.table}" WHERE {check.where}'  # noqa: S608 - names of the schema
        row = (await fetch(counting))[0]
        if row["rows"]:
            met.append(Obstacle(check.table, check.what, check.advice, row["rows"], tuple(row["sample"])))
    for table, columns in _new_unique_keys(found, expected):
        met += await _duplicates(fetch, table, columns, emails if columns == ("email",) else {})
    return met


def _checks(found: Schema, expected: Schema) -> Iterator[_Check]:
    for table, wanted in expected.items():
        for name, column in wanted.columns.items() if table in found else ():
            before = found[table].columns.get(name)
            if before is not None:
                for what, advice, where in _of_type(f'"{name}"', before.type, column.type):
                    yield _Check(table, f"{name} {what}", advice, where)


def _of_type(column: str, found: str, expected: str) -> Iterator[tuple[str, str, str]]:
    base = found.partition("(")[0]
    if expected == "numeric(20,10)":
        # NaN is greater than every number.
        told = f"is no amount from {-LIMIT:,} to {LIMIT:,} dollars"
        yield told, "Set it to such an amount, or to null.", f"{column} NOT BETWEEN -{LIMIT} AND {LIMIT}"
    if expected == "bigint" and base in _INTEGERS:
        told = "is no number of at most 64 bits"
        yield (
            told,
            "Set it to such a number, or to null.",
            f"{column} NOT BETWEEN -{_INTEGER_LIMIT} AND {_INTEGER_LIMIT}",
        )
    if expected == found == "timestamp with time zone":
        told = "is no time from the year 1 to 9999"
        yield told, "Set it to such a time, or to null.", f"{column} NOT BETWEEN '0001-01-02' AND '9999-12-30'"
    if (found, expected) == ("json", "jsonb"):
        told = "holds a number that jsonb cannot hold"
        outside = rf"""regexp_replace({column}::text, '"(?:[^"\\]|\\.)*"', '""', 'g')"""
        # Most rows hold no exponent at all, and are done after the first condition.
        exponent = "[0-9][eE][+-]?[0-9]{5}"
        where = f"{column}::text ~ '{exponent}' AND {outside} ~ '{exponent}'"
        yield told, "Set it to a number that a double holds.", where


def _new_unique_keys(found: Schema, expected: Schema) -> Iterator[tuple[str, tuple[str, ...]]]:
    for table, wanted in expected.items():
        for name, index in wanted.indexes.items() if table in found else ():
            columns = tuple(str(column) for column in index.columns)
            if (
                index.is_unique
                and found[table].indexes.get(name) != index
                and {*columns} <= found[table].columns.keys()
            ):
                yield table, columns


async def _duplicates(
    fetch: Fetch, table: str, columns: Sequence[str], changed: dict[int, str | None]
) -> list[Obstacle]:
    # An empty API key becomes null; an empty name stays.
    keys = [
        f"""NULLIF(btrim("row"."{column}"), '')""" if column == "apiKey" else f'"row"."{column}"' for column in columns
    ]
    source, values = f'"{table}" AS "row"', list[Any]()
    if changed:
        keys = ['CASE WHEN "new"."id" IS NULL THEN "row"."email" ELSE "new"."email" END']
        source += ' LEFT JOIN unnest($1::bigint[], $2::text[]) AS "new" ("id", "email") ON "new"."id" = "row"."id"'
        values = [[*changed], [*changed.values()]]
    filled = " AND ".join(f"{key} IS NOT NULL" for key in keys)
    row = (
        await fetch(
            f"""
            SELECT sum("rows")::bigint AS "rows", min("sample") AS "sample" FROM (
                SELECT count(*) AS "rows", (array_agg("row"."id" ORDER BY "row"."id"))[1:5] AS "sample"
                FROM {source} WHERE {filled} GROUP BY {", ".join(keys)} HAVING count(*) > 1
            ) AS "groups"
            """,  # noqa: S608 - names of the schema
            values,
        )
    )[0]
    if not row["rows"]:
        return []
    shared = " and ".join(columns)
    return [
        Obstacle(
            table,
            f"{shared} {'is' if len(columns) == 1 else 'are'} that of another row",
            f"Let one row keep {shared}: change it on the others, or point what points to them to it and delete them.",
            row["rows"],
            tuple(row["sample"]),
        )
    ]
