"""agentdb, through its public methods; what they return are its public frozen records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import agentdb
from agentdb.config import Secret, Settings
from agentdb.records import Agent, Charge, Identity, Message
from benchmarks.contestant import Charged, Content, Contestant
from benchmarks.data import MODEL, SECRET_KEY, Talk
from benchmarks.places import Place


class AgentDb(Contestant):
    """A service that attaches to a ready database, with the settings as they come."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def open(self) -> None:
        self.db = await connector(self._place)

    async def close(self) -> None:
        await self.db.close()

    @property
    def fallbacks(self) -> int:
        """How often a group or a batch was redone one by one."""
        return self.db.session.client.fallbacks

    async def append(self, talk: Talk, content: Content) -> Message:
        return await self.db.conversations.append(
            talk.conversation_id, user_id=talk.user_id, role="user", content=content
        )

    async def history(self, talk: Talk) -> Sequence[Message]:
        return (await self.db.conversations.history(talk.conversation_id, user_id=talk.user_id, limit=50)).items

    async def record(self, user_id: int, input_tokens: int, output_tokens: int) -> Charged:
        charge: Charge = await self.db.usage.record(
            user_id=user_id, model=MODEL, input_tokens=input_tokens, output_tokens=output_tokens
        )
        assert charge.remaining is not None
        return Charged(charge.cost_usd, charge.remaining)

    async def resolve(self, agent_id: int, user_id: int) -> Agent:
        return await self.db.agents.resolve(agent_id, user_id=user_id)

    async def authenticate(self, api_key: str) -> Identity:
        return await self.db.access.authenticate(api_key)

    async def bulk(self, talk: Talk, messages: Sequence[dict[str, Any]]) -> None:
        for _ in await self._append_many(talk, messages):
            pass  # a record is made when it is asked for

    async def bulk_beside(self, talk: Talk, messages: Sequence[dict[str, Any]]) -> None:
        await self._append_many(talk, messages)

    async def _append_many(self, talk: Talk, messages: Sequence[dict[str, Any]]) -> Sequence[Any]:
        return await self.db.conversations.append_many(talk.conversation_id, user_id=talk.user_id, messages=messages)

    async def recent(self, user_id: int) -> Sequence[Any]:
        return (await self.db.conversations.list(user_id=user_id, limit=20)).items


def connector(place: Place) -> agentdb.Connector:
    """A handle to be opened."""
    settings = Settings.load(env_file=None, secret_key=Secret(SECRET_KEY))
    return agentdb.connect(place.url, skip_sync=True, settings=settings)
