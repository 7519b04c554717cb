"""Search in a user's own messages: whole words, whatever their case and accents, all of which must occur.

The set of hits is the same on every engine. Words are indexed by the first search after an append and not by the append
(`agentdb/sql/search.sql` says why that is safe), in units that are small and short: what needs time, the reading and
normalising of texts, is done outside of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from agentdb.engine import Row, Steps
from agentdb.engine.misread import reading
from agentdb.engine.values import now
from agentdb.records import MessageHit
from agentdb.services._deadline import within
from agentdb.services._input import identifier, moment, optional_identifier, page_size
from agentdb.services._json import parsed
from agentdb.services._service import Service
from agentdb.services._words import query_words, texts_of, words_of
from agentdb.sql import Statements

BATCH: Final = 200
"""Messages that are indexed in one unit."""

_STATEMENTS: Final = Statements("search")


Marks: TypeAlias = Mapping[int, int]
"""The last message that is indexed, by conversation."""


class _Words(NamedTuple):
    """What a batch of messages adds: words by message, and marks."""

    entries: Mapping[int, Sequence[str]]
    marks: Marks


class Search(Service):
    """The part of `db.conversations` that finds messages by their words."""

    async def search(
        self,
        query: str,
        *,
        user_id: int,
        agent_id: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 20,
        timeout: float | None = None,
    ) -> tuple[MessageHit, ...]:
        """The user's messages that have all the words of a query, wherever in their texts.

        Case and accents do not count, punctuation separates words, nothing is stemmed: `Café` finds "CAFE", and not
        "cafés". In scripts without spaces, such as Chinese, Japanese or Thai, each character is a word. Of a word the
        first 64 characters count, of a message the first 512 KiB of different words.

        Whatever was committed before the call is found. What was appended since the last search is indexed first; that
        is kept if the call then runs out of time.

        Args:
            query: At most a thousand characters with at least one letter or digit.
            agent_id: Only in conversations with this agent.
            since: Only messages from this instant on.
            until: Only messages before this instant.
            limit: At most so many, 1 to 1000.
            timeout: Seconds for the whole call.

        Returns:
            By falling `rank`, newest first where ranks are equal. Nothing of a conversation that is deleted or another
            user's; what is restored is found again.

        Raises:
            InvalidInputError: A query without a word or too long, a naive time, or a limit out of range.
            UnsupportedError: A database that the original package made.
            DeadlineError: `timeout` has passed.
        """
        words = query_words(query)
        values: dict[str, Any] = {
            "user_id": identifier(user_id, "user_id"),
            "agent_id": optional_identifier(agent_id, "agent_id"),
            "since": None if since is None else moment(since, "since"),
            "until": None if until is None else moment(until, "until"),
            "limit": page_size(limit),
            "words": _line(user_id, words),
        }
        self._session.abilities.require("support_tables")
        async with within(timeout, self._session):
            await self._index_messages(user_id)
            await self._follow_words()
            rows = await self._query(partial(self._matching, values), None, is_short=False)
        with reading():
            return tuple(_hit(row, user_id, words) for row in rows)

    async def index_messages(self, *, timeout: float | None = None) -> int:
        """Index everybody's messages that no search has indexed yet; how many. Searches then have less to do.

        It goes in short batches, and whatever was indexed is kept if it then runs out of time.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            UnsupportedError: A database that the original package made.
            DeadlineError: `timeout` has passed.
        """
        self._session.abilities.require("support_tables")
        total, after_id = 0, 0
        async with within(timeout, self._session):
            while rows := await self._query(partial(self._users_behind, after_id), None, is_short=False):
                for row in rows:
                    total += await self._index_messages(row["userID"])
                after_id = rows[-1]["userID"]
            await self._follow_words()
        return total

    def _users_behind(self, after_id: int) -> Steps[Sequence[Row]]:
        return (yield from _STATEMENTS.rows(self._session, "users_behind", after_id=after_id, limit=BATCH))

    async def _index_messages(self, user_id: int) -> int:
        """Index what the user's conversations have beyond their marks, up to what was there when this began."""
        total = 0
        newest, behind = await self._query(partial(self._behind, user_id), None, is_short=False)
        while behind:
            rows, behind = await self._query(partial(self._unindexed, behind, newest), None, is_short=False)
            if rows:
                words = await asyncio.to_thread(_words_in, rows)
                await self._write(partial(self._keep_words, user_id, words), None)
                total += len(rows)
        return total

    def _behind(self, user_id: int) -> Steps[tuple[int, Marks]]:
        (row,) = yield from _STATEMENTS.rows(self._session, "newest")
        rows = yield from _STATEMENTS.rows(self._session, "behind", user_id=user_id, newest=row["id"])
        return row["id"], {one["id"]: one["mark"] for one in rows}

    def _unindexed(self, behind: Marks, newest: int) -> Steps[tuple[Sequence[Row], Marks]]:
        """A batch of messages, and what is then still behind."""
        found: list[Row] = []
        later = dict(behind)
        for conversation_id, mark in behind.items():
            wanted = BATCH - len(found)
            rows = yield from _STATEMENTS.rows(
                self._session,
                "unindexed",
                conversation_id=conversation_id,
                mark=mark,
                newest=newest,
                limit=wanted,
            )
            found += rows
            if len(rows) == wanted:
                later[conversation_id] = rows[-1]["id"]
                break
            del later[conversation_id]
        return found, later

    def _keep_words(self, user_id: int, words: _Words) -> Steps[None]:
        ids = orjson.dumps(sorted(words.marks)).decode()
        held = yield from _STATEMENTS.rows(self._session, "hold_conversations", ids=ids)
        time = now()
        marks = [{"conversation_id": row["id"], "message_id": words.marks[row["id"]], "now": time} for row in held]
        entries = [
            {"user_id": user_id, "message_id": one, "words": _line(user_id, there)}
            for one, there in sorted(words.entries.items())
        ]
        if marks:
            yield _STATEMENTS.many(self._session, "index_words", rows=entries)
            yield _STATEMENTS.many(self._session, "move_mark", rows=marks)

    async def _follow_words(self) -> None:
        """Bring the engine's own index of the words up to date, if it has one that must be told."""
        table = self._session.dialect.word_table
        if table is None:
            return
        state = await self._query(table.state, None)
        if state == "missing" and self._session.client.joined() is None:  # a caller may take the table back
            await self._write(table.make, None)
            state = await self._query(table.state, None)
        while state == "behind":
            await self._write(table.follow, None)
            state = await self._query(table.state, None)
        if state == "current":
            self._session.abilities = replace(self._session.abilities, word_table=True)

    def _matching(self, values: Mapping[str, Any]) -> Steps[Sequence[Row]]:
        return (yield from _STATEMENTS.rows(self._session, "found", **values))


def _words_in(batch: Sequence[Row]) -> _Words:
    with reading():
        texts = {row["id"]: " ".join(texts_of(parsed(row["content"]))) for row in batch}
    entries = {one: words for one, text in texts.items() if (words := words_of(text))}
    return _Words(entries, {row["conversationID"]: row["id"] for row in batch})


def _line(user_id: int, words: Sequence[str]) -> str:
    """Words as they are stored and looked up: behind their user, which is no word of a text."""
    return " ".join((f"user_{user_id}", *words))


def _hit(row: Row, user_id: int, words: Sequence[str]) -> MessageHit:
    found = dict(row)
    texts, size = texts_of(parsed(found.pop("content"))), found.pop("size")
    user = len(_line(user_id, ("",)))
    return MessageHit.model_validate({**found, "texts": texts, "rank": len(" ".join(words)) / (size - user)})
