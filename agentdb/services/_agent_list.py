"""The agents that a user sees."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from typing import Final

from agentdb.engine import Row
from agentdb.engine.misread import reading
from agentdb.engine.values import INTEGER_MAX
from agentdb.records import AgentSummary
from agentdb.services._agent import VISIBILITY, AgentVerbs, role_of
from agentdb.services._cursor import decode_cursor, encode_cursor
from agentdb.services._input import optional_identifier, page_size
from agentdb.sql import Statements
from agentdb.types import Page

_STATEMENTS: Final = Statements("agents")
_LIST: Final = "agents"


class AgentList(AgentVerbs):
    """The call that lists agents."""

    async def list(
        self, *, user_id: int | None, limit: int = 50, cursor: str | None = None, timeout: float | None = None
    ) -> Page[AgentSummary]:
        """The agents that a user sees, the newest first, which is the one with the greatest id.

        Args:
            user_id: Who asks; None sees global agents only.
            limit: At most so many, 1 to 1000.
            cursor: `next_cursor` of a page, for those after it.
            timeout: Seconds for the whole call.

        Raises:
            InvalidInputError: A limit out of range, or a cursor that this list did not give.
            DeadlineError: `timeout` has passed.
        """
        size = page_size(limit)
        values = {
            "user_id": optional_identifier(user_id, "user_id"),
            "below_id": INTEGER_MAX if cursor is None else decode_cursor(cursor, _LIST, int)[0],
            "limit": size + 1,
        }
        rows = await self._query(partial(_STATEMENTS.rows, self._session, "agents", **values), timeout, is_short=True)
        found = [_summary_of(tuple(one)) for _, one in groupby(rows, lambda row: row["id"])]
        shown = tuple(found[:size])
        return Page(shown, encode_cursor(_LIST, shown[-1].id) if len(found) > size else None)


@reading()
def _summary_of(rows: Sequence[Row]) -> AgentSummary:
    first = dict(rows[0])
    role = role_of(None if first["userID"] is None else first["role"])  # whatever a share of a global agent says
    tools = tuple(row["tool"] for row in rows if row["tool"] is not None)
    return AgentSummary.model_validate(
        {**first, "visibility": VISIBILITY[first["class"]], "role": role, "tools": tools}
    )
