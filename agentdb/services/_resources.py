"""Resources that are stored with their chunks, changed and deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from types import EllipsisType
from typing import Any, Final

from agentdb.engine import Row, Steps
from agentdb.engine.values import now
from agentdb.errors import InvalidInputError
from agentdb.records import Resource
from agentdb.services._chunks import ChunkInput, NewChunk, chunks_of
from agentdb.services._input import identifier, json_object, optional_identifier, optional_text, text
from agentdb.services._resource import ResourceVerbs, Shelfmark
from agentdb.sql import Statements

_STATEMENTS: Final = Statements("knowledge")


class Resources(ResourceVerbs):
    """The part of `db.knowledge` that writes."""

    async def store(
        self,
        *,
        user_id: int,
        name: str,
        content: str | None = None,
        type: str | None = None,  # noqa: A002 - the column's name
        s3_uri: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        agent_id: int | None = None,
        conversation_id: int | None = None,
        message_id: int | None = None,
        chunks: Sequence[ChunkInput] = (),
        timeout: float | None = None,
    ) -> Resource:
        """Store a resource of the user with its chunks, all or nothing.

        Args:
            content: The whole text, or a file as text such as base64; at most 64 MiB.
            metadata: A JSON object; none is an empty one.
            agent_id: An agent that the user sees. Without a conversation it is a memory of that agent.
            conversation_id: A conversation of the user.
            message_id: A message of such a conversation, which is then the resource's too.
            chunks: `{"content": ..., "embedding": ...}` in their order, at most 10,000; see `chunk_text`. An embedding,
                or None, is a list of up to 16,000 numbers, all of one length, and is kept as 32-bit floats.
            timeout: Seconds for the whole call.

        Returns:
            The stored resource, with its content.

        Raises:
            NotFoundError: No such user; no such agent, conversation or message is visible to the user, the conversation
                is deleted, or the message is in another one.
            InvalidInputError: Something that not every engine can keep, or embeddings that cannot be compared: not
                finite, without a direction, or of different lengths. Nothing is stored.
            UnsupportedError: A database that the original package made.
            DeadlineError: `timeout` has passed; nothing was stored.
        """
        values = {
            "user_id": identifier(user_id, "user_id"),
            "name": text(name, "name"),
            "content": optional_text(content, "content", is_private=True),
            "type": optional_text(type, "type"),
            "s3_uri": optional_text(s3_uri, "s3_uri"),
            "metadata": json_object({} if metadata is None else metadata, "metadata"),
            "agent_id": optional_identifier(agent_id, "agent_id"),
            "conversation_id": optional_identifier(conversation_id, "conversation_id"),
            "message_id": optional_identifier(message_id, "message_id"),
        }
        parts = await asyncio.to_thread(chunks_of, chunks)
        self._require_owners()
        stored = await self._write(partial(self._store, values, parts), timeout)
        return stored.model_copy(update={"content": content})

    async def update(
        self,
        resource_id: int,
        *,
        user_id: int,
        name: str | EllipsisType = ...,
        content: str | EllipsisType | None = ...,
        type: str | EllipsisType | None = ...,  # noqa: A002 - the column's name
        s3_uri: str | EllipsisType | None = ...,
        metadata: Mapping[str, Any] | EllipsisType | None = ...,
        agent_id: int | EllipsisType | None = ...,
        conversation_id: int | EllipsisType | None = ...,
        message_id: int | EllipsisType | None = ...,
        chunks: Sequence[ChunkInput] | EllipsisType = ...,
        timeout: float | None = None,
    ) -> Resource:
        """Change what is named, and nothing else; all of it, or nothing. See `store` for the arguments.

        A resource that is put to another message moves to its conversation. Chunks move with their resource.

        Args:
            chunks: They take the place of all that there were. New content without them leaves the resource with none,
                because the old ones say something else.

        Returns:
            The resource as it is now, with its content.

        Raises:
            NotFoundError: No such resource, not this user's, or in a deleted conversation; or the user does not see
                what it is to belong to.
            InvalidInputError: Nothing is named, or something that cannot be kept, as in `store`.
            UnsupportedError: A database that the original package made.
            DeadlineError: `timeout` has passed; nothing was changed.
        """
        given: dict[str, Any] = {
            "name": name if name is ... else text(name, "name"),
            "content": content if content is ... else optional_text(content, "content", is_private=True),
            "type": type if type is ... else optional_text(type, "type"),
            "s3_uri": s3_uri if s3_uri is ... else optional_text(s3_uri, "s3_uri"),
            "metadata": metadata if metadata is ... else json_object(metadata, "metadata"),
            "agent_id": agent_id if agent_id is ... else optional_identifier(agent_id, "agent_id"),
            "conversation_id": conversation_id
            if conversation_id is ...
            else optional_identifier(conversation_id, "conversation_id"),
            "message_id": message_id if message_id is ... else optional_identifier(message_id, "message_id"),
            "chunks": chunks if chunks is ... else await asyncio.to_thread(chunks_of, chunks),
        }
        changes = {what: value for what, value in given.items() if value is not ...}
        if not changes:
            raise InvalidInputError(f"An update names what is to change: {', '.join(given)}.")
        mark = self._shelfmark(resource_id, user_id)
        return Resource.from_row(await self._write(partial(self._update, mark, changes), timeout))

    async def reindex(
        self, resource_id: int, *, user_id: int, chunks: Sequence[ChunkInput], timeout: float | None = None
    ) -> None:
        """Put chunks in the place of all that a resource has, at once: no search sees both, or none. See `store`.

        Raises:
            NotFoundError: No such resource, not this user's, or in a deleted conversation.
            InvalidInputError: Chunks that cannot be kept or compared with each other; the old ones stay.
            UnsupportedError: A database that the original package made.
            DeadlineError: `timeout` has passed; the old ones stay.
        """
        await self.update(resource_id, user_id=user_id, chunks=chunks, timeout=timeout)

    async def delete(self, resource_id: int, *, user_id: int, timeout: float | None = None) -> None:
        """Delete a resource with its chunks.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such resource, not this user's, or in a deleted conversation.
            UnsupportedError: A database that the original package made.
            DeadlineError: `timeout` has passed; nothing was deleted.
        """
        await self._write(partial(self._delete, self._shelfmark(resource_id, user_id)), timeout)

    def _store(self, values: dict[str, Any], chunks: Sequence[NewChunk]) -> Steps[Resource]:
        user_id = values["user_id"]
        yield from self._check_agent(user_id, values["agent_id"])
        place = yield from self._placed(user_id, values["conversation_id"], values["message_id"])
        (row,) = yield from _STATEMENTS.rows(self._session, "store", **{**values, **place}, now=now())
        yield from self._store_chunks(row["id"], place["conversation_id"], chunks)
        return Resource.from_row(row)

    def _update(self, mark: Shelfmark, changes: Mapping[str, Any]) -> Steps[Row]:
        before = yield from self._attributes(mark)
        if "agent_id" in changes:
            yield from self._check_agent(mark.user_id, changes["agent_id"])
        place = yield from self._placed(mark.user_id, *_destination(before, changes))
        yield from self._lock(mark)
        after = {**(yield from self._attributes(mark)), **changes, **place}
        columns = {column: after[column] for column in before}
        yield from _STATEMENTS.rows(self._session, "update", resource_id=mark.resource_id, now=now(), **columns)
        if "content" in changes:
            yield from _STATEMENTS.rows(
                self._session, "update_content", resource_id=mark.resource_id, content=changes["content"]
            )
        if "content" in changes or "chunks" in changes:
            yield from _STATEMENTS.rows(self._session, "delete_chunks", resource_id=mark.resource_id)
            yield from self._store_chunks(mark.resource_id, place["conversation_id"], changes.get("chunks", ()))
        elif place["conversation_id"] != before["conversation_id"]:
            yield from _STATEMENTS.rows(
                self._session,
                "move_chunks",
                resource_id=mark.resource_id,
                conversation_id=place["conversation_id"],
                now=now(),
            )
        return (yield from self._seen(mark, with_content=True))

    def _delete(self, mark: Shelfmark) -> Steps[None]:
        before = yield from self._attributes(mark)
        yield from self._placed(mark.user_id, before["conversation_id"], before["message_id"])
        yield from self._lock(mark)
        yield from _STATEMENTS.rows(self._session, "delete_chunks", resource_id=mark.resource_id)
        yield from _STATEMENTS.rows(self._session, "delete", resource_id=mark.resource_id)

    def _store_chunks(self, resource_id: int, conversation_id: int | None, chunks: Sequence[NewChunk]) -> Steps[None]:
        moment = now()
        rows = [
            {
                "resource_id": resource_id,
                "conversation_id": conversation_id,
                "order": order,
                "content": chunk.content,
                "embedding": chunk.embedding,
                "now": moment,
            }
            for order, chunk in enumerate(chunks)
        ]
        if rows:
            yield _STATEMENTS.many(self._session, "store_chunk", rows=rows)


def _destination(before: Mapping[str, Any], changes: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """The conversation and the message that a changed resource is to stand in. Another message brings its own."""
    message_id = changes.get("message_id", before["message_id"])
    is_moved = message_id is not None and message_id != before["message_id"]
    return changes.get("conversation_id", None if is_moved else before["conversation_id"]), message_id
