"""Every public call of the six services with arguments that are fine, and what each of its parameters refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agentdb import AgentDBError, AuthenticationError, ConflictError, DeadlineError, NotFoundError, UnsupportedError
from tests.services import bad_values as a
from tests.services.bad_values import Bad, Kind, World, bad, identifier, key, named, optional_identifier

SINCE, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
MODEL_NAME = "us.anthropic.claude-sonnet-4-6"
HELLO = [{"text": "Hello"}]
SUMMARY = "All that was said up to here, in a sentence that is long enough."
CHUNKS = [{"content": "a chunk", "embedding": [1.0, 0.0]}]


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a service.

    Attributes:
        fine: Arguments by name with which nothing is refused for its value.
        refused: What each parameter refuses.
        refuses: The class of the answer to fine arguments, where that is a refusal.
    """

    fine: Callable[[World], dict[str, Any]]
    refused: Mapping[str, Kind]
    refuses: type[AgentDBError] | None = None


def call(fine: Callable[[World], dict[str, Any]], **refused: Kind) -> Call:
    """A call that also takes a timeout."""
    return Call(fine, {**refused, "timeout": TIMEOUT})


TIMEOUT = a.TIMEOUT.but(
    *(bad(str(one), one, f"Not done within {one} s: nothing was begun", DeadlineError) for one in (0, -1, -0.5))
)
USER = identifier("user")
AGENT = identifier("agent")
TALK = identifier("conversation")
MESSAGE = identifier("message")
RESOURCE = identifier("resource")
ROLE = key("role")
POLICY = key("policy")
PROVIDER = key("provider")
NO_NAME = bad("''", "", "is a text that is not empty")
MODEL = named("model")
NO_KEY = [
    Bad(one.label, one.value, "No user has this API key", AuthenticationError) for one in (*a.UNSTORABLE, a.EMPTY)
]
OWN_TYPE = a.TEXT.but(bad("builtin", "builtin", "is for seeded tools"))
TOKENS = {
    name: a.COUNT.but(bad("2^63-1", 2**63 - 1, "between -900000000 and 900000000", called="An amount of money"))
    for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
}
COUNTS = dict.fromkeys(TOKENS, a.COUNT)
USAGE = {
    "model": MODEL,
    **COUNTS,
    "convention": a.choice("Convention"),
    "type": a.OPTIONAL_TEXT,
    "agent_id": optional_identifier("agent"),
    "message_id": optional_identifier("message"),
}
MODEL_FIELDS = {
    "name": a.OPTIONAL_TEXT,
    "type": a.OPTIONAL_TEXT,
    "description": a.OPTIONAL_TEXT,
    "max_context": a.OPTIONAL_COUNT,
    "max_output": a.OPTIONAL_COUNT,
    "max_reasoning": a.OPTIONAL_COUNT,
    "price": a.PRICE,
    "default_parameters": a.OPTIONAL_OBJECT,
    "provider": key("provider", "str | int | None"),
}
TOOL_FIELDS = {
    "type": OWN_TYPE,
    "description": a.OPTIONAL_TEXT,
    "authentication_type": a.OPTIONAL_TEXT,
    "endpoint": a.OPTIONAL_TEXT,
    "transport_type": a.OPTIONAL_TEXT,
    "custom_config": a.OPTIONAL_OBJECT,
}
RESOURCE_FIELDS = {
    "content": a.OPTIONAL_TEXT,
    "type": a.OPTIONAL_TEXT,
    "s3_uri": a.OPTIONAL_TEXT,
    "metadata": a.OPTIONAL_OBJECT,
    "agent_id": optional_identifier("agent"),
    "conversation_id": optional_identifier("conversation"),
    "message_id": optional_identifier("message"),
    "chunks": a.CHUNKS,
}
SEARCH = {
    "user_id": a.LISTED,
    "agent_id": a.FILTER,
    "since": a.OPTIONAL_TIME,
    "until": a.OPTIONAL_TIME,
    "limit": a.limit(),
}
RECALL = {**SEARCH, "conversation_id": a.FILTER, "resource_ids": a.IDENTIFIERS}
PAGE = {"limit": a.limit(), "cursor": a.CURSOR}


def nothing(_: World) -> dict[str, Any]:
    """No argument that has to be there."""
    return {}


def of_user(world: World) -> dict[str, Any]:
    """The user's id."""
    return {"user_id": world.user_id}


def of_agent(world: World) -> dict[str, Any]:
    """The user's agent."""
    return {"agent_id": world.agent_id, "user_id": world.user_id}


def of_tool(world: World) -> dict[str, Any]:
    """The user's tool."""
    return {"tool_id": world.tool_id, "user_id": world.user_id}


def of_talk(world: World) -> dict[str, Any]:
    """The user's conversation."""
    return {"conversation_id": world.talk_id, "user_id": world.user_id}


def of_message(world: World) -> dict[str, Any]:
    """The first message of the user's conversation."""
    return {"message_id": world.message_id, "user_id": world.user_id}


def of_resource(world: World) -> dict[str, Any]:
    """The user's resource."""
    return {"resource_id": world.resource_id, "user_id": world.user_id}


FOREIGN = Bad("another user's", lambda world: world.foreign_id, "No conversation", NotFoundError)
THEIR_TALK = TALK.but(FOREIGN)

CALLS: dict[str, Call] = {
    "access.access_of_role": call(lambda _: {"role": "user"}, role=ROLE),
    "access.allows": call(
        lambda w: {"user": w.user_id, "resource": "agents", "action": "read"},
        user=Kind("int | User", USER.refused),
        resource=a.TEXT,
        action=a.TEXT,
    ),
    "access.authenticate": Call(
        lambda _: {"api_key": "agk_unknown"},
        {
            "api_key": Kind("str | Secret", (*a.every([1, b"x", None, ["x"]], "is a text or a Secret"), *NO_KEY)),
            "timeout": TIMEOUT,
        },
        refuses=AuthenticationError,
    ),
    "access.create_policy": call(
        lambda _: {"name": "p", "resource": "r", "action": "a"}, name=a.NAME, resource=a.TEXT, action=a.TEXT
    ),
    "access.create_role": call(lambda _: {"name": "r"}, name=a.NAME, display_order=a.NUMBER),
    "access.create_user": call(
        lambda _: {"email": "new@example.org"},
        email=a.EMAIL,
        first_name=a.OPTIONAL_TEXT,
        last_name=a.OPTIONAL_TEXT,
        role=key("role", "str | int | None"),
        status=a.TEXT,
        budget=a.BUDGET,
        with_api_key=a.FLAG,
    ),
    "access.delete_policy": call(lambda w: {"policy": w.policy_id}, policy=POLICY),
    "access.delete_role": call(lambda w: {"role": w.role_id}, role=ROLE),
    "access.delete_user": Call(
        of_user,
        {"user_id": a.LISTED, "timeout": TIMEOUT},
        refuses=UnsupportedError,
    ),
    "access.find_user": call(lambda _: {"email": "ada@example.org"}, email=a.EMAIL),
    "access.grant": call(lambda _: {"role": "user", "policy": 1}, role=ROLE, policy=POLICY),
    "access.identity": call(of_user, user_id=USER),
    "access.issue_api_key": call(of_user, user_id=USER),
    "access.login": call(
        lambda _: {"email": "new@example.org"}, email=a.EMAIL, first_name=a.OPTIONAL_TEXT, last_name=a.OPTIONAL_TEXT
    ),
    "access.policies": call(nothing, role=key("role", "str | int | None")),
    "access.revoke": call(lambda _: {"role": "user", "policy": 1}, role=ROLE, policy=POLICY),
    "access.revoke_api_key": call(of_user, user_id=USER),
    "access.roles": call(nothing),
    "access.rotate_api_key": call(of_user, user_id=USER),
    "access.update_profile": call(
        lambda w: {"user_id": w.user_id, "first_name": "Ada", "last_name": None},
        user_id=USER,
        first_name=a.OPTIONAL_TEXT,
        last_name=a.OPTIONAL_TEXT,
    ),
    "access.update_user": call(
        of_user,
        user_id=USER,
        email=a.EMAIL,
        first_name=a.OPTIONAL_TEXT,
        last_name=a.OPTIONAL_TEXT,
        status=a.TEXT,
        role=key("role", "str | int | None"),
        budget=a.BUDGET,
    ),
    "access.user": call(of_user, user_id=USER),
    "access.users": call(
        nothing,
        search=a.OPTIONAL_TEXT,
        status=a.OPTIONAL_TEXT,
        role=key("role", "str | int | None"),
        sort=a.choice("UserSort"),
        descending=a.FLAG,
        **PAGE,
    ),
    "agents.create": call(
        lambda w: {"user_id": w.user_id, "name": "New"},
        user_id=USER,
        name=a.TEXT,
        description=a.OPTIONAL_TEXT,
        prompt=a.OPTIONAL_TEXT.but(a.EMPTY),
        prompt_id=optional_identifier("prompt"),
        model=key("model", "str | int | None").but(NO_NAME),
        model_parameters=a.OPTIONAL_OBJECT,
        tools=a.NAMES,
    ),
    "agents.create_tool": call(
        lambda w: {"user_id": w.user_id, "name": "new"}, user_id=USER, name=a.TEXT, **TOOL_FIELDS
    ),
    "agents.delete": call(of_agent, agent_id=AGENT, user_id=a.LISTED),
    "agents.delete_tool": call(of_tool, tool_id=identifier("tool"), user_id=a.LISTED),
    "agents.get": call(of_agent, agent_id=AGENT, user_id=a.FILTER),
    "agents.list": call(of_user, user_id=a.FILTER, **PAGE),
    "agents.prompts": call(of_agent, agent_id=AGENT, user_id=a.LISTED, **PAGE),
    "agents.publish_prompt": call(
        lambda w: {**of_agent(w), "content": "Help."}, agent_id=AGENT, user_id=a.LISTED, content=a.TEXT
    ),
    "agents.resolve": call(
        lambda w: {"agent": w.agent_id, "user_id": w.user_id},
        agent=key("agent", "int | str").but(NO_NAME),
        user_id=a.FILTER,
    ),
    "agents.set_tool_credential": call(
        lambda w: {**of_tool(w), "credential": "x"},
        tool_id=identifier("tool"),
        user_id=USER,
        credential=a.CREDENTIAL,
    ),
    "agents.share": call(
        lambda w: {**of_agent(w), "with_user_id": w.empty_id},
        agent_id=AGENT,
        user_id=a.LISTED,
        with_user_id=USER,
        role=a.choice("AgentRole"),
    ),
    "agents.shares": call(of_agent, agent_id=AGENT, user_id=a.LISTED, **PAGE),
    "agents.tool_credential": call(of_tool, tool_id=identifier("tool"), user_id=a.LISTED),
    "agents.tools": call(of_user, user_id=a.FILTER),
    "agents.unshare": call(
        lambda w: {**of_agent(w), "with_user_id": w.other_id},
        agent_id=AGENT,
        user_id=a.LISTED,
        with_user_id=identifier("share of agent 4 with user"),
    ),
    "agents.update": call(
        lambda w: {**of_agent(w), "name": "New"},
        agent_id=AGENT,
        user_id=a.LISTED,
        name=a.TEXT,
        description=a.OPTIONAL_TEXT,
        prompt_id=optional_identifier("prompt"),
        model=key("model", "str | int | None").but(NO_NAME),
        model_parameters=a.OPTIONAL_OBJECT,
        tools=a.NAMES,
    ),
    "agents.update_tool": call(
        lambda w: {**of_tool(w), "name": "new"}, tool_id=identifier("tool"), user_id=USER, name=a.TEXT, **TOOL_FIELDS
    ),
    "agents.use_prompt": call(
        lambda w: {**of_agent(w), "version": 1},
        agent_id=AGENT,
        user_id=a.LISTED,
        version=identifier("version of the prompt of agent 4"),
    ),
    "catalog.create_model": call(
        lambda _: {"internal_name": "new", "provider": None}, internal_name=a.NAME, **MODEL_FIELDS
    ),
    "catalog.create_provider": call(lambda _: {"name": "new"}, name=a.NAME, endpoint=a.OPTIONAL_TEXT),
    "catalog.find_model": call(lambda _: {"internal_name": MODEL_NAME}, internal_name=a.TEXT),
    "catalog.model": call(lambda _: {"internal_name": MODEL_NAME}, internal_name=MODEL),
    "catalog.models": call(nothing, type=a.OPTIONAL_TEXT, provider=a.OPTIONAL_TEXT),
    "catalog.price": call(lambda _: {"internal_name": MODEL_NAME}, internal_name=MODEL),
    "catalog.provider": call(lambda _: {"provider": 1}, provider=PROVIDER),
    "catalog.provider_secret": call(lambda _: {"provider": 1}, provider=PROVIDER),
    "catalog.providers": call(nothing),
    "catalog.set_provider_secret": call(
        lambda _: {"provider": 1, "secret": "x"},
        provider=PROVIDER,
        secret=Kind("Secret | str | None", a.CREDENTIAL.refused),
    ),
    "catalog.update_model": call(lambda _: {"internal_name": MODEL_NAME}, internal_name=MODEL, **MODEL_FIELDS),
    "catalog.update_provider": call(
        lambda _: {"provider": 1}, provider=PROVIDER, name=a.NAME, endpoint=a.OPTIONAL_TEXT
    ),
    "conversations.append": call(
        lambda w: {**of_talk(w), "role": "user", "content": HELLO},
        conversation_id=THEIR_TALK,
        user_id=a.LISTED,
        role=a.choice("MessageRole"),
        content=a.CONTENT,
        parent_id=optional_identifier("message"),
        expected_parent=a.LAST,
        request_id=a.REQUEST_ID,
    ),
    "conversations.append_many": call(
        lambda w: {**of_talk(w), "messages": [{"role": "user", "content": HELLO}]},
        conversation_id=THEIR_TALK,
        user_id=a.LISTED,
        messages=a.MESSAGES,
        expected_parent=a.LAST,
        request_id=a.REQUEST_ID,
    ),
    "conversations.begin_turn": call(
        of_talk,
        conversation_id=THEIR_TALK,
        user_id=a.LISTED,
        agent=key("agent", "int | str | None").but(NO_NAME),
        limit=a.limit(),
    ),
    "conversations.context": call(of_talk, conversation_id=THEIR_TALK, user_id=a.LISTED, limit=a.limit()),
    "conversations.count": call(of_user, user_id=a.LISTED, agent_id=a.FILTER, deleted=a.FLAG),
    "conversations.delete": call(of_talk, conversation_id=THEIR_TALK, user_id=a.LISTED),
    "conversations.finish_turn": call(
        lambda w: {**of_talk(w), "messages": [{"role": "user", "content": HELLO}]},
        conversation_id=THEIR_TALK,
        user_id=a.LISTED,
        messages=a.MESSAGES.but(bad("100,001", [{"role": "user", "content": HELLO}] * 1001, "At most 1,000 messages")),
        usage=a.USED,
        request_id=a.REQUEST_ID,
        expected_parent=a.LAST,
        enforce_budget=a.FLAG,
    ),
    "conversations.get": call(of_talk, conversation_id=THEIR_TALK, user_id=a.LISTED),
    "conversations.history": call(of_talk, conversation_id=THEIR_TALK, user_id=a.LISTED, **PAGE),
    "conversations.index_messages": call(nothing),
    "conversations.list": call(of_user, user_id=a.LISTED, agent_id=a.FILTER, deleted=a.FLAG, **PAGE),
    "conversations.purge": call(
        lambda w: {"conversation_id": w.lost_id, "user_id": w.user_id},
        conversation_id=THEIR_TALK.but(
            Bad("one that is not deleted", lambda w: w.talk_id, "is not deleted", ConflictError)
        ),
        user_id=a.LISTED,
    ),
    "conversations.rename": call(
        lambda w: {**of_talk(w), "title": "New"}, conversation_id=THEIR_TALK, user_id=a.LISTED, title=a.OPTIONAL_TEXT
    ),
    "conversations.replies": call(of_message, message_id=MESSAGE, user_id=a.LISTED, **PAGE),
    "conversations.restore": call(
        lambda w: {"conversation_id": w.lost_id, "user_id": w.user_id}, conversation_id=THEIR_TALK, user_id=a.LISTED
    ),
    "conversations.search": call(lambda w: {"query": "hello", "user_id": w.user_id}, query=a.QUERY, **SEARCH),
    "conversations.set_agent": call(
        lambda w: {**of_talk(w), "agent_id": w.agent_id},
        conversation_id=THEIR_TALK,
        user_id=a.LISTED,
        agent_id=optional_identifier("agent"),
    ),
    "conversations.start": call(
        of_user,
        user_id=USER,
        agent_id=optional_identifier("agent"),
        title=a.OPTIONAL_TEXT,
        request_id=a.REQUEST_ID,
    ),
    "conversations.summarise": call(
        lambda w: {**of_talk(w), "summary": SUMMARY, "expected_parent": w.last_id},
        conversation_id=THEIR_TALK,
        user_id=a.LISTED,
        summary=a.SUMMARY,
        expected_parent=Kind("int", (*a.LAST.refused, a.NONE)),
        request_id=a.REQUEST_ID,
    ),
    "conversations.thread": call(of_message, message_id=MESSAGE, user_id=a.LISTED, limit=a.limit()),
    "knowledge.chunks": call(of_resource, resource_id=RESOURCE, user_id=a.LISTED, with_embeddings=a.FLAG, **PAGE),
    "knowledge.delete": call(of_resource, resource_id=RESOURCE, user_id=a.LISTED),
    "knowledge.get": call(of_resource, resource_id=RESOURCE, user_id=a.LISTED),
    "knowledge.list": call(
        of_user, user_id=a.LISTED, agent_id=a.FILTER, conversation_id=a.FILTER, message_id=a.FILTER, **PAGE
    ),
    "knowledge.memories": call(
        of_agent, agent_id=AGENT, user_id=a.LISTED, prefix=a.TEXT, with_content=a.FLAG, limit=a.limit()
    ),
    "knowledge.reindex": call(
        lambda w: {**of_resource(w), "chunks": CHUNKS}, resource_id=RESOURCE, user_id=a.LISTED, chunks=a.CHUNKS
    ),
    "knowledge.search_chunks": call(lambda w: {"query": "chunk", "user_id": w.user_id}, query=a.QUERY, **RECALL),
    "knowledge.similar": call(
        lambda w: {"embedding": [1.0, 0.0], "user_id": w.user_id},
        embedding=a.EMBEDDING,
        min_similarity=a.SIMILARITY,
        **RECALL,
    ),
    "knowledge.store": call(lambda w: {**of_user(w), "name": "new"}, user_id=USER, name=a.TEXT, **RESOURCE_FIELDS),
    "knowledge.update": call(
        lambda w: {**of_resource(w), "name": "new"},
        resource_id=RESOURCE,
        user_id=a.LISTED,
        name=a.TEXT,
        **RESOURCE_FIELDS,
    ),
    "usage.expire_reservations": call(nothing, limit=a.limit()),
    "usage.list": call(nothing, user_id=a.FILTER, since=a.OPTIONAL_TIME, until=a.OPTIONAL_TIME, **PAGE),
    "usage.record": call(
        lambda w: {**of_user(w), "model": MODEL_NAME},
        user_id=USER,
        **{**USAGE, **TOKENS},
        request_id=a.REQUEST_ID,
        enforce_budget=a.FLAG,
    ),
    "usage.record_many": call(
        lambda w: {**of_user(w), "items": [{"model": MODEL_NAME}]},
        user_id=USER,
        items=a.ITEMS,
        request_id=a.REQUEST_ID,
        enforce_budget=a.FLAG,
    ),
    "usage.release": call(
        lambda w: {"reservation_id": w.reservation_id, "user_id": w.user_id},
        reservation_id=identifier("reservation"),
        user_id=USER,
    ),
    "usage.remaining": call(of_user, user_id=USER),
    "usage.report": call(
        lambda _: {"by": "day", "since": SINCE, "until": UNTIL},
        by=a.BY,
        since=a.TIME.but(bad("the end", UNTIL, "since is before until")),
        until=a.TIME.but(bad("the beginning", SINCE, "since is before until")),
        time_zone=a.ZONE,
        user_id=a.FILTER,
        model=a.OPTIONAL_TEXT,
        agent_id=a.FILTER,
        type=a.OPTIONAL_TEXT,
        limit=a.limit(10_000),
    ),
    "usage.reserve": call(
        lambda w: {**of_user(w), "model": MODEL_NAME},
        user_id=USER,
        amount_usd=a.AMOUNT,
        model=named("model", "str | None"),
        **TOKENS,
        ttl_s=a.TTL,
        request_id=a.REQUEST_ID,
    ),
    "usage.reset_budgets": call(lambda w: {"period": "2026-W10"}, period=a.PERIOD, user_id=optional_identifier("user")),
    "usage.settle": call(
        lambda w: {**of_user(w), "reservation_id": w.reservation_id, "model": MODEL_NAME},
        reservation_id=identifier("reservation"),
        user_id=USER,
        **{**USAGE, **TOKENS},
        request_id=a.REQUEST_ID,
    ),
    "usage.tokens_of": Call(
        lambda _: {"usage": {"input_tokens": 1}, "convention": "disjoint"},
        {"usage": a.RESPONSE, "convention": a.choice("Convention")},
    ),
}
