"""Plain Tortoise ORM with its stock backends, as its documentation teaches it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tortoise import Tortoise
from tortoise.expressions import F, Q
from tortoise.functions import Max
from tortoise.transactions import in_transaction

from benchmarks.contestant import Caller, Charged, Content, Contestant, Preview, access_of
from benchmarks.data import MODEL, SECRET_KEY, Talk
from benchmarks.digest import digester
from benchmarks.places import Place, SqlitePlace

if TYPE_CHECKING:
    from types import ModuleType


class PlainTortoise(Contestant):
    """One process-wide Tortoise: its models and connections are global."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._digest = digester(SECRET_KEY)

    async def open(self) -> None:
        self._models = _models_of(self._place)
        await Tortoise.init(
            config={
                "connections": {"default": _connection(self._place)},
                "apps": {"models": {"models": [self._models.__name__], "default_connection": "default"}},
                "use_tz": True,
                "timezone": "UTC",
            }
        )

    async def close(self) -> None:
        await Tortoise.close_connections()

    async def append(self, talk: Talk, content: Content) -> Any:
        async with in_transaction():
            await self._touch(talk)
            return await self._models.Message.create(conversation_id=talk.conversation_id, role="user", content=content)

    async def history(self, talk: Talk) -> Sequence[Any]:
        messages = (
            await self._models.Message.filter(
                conversation_id=talk.conversation_id, conversation__user_id=talk.user_id, conversation__deleted=False
            )
            .order_by("-id")
            .limit(50)
        )
        if not messages:
            raise LookupError(talk)
        return list(reversed(messages))

    async def record(self, user_id: int, input_tokens: int, output_tokens: int) -> Charged:
        models = self._models
        async with in_transaction():
            model = await models.Model.get(internal_name=MODEL)
            cost = (model.cost1k_input * input_tokens + model.cost1k_output * output_tokens) / 1000
            if isinstance(self._place, SqlitePlace):
                cost = round(cost)
            await models.Usage.create(
                user_id=user_id,
                model_id=model.id,
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                cache_read_tokens=0,
                cache_write_tokens=0,
                cost=cost,
            )
            charged = models.User.filter(id=user_id, remaining__gte=cost)
            if await charged.update(remaining=F("remaining") - cost, updated_at=datetime.now(UTC)) != 1:
                raise LookupError(user_id)
            (remaining,) = await models.User.filter(id=user_id).values_list("remaining", flat=True)
        return Charged(cost, remaining)

    async def resolve(self, agent_id: int, user_id: int) -> Any:
        visible = Q(user_id=user_id) | Q(user_id=None) | Q(user_agents__user_id=user_id)
        found = self._models.Agent.filter(visible, id=agent_id).select_related("prompt", "model__provider")
        agent = await found.prefetch_related("tools").first()
        if agent is None:
            raise LookupError(agent_id)
        return agent

    async def authenticate(self, api_key: str) -> Caller:
        user = await self._models.User.get(api_key=self._digest(api_key), status="active").prefetch_related(
            "role__policies"
        )
        known = await self._models.Policy.all()
        granted = sorted(user.role.policies, key=lambda policy: int(policy.id))
        return Caller(user, user.role, granted, access_of(granted, known))

    async def bulk(self, talk: Talk, messages: Sequence[dict[str, Any]]) -> None:
        table = self._models.Message
        async with in_transaction():
            await self._touch(talk)
            await table.bulk_create(
                [
                    table(conversation_id=talk.conversation_id, role=one["role"], content=one["content"])
                    for one in messages
                ]
            )

    async def recent(self, user_id: int) -> Sequence[Preview]:
        models = self._models
        talks = (
            await models.Conversation.filter(user_id=user_id, deleted=False).order_by("-updated_at", "-id").limit(20)
        )
        newest = (
            models.Message.filter(conversation_id__in=[talk.id for talk in talks])
            .annotate(newest=Max("id"))
            .group_by("conversation_id")
        )
        ids = await newest.values_list("newest", flat=True)
        last = {message.conversation_id: message for message in await models.Message.filter(id__in=list(ids))}
        return [Preview(talk, last.get(talk.id)) for talk in talks]

    async def _touch(self, talk: Talk) -> None:
        found = self._models.Conversation.filter(id=talk.conversation_id, user_id=talk.user_id, deleted=False)
        if await found.update(updated_at=datetime.now(UTC)) != 1:
            raise LookupError(talk)


def _models_of(place: Place) -> Any:
    from importlib import import_module

    os.environ["AGENTDB_BENCHMARK_ENGINE"] = "sqlite" if isinstance(place, SqlitePlace) else "postgres"
    models: ModuleType = import_module("benchmarks.tortoise_models")
    return models


def _connection(place: Place) -> dict[str, Any]:
    if isinstance(place, SqlitePlace):
        pragmas = {"file_path": place.path, "synchronous": place.synchronous}
        return {"engine": "tortoise.backends.sqlite", "credentials": pragmas}
    # One connection for each of 16 tasks; the stock pool has five.
    pool = {"minsize": 1, "maxsize": 16}
    return {"engine": "tortoise.backends.asyncpg", "credentials": {**place.arguments, **pool}}
