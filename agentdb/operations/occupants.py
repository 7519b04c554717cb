"""What stands in a database that is to be filled."""

from __future__ import annotations

from typing import Final

from agentdb.engine import Session
from agentdb.lifecycle.schema import read_schema
from agentdb.models.names import TABLE_NAMES

_MIGRATIONS: Final = "aerich"


async def rows_there(session: Session, *, of_others: bool) -> dict[str, int]:
    """How many rows the tables have that are not empty. What was migrated does not count.

    Args:
        of_others: Whether tables that are not agentdb's count.
    """
    found = {}
    for name in await read_schema(session):
        if name != _MIGRATIONS and (of_others or name in TABLE_NAMES):
            quoted = name.replace('"', '""')
            [row] = await session.fetch(f'SELECT count(*) AS "rows" FROM "{quoted}"')  # noqa: S608 - quoted
            if row["rows"]:
                found[name] = row["rows"]
    return found
