"""What was said: conversations of a user, and their messages in the order in which they were committed."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from agentdb.engine import Row, Steps
from agentdb.engine.values import now
from agentdb.errors import NotFoundError
from agentdb.records import Conversation
from agentdb.services._appending import Place, place_of
from agentdb.services._input import identifier, optional_identifier, optional_text, request_key
from agentdb.services._requests import Request, digest_of, done_under, keep
from agentdb.services._search import Search
from agentdb.services._shelf import Shelf
from agentdb.services._threads import Threads
from agentdb.services._turns import Turns
from agentdb.sql import Statements

_AGENTS: Final = Statements("agents")
_STATEMENTS: Final = Statements("conversations")


class ConversationService(Turns, Threads, Shelf, Search):
    """Conversations and messages. Another user's conversation looks like none, and so does a deleted one."""

    async def start(
        self,
        *,
        user_id: int,
        agent_id: int | None = None,
        title: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Conversation:
        """Begin a conversation.

        Args:
            agent_id: An agent that the user sees.
            request_id: Your own name for this call, 1 to 200 characters. Repeating the call with it gives the
                conversation that the first one made.
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such user, or no such agent is visible to the user.
            ConflictError: Another call of the user had this request_id and asked for something else.
            UnsupportedError: `request_id`, on a database that the original package made.
            DeadlineError: `timeout` has passed; nothing was begun.
        """
        values: dict[str, Any] = {
            "user_id": identifier(user_id, "user_id"),
            "agent_id": optional_identifier(agent_id, "agent_id"),
            "title": optional_text(title, "title"),
        }
        key = request_key(request_id)
        request = None if key is None else Request(user_id, "conversations.start", key, digest_of(values))
        steps = partial(self._start, values, request)
        row = None if key is None else ("User", user_id)
        return Conversation.from_row(await self._write(steps, timeout, request_id=key, row=row))

    async def set_agent(
        self, conversation_id: int, *, user_id: int, agent_id: int | None, timeout: float | None = None
    ) -> Conversation:
        """Let a conversation go on with another agent.

        Args:
            agent_id: An agent that the user sees; None for none.
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such conversation, deleted, or not this user's; or no such agent is visible to the user.
            DeadlineError: `timeout` has passed; nothing was changed.
        """
        place = place_of(conversation_id, user_id)
        steps = partial(self._set_agent, place, optional_identifier(agent_id, "agent_id"))
        return Conversation.from_row(await self._write(steps, timeout))

    def _start(self, values: dict[str, Any], request: Request | None) -> Steps[Row]:
        if request is not None:
            self._session.abilities.require("support_tables")
            yield from self._locked_user(request.user_id)
            earlier = yield from done_under(self._session, request)
            if earlier is not None:
                return (yield from self._get(Place(earlier, request.user_id)))
        yield from self._check_agent(values["user_id"], values["agent_id"])
        (row,) = yield from _STATEMENTS.rows(self._session, "start", **values, now=now())
        if request is not None:
            yield from keep(self._session, request, row["id"])
        return row

    def _set_agent(self, place: Place, agent_id: int | None) -> Steps[Row]:
        yield from self._check_agent(place.user_id, agent_id)
        return (yield from self._changed(place, "set_agent", {"agent_id": agent_id}))

    def _check_agent(self, user_id: int, agent_id: int | None) -> Steps[None]:
        seen = yield from _AGENTS.row(self._session, "visible_agent", user_id=user_id, agent_id=agent_id)
        if seen is None:
            raise NotFoundError("user", user_id)
        if seen["agentID"] != agent_id:
            raise NotFoundError("agent", agent_id)
