"""Who is in the benchmark's database, by formula: every contestant knows every id without asking.

Nothing of agentdb is imported here, because plain Tortoise must not share a process with it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import chain, cycle, islice, repeat
from typing import Any, Final

import orjson

SECRET_KEY: Final = "the key of a benchmark, which is no secret"
MODEL: Final = "us.anthropic.claude-sonnet-4-6"
BUDGET_USD: Final = 1_000_000
TOOLS_OF_AN_AGENT: Final = 5
MESSAGE_BYTES: Final = 600
SPARE: Final = 16
"""Conversations that begin empty, for the bulk inserts."""

_FIRST_ID: Final = 1_000_001
_BEGINNING: Final = datetime(2025, 1, 1, microsecond=123_456, tzinfo=UTC)
_WORDS: Final = ("agent", "tool", "answer", "question", "model", "token", "context", "memory", "search", "result")


@dataclass(frozen=True, slots=True)
class Size:
    """How many rows there are.

    Attributes:
        long: Messages of the one long conversation.
        many: Conversations of the one user who has many.
        bulk: Messages of one bulk insert.
        reads: Reads during bulk inserts.
    """

    users: int
    conversations: int
    messages: int
    usages: int
    long: int
    many: int
    bulk: int
    reads: int


FULL: Final = Size(100, 12_000, 100_000, 100_000, long=1_000, many=10_000, bulk=20_000, reads=2_000)
QUICK: Final = Size(100, 1_200, 10_000, 10_000, long=1_000, many=1_000, bulk=2_000, reads=500)
TINY: Final = Size(20, 60, 400, 40, long=60, many=25, bulk=50, reads=20)


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation and its owner."""

    conversation_id: int
    user_id: int


class World:
    """The rows of one size."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.user_ids = range(_FIRST_ID, _FIRST_ID + size.users)
        self.busy_user_id = self.user_ids[0]
        self.long_talk = self._talk(size.many)

    def user_id(self, number: int) -> int:
        """Any user, by any number."""
        return self.user_ids[number % self.size.users]

    def agent_id(self, number: int) -> int:
        """The agent of `user_id(number)`: each user has one."""
        return self.user_id(number)

    def api_key(self, number: int) -> str:
        """The API key of `user_id(number)`."""
        return f"agk_benchmark_{self.user_id(number)}"

    def talk(self, number: int) -> Talk:
        """Any conversation but the long one. Neighbouring numbers lie far apart."""
        return self._talk(
            (self.size.many + 1 + number * 7919 % (self.size.conversations - 1)) % self.size.conversations
        )

    def spare_talk(self, number: int) -> Talk:
        """A conversation for a bulk insert."""
        return self._talk(self.size.conversations + number % SPARE)

    def content(self, number: int) -> list[dict[str, Any]]:
        """A message of `MESSAGE_BYTES` as JSON."""
        return self.contents[number % len(self.contents)]

    @cached_property
    def contents(self) -> list[list[dict[str, Any]]]:
        """Different messages, to be taken in turns."""
        return [_content(number) for number in range(64)]

    @cached_property
    def bulk(self) -> list[dict[str, Any]]:
        """The messages of a bulk insert, as role and content."""
        return [{"role": _role(number), "content": self.content(number)} for number in range(self.size.bulk)]

    def rows(self, digest: Any) -> Iterator[tuple[str, tuple[str, ...], Iterator[tuple[Any, ...]]]]:
        """Tables in the order of their references, with columns and rows, as Python values.

        Args:
            digest: What stands in the database for an API key.
        """
        yield "User", _USER, (self._user(number, digest(self.api_key(number))) for number in range(self.size.users))
        yield "Prompt", _PROMPT, (self._prompt(number) for number in range(self.size.users))
        yield "Agent", _AGENT, (self._agent(number) for number in range(self.size.users))
        yield "AgentTool", _AGENT_TOOL, self._agent_tools()
        yield "Conversation", _CONVERSATION, self._conversations()
        yield "Message", _MESSAGE, self._messages()
        yield "Usage", _USAGE, (self._usage(number) for number in range(self.size.usages))

    def _talk(self, index: int) -> Talk:
        others = self.size.users - 1
        owner = 0 if index < self.size.many else 1 + (index - self.size.many) % others
        return Talk(_FIRST_ID + index, self.user_ids[owner])

    def _user(self, number: int, stored_key: str) -> tuple[Any, ...]:
        user_id, moment = self.user_id(number), _moment(number)
        role = 1 if number % 10 == 0 else 2
        email = f"user{number}@example.org"
        return user_id, email, "Ada", f"Number {number}", "active", role, stored_key, moment, moment

    def _prompt(self, number: int) -> tuple[Any, ...]:
        text = f"You are assistant {number}. " + "Answer briefly and say what you do not know. " * 40
        return self.agent_id(number), f"benchmark-{number}", 1, text, _moment(number), _moment(number)

    def _agent(self, number: int) -> tuple[Any, ...]:
        agent_id = self.agent_id(number)
        parameters = '{"temperature": 0.2, "topP": 0.9}'
        moment = _moment(number)
        return agent_id, agent_id, 2, f"Agent {number}", "For the benchmark", agent_id, parameters, moment, moment

    def _agent_tools(self) -> Iterator[tuple[Any, ...]]:
        for number in range(self.size.users):
            for tool in range(TOOLS_OF_AN_AGENT):
                row_id = _FIRST_ID + number * TOOLS_OF_AN_AGENT + tool
                yield row_id, tool + 1, self.agent_id(number), _moment(number), _moment(number)

    def _conversations(self) -> Iterator[tuple[Any, ...]]:
        for index in range(self.size.conversations + SPARE):
            talk = self._talk(index)
            agent_id, moment = talk.user_id, _moment(index)
            yield talk.conversation_id, talk.user_id, agent_id, f"Talk {index}", False, moment, moment

    def _messages(self) -> Iterator[tuple[Any, ...]]:
        texts = [orjson.dumps(content).decode() for content in self.contents]
        for number, index in enumerate(self._places()):
            moment = _moment(number)
            yield _FIRST_ID + number, _FIRST_ID + index, _role(number), texts[number % 64], moment, moment

    def _places(self) -> Iterator[int]:
        """The conversation of each message: in turns, as if all talked at once, the long one until it is long."""
        size = self.size
        others = cycle(index for index in range(size.conversations) if index != size.many)
        return chain(islice(others, size.messages - size.long), repeat(size.many, size.long))

    def _usage(self, number: int) -> tuple[Any, ...]:
        moment = _moment(number)
        return _FIRST_ID + number, self.user_id(number), 2, "chat", 120, 80, 0, 0, moment, moment


_USER: Final = ("id", "email", "firstName", "lastName", "status", "roleID", "apiKey", "createdAt", "updatedAt")
_PROMPT: Final = ("id", "name", "version", "content", "createdAt", "updatedAt")
_AGENT: Final = (
    "id", "userID", "modelID", "name", "description", "promptID", "modelParameters", "createdAt", "updatedAt",
)  # fmt: skip
_AGENT_TOOL: Final = ("id", "toolID", "agentID", "createdAt", "updatedAt")
_CONVERSATION: Final = ("id", "userID", "agentID", "title", "deleted", "createdAt", "updatedAt")
_MESSAGE: Final = ("id", "conversationID", "role", "content", "createdAt", "updatedAt")
_USAGE: Final = (
    "id", "userID", "modelID", "type", "inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens",
    "createdAt", "updatedAt",
)  # fmt: skip


def _moment(number: int) -> datetime:
    return _BEGINNING + timedelta(seconds=number)


def _role(number: int) -> str:
    return "assistant" if number % 2 else "user"


def _content(number: int) -> list[dict[str, Any]]:
    words = " ".join(random.Random(number).choices(_WORDS, k=MESSAGE_BYTES // 4))
    room = MESSAGE_BYTES - len(orjson.dumps([{"text": ""}]))
    return [{"text": words[:room]}]
