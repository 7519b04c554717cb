"""What was said: conversations of a user, and their messages in the order in which they were committed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import orjson

from agentdb.engine import Row
from agentdb.engine.values import INTEGER_MAX, canonical_json
from agentdb.errors import ConflictError, NotFoundError
from agentdb.models import Conversation as ConversationTable
from agentdb.models import Message as MessageTable
from agentdb.models import Request as RequestTable
from agentdb.models.fields import now
from agentdb.records import Conversation, Message
from agentdb.services._content import Content, MessageRole, content_json, message_role
from agentdb.services._cursor import decode_cursor, encode_cursor
from agentdb.services._input import identifier, optional_identifier, optional_text, page_size, request_key
from agentdb.services._service import Service
from agentdb.sql import Statements
from agentdb.types import Page

_AGENTS: Final = Statements("agents")
_STATEMENTS: Final = Statements("conversations")
_START: Final = "conversations.start"
_HISTORY: Final = "history"


class ConversationService(Service):
    """Conversations and messages. Another user's conversation looks like none."""

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

        async def work() -> Conversation:
            if key is None:
                return await self._start(values)
            self._session.abilities.require("support_tables")
            await self._lock_user(user_id)
            return await self._started(key, values) or await self._start_as(key, values)

        return await self._unit(work, timeout)

    async def append(
        self,
        conversation_id: int,
        *,
        user_id: int,
        role: MessageRole,
        content: Content,
        parent_id: int | None = None,
        expected_parent: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Message:
        """Add one message at the end of a conversation.

        Appends to one conversation are ordered: ids grow in the order of commits, also across processes. The
        conversation's `updated_at` moves with it.

        Args:
            content: Blocks as the model API takes them, each with exactly one of `text`, `toolUse`, `toolResult`,
                `reasoningContent`, `document` and `image`; at most 16 MiB as JSON. A user cannot ask for a tool, an
                assistant cannot answer for one.
            parent_id: A message of the same conversation that this one follows in a thread.
            expected_parent: The id of the message that you believe is the last one, 0 for an empty conversation. If
                somebody was faster nothing is written.
            request_id: Your own name for this call, 1 to 200 characters. Repeating the call with it gives the message
                that the first one wrote.
            timeout: Seconds for the whole call.

        Returns:
            The stored message.

        Raises:
            NotFoundError: No such conversation, deleted, or not this user's; or no such parent in it.
            ConflictError: `expected_parent` is not the last message, or another call in this conversation had this
                request_id and said something else.
            InvalidInputError: Content or a role that is not accepted; nothing is written.
            UnsupportedError: `request_id`, on a database that the original package made.
            DeadlineError: `timeout` has passed; nothing was written.
        """
        place = {
            "conversation_id": identifier(conversation_id, "conversation_id"),
            "user_id": identifier(user_id, "user_id"),
        }
        values: dict[str, Any] = {
            "parent_id": optional_identifier(parent_id, "parent_id"),
            "role": message_role(role),
            "content": content_json(content, role),
        }
        expected = optional_identifier(expected_parent, "expected_parent")
        key = request_key(request_id)

        async def work() -> Message:
            if key is not None:
                self._session.abilities.require("request_ids")
                await self._lock_conversation(place)
                repeated = await self._appended(key, conversation_id, values)
                if repeated is not None:
                    return repeated
            return await self._append(place, values, expected, key)

        return await self._unit(work, timeout)

    async def history(
        self,
        conversation_id: int,
        *,
        user_id: int,
        limit: int = 50,
        cursor: str | None = None,
        timeout: float | None = None,
    ) -> Page[Message]:
        """The last messages of a conversation, oldest first.

        Args:
            limit: At most so many, 1 to 1000.
            cursor: `next_cursor` of a page, for the messages before it.
            timeout: Seconds for the whole call.

        Returns:
            Messages in the order in which they were appended; `next_cursor` is None when there are none before them.

        Raises:
            NotFoundError: No such conversation, deleted, or not this user's.
            InvalidInputError: A limit out of range, or a cursor that this conversation's history did not give.
            DeadlineError: `timeout` has passed.
        """
        identifier(conversation_id, "conversation_id")
        size = page_size(limit)
        statement = partial(
            _STATEMENTS.fetch,
            self._session,
            "history",
            conversation_id=conversation_id,
            user_id=identifier(user_id, "user_id"),
            before=INTEGER_MAX if cursor is None else _place_of(cursor, conversation_id),
            limit=size + 1,
        )
        rows = await self._read(statement, timeout)
        if not rows:
            raise NotFoundError("conversation", conversation_id)
        return _page(rows, size, conversation_id)

    async def _start(self, values: dict[str, Any]) -> Conversation:
        seen = await _AGENTS.first(
            self._session, "visible_agent", user_id=values["user_id"], agent_id=values["agent_id"]
        )
        if seen is None:
            raise NotFoundError("user", values["user_id"])
        if seen["agentID"] != values["agent_id"]:
            raise NotFoundError("agent", values["agent_id"])
        return _conversation_of(await ConversationTable.create(**values))

    async def _start_as(self, key: str, values: dict[str, Any]) -> Conversation:
        started = await self._start(values)
        await RequestTable.create(
            user_id=values["user_id"], operation=_START, request_id=key, digest=_digest(values), result_id=started.id
        )
        return started

    async def _started(self, key: str, values: dict[str, Any]) -> Conversation | None:
        """What an earlier call with this key made."""
        request = await RequestTable.get_or_none(user_id=values["user_id"], operation=_START, request_id=key)
        if request is None:
            return None
        if request.digest != _digest(values):
            raise _differs(key)
        found = await ConversationTable.get_or_none(id=request.result_id)
        if found is None:
            raise NotFoundError("conversation", request.result_id)
        return _conversation_of(found)

    async def _lock_conversation(self, place: dict[str, int]) -> None:
        if await _STATEMENTS.first(self._session, "lock_conversation", **place) is None:
            raise NotFoundError("conversation", place["conversation_id"])

    async def _append(
        self, place: dict[str, int], values: dict[str, Any], expected_parent: int | None, key: str | None
    ) -> Message:
        moment, conversation_id = now(), place["conversation_id"]
        if await _STATEMENTS.first(self._session, "touch", now=moment, **place) is None:
            raise NotFoundError("conversation", conversation_id)
        await self._check_parents(conversation_id, values["parent_id"], expected_parent)
        (row,) = await _STATEMENTS.fetch(
            self._session,
            "append",
            conversation_id=conversation_id,
            now=moment,
            request_id=key,
            request_index=None if key is None else 0,
            **values,
        )
        return Message.from_row(row)

    async def _appended(self, key: str, conversation_id: int, values: dict[str, Any]) -> Message | None:
        """What an earlier call with this key wrote."""
        row = await _STATEMENTS.first(
            self._session,
            "appended",
            conversation_id=conversation_id,
            request_id=key,
            parent_id=values["parent_id"],
        )
        if row is None:
            return None
        message = Message.from_row(row)
        is_parent_gone = message.parent_id is None and not row["parentExists"]
        if (
            message.role != values["role"]
            or (message.parent_id != values["parent_id"] and not is_parent_gone)
            or canonical_json(message.content) != canonical_json(orjson.loads(values["content"]))
        ):
            raise _differs(key)
        return message

    async def _check_parents(self, conversation_id: int, parent_id: int | None, expected_parent: int | None) -> None:
        parent = MessageTable.filter(id=parent_id, conversation_id=conversation_id)
        if parent_id is not None and not await parent.exists():
            raise NotFoundError("message", parent_id)
        if expected_parent is not None:
            (row,) = await _STATEMENTS.fetch(self._session, "last_message", conversation_id=conversation_id)
            if (row["id"] or 0) != expected_parent:
                raise ConflictError(
                    f"The last message of conversation {conversation_id} is {row['id'] or 0}, "
                    f"not {expected_parent}. Read what was added, and decide again."
                )


def _conversation_of(row: ConversationTable) -> Conversation:
    return Conversation.model_validate({**row.to_dict(), "deleted": bool(row.deleted)})


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(values).encode()).hexdigest()


def _differs(key: str) -> ConflictError:
    return ConflictError(
        f"The request_id {key!r} was used for another call. Repeat that call unchanged, or choose a new request_id.",
        columns=("requestId",),
    )


def _place_of(cursor: str, conversation_id: int) -> int:
    (before,) = decode_cursor(cursor, f"{_HISTORY}:{conversation_id}", int)
    return int(before)


def _page(rows: Sequence[Row], size: int, conversation_id: int) -> Page[Message]:
    found = [Message.from_row(row) for row in rows if row["id"] is not None]
    shown = found[:size][::-1]
    has_more = len(found) > size
    cursor = encode_cursor(f"{_HISTORY}:{conversation_id}", shown[0].id) if has_more else None
    return Page(tuple(shown), cursor)
