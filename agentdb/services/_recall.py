"""Chunks that are found: by what they mean, or by their words.

Either way the chunks that may be found are first named by their ids, then read in batches that are bounded, whatever
they hold, and each batch leaves no more than the best. With pgvector or sqlite-vec only the nearest are named. How near
each of them is, is always calculated here, so it is the same number everywhere.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

import orjson

from agentdb.engine import Row
from agentdb.engine.values import INTEGER_MAX
from agentdb.records import ChunkHit
from agentdb.services._deadline import within
from agentdb.services._input import MAX_PAGE, identifier, moment, optional_identifier, page_size, refused
from agentdb.services._resource import ResourceVerbs
from agentdb.services._similarity import Likeness, Scored, embedding_json, embedding_of
from agentdb.services._words import query_words, words_of
from agentdb.sql import Statements

BATCH: Final = 250
"""Chunks that are read at once."""

SPARE: Final = 100
"""An extension calculates with 32-bit floats, so it names some more than are asked for."""

_STATEMENTS: Final = Statements("knowledge")


class _Worded(NamedTuple):
    """A chunk that has the words, and how long its different words are."""

    size: int
    row: Row


class Recall(ResourceVerbs):
    """The part of `db.knowledge` that searches."""

    _was_prepared = False

    async def similar(
        self,
        embedding: Sequence[float],
        *,
        user_id: int,
        agent_id: int | None = None,
        conversation_id: int | None = None,
        resource_ids: Sequence[int] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 10,
        min_similarity: float | None = None,
        timeout: float | None = None,
    ) -> tuple[ChunkHit, ...]:
        """The chunks of the user's resources whose embeddings are nearest to one, by the cosine between them.

        Nothing of a deleted conversation is found, and no chunk without an embedding. All embeddings among which is
        searched must have as many numbers as the one that is given.

        Args:
            embedding: 1 to 16,000 finite numbers; they count as 32-bit floats, as the stored ones do.
            agent_id: Only in resources that belong to this agent.
            conversation_id: Only in resources of this conversation.
            resource_ids: Only in these resources, at most 1000.
            since: Only in resources stored from this instant on.
            until: Only in resources stored before this instant.
            limit: At most so many, 1 to 1000.
            min_similarity: Only those that are at least so near, from -1 to 1.
            timeout: Seconds for the whole call.

        Returns:
            By falling similarity, by rising id where it is equal. With pgvector the server compares, on SQLite
            sqlite-vec where it can be loaded; else every embedding is read, quicker with NumPy. The hits are the same.

        Raises:
            InvalidInputError: An embedding that is not accepted, or one of another dimension than a stored one, both of
                which are told; or another argument that is out of range.
            UnsupportedError: A database that the original package made.
            DeadlineError: `timeout` has passed.
        """
        numbers, size, least = embedding_of(embedding, "embedding"), page_size(limit), _cosine(min_similarity)
        scope = _scope(user_id, agent_id, conversation_id, resource_ids, since, until)
        self._require_owners()
        async with within(timeout, self._session):
            best = await self._nearest(scope, numbers, size)
            near = {one.id: one.similarity for one in best if one.similarity >= least}
            rows = {row["id"]: row for row in await self._hits(scope, list(near))}
        return tuple(_hit(rows[one], similarity=near[one]) for one in near if one in rows)

    async def search_chunks(
        self,
        query: str,
        *,
        user_id: int,
        agent_id: int | None = None,
        conversation_id: int | None = None,
        resource_ids: Sequence[int] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 20,
        timeout: float | None = None,
    ) -> tuple[ChunkHit, ...]:
        """The chunks of the user's resources that have all the words of a query, by the rules of a search in messages.

        There is no index of their words: all chunks in the scope are read, in batches. Narrow it where they are many.

        Args:
            query: At most a thousand characters with at least one letter or digit.
            limit: At most so many, 1 to 1000.
            timeout: Seconds for the whole call. See `similar` for the other arguments.

        Returns:
            By falling `rank`, newest first where ranks are equal.

        Raises:
            InvalidInputError: A query without a word or too long, or another argument that is out of range.
            UnsupportedError: A database that the original package made.
            DeadlineError: `timeout` has passed.
        """
        words, size = query_words(query), page_size(limit)
        scope = _scope(user_id, agent_id, conversation_id, resource_ids, since, until)
        self._require_owners()
        best: Sequence[_Worded] = ()
        async with within(timeout, self._session):
            for ids in _batches(await self._candidates(scope, None, INTEGER_MAX)):
                rows = await self._hits(scope, ids)
                best = await asyncio.to_thread(_most_worded, best, rows, words, size)
        return tuple(_hit(one.row, rank=len(" ".join(words)) / one.size) for one in best)

    async def _nearest(self, scope: Mapping[str, Any], numbers: Sequence[float], limit: int) -> Sequence[Scored]:
        await self._prepare()
        likeness = Likeness(numbers)
        best: Sequence[Scored] = ()
        for ids in _batches(await self._candidates(scope, numbers, limit + SPARE)):
            rows = await self._rows("embeddings", ids=orjson.dumps(ids).decode())
            best = await asyncio.to_thread(likeness.nearest, best, rows, limit)
        return best

    async def _prepare(self) -> None:
        """Find out, once, whether the database can compare embeddings itself."""
        if not self._was_prepared:
            is_able = await self._read(lambda: self._session.dialect.enable_vectors(self._session.client), None)
            self._session.abilities = replace(self._session.abilities, vectors=is_able)
            self._was_prepared = True

    async def _candidates(self, scope: Mapping[str, Any], numbers: Sequence[float] | None, limit: int) -> Sequence[int]:
        rows = await self._rows(
            "candidates",
            **scope,
            embedding=None if numbers is None else embedding_json(numbers),
            dimension=len(numbers or ()),
            limit=limit,
        )
        return [row["id"] for row in rows]

    async def _hits(self, scope: Mapping[str, Any], ids: Sequence[int]) -> Sequence[Row]:
        return await self._rows("hits", user_id=scope["user_id"], ids=orjson.dumps(ids).decode())

    async def _rows(self, statement: str, **values: Any) -> Sequence[Row]:
        return await self._query(partial(_STATEMENTS.rows, self._session, statement, **values), None, is_short=False)


def _scope(
    user_id: Any, agent_id: Any, conversation_id: Any, resource_ids: Any, since: Any, until: Any
) -> dict[str, Any]:
    return {
        "user_id": identifier(user_id, "user_id"),
        "agent_id": optional_identifier(agent_id, "agent_id"),
        "conversation_id": optional_identifier(conversation_id, "conversation_id"),
        "resource_ids": None if resource_ids is None else orjson.dumps(_identifiers(resource_ids)).decode(),
        "since": None if since is None else moment(since, "since"),
        "until": None if until is None else moment(until, "until"),
    }


def _identifiers(value: Any) -> list[int]:
    if not isinstance(value, (list, tuple)) or len(value) > MAX_PAGE:
        raise refused("resource_ids", f"a list of at most {MAX_PAGE} ids", value)
    return [identifier(one, "an id in resource_ids") for one in value]


def _cosine(value: Any) -> float:
    if value is None:
        return -1.0
    if type(value) not in (int, float) or not -1 <= value <= 1:
        raise refused("min_similarity", "a number from -1 to 1", value)
    return float(value)


def _batches(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))


def _most_worded(best: Sequence[_Worded], rows: Sequence[Row], words: Sequence[str], limit: int) -> Sequence[_Worded]:
    found = [*best]
    for row in rows:
        there = words_of(row["content"] or "")
        if set(words).issubset(there):
            found.append(_Worded(len(" ".join(there)), row))
    return heapq.nsmallest(limit, found, key=lambda one: (one.size, -one.row["id"]))


def _hit(row: Row, **found: float) -> ChunkHit:
    return ChunkHit.from_row(row, **found)
