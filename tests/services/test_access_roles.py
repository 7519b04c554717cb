"""Roles, policies, and what they allow."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentdb import ConflictError, Database, InvalidInputError, NotFoundError, Policy, RolePolicy
from agentdb.records import User as UserRecord

pytestmark = pytest.mark.agentdb(engine="both")


# identity, allows, access_of_role


async def test_an_identity_is_found_by_id_as_by_key(agent_db: Database) -> None:
    """For a session that somebody else keeps."""
    user = await agent_db.access.create_user(email="a@example.org", role="admin", with_api_key=True)
    assert user.api_key is not None
    identity = await agent_db.access.identity(user.id)

    assert identity == await agent_db.access.authenticate(user.api_key)
    assert identity.access["chat"] == {"use"}
    with pytest.raises(NotFoundError, match="No user 99"):
        await agent_db.access.identity(99)


async def test_a_right_is_looked_up(agent_db: Database, ada: UserRecord, bob: UserRecord) -> None:
    """By an id or a record, whose own rights do not count; names are compared exactly."""
    admin = await agent_db.access.update_user(bob.id, role="admin")

    assert await agent_db.access.allows(ada.id, "chat", "use")
    assert not await agent_db.access.allows(ada, "agents", "write")
    assert not await agent_db.access.allows(ada.id, "Chat", "use")
    assert not await agent_db.access.allows(ada.id, "*", "*")
    assert await agent_db.access.allows(bob, "anything", "at all")
    assert await agent_db.access.allows(admin, "*", "*")
    with pytest.raises(NotFoundError, match="No user 99"):
        await agent_db.access.allows(99, "chat", "use")


async def test_a_right_agrees_with_the_identity(agent_db: Database, ada: UserRecord) -> None:
    """For wildcards in either part, and for none."""
    await agent_db.access.create_role("curator")
    for resource, action in (("agents", "*"), ("*", "view")):
        await agent_db.access.create_policy(f"{resource} {action}", resource=resource, action=action)
        await agent_db.access.grant("curator", f"{resource} {action}")
    await agent_db.access.update_user(ada.id, role="curator")
    identity = await agent_db.access.identity(ada.id)
    asked = [(resource, action) for resource in ("agents", "chat", "x", "*") for action in ("use", "view", "*")]

    found = [await agent_db.access.allows(ada.id, *one) for one in asked]
    assert found == [identity.allows(*one) for one in asked]
    assert [one for one, is_allowed in zip(asked, found, strict=True) if is_allowed] == [
        ("agents", "use"),
        ("agents", "view"),
        ("agents", "*"),
        ("chat", "view"),
        ("x", "view"),
        ("*", "view"),
    ]


async def test_who_has_no_role_or_is_not_active_may_nothing(agent_db: Database, ada: UserRecord) -> None:
    """It is no error to ask."""
    await agent_db.access.update_user(ada.id, role=None)
    without_role = await agent_db.access.allows(ada.id, "chat", "use")
    await agent_db.access.update_user(ada.id, role="admin", status="inactive")

    assert not without_role
    assert not await agent_db.access.allows(ada.id, "chat", "use")


async def test_a_right_is_one_statement(agent_db: Database, ada: UserRecord, statements: list[str]) -> None:
    """So are an identity and the rights of a role."""
    await agent_db.access.allows(ada.id, "chat", "use")
    await agent_db.access.identity(ada.id)
    await agent_db.access.access_of_role("user")

    assert len(statements) == 3


@pytest.mark.parametrize("value", ["", None, 7, "\x00", "\ud800"])
async def test_a_right_is_named_by_texts(agent_db: Database, ada: UserRecord, value: Any) -> None:
    """The same error on every engine."""
    with pytest.raises(InvalidInputError):
        await agent_db.access.allows(ada.id, value, "use")
    with pytest.raises(InvalidInputError):
        await agent_db.access.allows(ada.id, "chat", value)


async def test_a_visitor_has_the_rights_of_a_role(agent_db: Database) -> None:
    """By name or id, wildcards written out."""
    assert await agent_db.access.access_of_role("user") == {"chat": {"use"}, "agents": {"read"}}
    assert await agent_db.access.access_of_role(1) == {
        "chat": {"use"},
        "agents": {"read", "write"},
        "users": {"manage"},
        "analytics": {"view"},
    }
    await agent_db.access.create_role("nobody")
    assert await agent_db.access.access_of_role("nobody") == {}
    for role in ("captain", 99, ""):
        with pytest.raises(NotFoundError, match="No role"):
            await agent_db.access.access_of_role(role)


async def test_a_role_is_known_without_any_policy(agent_db: Database) -> None:
    """A database whose policies were all removed still answers."""
    with agent_db.use():
        await Policy.all().delete()

    assert await agent_db.access.access_of_role("admin") == {}


async def test_rights_change_with_the_next_call(agent_db: Database, ada: UserRecord) -> None:
    """Nothing that was read before is kept, and what a caller does with its own map stays there."""
    before = await agent_db.access.identity(ada.id)
    dict.clear(before.access)  # type: ignore[arg-type]  # as a careless caller
    same = await agent_db.access.identity(ada.id)
    await agent_db.access.revoke("user", "Use Chat")
    after = await agent_db.access.identity(ada.id)

    assert same.access == {"chat": {"use"}, "agents": {"read"}}
    assert after.access == {"agents": {"read"}}
    assert not await agent_db.access.allows(ada.id, "chat", "use")


# roles and policies


async def test_roles_come_in_display_order(agent_db: Database) -> None:
    """Those without one last, on every engine."""
    await agent_db.access.create_role("a")
    await agent_db.access.create_role("b", display_order=-1)
    roles = await agent_db.access.roles()

    assert [role.name for role in roles] == ["b", "user", "super user", "admin", "a"]
    assert [role.display_order for role in roles] == [-1, 0, 1, 2, None]


async def test_policies_are_listed(agent_db: Database) -> None:
    """All, or those of a role."""
    assert [policy.id for policy in await agent_db.access.policies()] == [1, 2, 3, 4, 5, 6]
    assert [policy.name for policy in await agent_db.access.policies(role="user")] == ["Use Chat", "Read Agents"]
    assert await agent_db.access.policies(role=1) == (await agent_db.access.policies())[:1]
    with pytest.raises(NotFoundError, match="No role 'captain'"):
        await agent_db.access.policies(role="captain")


async def test_a_role_grants_what_it_is_given(agent_db: Database, ada: UserRecord) -> None:
    """From the next call on; again changes nothing."""
    role = await agent_db.access.create_role("auditor", display_order=7)
    policy = await agent_db.access.create_policy("Read Logs", resource="logs", action="read")
    await agent_db.access.grant("auditor", "Read Logs")
    await agent_db.access.grant(role.id, policy.id)
    await agent_db.access.update_user(ada.id, role="auditor")

    assert (role.name, role.display_order) == ("auditor", 7)
    assert (policy.name, policy.resource, policy.action) == ("Read Logs", "logs", "read")
    assert await agent_db.access.policies(role="auditor") == (policy,)
    assert await agent_db.access.allows(ada.id, "logs", "read")
    await agent_db.access.revoke("auditor", policy.id)
    await agent_db.access.revoke("auditor", policy.id)
    assert not await agent_db.access.allows(ada.id, "logs", "read")


async def test_many_grants_are_one(agent_db: Database) -> None:
    """Also all at once."""
    await asyncio.gather(*(agent_db.access.grant("user", "Write Agents") for _ in range(10)))
    with agent_db.use():
        rows = await RolePolicy.filter(role_id=3, policy_id=4).all()

    assert len(rows) == 1
    assert rows[0].created_at is not None


async def test_what_is_granted_must_exist(agent_db: Database) -> None:
    """The role and the policy."""
    for call in (agent_db.access.grant, agent_db.access.revoke):
        with pytest.raises(NotFoundError, match="No role 'captain'"):
            await call("captain", "Use Chat")
        with pytest.raises(NotFoundError, match="No policy 'Fly'"):
            await call("user", "Fly")


async def test_names_are_given_once(agent_db: Database) -> None:
    """Of roles and policies."""
    with pytest.raises(ConflictError, match="a role called 'admin'"):
        await agent_db.access.create_role("admin")
    with pytest.raises(ConflictError, match="a policy called 'Use Chat'"):
        await agent_db.access.create_policy("Use Chat", resource="x", action="y")

    assert len(await agent_db.access.roles()) == 3
    assert len(await agent_db.access.policies()) == 6


async def test_a_role_that_users_have_stays(agent_db: Database, ada: UserRecord) -> None:
    """They would lose their rights; once they have another one it goes with its grants."""
    with pytest.raises(ConflictError, match="1 users have the role 'user'"):
        await agent_db.access.delete_role("user")
    await agent_db.access.update_user(ada.id, role="admin")
    await agent_db.access.delete_role("user")

    assert [role.name for role in await agent_db.access.roles()] == ["super user", "admin"]
    with agent_db.use():
        assert await RolePolicy.filter(role_id=3).count() == 0
    with pytest.raises(NotFoundError):
        await agent_db.access.delete_role("user")


async def test_nobody_gets_a_role_while_it_goes(agent_db: Database) -> None:
    """Either the user is there with the role, or the role is gone and there is no user."""
    role = await agent_db.access.create_role("brief")
    results = await asyncio.gather(
        *(agent_db.access.create_user(email=f"user{n}@example.org", role=role.id) for n in range(5)),
        agent_db.access.delete_role(role.id),
        return_exceptions=True,
    )
    page = await agent_db.access.users()

    assert all(isinstance(one, (UserRecord, ConflictError, NotFoundError, type(None))) for one in results)
    assert {user.role_id for user in page.items} <= {role.id}


async def test_a_policy_that_is_granted_stays(agent_db: Database) -> None:
    """Until it is revoked."""
    with pytest.raises(ConflictError, match="2 roles grant the policy 'Use Chat'"):
        await agent_db.access.delete_policy("Use Chat")
    for role in ("user", "super user"):
        await agent_db.access.revoke(role, "Use Chat")
    await agent_db.access.delete_policy("Use Chat")

    assert [policy.id for policy in await agent_db.access.policies()] == [1, 3, 4, 5, 6]
    with pytest.raises(NotFoundError):
        await agent_db.access.delete_policy("Use Chat")


@pytest.mark.parametrize("name", ["", None, 7, "\x00", "\ud800"])
async def test_a_name_is_a_text(agent_db: Database, name: Any) -> None:
    """The same error on every engine, and nothing is made."""
    with pytest.raises(InvalidInputError):
        await agent_db.access.create_role(name)
    with pytest.raises(InvalidInputError):
        await agent_db.access.create_policy(name, resource="x", action="y")
    with pytest.raises(InvalidInputError):
        await agent_db.access.create_policy("x", resource=name, action="y")

    assert len(await agent_db.access.policies()) == 6


@pytest.mark.parametrize("key", [None, 1.5, True, 2**63, "\x00", "\ud800"])
async def test_a_role_or_policy_is_a_name_or_an_id(agent_db: Database, key: Any) -> None:
    """The same error on every engine."""
    access = agent_db.access
    calls = [access.delete_role(key), access.delete_policy(key), access.grant(key, 1), access.revoke(1, key)]
    for call in [*calls, access.access_of_role(key)]:
        with pytest.raises(InvalidInputError):
            await call
