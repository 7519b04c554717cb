"""What the calls on resources share: a resource as its user sees it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

from agentdb.engine import Row, Steps
from agentdb.errors import NotFoundError
from agentdb.services._input import identifier
from agentdb.services._service import Service
from agentdb.sql import Statements

_AGENTS: Final = Statements("agents")
_STATEMENTS: Final = Statements("knowledge")

Place: TypeAlias = dict[str, int | None]
"""`conversation_id` and `message_id` of a resource."""


class Shelfmark(NamedTuple):
    """A resource, and who asks for it."""

    resource_id: int
    user_id: int


class ResourceVerbs(Service):
    """A part of `db.knowledge`."""

    def _require_owners(self) -> None:
        """
        Raises:
            UnsupportedError: This database does not keep whose a resource is.
        """
        self._session.abilities.require("resource_owners")

    def _shelfmark(self, resource_id: Any, user_id: Any) -> Shelfmark:
        mark = Shelfmark(identifier(resource_id, "resource_id"), identifier(user_id, "user_id"))
        self._require_owners()
        return mark

    def _seen(self, mark: Shelfmark, *, with_content: bool) -> Steps[Row]:
        """The resource, if this user sees it."""
        row = yield from _STATEMENTS.row(self._session, "resource", **mark._asdict(), with_content=with_content)
        if row is None:
            raise NotFoundError("resource", mark.resource_id)
        return row

    def _attributes(self, mark: Shelfmark) -> Steps[dict[str, Any]]:
        """What may be changed of the resource, JSON as it is stored."""
        row = yield from self._seen(mark, with_content=False)
        return {
            "name": row["name"],
            "type": row["type"],
            "s3_uri": row["s3Uri"],
            "metadata": row["metadata"],
            "agent_id": row["agentID"],
            "conversation_id": row["conversationID"],
            "message_id": row["messageID"],
        }

    def _check_agent(self, user_id: int, agent_id: int | None) -> Steps[None]:
        """Whether the user is there and, if one is named, sees the agent."""
        seen = yield from _AGENTS.row(self._session, "visible_agent", user_id=user_id, agent_id=agent_id)
        if seen is None:
            raise NotFoundError("user", user_id)
        if seen["agentID"] != agent_id:
            raise NotFoundError("agent", agent_id)

    def _placed(self, user_id: int, conversation_id: int | None, message_id: int | None) -> Steps[Place]:
        """Where a resource is to stand: a message's conversation is the resource's. It stays until the commit."""
        if conversation_id is None and message_id is None:
            return {"conversation_id": None, "message_id": None}
        row = yield from _STATEMENTS.row(
            self._session, "place", user_id=user_id, conversation_id=conversation_id, message_id=message_id
        )
        if row is None and conversation_id is not None:
            raise NotFoundError("conversation", conversation_id)
        if row is None or row["messageID"] != message_id:
            raise NotFoundError("message", message_id)
        return {"conversation_id": row["conversationID"], "message_id": message_id}

    def _lock(self, mark: Shelfmark) -> Steps[None]:
        if (yield from _STATEMENTS.row(self._session, "lock_resource", **mark._asdict())) is None:
            raise NotFoundError("resource", mark.resource_id)
