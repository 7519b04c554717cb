"""Resources, their chunks, and what a search in them finds."""

from __future__ import annotations

from array import array
from typing import Annotated, Any, TypeAlias

import orjson
from pydantic import BeforeValidator, Field

from agentdb.records.base import FrozenRecord, Json, Moment


def _numbers(value: Any) -> Any:
    value = orjson.loads(value) if isinstance(value, (str, bytes)) else value
    # Anything else in that column is no embedding.
    return tuple(array("f", value)) if isinstance(value, (list, tuple)) else None


Embedding: TypeAlias = Annotated[tuple[float, ...] | None, BeforeValidator(_numbers)]
"""Each number a float32."""


class Resource(FrozenRecord):
    """File-like content of a user, that belongs to a conversation, one of its messages, or an agent.

    Attributes:
        user_id: Whose it is; None for what all users of the agent share.
        content: None too where a call says that it leaves contents out.
        s3_uri: Where the file itself lies.
        metadata: A JSON object.
    """

    id: int
    user_id: int | None = None
    agent_id: int | None = None
    conversation_id: int | None = None
    message_id: int | None = None
    name: str | None = None
    type: str | None = None
    content: str | None = Field(default=None, repr=False)
    s3_uri: str | None = None
    metadata: Json = None
    created_at: Moment | None = None
    updated_at: Moment | None = None


class Chunk(FrozenRecord):
    """A part of a resource's text.

    Attributes:
        order: Its position in the resource, from 0.
        embedding: Each number a float32; None if it has none, or where a call leaves embeddings out.
    """

    id: int
    resource_id: int | None = None
    order: int | None = None
    content: str | None = Field(default=None, repr=False)
    embedding: Embedding = None
    created_at: Moment | None = None
    updated_at: Moment | None = None


class ChunkHit(FrozenRecord):
    """A chunk that a search found, with the resource that it is part of, without its content.

    Attributes:
        similarity: The cosine between its embedding and the one looked for, from -1 to 1; None for a search by words.
        rank: The share of the chunk's different words that were asked for, over 0 to 1; None for a search by embedding.
    """

    id: int
    order: int | None = None
    content: str | None = Field(default=None, repr=False)
    similarity: float | None = None
    rank: float | None = None
    resource: Resource
