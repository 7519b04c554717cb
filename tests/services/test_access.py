"""Users, API keys, logins and rights."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

import agentdb
from agentdb import (
    AuthenticationError,
    ConflictError,
    Database,
    DeadlineError,
    InvalidInputError,
    NotFoundError,
    Policy,
    Role,
    RolePolicy,
    Secret,
    User,
)
from agentdb.records import Policy as PolicyRecord
from agentdb.records import User as UserRecord
from agentdb.records.access import access_map

pytestmark = pytest.mark.agentdb(engine="both")


async def count_users(db: Database) -> int:
    with db.use():
        return await User.all().count()


async def set_status(db: Database, user_id: int, status: str | None) -> None:
    with db.use():
        await User.filter(id=user_id).update(status=status)


# create_user


async def test_a_null_balance_is_the_full_budget(agent_db: Database) -> None:
    """Users made at first login have a budget and no balance yet."""
    user = await agent_db.access.create_user(email="a@example.org", budget=Decimal(1))

    assert await agent_db.usage.remaining(user.id) == Decimal(1)
    assert user.remaining == Decimal(1)
    with agent_db.use():
        assert (await User.get(id=user.id)).remaining is None


async def test_a_user_is_returned_as_it_is_stored(agent_db: Database) -> None:
    """The record of a new user equals the one that is read later."""
    created = await agent_db.access.create_user(
        email="a@example.org", first_name="Ada", last_name="Lovelace", budget=Decimal("0.0000000001")
    )
    read = await agent_db.access.login(email="a@example.org")

    assert {name: getattr(created, name) for name in UserRecord.model_fields} == dict(read)
    assert (read.first_name, read.last_name, read.status, read.role_id) == ("Ada", "Lovelace", "active", 3)


async def test_an_email_is_kept_stripped_and_casefolded(agent_db: Database) -> None:
    """So that one person is one user, however the address is typed."""
    user = await agent_db.access.create_user(email="  Ada.Lovelace@Example.ORG ")

    assert user.email == "ada.lovelace@example.org"


@pytest.mark.parametrize("email", ["ada@example.org", "ADA@example.org", " ada@example.org\n"])
async def test_an_email_is_given_once(agent_db: Database, ada: UserRecord, email: str) -> None:
    """Also in other letters; the error names the user, and nobody is made."""
    with pytest.raises(ConflictError, match=f"User {ada.id} has") as caught:
        await agent_db.access.create_user(email=email)

    assert caught.value.columns == ("email",)
    assert await count_users(agent_db) == 1


async def test_one_of_many_equal_users_is_made(agent_db: Database) -> None:
    """Whoever comes later gets a ConflictError, not a second row."""
    calls = [agent_db.access.create_user(email="a@example.org") for _ in range(10)]
    results = await asyncio.gather(*calls, return_exceptions=True)

    assert sorted(type(one).__name__ for one in results) == ["ConflictError"] * 9 + ["CreatedUser"]


@pytest.mark.parametrize(("role", "role_id"), [("admin", 1), ("super user", 2), (3, 3), (None, None)])
async def test_a_role_is_given_by_name_or_id(agent_db: Database, role: Any, role_id: int | None) -> None:
    """None is a user without rights."""
    user = await agent_db.access.create_user(email="a@example.org", role=role)

    assert user.role_id == role_id


@pytest.mark.parametrize("role", ["captain", 99, -1, ""])
async def test_an_unknown_role_makes_no_user(agent_db: Database, role: Any) -> None:
    """The role is looked up before the user is written."""
    with pytest.raises(NotFoundError, match="No role"):
        await agent_db.access.create_user(email="a@example.org", role=role)

    assert await count_users(agent_db) == 0


@pytest.mark.parametrize(
    "values",
    [
        {"email": ""},
        {"email": "   "},
        {"email": "ada"},
        {"email": "ada@"},
        {"email": "@example.org"},
        {"email": "a b@example.org"},
        {"email": "a@b@example.org"},
        {"email": "a" * 320 + "@example.org"},
        {"email": None},
        {"email": 7},
        {"email": "a\x00@example.org"},
        {"email": "a\ud800@example.org"},
        {"first_name": "nul \x00"},
        {"last_name": "half \udfff"},
        {"first_name": 1},
        {"status": ""},
        {"status": None},
        {"role": True},
        {"role": 1.5},
        {"role": 2**63},
        {"role": "\x00"},
        {"budget": Decimal(-1)},
        {"budget": Decimal("NaN")},
        {"budget": Decimal("Infinity")},
        {"budget": Decimal(900_000_001)},
        {"budget": Decimal("0.00000000001")},
        {"budget": 1.5},
        {"budget": True},
    ],
)
async def test_bad_input_makes_no_user(agent_db: Database, values: dict[str, Any]) -> None:
    """The same error on every engine, and nothing stored."""
    with pytest.raises(InvalidInputError):
        await agent_db.access.create_user(**{"email": "a@example.org", **values})

    assert await count_users(agent_db) == 0


async def test_an_api_key_is_shown_once_and_kept_as_a_digest(agent_db: Database) -> None:
    """Neither the database nor what is printed of the result holds the key."""
    user = await agent_db.access.create_user(email="a@example.org", with_api_key=True)
    assert isinstance(user.api_key, Secret)
    key = user.api_key.reveal()
    with agent_db.use():
        stored = (await User.get(id=user.id)).api_key

    assert key.startswith("agk_")
    assert stored.startswith("agd1$")
    assert key not in stored
    assert key not in repr(user) + str(user) + user.model_dump_json()
    assert "api_key" not in UserRecord.model_fields


async def test_a_user_has_no_api_key_unless_asked_for(agent_db: Database) -> None:
    """A person who logs in needs none."""
    user = await agent_db.access.create_user(email="a@example.org")
    with agent_db.use():
        stored = (await User.get(id=user.id)).api_key

    assert user.api_key is None
    assert stored is None


async def test_a_user_joins_the_callers_transaction(agent_db: Database) -> None:
    """What the caller rolls back was never made."""

    async def work() -> None:
        async with agent_db.transaction():
            await agent_db.access.create_user(email="a@example.org")
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        await work()
    assert await count_users(agent_db) == 0


async def test_a_refused_user_does_not_end_the_callers_transaction(agent_db: Database, ada: UserRecord) -> None:
    """The call is a savepoint there."""
    async with agent_db.transaction():
        with pytest.raises(ConflictError):
            await agent_db.access.create_user(email="ada@example.org")
        await agent_db.access.create_user(email="b@example.org")

    assert await count_users(agent_db) == 2


# authenticate


async def made_with_key(db: Database, **values: Any) -> tuple[UserRecord, Secret]:
    user = await db.access.create_user(**{"email": "key@example.org", **values}, with_api_key=True)
    assert user.api_key is not None
    return user, user.api_key


async def test_an_api_key_finds_its_user(agent_db: Database, ada: UserRecord) -> None:
    """As a text or wrapped, with role, policies and access map."""
    user, key = await made_with_key(agent_db, role="super user", budget=Decimal(2))
    identity = await agent_db.access.authenticate(key)

    assert identity == await agent_db.access.authenticate(key.reveal())
    assert (identity.id, identity.email, identity.remaining) == (user.id, "key@example.org", Decimal(2))
    assert identity.role is not None
    assert (identity.role.id, identity.role.name, identity.role.display_order) == (2, "super user", 1)
    assert [policy.name for policy in identity.policies] == ["Use Chat", "Read Agents", "Write Agents"]
    assert identity.access == {"chat": {"use"}, "agents": {"read", "write"}}


async def test_a_wildcard_is_written_out(agent_db: Database) -> None:
    """The access map of an administrator names everything that any policy names."""
    _, key = await made_with_key(agent_db, role="admin")
    identity = await agent_db.access.authenticate(key)

    assert identity.access == {
        "chat": {"use"},
        "agents": {"read", "write"},
        "users": {"manage"},
        "analytics": {"view"},
    }
    assert identity.allows("what no policy names", "anything")


async def test_rights_are_those_of_the_role(agent_db: Database) -> None:
    """`allows` compares both names exactly, except for wildcards."""
    _, key = await made_with_key(agent_db, role="user")
    identity = await agent_db.access.authenticate(key)

    assert identity.allows("chat", "use")
    assert identity.allows("agents", "read")
    assert not identity.allows("agents", "write")
    assert not identity.allows("users", "manage")
    assert not identity.allows("Chat", "use")


async def test_a_wildcard_may_stand_for_one_part(agent_db: Database) -> None:
    """`agents, *` allows what is done to agents, `*, view` what is viewed."""
    with agent_db.use():
        role = await Role.create(name="curator")
        for resource, action in (("agents", "*"), ("*", "view")):
            policy = await Policy.create(name=f"{resource} {action}", resource=resource, action=action)
            await RolePolicy.create(role=role, policy=policy)
    _, key = await made_with_key(agent_db, role="curator")
    identity = await agent_db.access.authenticate(key)

    assert identity.access == {
        "agents": {"read", "write", "view"},
        "analytics": {"view"},
        "chat": {"view"},
        "users": {"view"},
    }
    assert identity.allows("agents", "delete")
    assert identity.allows("nebulae", "view")
    assert not identity.allows("chat", "use")


async def test_a_user_without_role_has_no_rights(agent_db: Database) -> None:
    """Who is known need not be allowed anything."""
    _, key = await made_with_key(agent_db, role=None)
    identity = await agent_db.access.authenticate(key)

    assert (identity.role, identity.policies, identity.access) == (None, (), {})
    assert not identity.allows("chat", "use")


async def test_a_user_is_known_without_any_policy(agent_db: Database) -> None:
    """A database whose policies were all removed still answers."""
    _, key = await made_with_key(agent_db)
    with agent_db.use():
        await Policy.all().delete()

    assert (await agent_db.access.authenticate(key)).access == {}


async def test_authentication_is_one_statement(agent_db: Database, statements: list[str]) -> None:
    """It runs with every request."""
    _, key = await made_with_key(agent_db)
    statements.clear()
    await agent_db.access.authenticate(key)

    assert len(statements) == 1


@pytest.mark.parametrize("key", ["", "agk_nobody", "agk_\x00", "agk_\ud800", "x" * 100_000])
async def test_an_unknown_key_is_refused(agent_db: Database, ada: UserRecord, key: str) -> None:
    """Whatever it looks like; a user without a key is not found by an empty one."""
    with pytest.raises(AuthenticationError, match="No user has this API key") as caught:
        await agent_db.access.authenticate(key)

    assert len(key) < 5 or key not in str(caught.value)


async def test_a_digest_is_no_key(agent_db: Database) -> None:
    """Who can read the table cannot log in with what stands there."""
    user, _ = await made_with_key(agent_db)
    with agent_db.use():
        stored = (await User.get(id=user.id)).api_key

    with pytest.raises(AuthenticationError):
        await agent_db.access.authenticate(stored)


@pytest.mark.parametrize("status", ["inactive", "Active", None])
async def test_an_inactive_user_is_refused(agent_db: Database, status: str | None) -> None:
    """Only the status `active` counts."""
    user, key = await made_with_key(agent_db)
    await set_status(agent_db, user.id, status)

    with pytest.raises(AuthenticationError, match="not active"):
        await agent_db.access.authenticate(key)


@pytest.mark.parametrize("key", [None, 7, b"agk_x"])
async def test_a_key_is_a_text(agent_db: Database, key: Any) -> None:
    """Anything else is a mistake of the caller, whose value is not shown."""
    with pytest.raises(InvalidInputError, match=f"found {type(key).__name__}"):
        await agent_db.access.authenticate(key)


# login


async def test_the_very_first_user_is_the_administrator(agent_db: Database) -> None:
    """Without a limit; everybody after that is a user with the default budget, all of it left."""
    first = await agent_db.access.login(email="first@example.org", first_name="Ada", last_name="Lovelace")
    second = await agent_db.access.login(email="second@example.org")

    assert (first.role_id, first.budget, first.remaining, first.status) == (1, None, None, "active")
    assert (first.first_name, first.last_name) == ("Ada", "Lovelace")
    assert (second.role_id, second.budget, second.remaining) == (3, Decimal(5), Decimal(5))
    assert type(first) is type(second) is UserRecord


async def test_a_known_user_is_left_as_is(agent_db: Database, ada: UserRecord) -> None:
    """What the user edited is not undone at the next login."""
    first = await agent_db.access.login(email="ADA@example.org", first_name="Augusta")
    second = await agent_db.access.login(email="ada@example.org ")

    assert first == second
    assert (first.id, first.first_name, first.budget) == (ada.id, None, Decimal(10))
    assert await count_users(agent_db) == 1


@pytest.mark.parametrize("status", ["blocked", "ACTIVE", None])
async def test_an_inactive_user_cannot_log_in(agent_db: Database, ada: UserRecord, status: str | None) -> None:
    """And does not become a second user."""
    await set_status(agent_db, ada.id, status)

    with pytest.raises(AuthenticationError, match="not active"):
        await agent_db.access.login(email="ada@example.org")
    assert await count_users(agent_db) == 1


async def test_many_logins_at_once_make_one_user(agent_db: Database, ada: UserRecord) -> None:
    """Every one of them gets the same user."""
    logins = [agent_db.access.login(email=("new@example.org", "NEW@example.org")[n % 2]) for n in range(20)]
    users = await asyncio.gather(*logins)

    assert len(set(users)) == 1
    assert await count_users(agent_db) == 2


async def test_many_first_logins_make_one_administrator(agent_db: Database) -> None:
    """Being first is decided once, also between different people."""
    users = await asyncio.gather(*(agent_db.access.login(email=f"user{n}@example.org") for n in range(20)))

    assert sorted(user.role_id or 0 for user in users) == [1] + [3] * 19
    assert await count_users(agent_db) == 20


@pytest.mark.agentdb(engine="postgresql")
@pytest.mark.parametrize("isolation", ["serializable", "repeatable read"])
async def test_being_first_is_decided_once_in_any_isolation(agent_db_url: str, isolation: str) -> None:
    """Whoever waited sees who was faster, although the configured isolation would not show it."""
    url = f"{agent_db_url}{'&' if '?' in agent_db_url else '?'}isolation={isolation}"
    async with agentdb.connect(url, skip_sync=True) as db:
        users = await asyncio.gather(*(db.access.login(email=f"user{n % 5}@example.org") for n in range(20)))

    assert sorted(user.role_id or 0 for user in set(users)) == [1] + [3] * 4


async def test_login_needs_the_seeded_roles(agent_db: Database) -> None:
    """A user without rights by mistake would be worse than an error."""
    with agent_db.use():
        await Role.all().delete()

    with pytest.raises(NotFoundError, match="No role 'admin'"):
        await agent_db.access.login(email="a@example.org")
    assert await count_users(agent_db) == 0


@pytest.mark.parametrize("email", ["", "nobody", None, "a\x00@example.org", "\ud800@example.org"])
async def test_a_login_needs_an_address(agent_db: Database, email: Any) -> None:
    """The same error on every engine, and nobody is made."""
    with pytest.raises(InvalidInputError):
        await agent_db.access.login(email=email)

    assert await count_users(agent_db) == 0


# deadlines


@pytest.mark.parametrize("call", ["create_user", "login", "authenticate"])
async def test_a_deadline_ends_the_call(agent_db: Database, call: str) -> None:
    """Nothing is done then."""
    argument = {"api_key": "agk_x"} if call == "authenticate" else {"email": "a@example.org"}

    with pytest.raises(DeadlineError):
        await getattr(agent_db.access, call)(**argument, timeout=0)
    assert await count_users(agent_db) == 0


# access_map


def test_an_access_map_leaves_wildcards_out() -> None:
    """Where no policy names anything, a wildcard stands for nothing that can be written out."""
    everything = PolicyRecord(id=1, resource="*", action="*")

    assert access_map((everything,), (everything,)) == {}
