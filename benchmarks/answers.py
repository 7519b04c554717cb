"""What a contestant answers, in one form, so that all can be compared before anything is timed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from benchmarks.contestant import Contestant
from benchmarks.data import World

_SIDE_BY_SIDE = timedelta(days=1)
"""Rows that are younger were written by the contestants, each at its own time."""


async def answers(one: Contestant, world: World) -> dict[str, Any]:
    """What `one` answers to one call of each workload, and what it stored. Its database changes."""
    found: dict[str, Any] = {
        "W2": [_message(message) for message in await one.history(world.long_talk)],
        "W2 short": [_message(message) for message in await one.history(world.talk(5))],
        "W4": [_agent(await one.resolve(world.agent_id(number), world.user_id(number))) for number in (0, 7)],
        "W5": [_caller(await one.authenticate(world.api_key(number))) for number in (0, 7)],
        "W7": [_preview(preview) for preview in await one.recent(world.busy_user_id)],
    }
    stored = [_message(await one.append(world.talk(number), world.content(number))) for number in range(3)]
    found["W1"] = [message[1:] for message in stored]
    found["W1 stored"] = [[_message(message) for message in await one.history(world.talk(number))] for number in (0, 2)]
    found["W1 of another"] = await _is_refused(one, world)
    charges = [await one.record(world.user_id(3), tokens, 80) for tokens in (100, 101, 4_999)]
    found["W3"] = [(_dollars(charge.cost), _dollars(charge.remaining)) for charge in charges]
    await one.bulk(world.spare_talk(0), world.bulk)
    found["W6"] = [_message(message) for message in await one.history(world.spare_talk(0))]
    found["W7 then"] = [_preview(preview) for preview in await one.recent(world.spare_talk(0).user_id)][:1]
    return found


async def _is_refused(one: Contestant, world: World) -> bool:
    talk = world.long_talk
    stranger = type(talk)(talk.conversation_id, world.busy_user_id)
    try:
        await one.append(stranger, world.content(0))
    except Exception:
        return True
    return False


def _message(message: Any) -> tuple[Any, ...]:
    return message.id, message.conversation_id, message.role, message.content, _moment(message.created_at)


def _preview(preview: Any) -> tuple[Any, ...]:
    talk = getattr(preview, "conversation", preview)
    last = preview.last_message
    return talk.id, talk.user_id, talk.title, _moment(talk.updated_at), last and _message(last)


def _agent(agent: Any) -> tuple[Any, ...]:
    tools = [(tool.id, tool.name, tool.type, tool.description, tool.custom_config) for tool in agent.tools]
    model, prompt = agent.model, agent.prompt
    return (
        (agent.id, agent.user_id, agent.name, agent.model_parameters, _moment(agent.created_at)),
        (prompt.id, prompt.version, prompt.content),
        (model.id, model.internal_name, model.max_context, model.default_parameters, _prices(model)),
        (model.provider.id, model.provider.name),
        sorted(tools, key=lambda tool: int(tool[0])),
    )


def _prices(model: Any) -> list[Decimal]:
    if hasattr(model, "price"):
        return [_dollars(price) for price in model.price]
    kinds = ("input", "output", "cache_read", "cache_write")
    return [_dollars(getattr(model, f"cost1k_{kind}") or 0) for kind in kinds]


def _caller(caller: Any) -> tuple[Any, ...]:
    user = getattr(caller, "user", caller)
    policies = sorted((policy.id, policy.name, policy.resource, policy.action) for policy in caller.policies)
    return user.id, user.email, user.status, _dollars(user.budget), caller.role.name, policies, dict(caller.access)


def _dollars(amount: Any) -> Decimal:
    dollars = Decimal(amount).scaleb(-10) if isinstance(amount, int) else amount
    return Decimal(dollars).quantize(Decimal("1e-10"))


def _moment(moment: datetime) -> str:
    return "now" if datetime.now(UTC) - moment < _SIDE_BY_SIDE else moment.astimezone(UTC).isoformat()
