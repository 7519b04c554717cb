"""Users as administrators see and change them, and as they see themselves."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from agentdb import (
    AuthenticationError,
    ConflictError,
    Database,
    InvalidInputError,
    NotFoundError,
    UnsupportedError,
    User,
)
from agentdb.records import User as UserRecord
from agentdb.services._cursor import encode_cursor

pytestmark = pytest.mark.agentdb(engine="both")

MODEL = "mock-model"


async def spend(db: Database, user_id: int, amount: str) -> None:
    """Take an amount, as a charge does."""
    with db.use():
        user = await User.get(id=user_id)
        user.remaining = (user.budget if user.remaining is None else user.remaining) - Decimal(amount)
        await user.save()


# user, find_user


async def test_a_user_is_read_by_id_and_by_address(agent_db: Database, ada: UserRecord, bob: UserRecord) -> None:
    """With the role, and the same from both."""
    user = await agent_db.access.user(ada.id)

    assert user == await agent_db.access.find_user(email=" ADA@example.org")
    assert (user.email, user.remaining) == ("ada@example.org", Decimal(10))
    assert user.role is not None
    assert (user.role.id, user.role.name) == (3, "user")


async def test_who_is_not_there_is_not_found(agent_db: Database, ada: UserRecord) -> None:
    """By id an error, by address None."""
    assert await agent_db.access.find_user(email="nobody@example.org") is None
    with pytest.raises(NotFoundError, match="No user 99"):
        await agent_db.access.user(99)


@pytest.mark.parametrize("user_id", [None, "1", True, 2**63])
async def test_an_id_is_an_integer(agent_db: Database, user_id: Any) -> None:
    """For every call about one user."""
    access = agent_db.access
    calls: list[Any] = [access.user, access.update_user, access.delete_user, access.identity]
    calls += [access.issue_api_key, access.rotate_api_key, access.revoke_api_key]

    for call in calls:
        with pytest.raises(InvalidInputError):
            await call(user_id)


# update_user


async def test_only_named_fields_change(agent_db: Database, ada: UserRecord, bob: UserRecord) -> None:
    """And nobody else's; an empty call changes nothing but the time."""
    await agent_db.access.update_user(ada.id, first_name="Ada", last_name="Lovelace")
    updated = await agent_db.access.update_user(ada.id, last_name=None, status="inactive", role="super user")
    again = await agent_db.access.update_user(ada.id)

    assert (updated.first_name, updated.last_name, updated.status, updated.role_id) == ("Ada", None, "inactive", 2)
    assert updated.role is not None
    assert updated.role.name == "super user"
    assert (updated.id, updated.email, updated.budget) == (ada.id, ada.email, Decimal(10))
    assert updated.updated_at is not None
    assert ada.updated_at is not None
    assert updated.updated_at > ada.updated_at
    assert updated.model_copy(update={"updated_at": again.updated_at}) == again
    assert await agent_db.access.user(bob.id) == await agent_db.access.find_user(email="bob@example.org")
    assert (await agent_db.access.user(bob.id)).updated_at == bob.updated_at


async def test_a_rename_leaves_the_balance(agent_db: Database, ada: UserRecord) -> None:
    """9 of 10 spent and renamed is still 9 of 10 spent."""
    await spend(agent_db, ada.id, "9")
    renamed = await agent_db.access.update_user(ada.id, first_name="Augusta", email="augusta@example.org")

    assert (renamed.budget, renamed.remaining) == (Decimal(10), Decimal(1))
    assert (await agent_db.access.update_profile(ada.id, first_name="A", last_name="B")).remaining == Decimal(1)


@pytest.mark.parametrize(
    ("spent", "budget", "remaining"),
    [("6", "12.5", "6.5"), ("6", "6", "0"), ("6", "0", "-6"), ("0", "3", "3"), ("11", "10", "-1"), ("6", "10", "4")],
)
async def test_what_was_spent_stays_spent(
    agent_db: Database, ada: UserRecord, spent: str, budget: str, remaining: str
) -> None:
    """The balance moves with the budget of 10, exactly."""
    await spend(agent_db, ada.id, spent)
    user = await agent_db.access.update_user(ada.id, budget=Decimal(budget))

    assert (user.budget, user.remaining) == (Decimal(budget), Decimal(remaining))
    assert await agent_db.access.user(ada.id) == user


async def test_an_untouched_budget_is_whole_after_a_change(agent_db: Database, ada: UserRecord) -> None:
    """A null balance stays null, which is all of it."""
    assert (await agent_db.access.update_user(ada.id, budget=Decimal(3))).remaining == Decimal(3)
    with agent_db.use():
        assert (await User.get(id=ada.id)).remaining is None


async def test_lifting_the_limit_forgets_what_was_spent(agent_db: Database, ada: UserRecord) -> None:
    """A later budget begins whole."""
    await spend(agent_db, ada.id, "9")
    lifted = await agent_db.access.update_user(ada.id, budget=None)
    limited = await agent_db.access.update_user(ada.id, budget=Decimal(5))

    assert (lifted.budget, lifted.remaining) == (None, None)
    assert (limited.budget, limited.remaining) == (Decimal(5), Decimal(5))


async def test_a_budget_moves_under_charges(agent_db: Database, ada: UserRecord) -> None:
    """Changes and charges at the same time lose nothing of each other."""
    await agent_db.access.update_user(ada.id, budget=Decimal(1000))
    await asyncio.gather(
        *(agent_db.usage.record(user_id=ada.id, model=MODEL, input_tokens=10_000_000_000) for _ in range(10)),
        *(agent_db.access.update_user(ada.id, budget=Decimal(1000 + n)) for n in range(10)),
        *(agent_db.access.update_profile(ada.id, first_name=str(n), last_name=None) for n in range(10)),
    )
    user = await agent_db.access.user(ada.id)

    assert user.budget is not None
    assert user.remaining == user.budget - 10


async def test_a_balance_stays_in_its_range(agent_db: Database, ada: UserRecord) -> None:
    """Both engines refuse what one of them would turn into floating point."""
    await agent_db.access.update_user(ada.id, budget=Decimal(900_000_000))
    await spend(agent_db, ada.id, "1800000000")

    with pytest.raises(InvalidInputError, match="would leave the range"):
        await agent_db.access.update_user(ada.id, budget=Decimal(0), first_name="x")
    user = await agent_db.access.user(ada.id)
    assert (user.budget, user.remaining, user.first_name) == (Decimal(900_000_000), Decimal(-900_000_000), None)


async def test_a_full_budget_changes_at_the_end_of_the_range(agent_db: Database, ada: UserRecord) -> None:
    """No step on the way leaves it."""
    await agent_db.access.update_user(ada.id, budget=Decimal(900_000_000))
    await spend(agent_db, ada.id, "0.0000000001")
    user = await agent_db.access.update_user(ada.id, budget=Decimal(900_000_000))

    assert user.remaining == Decimal("899999999.9999999999")


async def test_an_address_stays_unique(agent_db: Database, ada: UserRecord, bob: UserRecord) -> None:
    """Whoever writes it, in whatever letters; one's own may be written again."""
    with pytest.raises(ConflictError, match=f"User {bob.id} has") as caught:
        await agent_db.access.update_user(ada.id, email="BOB@example.org", first_name="x")
    kept = await agent_db.access.update_user(ada.id, email="ADA@example.org ")

    assert caught.value.columns == ("email",)
    assert (kept.email, kept.first_name) == ("ada@example.org", None)


async def test_one_of_many_gets_an_address(agent_db: Database) -> None:
    """However many ask for it at once."""
    users = [await agent_db.access.create_user(email=f"user{n}@example.org") for n in range(5)]
    calls = [agent_db.access.update_user(user.id, email="wanted@example.org") for user in users]
    results = await asyncio.gather(*calls, return_exceptions=True)

    assert sorted(type(one).__name__ for one in results) == ["ConflictError"] * 4 + ["User"]


async def test_who_and_which_role_must_exist(agent_db: Database, ada: UserRecord) -> None:
    """Nothing is changed otherwise."""
    with pytest.raises(NotFoundError, match="No user 99"):
        await agent_db.access.update_user(99, first_name="x", budget=Decimal(1))
    with pytest.raises(NotFoundError, match="No user 99"):
        await agent_db.access.update_user(99, email="x@example.org")
    with pytest.raises(NotFoundError, match="No role 'captain'"):
        await agent_db.access.update_user(ada.id, first_name="x", role="captain")

    assert (await agent_db.access.user(ada.id)).first_name is None


async def test_a_role_is_taken_away(agent_db: Database, ada: UserRecord) -> None:
    """None is no rights, not the default role."""
    user = await agent_db.access.update_user(ada.id, role=None)

    assert (user.role_id, user.role) == (None, None)


@pytest.mark.parametrize("name", ["id", "api_key", "remaining", "role_id", "created_at", "password"])
async def test_no_other_field_can_be_written(agent_db: Database, ada: UserRecord, name: str) -> None:
    """There is no way to name a column."""
    with pytest.raises(TypeError, match=name):
        await agent_db.access.update_user(ada.id, **{name: 1})  # type: ignore[arg-type]  # it is refused


@pytest.mark.parametrize(
    "values",
    [
        {"email": None},
        {"email": "ada"},
        {"email": "a\x00@example.org"},
        {"first_name": "nul \x00"},
        {"last_name": "half \udfff"},
        {"first_name": 1},
        {"status": None},
        {"status": ""},
        {"role": 1.5},
        {"role": "\x00"},
        {"role": 2**63},
        {"budget": Decimal(-1)},
        {"budget": Decimal("NaN")},
        {"budget": Decimal(900_000_001)},
        {"budget": 1.5},
    ],
)
async def test_bad_input_changes_nothing(agent_db: Database, ada: UserRecord, values: dict[str, Any]) -> None:
    """The same error on every engine."""
    with pytest.raises(InvalidInputError):
        await agent_db.access.update_user(ada.id, **values)

    assert (await agent_db.access.user(ada.id)).updated_at == ada.updated_at


async def test_a_deactivated_user_is_locked_out_at_once(agent_db: Database) -> None:
    """Until activated again; the API key stays."""
    user = await agent_db.access.create_user(email="a@example.org", with_api_key=True)
    assert user.api_key is not None
    await agent_db.access.update_user(user.id, status="inactive")

    for call in (
        agent_db.access.authenticate(user.api_key),
        agent_db.access.identity(user.id),
        agent_db.access.login(email="a@example.org"),
    ):
        with pytest.raises(AuthenticationError, match="not active"):
            await call
    assert not await agent_db.access.allows(user.id, "chat", "use")
    await agent_db.access.update_user(user.id, status="active")
    assert (await agent_db.access.authenticate(user.api_key)).id == user.id


async def test_users_are_not_deleted(agent_db: Database, ada: UserRecord) -> None:
    """The error says what to do instead."""
    with pytest.raises(UnsupportedError, match=r"Deactivate .* erase"):
        await agent_db.access.delete_user(ada.id)

    assert (await agent_db.access.user(ada.id)).id == ada.id


# users

NAMES: list[tuple[str, str | None, str | None]] = [
    ("zoe@example.org", "Zoé", "adams"),
    ("emile@example.org", "Émile", "Zola"),
    ("100%@example.org", "100%_a", None),
    ("lower@example.org", "émilie", "ZOLA"),
    ("nobody@example.org", None, None),
    ("anna@example.org", "anna", "Ärger"),
    ("back@example.org", "back\\slash", "O'Brien"),
]


@pytest.fixture
async def crowd(agent_db: Database) -> list[int]:
    """The ids of users with the names above, made a second apart, with budgets and roles."""
    ids = []
    for n, (email, first, last) in enumerate(NAMES):
        user = await agent_db.access.create_user(
            email=email,
            first_name=first,
            last_name=last,
            role=["admin", "user", None][n % 3],
            status=["active", "inactive"][n % 2],
            budget=[None, Decimal(2), Decimal(10)][n % 3],
        )
        ids.append(user.id)
    with agent_db.use():
        for n, user_id in enumerate(ids):
            moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n // 2)
            await User.filter(id=user_id).update(created_at=moment)
        await User.filter(id=ids[4]).update(created_at=None, status=None)
    return ids


async def listed(db: Database, **wanted: Any) -> list[str]:
    return [(user.email or "").partition("@")[0] for user in (await db.access.users(**wanted)).items]


async def test_users_come_with_roles_newest_first(agent_db: Database, crowd: list[int]) -> None:
    """Equal times by id; whoever has no time last."""
    page = await agent_db.access.users()

    assert [user.id for user in page.items] == [crowd[n] for n in (6, 5, 3, 2, 1, 0, 4)]
    assert [user.role.name if user.role else None for user in page.items[:3]] == ["admin", None, "admin"]
    assert page.items[0] == await agent_db.access.user(crowd[6])
    assert page.next_cursor is None


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("name", "nobody 100% zoe back emile lower anna"),
        ("first_name", "nobody 100% anna back zoe emile lower"),
        ("email", "100% anna back emile lower nobody zoe"),
        ("status", "nobody zoe 100% back emile lower anna"),
        ("role", "100% anna zoe lower back emile nobody"),
        ("budget", "emile nobody 100% anna zoe lower back"),
        ("created_at", "nobody zoe emile 100% lower anna back"),
    ],
)
async def test_every_order_is_the_same_everywhere(
    agent_db: Database, crowd: list[int], sort: Any, expected: str
) -> None:
    """Case does not count, nulls come first but no budget last, ids break ties, and descending is the reverse."""
    ascending = await listed(agent_db, sort=sort, descending=False)

    assert ascending == expected.split()
    assert await listed(agent_db, sort=sort) == ascending[::-1]


@pytest.mark.parametrize("sort", ["name", "first_name", "email", "status", "role", "budget", "created_at"])
@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("limit", [1, 3, 7])
async def test_pages_add_up(agent_db: Database, crowd: list[int], sort: Any, descending: bool, limit: int) -> None:
    """Nobody twice, nobody left out, in the order of the whole."""
    whole = (await agent_db.access.users(sort=sort, descending=descending)).items
    found: list[UserRecord] = []
    cursor = None
    for _ in range(-(-7 // limit)):
        page = await agent_db.access.users(sort=sort, descending=descending, limit=limit, cursor=cursor)
        found += page.items
        cursor = page.next_cursor

    assert found == list(whole)
    assert cursor is None


async def test_a_page_goes_on_where_the_last_user_stood(agent_db: Database, crowd: list[int]) -> None:
    """Also when that user has moved meanwhile."""
    page = await agent_db.access.users(sort="email", descending=False, limit=2)
    await agent_db.access.update_user(page.items[1].id, email="zzz@example.org")

    rest = await listed(agent_db, sort="email", descending=False, cursor=page.next_cursor)
    assert rest == ["back", "emile", "lower", "nobody", "zoe", "zzz"]


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("ZOLA", "emile lower"),
        ("émil", "emile lower"),
        ("ÉMIL", "emile lower"),
        ("e\u0301mil", "emile lower"),
        ("emil", "emile"),
        ("ÄRG", "anna"),
        ("%", "100%"),
        ("_", "100%"),
        ("\\", "back"),
        ("o'b", "back"),
        ("'; DROP TABLE", ""),
        ("example.org", "100% anna back emile lower nobody zoe"),
        ("", "100% anna back emile lower nobody zoe"),
        ("none", ""),
    ],
)
async def test_search_is_for_a_part_of_a_name(agent_db: Database, crowd: list[int], search: str, expected: str) -> None:
    """In any case of any script, and no character is special."""
    assert await listed(agent_db, search=search, sort="email", descending=False) == expected.split()


async def test_users_are_filtered(agent_db: Database, crowd: list[int]) -> None:
    """By status and role, and by all of them at once."""
    assert await listed(agent_db, status="inactive", sort="email", descending=False) == ["anna", "emile", "lower"]
    assert await listed(agent_db, role="admin", sort="email", descending=False) == ["back", "lower", "zoe"]
    assert await listed(agent_db, role=1, status="active", search="o", sort="email") == ["zoe", "back"]
    assert await listed(agent_db, status="Active") == []
    with pytest.raises(NotFoundError, match="No role 'captain'"):
        await agent_db.access.users(role="captain")


async def test_a_search_goes_through_many_users(agent_db: Database) -> None:
    """More than one statement reads at a time."""
    with agent_db.use():
        await User.bulk_create([User(email=f"user{n:04}@example.org", first_name=str(n % 7)) for n in range(1200)])
    page = await agent_db.access.users(search="3", sort="email", descending=False, limit=1000)
    expected = [f"user{n:04}@example.org" for n in range(1200) if "3" in f"{n:04}{n % 7}"]

    assert [user.email for user in page.items] == expected
    assert [user.email for user in (await agent_db.access.users(sort="email", limit=2)).items] == [
        "user1199@example.org",
        "user1198@example.org",
    ]


@pytest.mark.parametrize(
    "values",
    [
        {"limit": 0},
        {"limit": -1},
        {"limit": 10**9},
        {"limit": "10"},
        {"limit": None},
        {"sort": "apiKey"},
        {"sort": "id; DROP TABLE"},
        {"sort": None},
        {"search": "\x00"},
        {"search": "\ud800"},
        {"search": 7},
        {"status": "\x00"},
        {"status": 7},
        {"role": 1.5},
        {"role": "\ud800"},
        {"cursor": ""},
        {"cursor": "x"},
        {"cursor": 7},
        {"cursor": encode_cursor("users by email descending", 1, "x", 1)},
        {"cursor": encode_cursor("users by created_at descending", 1, 1, 1)},
        {"cursor": encode_cursor("users by created_at descending", 1, "x")},
        {"cursor": encode_cursor("users by created_at", 1, "x", 1)},
    ],
)
async def test_a_bad_question_is_refused(agent_db: Database, values: dict[str, Any]) -> None:
    """The same error on every engine."""
    with pytest.raises(InvalidInputError):
        await agent_db.access.users(**values)
