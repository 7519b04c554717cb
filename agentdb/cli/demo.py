"""A conversation from its first word to its price, as the services of an agent platform hold it.

Only the language model and its tool are scripted. The rows are real, and so are the prices.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal

from agentdb.cli.mock_model import QUESTIONS, Block, mock_model, mock_tool
from agentdb.config import Settings
from agentdb.database import Database, connect
from agentdb.models import Usage
from agentdb.records import Agent, Message, User

AGENT: Final = "Standard Chat"
BUDGET: Final = Decimal("0.05")
MOCK_MODEL: Final = "mock-model"


@dataclass(frozen=True, slots=True)
class Spent:
    """What one model cost in a conversation."""

    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class Story:
    """A conversation, as the database tells it afterwards."""

    location: str
    user: User
    agent: Agent
    conversation_id: int
    messages: Sequence[Message]
    spent: Sequence[Spent]
    remaining_usd: Decimal | None


async def run_demo(url: str | None) -> Story:
    """Hold the conversation in the database at `url`, or in a new SQLite file in a temporary folder."""
    settings = Settings.load()
    if url is None:
        url = f"sqlite:///{Path(tempfile.mkdtemp(prefix='agentdb-demo-')) / 'agent.db'}"
        settings = settings.model_copy(update={"seed_directory": None})  # the demo's agent is a packaged one
    async with connect(url, skip_sync=False, create_database=True, settings=settings) as db:
        return await tell(db)


async def tell(db: Database) -> Story:
    """A new user asks the agent three questions; the first needs a tool, the second goes to the agent's own model."""
    run = uuid.uuid4().hex[:12]
    # On a server whose secret key nobody has set there is nothing to keep an API key safe with.
    created = await db.access.create_user(
        email=f"demo-{run}@example.org", budget=BUDGET, with_api_key=db.can_keep_secrets
    )
    user = await db.access.authenticate(created.api_key) if created.api_key else created

    agent = await db.agents.resolve(AGENT, user_id=user.id)
    talk = await db.conversations.start(user_id=user.id, agent_id=agent.id, title="API success", request_id=run)
    chat = Chat(db, user_id=user.id, agent=agent, conversation_id=talk.id, run=run)
    for question, model in zip(QUESTIONS, (MOCK_MODEL, agent.model.internal_name, MOCK_MODEL), strict=True):
        await chat.ask(question, model=model)

    return Story(
        location=db.session.target.shown,
        user=user,
        agent=agent,
        conversation_id=talk.id,
        messages=(await db.conversations.history(talk.id, user_id=user.id)).items,
        spent=await spent_per_model(db, talk.id),
        remaining_usd=await db.usage.remaining(user.id),
    )


class Chat:
    """The loop of an agent: ask the model, run the tools that it wants, until it has answered.

    Every write has a request id: repeated after a lost connection, it does not happen twice.
    """

    def __init__(self, db: Database, *, user_id: int, agent: Agent, conversation_id: int, run: str) -> None:
        self._db = db
        self._user_id = user_id
        self._agent = agent
        self._conversation_id = conversation_id
        self._run = run
        self._messages: list[Sequence[Block]] = []

    async def ask(self, question: str, *, model: str) -> None:
        """Ask, and go on until the model wants no more tools."""
        content: Sequence[Block] = [{"text": question}]
        while content:
            await self._append("user", content)
            reply = await self._call(model)
            content = [await mock_tool(block["toolUse"]) for block in reply if "toolUse" in block]

    async def _call(self, model: str) -> Sequence[Block]:
        prompt = self._agent.prompt
        reply, tokens = await mock_model(prompt.content or "" if prompt else "", self._messages)
        message = await self._append("assistant", reply)
        await self._db.usage.record(
            user_id=self._user_id,
            model=model,
            input_tokens=tokens.input,
            output_tokens=tokens.output,
            cache_read_tokens=tokens.cache_read,
            cache_write_tokens=tokens.cache_write,
            agent_id=self._agent.id,
            message_id=message.id,
            request_id=message.request_id,
        )
        return reply

    async def _append(self, role: Literal["user", "assistant"], content: Sequence[Block]) -> Message:
        message = await self._db.conversations.append(
            self._conversation_id,
            user_id=self._user_id,
            role=role,
            content=content,
            request_id=f"{self._run}-{len(self._messages)}",
        )
        self._messages.append(content)
        return message


async def spent_per_model(db: Database, conversation_id: int) -> list[Spent]:
    """What is recorded for a conversation, dearest model first. The sums are exact: of decimals, in Python."""
    calls: dict[str, list[Usage]] = {}
    with db.use():
        async for usage in Usage.filter(message__conversation_id=conversation_id).prefetch_related("model"):
            assert usage.model is not None
            calls.setdefault(str(usage.model.internal_name), []).append(usage)
    spent = [
        Spent(
            model,
            len(rows),
            input_tokens=sum(row.input_tokens or 0 for row in rows),
            output_tokens=sum(row.output_tokens or 0 for row in rows),
            cache_read_tokens=sum(row.cache_read_tokens or 0 for row in rows),
            cache_write_tokens=sum(row.cache_write_tokens or 0 for row in rows),
            cost_usd=sum((row.cost or Decimal(0) for row in rows), Decimal(0)),
        )
        for model, rows in calls.items()
    ]
    return sorted(spent, key=lambda one: one.cost_usd, reverse=True)
