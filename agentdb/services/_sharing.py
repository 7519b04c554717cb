"""With whom an agent is shared."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from agentdb.engine import Row, Steps
from agentdb.engine.misread import reading
from agentdb.engine.values import now
from agentdb.errors import ConflictError, NotFoundError
from agentdb.events import AgentChanged
from agentdb.records import AgentShare
from agentdb.records.agents import AgentRole
from agentdb.services._agent import ROLES, AgentVerbs, role_of
from agentdb.services._cursor import decode_cursor, encode_cursor
from agentdb.services._input import identifier, one_of, page_size
from agentdb.sql import Statements
from agentdb.types import Page

_STATEMENTS: Final = Statements("agents")


class SharingVerbs(AgentVerbs):
    """Calls on the shares of agents."""

    async def share(
        self,
        agent_id: int,
        *,
        user_id: int,
        with_user_id: int,
        role: AgentRole = "viewer",
        timeout: float | None = None,
    ) -> AgentShare:
        """Let another user have an agent too. Sharing again changes the role.

        Args:
            role: `viewer` may take turns with it, `editor` may also change it, `owner` may also share and delete it.

        Raises:
            NotFoundError: No such agent is visible to the user, or there is no user `with_user_id`.
            AccessDeniedError: The user is not an owner of it, or it is global.
            ConflictError: It is that user's own agent.
            InvalidInputError: No such role.
            DeadlineError: `timeout` has passed; nothing was changed.
        """
        one_of(ROLES, role, "role")
        steps = partial(
            self._share,
            identifier(agent_id, "agent_id"),
            identifier(user_id, "user_id"),
            identifier(with_user_id, "with_user_id"),
            role,
        )
        shared: tuple[int, AgentShare] = await self._write(steps, timeout, told=partial(_told, agent_id))
        return shared[1]

    async def unshare(self, agent_id: int, *, user_id: int, with_user_id: int, timeout: float | None = None) -> None:
        """Take an agent away from a user it was shared with. Everyone may give up what was shared with them.

        Raises:
            NotFoundError: No such agent is visible to the user, or it is not shared with `with_user_id`.
            AccessDeniedError: The user is not an owner of it, or it is global.
            DeadlineError: `timeout` has passed; nothing was changed.
        """
        steps = partial(
            self._unshare,
            identifier(agent_id, "agent_id"),
            identifier(user_id, "user_id"),
            identifier(with_user_id, "with_user_id"),
        )
        await self._write(steps, timeout, told=partial(_told, agent_id))

    async def shares(
        self,
        agent_id: int,
        *,
        user_id: int,
        limit: int = 50,
        cursor: str | None = None,
        timeout: float | None = None,
    ) -> Page[AgentShare]:
        """With whom an agent is shared, by the ids of the users.

        Args:
            limit: At most so many, 1 to 1000.
            cursor: `next_cursor` of a page, for those after it.
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such agent is visible to the user.
            AccessDeniedError: The user is not an owner of it, or it is global.
            InvalidInputError: A limit out of range, or a cursor that this list did not give.
            DeadlineError: `timeout` has passed.
        """
        size, listing = page_size(limit), f"shares:{identifier(agent_id, 'agent_id')}"
        after = 0 if cursor is None else decode_cursor(cursor, listing, int)[0]
        steps = partial(self._shares, agent_id, identifier(user_id, "user_id"), after, size + 1)
        found = await self._query(steps, timeout, is_short=True)
        shown = found[:size]
        return Page(shown, encode_cursor(listing, shown[-1].user_id) if len(found) > size else None)

    def _shares(self, agent_id: int, user_id: int, after: int, limit: int) -> Steps[tuple[AgentShare, ...]]:
        yield from self._standing(agent_id, user_id, needs="owner")
        rows = yield from _STATEMENTS.rows(self._session, "shares", agent_id=agent_id, after=after, limit=limit)
        return tuple(map(_share_of, rows))

    def _share(self, agent_id: int, user_id: int, with_user_id: int, role: AgentRole) -> Steps[tuple[int, AgentShare]]:
        agent = yield from self._changed(agent_id, user_id, needs="owner")
        if agent["userID"] == with_user_id:
            raise ConflictError(f"Agent {agent_id} is user {with_user_id}'s own. Share it with somebody else.")
        if (yield from _STATEMENTS.row(self._session, "user", user_id=with_user_id)) is None:
            raise NotFoundError("user", with_user_id)
        values: dict[str, Any] = {"agent_id": agent_id, "with_user_id": with_user_id, "role": role, "now": now()}
        row = yield from _STATEMENTS.row(self._session, "change_share", **values)
        if row is None:
            (row,) = yield from _STATEMENTS.rows(self._session, "share", **values)
        return agent["userID"], _share_of(row)

    def _unshare(self, agent_id: int, user_id: int, with_user_id: int) -> Steps[tuple[int, None]]:
        is_own = user_id == with_user_id
        agent = yield from self._changed(agent_id, user_id, needs="viewer" if is_own else "owner")
        removed = yield from _STATEMENTS.row(self._session, "unshare", agent_id=agent_id, with_user_id=with_user_id)
        if removed is None:
            raise NotFoundError(f"share of agent {agent_id} with user", with_user_id)
        return agent["userID"], None


def _told(agent_id: int, result: tuple[int, object]) -> Iterable[AgentChanged]:
    return [AgentChanged(user_id=result[0], agent_id=agent_id, change="updated")]


@reading()
def _share_of(row: Row) -> AgentShare:
    return AgentShare.model_validate({**dict(row), "role": role_of(row["role"])})
