"""API keys are shown once, replaced at once, and never come back."""

from __future__ import annotations

import asyncio

import pytest

from agentdb import AuthenticationError, ConflictError, Database, NotFoundError, Secret, User
from agentdb.records import User as UserRecord

pytestmark = pytest.mark.agentdb(engine="both")


async def stored_key(db: Database, user_id: int) -> str | None:
    with db.use():
        key: str | None = (await User.get(id=user_id)).api_key
        return key


async def is_known(db: Database, key: Secret) -> bool:
    try:
        await db.access.authenticate(key)
    except AuthenticationError:
        return False
    return True


async def test_a_key_is_issued_once(agent_db: Database, ada: UserRecord) -> None:
    """It works from then on; who has one must rotate it, and the first goes on working."""
    key = await agent_db.access.issue_api_key(ada.id)
    with pytest.raises(ConflictError, match=f"User {ada.id} has an API key") as caught:
        await agent_db.access.issue_api_key(ada.id)

    assert isinstance(key, Secret)
    assert key.reveal().startswith("agk_")
    assert caught.value.columns == ("apiKey",)
    assert (await agent_db.access.authenticate(key)).id == ada.id


async def test_a_key_is_kept_as_a_digest(agent_db: Database, ada: UserRecord) -> None:
    """Whichever way it was made."""
    issued = await agent_db.access.issue_api_key(ada.id)
    first = await stored_key(agent_db, ada.id)
    rotated = await agent_db.access.rotate_api_key(ada.id)
    second = await stored_key(agent_db, ada.id)

    assert first is not None
    assert second is not None
    assert first.startswith("agd1$")
    assert second.startswith("agd1$")
    assert issued.reveal() not in first
    assert rotated.reveal() not in second
    assert first != second


async def test_a_rotated_key_stops_at_once(agent_db: Database, ada: UserRecord) -> None:
    """The new one works; other users' keys are left alone."""
    other = await agent_db.access.create_user(email="b@example.org", with_api_key=True)
    assert other.api_key is not None
    keys = [await agent_db.access.issue_api_key(ada.id)]
    keys += [await agent_db.access.rotate_api_key(ada.id) for _ in range(3)]

    assert [await is_known(agent_db, key) for key in keys] == [False, False, False, True]
    assert len({key.reveal() for key in keys}) == 4
    assert (await agent_db.access.authenticate(other.api_key)).id == other.id


async def test_a_first_key_may_be_a_rotated_one(agent_db: Database, ada: UserRecord) -> None:
    """There was nothing to stop."""
    assert await is_known(agent_db, await agent_db.access.rotate_api_key(ada.id))


async def test_a_revoked_key_is_gone(agent_db: Database, ada: UserRecord) -> None:
    """Twice is as good as once, and a new one may be issued."""
    key = await agent_db.access.issue_api_key(ada.id)
    await agent_db.access.revoke_api_key(ada.id)
    await agent_db.access.revoke_api_key(ada.id)

    assert await stored_key(agent_db, ada.id) is None
    assert not await is_known(agent_db, key)
    assert await is_known(agent_db, await agent_db.access.issue_api_key(ada.id))
    assert not await is_known(agent_db, key)


async def test_a_key_belongs_to_somebody(agent_db: Database, ada: UserRecord) -> None:
    """An unknown user gets none."""
    for call in (agent_db.access.issue_api_key, agent_db.access.rotate_api_key, agent_db.access.revoke_api_key):
        with pytest.raises(NotFoundError, match="No user 99"):
            await call(99)


async def test_one_of_many_issues_wins(agent_db: Database, ada: UserRecord) -> None:
    """The others get an error and no key that would not work."""
    calls = [agent_db.access.issue_api_key(ada.id) for _ in range(10)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    keys = [one for one in results if isinstance(one, Secret)]

    assert sorted(type(one).__name__ for one in results) == ["ConflictError"] * 9 + ["Secret"]
    assert await is_known(agent_db, keys[0])


async def test_one_key_is_left_after_many_rotations(agent_db: Database, ada: UserRecord) -> None:
    """However many come at once."""
    keys = await asyncio.gather(*(agent_db.access.rotate_api_key(ada.id) for _ in range(10)))

    assert sum([await is_known(agent_db, key) for key in keys]) == 1


async def test_a_rotation_is_one_statement(agent_db: Database, ada: UserRecord) -> None:
    """There is no moment with two keys, or none; what is rolled back leaves the old one."""
    key = await agent_db.access.issue_api_key(ada.id)

    async def work() -> None:
        async with agent_db.transaction():
            await agent_db.access.rotate_api_key(ada.id)
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        await work()
    assert await is_known(agent_db, key)
