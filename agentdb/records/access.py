"""Users, and who may do what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from agentdb.config import Secret
from agentdb.records.base import FrozenRecord, Moment, Money

_ANY = "*"


class Role(FrozenRecord):
    """A named set of policies. `display_order` sorts lists; it is not a rank."""

    id: int
    name: str | None = None
    display_order: int | None = None


class Policy(FrozenRecord):
    """The right to do `action` on `resource`; `*` stands for every one."""

    id: int
    name: str | None = None
    resource: str | None = None
    action: str | None = None


class User(FrozenRecord):
    """A person or a service account. The API key is never part of it.

    Attributes:
        budget: US dollars; None is no limit.
        remaining: What is left of the budget, below zero when overdrawn; None without a budget.
    """

    id: int
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    status: str | None = None
    role_id: int | None = None
    role: Role | None = None
    budget: Money | None = None
    remaining: Money | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None


class CreatedUser(User):
    """A user just made.

    Attributes:
        api_key: The only time that it can be read; None when none was asked for.
    """

    api_key: Secret | None = None


class Identity(User):
    """A user who is known and active.

    Attributes:
        policies: What the role grants, as stored.
        access: The actions that are allowed on each resource, of all resources and actions that any policy names:
            what `*` stands for is written out. For a name that no policy mentions ask `allows`.
    """

    policies: tuple[Policy, ...] = ()
    access: Mapping[str, frozenset[str]] = {}

    def allows(self, resource: str, action: str) -> bool:
        """Whether a policy grants `action` on `resource`."""
        return any(one.resource in (resource, _ANY) and one.action in (action, _ANY) for one in self.policies)


class Rights(NamedTuple):
    """What a role grants: its policies, and the access map that they come down to."""

    policies: tuple[Policy, ...]
    access: dict[str, frozenset[str]]


# By the whole text, so that it never answers for rights that have changed. Users of one role share an entry.
@lru_cache(maxsize=256)
def stored_rights(text: str | None) -> Rights:
    """The rights in a JSON list of `[id, name, resource, action, is granted]`, one for each policy that there is."""
    return rights_of(sorted(orjson.loads(text or "[]")))


def rights_of(policies: Sequence[Sequence[Any]]) -> Rights:
    """The rights in rows of id, name, resource, action, and whether they are granted."""
    known = [
        (Policy(id=key, name=name, resource=resource, action=action), is_granted)
        for key, name, resource, action, is_granted in policies
    ]
    granted = tuple(policy for policy, is_granted in known if is_granted)
    return Rights(granted, access_map(granted, tuple(policy for policy, _ in known)))


def access_map(granted: tuple[Policy, ...], known: tuple[Policy, ...]) -> dict[str, frozenset[str]]:
    """The actions that `granted` allows on each resource, of all that `known` names, wildcards written out."""
    named = {(one.resource, one.action) for one in known if _ANY not in (one.resource, one.action)}
    found: dict[str, set[str]] = {}
    for policy in granted:
        for resource in _meant(policy.resource, {resource for resource, _ in named}):
            actions = _meant(policy.action, {action for name, action in named if name == resource})
            found.setdefault(resource, set()).update(actions)
    return {resource: frozenset(actions) for resource, actions in found.items()}


def _meant(name: str | None, named: set[str | None]) -> set[str]:
    return {one for one in (named if name == _ANY else {name}) if one is not None}
