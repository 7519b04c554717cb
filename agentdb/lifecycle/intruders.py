"""What somebody else has put in the place of our tables, or upon them, in a database file.

A file may come from anywhere. A view with the name of a table answers whatever it likes and for as long as it likes, a
trigger changes balances with every message. So neither is worked with; what others have beside our tables is theirs.
"""

from __future__ import annotations

from agentdb.engine import Session
from agentdb.errors import SchemaError
from agentdb.lifecycle.packaged import packaged_versions
from agentdb.models.names import TABLE_NAMES


async def find_intruders(session: Session) -> list[str]:
    """One sentence each. Reads only, in one statement at most."""
    return await session.dialect.catalogue.intruders(session.client, TABLE_NAMES)


async def refuse_intruders(session: Session) -> None:
    """
    Raises:
        SchemaError: There are some; which ones.
    """
    found = await find_intruders(session)
    if found:
        raise SchemaError(
            f"The database has what agentdb did not make: {' '.join(found[:5])} Nothing was read or changed. "
            "Drop it if you know where it comes from; else restore a backup.",
            found="changed",
            expected=packaged_versions()[-1],
        )
