"""What each call surely writes, so that a service which may not is refused before anything is sent.

Whatever else a call does is checked statement by statement; see `agentdb.engine.rights`. A handle without a service is
never asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import wraps
from typing import Any, Final, TypeAlias

from agentdb.engine.rights import Rights

_BALANCE: Final = "User.remaining User.updatedAt"
_KEY: Final = "User.apiKey User.updatedAt"
_USER: Final = f"User.email User.firstName User.lastName User.status User.roleID User.budget {_BALANCE}"
_AGENT: Final = "Agent.name Agent.description Agent.promptID Agent.modelID Agent.modelParameters Agent.updatedAt"
_TOOL: Final = (
    "Tool.name Tool.type Tool.description Tool.authenticationType Tool.endpoint Tool.transportType Tool.customConfig "
    "Tool.updatedAt"
)
_GONE: Final = "Conversation.deleted Conversation.deletedAt Conversation.updatedAt"
_RESOURCE: Final = (
    "Resource.agentID Resource.conversationID Resource.messageID Resource.name Resource.type Resource.s3Uri "
    "Resource.metadata Resource.updatedAt"
)
_HELD: Final = "agentdb_reservation.state agentdb_reservation.updatedAt"

WRITES: Final[Mapping[str, str]] = {
    "access.create_policy": "Policy",
    "access.create_role": "Role",
    "access.create_user": "User",
    "access.delete_policy": "Policy",
    "access.delete_role": "Role",
    "access.grant": "RolePolicy",
    "access.issue_api_key": _KEY,
    "access.login": "User",
    "access.revoke": "RolePolicy",
    "access.revoke_api_key": _KEY,
    "access.rotate_api_key": _KEY,
    "access.update_profile": _USER,
    "access.update_user": _USER,
    "agents.create": "Agent AgentTool",
    "agents.create_tool": "Tool UserTool",
    "agents.delete": f"Agent AgentTool Prompt Resource UserAgent Vector Conversation.agentID {_GONE}",
    "agents.delete_tool": "AgentTool Tool UserTool Vector",
    "agents.publish_prompt": "Prompt Agent.promptID Agent.updatedAt",
    "agents.set_tool_credential": "UserTool.credential UserTool.updatedAt",
    "agents.share": "UserAgent.role UserAgent.updatedAt",
    "agents.unshare": "UserAgent",
    "agents.update": _AGENT,
    "agents.update_tool": _TOOL,
    "agents.use_prompt": "Agent.promptID Agent.updatedAt",
    "catalog.create_model": "Model",
    "catalog.create_provider": "Provider",
    "catalog.set_provider_secret": "Provider.apiKey Provider.updatedAt",
    "catalog.update_model": "Model.updatedAt",
    "catalog.update_provider": "Provider.updatedAt",
    "conversations.append": "Message Conversation.updatedAt",
    "conversations.append_many": "Message Conversation.updatedAt",
    "conversations.delete": _GONE,
    "conversations.finish_turn": "Message Conversation.updatedAt",
    "conversations.purge": "Conversation Message Resource Vector",
    "conversations.rename": "Conversation.title Conversation.updatedAt",
    "conversations.restore": _GONE,
    "conversations.set_agent": "Conversation.agentID Conversation.updatedAt",
    "conversations.start": "Conversation",
    "conversations.summarise": "Message Conversation.summaryMessageID Conversation.updatedAt",
    "knowledge.delete": "Resource Vector",
    "knowledge.reindex": f"Vector {_RESOURCE}",
    "knowledge.store": "Resource",
    "knowledge.update": _RESOURCE,
    "usage.expire_reservations": f"{_HELD} {_BALANCE}",
    "usage.record": f"Usage {_BALANCE}",
    "usage.record_many": f"Usage {_BALANCE}",
    "usage.release": f"{_HELD} {_BALANCE}",
    "usage.reserve": f"agentdb_reservation {_BALANCE}",
    "usage.reset_budgets": f"agentdb_budget_reset {_BALANCE}",
    "usage.settle": f"Usage {_HELD} agentdb_reservation.settledDigest agentdb_reservation.usageID "
    f"agentdb_reservation.cost {_BALANCE}",
}
"""Tables whose rows are made or deleted, and the columns that are changed in others."""

WRITES_WITH: Final[Mapping[tuple[str, str], str]] = {("conversations.finish_turn", "usage"): WRITES["usage.record"]}
"""What a call also writes when an argument is given, and not empty."""

READS: Final[Mapping[str, str]] = {
    "conversations.search": "Message.content",
    "knowledge.memories": "Resource",
    "knowledge.similar": "Vector",
}
"""What is read by calls that first ask for something else; any other begins with it."""

_Call: TypeAlias = Callable[..., Awaitable[Any]]


def restrict(service: object, domain: str, rights: Rights) -> None:
    """Let the calls of a domain raise AccessDeniedError where `rights` do not allow what they do."""
    for name, argument, denied in _refusals(rights):
        of, _, verb = name.partition(".")
        if of == domain:
            vars(service)[verb] = _refusing(getattr(service, verb), name, denied, rights, given=argument)


def _refusals(rights: Rights) -> Iterator[tuple[str, str | None, tuple[str, ...]]]:
    """Calls that are refused, the argument with which they are, if not always, and the tables that are not theirs."""
    found = [
        *((name, None, rights.denied("write", places.split())) for name, places in WRITES.items()),
        *((name, argument, rights.denied("write", places.split())) for (name, argument), places in WRITES_WITH.items()),
        *((name, None, rights.denied("read", places.split())) for name, places in READS.items()),
    ]
    return (one for one in found if one[2])


def _refusing(call: _Call, name: str, denied: tuple[str, ...], rights: Rights, *, given: str | None) -> _Call:
    @wraps(call)
    async def refused(*args: Any, **kwargs: Any) -> Any:
        if given is None or kwargs.get(given):
            raise rights.refusal(name, denied)
        return await call(*args, **kwargs)

    return refused
