"""Resources and chunks that are read: one, a page, or what an agent remembers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from agentdb.engine import Row, Steps
from agentdb.engine.values import INTEGER_MAX, INTEGER_MIN
from agentdb.errors import NotFoundError
from agentdb.records import Chunk, Resource
from agentdb.services._cursor import decode_cursor, encode_cursor
from agentdb.services._input import MAX_PAGE, flag, identifier, optional_identifier, page_size, text
from agentdb.services._resource import ResourceVerbs
from agentdb.sql import Statements
from agentdb.types import Page

_AGENTS: Final = Statements("agents")
_STATEMENTS: Final = Statements("knowledge")
_RESOURCES: Final = "resources"
_CHUNKS: Final = "chunks"


class Reading(ResourceVerbs):
    """The part of `db.knowledge` that reads."""

    async def get(self, resource_id: int, *, user_id: int, timeout: float | None = None) -> Resource:
        """A resource of the user, with its content.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such resource, not this user's, or in a deleted conversation.
            UnsupportedError: A database that the original package made.
            DeadlineError: `timeout` has passed.
        """
        steps = partial(self._seen, self._shelfmark(resource_id, user_id), with_content=True)
        return Resource.from_row(await self._query(steps, timeout, is_short=False))

    async def list(
        self,
        *,
        user_id: int,
        agent_id: int | None = None,
        conversation_id: int | None = None,
        message_id: int | None = None,
        limit: int = 50,
        cursor: str | None = None,
        timeout: float | None = None,
    ) -> Page[Resource]:
        """The user's resources, newest first, without their contents and without those of deleted conversations.

        Args:
            agent_id: Only those that belong to this agent.
            conversation_id: Only those in this conversation.
            message_id: Only those of this message.
            limit: At most so many, 1 to 1000.
            cursor: `next_cursor` of a page, for the one after it.
            timeout: Seconds for the whole call.

        Raises:
            InvalidInputError: A limit out of range, or a cursor that such a list did not give.
            UnsupportedError: A database that the original package made.
            DeadlineError: `timeout` has passed.
        """
        size = page_size(limit)
        values = {
            "user_id": identifier(user_id, "user_id"),
            "agent_id": optional_identifier(agent_id, "agent_id"),
            "conversation_id": optional_identifier(conversation_id, "conversation_id"),
            "message_id": optional_identifier(message_id, "message_id"),
            "below": INTEGER_MAX if cursor is None else decode_cursor(cursor, _RESOURCES, int)[0],
        }
        self._require_owners()
        steps = partial(_STATEMENTS.rows, self._session, "resources", **values, limit=size + 1)
        rows = await self._query(steps, timeout, is_short=False)
        items = tuple(Resource.from_rows(rows[:size]))
        return Page(items, encode_cursor(_RESOURCES, items[-1].id) if len(rows) > size else None)

    async def memories(
        self,
        agent_id: int,
        *,
        user_id: int,
        prefix: str = "memories/",
        with_content: bool = True,
        limit: int = MAX_PAGE,
        timeout: float | None = None,
    ) -> tuple[Resource, ...]:
        """What an agent remembers for a user: resources of the two, and those of all its users, by their names.

        Those that belong to a conversation are none. They come in the order in which they were stored.

        Args:
            agent_id: An agent that the user sees.
            prefix: How the names begin, character by character.
            with_content: Without it `content` is None, which is much quicker where contents are long.
            limit: At most so many, 1 to 1000.
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such agent is visible to the user.
            InvalidInputError: An empty prefix, or a limit out of range.
            UnsupportedError: A database that the original package made.
            DeadlineError: `timeout` has passed.
        """
        values = {
            "agent_id": identifier(agent_id, "agent_id"),
            "user_id": identifier(user_id, "user_id"),
            "prefix": text(prefix, "prefix"),
            "with_content": flag(with_content, "with_content"),
            "limit": page_size(limit),
        }
        self._require_owners()
        rows = await self._query(partial(self._memories, values), timeout, is_short=False)
        return tuple(Resource.from_rows(rows))

    async def chunks(
        self,
        resource_id: int,
        *,
        user_id: int,
        with_embeddings: bool = False,
        limit: int = 100,
        cursor: str | None = None,
        timeout: float | None = None,
    ) -> Page[Chunk]:
        """The chunks of a resource, in their order.

        Args:
            with_embeddings: Without it `embedding` is None.
            limit: At most so many, 1 to 1000.
            cursor: `next_cursor` of a page, for the one after it.
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such resource, not this user's, or in a deleted conversation.
            InvalidInputError: A limit out of range, or a cursor that this resource's chunks did not give.
            UnsupportedError: A database that the original package made.
            DeadlineError: `timeout` has passed.
        """
        mark, size = self._shelfmark(resource_id, user_id), page_size(limit)
        listing = f"{_CHUNKS}:{resource_id}"
        order, after = (INTEGER_MIN, 0) if cursor is None else decode_cursor(cursor, listing, int, int)
        steps = partial(
            _STATEMENTS.rows,
            self._session,
            "chunks",
            **mark._asdict(),
            with_embeddings=flag(with_embeddings, "with_embeddings"),
            after_order=order,
            after_id=after,
            limit=size + 1,
        )
        rows = await self._query(steps, timeout, is_short=False)
        if not rows:
            raise NotFoundError("resource", resource_id)
        found = [row for row in rows if row["id"] is not None]
        items = tuple(Chunk.from_rows(found[:size]))
        return Page(items, encode_cursor(listing, items[-1].order or 0, items[-1].id) if len(found) > size else None)

    def _memories(self, values: Mapping[str, Any]) -> Steps[Sequence[Row]]:
        user_id, agent_id = values["user_id"], values["agent_id"]
        seen = yield from _AGENTS.row(self._session, "visible_agent", user_id=user_id, agent_id=agent_id)
        if seen is None or seen["agentID"] is None:
            raise NotFoundError("agent", agent_id)
        return (yield from _STATEMENTS.rows(self._session, "memories", **values))
