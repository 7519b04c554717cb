"""What the public methods of the six services are called with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from hypothesis import strategies as st

from tests.services.drawn_values import (
    Values,
    chunks,
    contents,
    early,
    emails,
    embeddings,
    flags,
    json_objects,
    keys,
    late,
    limits,
    lost_cursors,
    maybe,
    messages,
    money,
    mostly,
    names,
    phrases,
    prices,
    queries,
    small_numbers,
    some,
    speakers,
    summaries,
    texts,
    tokens,
    users,
)
from tests.services.operations import Seen

_roles: Final = mostly(st.sampled_from(["user", "admin", "super user", "Rôle", "rôle"]), ["nobody", 404, None]) | some(
    "role"
)
_policies: Final = mostly(st.sampled_from(["Admin All", "Use Chat", "Pölicy"]), ["none", 404]) | some("policy")
_resources: Final = st.sampled_from(["chat", "agents", "*", "Chat", "é", "notes"])
_actions: Final = st.sampled_from(["use", "read", "write", "*", "é"])
_statuses: Final = mostly(st.sampled_from(["active", "active", "active", "inactive", "Ääh"]), ["", None])
_providers: Final = mostly(st.sampled_from(["bedrock", "mock", "Ünique", "ünique"]), ["none", 404]) | some("provider")
_models: Final = mostly(st.sampled_from(["odd", "odd", "dear", "dear", "mock-model", "new", "NEW"]), ["none", "", None])
_tools: Final = mostly(
    st.lists(st.sampled_from(["search", "code", "Tööl", "tööl"]), max_size=3), [None, ["none"], [1], "search"]
)
_shares: Final = mostly(st.sampled_from(["viewer", "editor", "owner"]), ["none", None])
_zones: Final = mostly(
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]), ["Mars", 1]
)
_groupings: Final = mostly(
    st.lists(st.sampled_from(["user", "model", "agent", "type"]), max_size=4, unique=True)
    | st.builds(
        lambda unit, kinds: [unit, *kinds],
        st.sampled_from(["hour", "day", "week", "month"]),
        st.lists(st.sampled_from(["user", "model", "agent", "type"]), max_size=2, unique=True),
    ),
    ["day", "decade", ["day", "week"], None],
)
_types: Final = st.sampled_from(["chat", "Chat", "", "é", None])
_conventions: Final = mostly(st.sampled_from(["disjoint", "otel", "openai", "anthropic"]), ["other", None])
_counts: Final = {
    "input_tokens": tokens, "output_tokens": tokens, "cache_read_tokens": tokens, "cache_write_tokens": tokens
}  # fmt: skip
_pointers: Final = {"agent_id": maybe(some("agent")), "message_id": maybe(some("message"))}
_user: Final = {"user_id": users()}
_agent: Final = {"agent_id": some("agent"), **_user}
_conversation: Final = {"conversation_id": some("conversation"), **_user}
_message: Final = {"message_id": some("message"), **_user}
_resource: Final = {"resource_id": some("resource"), **_user}
_tool: Final = {"tool_id": some("tool"), **_user}
_page: Final = {"limit": limits, "cursor": lost_cursors}
_person: Final = {"first_name": maybe(texts), "last_name": maybe(texts)}
_span: Final = {"since": maybe(early), "until": maybe(late)}
_tool_texts: Final = {
    "type": mostly(st.sampled_from(["custom", "mcp"]), ["builtin", ""]),
    "description": maybe(texts),
    "authentication_type": maybe(texts),
    "endpoint": maybe(texts),
    "transport_type": maybe(texts),
    "custom_config": maybe(json_objects),
}
_model: Final = {
    "name": maybe(texts),
    "type": maybe(texts),
    "description": maybe(texts),
    "max_context": maybe(small_numbers),
    "max_output": maybe(small_numbers),
    "max_reasoning": maybe(small_numbers),
    "price": prices,
    "default_parameters": maybe(json_objects),
}
_agent_values: Final = {
    "description": maybe(texts),
    "prompt_id": maybe(some("prompt")),
    "model": maybe(_models | some("model")),
    "model_parameters": maybe(json_objects),
    "tools": _tools,
}
_resource_values: Final = {
    "content": maybe(phrases | texts),
    "type": maybe(texts),
    "s3_uri": maybe(texts),
    "metadata": maybe(json_objects),
    "agent_id": maybe(some("agent")),
    "conversation_id": maybe(some("conversation")),
    "message_id": maybe(some("message")),
    "chunks": chunks,
}
_scope: Final = {
    "agent_id": maybe(some("agent")),
    "conversation_id": maybe(some("conversation")),
    "resource_ids": maybe(st.lists(some("resource"), max_size=2)),
    **_span,
    "limit": limits,
}
_ttl: Final = {
    "ttl_s": mostly(st.sampled_from([600, 0.5, 3600, 86_400]), [0, -1, 1e9, "1"]),
    "request_id": keys,
}
_usage_item: Final = st.fixed_dictionaries({"model": _models}, optional={**_counts, **_pointers, "type": _types})
_usage_items: Final = mostly(st.lists(_usage_item, min_size=1, max_size=3), [[], None, [1], [{"unit": "x"}]])
_response: Final = st.fixed_dictionaries(
    {},
    optional={
        "input_tokens": tokens,
        "output_tokens": tokens,
        "prompt_tokens": tokens,
        "cache_read_input_tokens": tokens,
        "gen_ai.usage.input_tokens": tokens,
        "input_tokens_details": st.just({"cached_tokens": 1}),
    },
)

# What every call has, and what it may have beside that; of a call of two kinds, both.
CALLS: Final[Mapping[str, Sequence[Mapping[str, Values]]]] = {
    "access.access_of_role": ({"role": _roles}, {}),
    "access.allows": ({"user": users(), "resource": _resources, "action": _actions}, {}),
    "access.authenticate": ({"api_key": mostly(st.builds(Seen, st.just("key"), st.integers(-2, 2)), ["", "x"])}, {}),
    "access.create_policy": (
        {"name": names | st.sampled_from(["Pölicy", "pölicy"]), "resource": _resources, "action": _actions},
        {},
    ),
    "access.create_role": (
        {"name": names | st.sampled_from(["Rôle", "rôle"])},
        {"display_order": maybe(small_numbers)},
    ),
    "access.create_user": (
        {"email": emails},
        {**_person, "role": maybe(_roles), "status": _statuses, "budget": maybe(money), "with_api_key": flags},
    ),
    "access.delete_policy": ({"policy": _policies}, {}),
    "access.delete_role": ({"role": _roles}, {}),
    "access.delete_user": (_user, {}),
    "access.find_user": ({"email": emails}, {}),
    "access.grant": ({"role": _roles, "policy": _policies}, {}),
    "access.identity": (_user, {}),
    "access.issue_api_key": (_user, {}),
    "access.login": ({"email": emails}, _person),
    "access.policies": ({}, {"role": _roles}),
    "access.revoke": ({"role": _roles, "policy": _policies}, {}),
    "access.revoke_api_key": (_user, {}),
    "access.roles": ({}, {}),
    "access.rotate_api_key": (_user, {}),
    "access.update_profile": ({**_user, **_person}, {}),
    "access.update_user": (
        _user,
        {"email": emails, **_person, "status": _statuses, "role": maybe(_roles), "budget": maybe(money)},
    ),
    "access.user": (_user, {}),
    "access.users": (
        {},
        {
            "search": maybe(texts),
            "status": maybe(_statuses),
            "role": maybe(_roles),
            "sort": mostly(
                st.sampled_from(["name", "first_name", "email", "status", "role", "budget", "created_at"]), ["id"]
            ),
            "descending": flags,
            **_page,
        },
    ),
    "catalog.create_model": ({"internal_name": _models | names, "provider": maybe(_providers)}, _model),
    "catalog.create_provider": ({"name": names | st.sampled_from(["Ünique", "ünique"])}, {"endpoint": maybe(texts)}),
    "catalog.find_model": ({"internal_name": _models}, {}),
    "catalog.model": ({"internal_name": _models}, {}),
    "catalog.models": ({}, {"type": _types, "provider": maybe(_providers)}),
    "catalog.price": ({"internal_name": _models}, {}),
    "catalog.provider": ({"provider": _providers}, {}),
    "catalog.provider_secret": ({"provider": _providers}, {}),
    "catalog.providers": ({}, {}),
    "catalog.set_provider_secret": ({"provider": _providers, "secret": maybe(names)}, {}),
    "catalog.update_model": ({"internal_name": _models}, {"provider": maybe(_providers), **_model}),
    "catalog.update_provider": ({"provider": _providers}, {"name": names, "endpoint": maybe(texts)}),
    "agents.create": ({**_user, "name": names}, {**_agent_values, "prompt": maybe(names)}),
    "agents.create_tool": ({**_user, "name": st.sampled_from(["Tööl", "search"]) | names}, _tool_texts),
    "agents.delete": (_agent, {}),
    "agents.delete_tool": (_tool, {}),
    "agents.get": (_agent, {}),
    "agents.list": (_user, _page),
    "agents.prompts": (_agent, _page),
    "agents.publish_prompt": ({**_agent, "content": names}, {}),
    "agents.resolve": ({"agent": some("agent") | names | st.just("Standard Chat"), "user_id": maybe(users())}, {}),
    "agents.set_tool_credential": ({**_tool, "credential": maybe(names)}, {}),
    "agents.share": ({**_agent, "with_user_id": users()}, {"role": _shares}),
    "agents.shares": (_agent, _page),
    "agents.tool_credential": (_tool, {}),
    "agents.tools": ({"user_id": maybe(users())}, {}),
    "agents.unshare": ({**_agent, "with_user_id": users()}, {}),
    "agents.update": (_agent, {"name": names, **_agent_values}),
    "agents.update_tool": (_tool, {"name": names, **_tool_texts}),
    "agents.use_prompt": ({**_agent, "version": small_numbers}, {}),
    "conversations.append": (
        {**_conversation, "role": speakers, "content": contents},
        {"parent_id": maybe(some("message")), "expected_parent": maybe(some("message")), "request_id": keys},
    ),
    "conversations.append_many": (
        {**_conversation, "messages": messages},
        {"expected_parent": maybe(some("message")), "request_id": keys},
    ),
    "conversations.begin_turn": (_conversation, {"agent": maybe(some("agent") | names), "limit": limits}),
    "conversations.context": (_conversation, {"limit": limits}),
    "conversations.count": (_user, {"agent_id": maybe(some("agent")), "deleted": flags}),
    "conversations.delete": (_conversation, {}),
    "conversations.finish_turn": (
        {**_conversation, "messages": messages},
        {
            "usage": _usage_items,
            "expected_parent": maybe(some("message")),
            "request_id": keys,
            "enforce_budget": flags,
        },
    ),
    "conversations.get": (_conversation, {}),
    "conversations.history": (_conversation, _page),
    "conversations.index_messages": ({}, {}),
    "conversations.list": (_user, {"agent_id": maybe(some("agent")), "deleted": flags, **_page}),
    "conversations.purge": (_conversation, {}),
    "conversations.rename": ({**_conversation, "title": maybe(texts)}, {}),
    "conversations.replies": (_message, _page),
    "conversations.restore": (_conversation, {}),
    "conversations.search": (
        {"query": queries, **_user},
        {"agent_id": maybe(some("agent")), **_span, "limit": limits},
    ),
    "conversations.set_agent": ({**_conversation, "agent_id": maybe(some("agent"))}, {}),
    "conversations.start": (
        _user,
        {"agent_id": maybe(some("agent")), "title": maybe(texts), "request_id": keys},
    ),
    "conversations.summarise": (
        {**_conversation, "summary": summaries, "expected_parent": some("message", numbers=(-1, -1, -2, 0))},
        {"request_id": keys},
    ),
    "conversations.thread": (_message, {"limit": limits}),
    "knowledge.chunks": (_resource, {"with_embeddings": flags, **_page}),
    "knowledge.delete": (_resource, {}),
    "knowledge.get": (_resource, {}),
    "knowledge.list": (
        _user,
        {
            "agent_id": maybe(some("agent")),
            "conversation_id": maybe(some("conversation")),
            "message_id": maybe(some("message")),
            **_page,
        },
    ),
    "knowledge.memories": (
        _agent,
        {"prefix": st.sampled_from(["memories/", "M", "", "%", "é"]), "with_content": flags, "limit": limits},
    ),
    "knowledge.reindex": ({**_resource, "chunks": chunks}, {}),
    "knowledge.search_chunks": ({"query": queries, **_user}, _scope),
    "knowledge.similar": (
        {"embedding": embeddings, **_user},
        {**_scope, "min_similarity": st.sampled_from([None, -1, 0, 0.5, 1.0, 2])},
    ),
    "knowledge.store": ({**_user, "name": names}, _resource_values),
    "knowledge.update": (_resource, {"name": names, **_resource_values}),
    "usage.expire_reservations": ({}, {"limit": limits}),
    "usage.list": ({}, {"user_id": maybe(users()), **_span, **_page}),
    "usage.record": (
        {**_user, "model": _models},
        {
            **_counts,
            **_pointers,
            "convention": _conventions,
            "type": _types,
            "request_id": keys,
            "enforce_budget": flags,
        },
    ),
    "usage.record_many": (
        {**_user, "items": _usage_items},
        {"request_id": keys, "enforce_budget": flags},
    ),
    "usage.release": ({**_user, "reservation_id": some("reservation")}, {}),
    "usage.remaining": (_user, {}),
    "usage.report": (
        {"by": _groupings, "since": early, "until": late},
        {
            "time_zone": _zones,
            "user_id": maybe(users()),
            "model": maybe(_models),
            "agent_id": maybe(some("agent")),
            "type": _types,
            "limit": limits,
        },
    ),
    "usage.reserve": (
        {**_user, "amount_usd": money},
        _ttl,
        {**_user, "model": _models},
        {**_ttl, **_counts, "amount_usd": st.none()},
    ),
    "usage.reset_budgets": (
        {"period": mostly(st.sampled_from(["2019-W13", "2019-W14", "é"]), ["", "p" * 201])},
        {"user_id": maybe(users())},
    ),
    "usage.settle": (
        {**_user, "reservation_id": some("reservation"), "model": _models},
        {**_counts, **_pointers, "convention": _conventions, "type": _types, "request_id": keys},
    ),
    "usage.tokens_of": ({"usage": _response, "convention": _conventions}, {}),
}
