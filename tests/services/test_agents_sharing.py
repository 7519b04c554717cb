"""With whom agents are shared, and what each role may do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agentdb import AccessDeniedError, ConflictError, Database, InvalidInputError, NotFoundError
from agentdb.records import User

pytestmark = pytest.mark.agentdb(engine="both")


@pytest.fixture
async def carol(agent_db: Database) -> User:
    """A third user."""
    return await agent_db.access.create_user(email="carol@example.org")


@pytest.fixture
async def agent_id(agent_db: Database, ada: User) -> int:
    """Ada's agent."""
    return (await agent_db.agents.create(user_id=ada.id, name="A", prompt="one", tools=["search"])).id


CALLS: dict[str, tuple[str, Callable[[Database, int, int], Awaitable[Any]]]] = {
    "resolve": ("viewer", lambda db, agent, user: db.agents.resolve(agent, user_id=user)),
    "start": ("viewer", lambda db, agent, user: db.conversations.start(agent_id=agent, user_id=user)),
    "update": ("editor", lambda db, agent, user: db.agents.update(agent, user_id=user, name="B")),
    "tools": ("editor", lambda db, agent, user: db.agents.update(agent, user_id=user, tools=["code"])),
    "publish": ("editor", lambda db, agent, user: db.agents.publish_prompt(agent, "two", user_id=user)),
    "use": ("editor", lambda db, agent, user: db.agents.use_prompt(agent, 1, user_id=user)),
    "prompts": ("editor", lambda db, agent, user: db.agents.prompts(agent, user_id=user)),
    "share": ("owner", lambda db, agent, user: db.agents.share(agent, user_id=user, with_user_id=user)),
    "shares": ("owner", lambda db, agent, user: db.agents.shares(agent, user_id=user)),
    "delete": ("owner", lambda db, agent, user: db.agents.delete(agent, user_id=user)),
}
ROLES = ("viewer", "editor", "owner")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("call", CALLS)
async def test_a_role_may_do_its_part(
    agent_db: Database, ada: User, bob: User, agent_id: int, role: Any, call: str
) -> None:
    """A viewer uses, an editor also changes, an owner also shares and deletes; what is not allowed is denied."""
    needs, run = CALLS[call]
    await agent_db.agents.share(agent_id, user_id=ada.id, with_user_id=bob.id, role=role)
    before = await agent_db.agents.get(agent_id, user_id=ada.id)

    if ROLES.index(role) >= ROLES.index(needs):
        await run(agent_db, agent_id, bob.id)
        return
    with pytest.raises(AccessDeniedError, match=f"is {role} of agent {agent_id}, and this takes an {needs}"):
        await run(agent_db, agent_id, bob.id)
    assert await agent_db.agents.get(agent_id, user_id=ada.id) == before


async def test_sharing_again_changes_the_role(agent_db: Database, ada: User, bob: User, agent_id: int) -> None:
    """There is one share for each user."""
    first = await agent_db.agents.share(agent_id, user_id=ada.id, with_user_id=bob.id)
    again = await agent_db.agents.share(agent_id, user_id=ada.id, with_user_id=bob.id, role="editor")

    assert (first.user_id, first.role) == (bob.id, "viewer")
    assert (again.role, again.created_at) == ("editor", first.created_at)
    assert (await agent_db.agents.shares(agent_id, user_id=ada.id)).items == (again,)


async def test_what_was_shared_can_be_taken_away(agent_db: Database, ada: User, bob: User, agent_id: int) -> None:
    """Then the agent is not there any more; conversations with it stay."""
    await agent_db.agents.share(agent_id, user_id=ada.id, with_user_id=bob.id)
    talk = await agent_db.conversations.start(user_id=bob.id, agent_id=agent_id)
    await agent_db.agents.unshare(agent_id, user_id=ada.id, with_user_id=bob.id)

    with pytest.raises(NotFoundError):
        await agent_db.agents.get(agent_id, user_id=bob.id)
    with pytest.raises(NotFoundError, match="No share of agent"):
        await agent_db.agents.unshare(agent_id, user_id=ada.id, with_user_id=bob.id)
    assert (await agent_db.conversations.history(talk.id, user_id=bob.id)).items == ()


async def test_everyone_may_give_up_a_share(
    agent_db: Database, ada: User, bob: User, carol: User, agent_id: int
) -> None:
    """One's own, not another's."""
    for user in (bob, carol):
        await agent_db.agents.share(agent_id, user_id=ada.id, with_user_id=user.id)
    with pytest.raises(AccessDeniedError):
        await agent_db.agents.unshare(agent_id, user_id=bob.id, with_user_id=carol.id)
    await agent_db.agents.unshare(agent_id, user_id=bob.id, with_user_id=bob.id)

    assert [one.user_id for one in (await agent_db.agents.shares(agent_id, user_id=ada.id)).items] == [carol.id]


async def test_shares_are_paged(agent_db: Database, ada: User, bob: User, carol: User, agent_id: int) -> None:
    """By the ids of the users."""
    for user in (carol, bob):
        await agent_db.agents.share(agent_id, user_id=ada.id, with_user_id=user.id)
    first = await agent_db.agents.shares(agent_id, user_id=ada.id, limit=1)
    second = await agent_db.agents.shares(agent_id, user_id=ada.id, limit=1, cursor=first.next_cursor)

    assert [one.user_id for one in (*first.items, *second.items)] == sorted([bob.id, carol.id])
    assert second.next_cursor is None


async def test_an_agent_is_shared_with_somebody_else(agent_db: Database, ada: User, agent_id: int) -> None:
    """Who exists and does not own it."""
    with pytest.raises(ConflictError, match=f"is user {ada.id}'s own"):
        await agent_db.agents.share(agent_id, user_id=ada.id, with_user_id=ada.id)
    with pytest.raises(NotFoundError, match="No user 12345"):
        await agent_db.agents.share(agent_id, user_id=ada.id, with_user_id=12345)


@pytest.mark.parametrize("wrong", [{"role": "king"}, {"role": None}, {"role": 1}, {"with_user_id": "1"}], ids=str)
async def test_bad_input_is_refused(
    agent_db: Database, ada: User, bob: User, agent_id: int, wrong: dict[str, Any]
) -> None:
    """And nothing is shared."""
    with pytest.raises(InvalidInputError):
        await agent_db.agents.share(agent_id, **{"user_id": ada.id, "with_user_id": bob.id, **wrong})

    assert (await agent_db.agents.shares(agent_id, user_id=ada.id)).items == ()
