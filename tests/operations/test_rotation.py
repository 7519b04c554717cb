"""Exchanging the secret key: nothing is unreadable at any moment, whatever is killed, and the old key is gone then."""

from __future__ import annotations

import asyncio
import random
import signal
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import agentdb
from agentdb import AuthenticationError, ConfigurationError, Database, SchemaError
from agentdb.config import Secret
from agentdb.database import look
from agentdb.operations.rotation import Rotation
from agentdb.secrets import Keyring
from tests.counts import COUNTS
from tests.lifecycle.places import Place, configured
from tests.operations.rotating import EACH, SEARCH_TOOL, Keys, Planted, owned, rotate


@pytest.fixture
def keys(ready_place: Place) -> Keys:
    """Of a database of each engine in turn."""
    return Keys(ready_place)


def key_id(keys: Keys) -> str:
    """Of the current key."""
    path = keys.place.path
    return Keyring.from_secret(path.with_name(f"{path.name}.key").read_text() if path else keys.current).key_id


def service(keys: Keys) -> agentdb.Connector:
    """What attaches and has both keys."""
    return agentdb.connect(keys.place.url, settings=keys.settings(), skip_sync=True)


async def moved_by_use(keys: Keys, secrets: Planted) -> None:
    """Use all API keys on a handle that has written."""
    async with service(keys) as db:
        await db.access.create_role("written")
        await secrets.check(db)
        await db.access.delete_role("written")


@asynccontextmanager
async def read_all_the_time(db: Database, secrets: Planted) -> AsyncIterator[None]:
    """A service that reads every secret again and again, and once more at the end."""
    is_over = asyncio.Event()

    async def reading() -> None:
        while not is_over.is_set():
            await secrets.check(db)
            await asyncio.sleep(0)  # short reads of a file may end without giving way to anybody
        await secrets.check(db)

    task = asyncio.create_task(reading())
    try:
        yield
    finally:
        is_over.set()
        await task


async def finished(keys: Keys, **options: Any) -> Rotation:
    """Run the command until it comes back."""
    async with await look(keys.place.url, settings=keys.settings()) as db:
        return await db.rotate_key(**options)


async def test_all_is_moved_and_the_old_key_is_gone(keys: Keys) -> None:
    """Sealed values at once, API keys when they are used; then the old key's id stands nowhere."""
    secrets = await owned(keys)
    old, keys = key_id(keys), keys.exchanged(1)
    first = await finished(keys)
    async with service(keys) as db:
        await secrets.check(db)
        by_reading = await db.key_use()
    await moved_by_use(keys, secrets)
    last = await finished(keys)

    assert first.moved == {"Provider.apiKey": EACH, "UserTool.credential": EACH}
    assert first.use.remaining == by_reading.remaining == {"User.apiKey": {old: EACH}}
    assert not first.is_done
    assert last.is_done
    assert set(last.moved.values()) == {0}
    assert old not in await keys.place.text()
    assert key_id(keys) == last.use.key_id != old
    async with agentdb.connect(
        keys.place.url, settings=configured(secret_key=keys.current) if keys.place.is_on_server else configured()
    ) as db:
        await secrets.check(db)


async def test_a_killed_rotation_is_completed_by_the_next(keys: Keys) -> None:
    """Killed at random points, while services read every secret all the time."""
    secrets, draw = await owned(keys), random.Random(4)
    points: int | None = None
    for count in range(1, COUNTS.killed_initialisers + 2):
        old = key_id(keys)
        async with service(keys.exchanged(count)) as db:
            keys = keys.exchanged(count)
            worker = rotate(keys, dies_at=draw.randint(1, points) if points else None)
            async with read_all_the_time(db, secrets):
                if points is None:  # the first one is left alone, and says how many points there are
                    points = await asyncio.to_thread(worker.answer)
                code = await asyncio.to_thread(worker.ended)
            await finished(keys)  # which begins it, if the other one was killed before it could
            await moved_by_use(keys, secrets)
            keys.grow_old()
            done = await finished(keys)
            await secrets.check(db)

            assert code == (0 if count == 1 else -signal.SIGKILL)
            assert done.is_done
            assert old not in await keys.place.text()
            assert old != key_id(keys)
    assert points is not None
    assert points > 4 * EACH


async def test_unused_api_keys_are_revoked_by_word(keys: Keys) -> None:
    """Those that were used go on, the others are unknown, and the old key is not needed any more."""
    secrets = await owned(keys)
    old, keys = key_id(keys), keys.exchanged(1)
    await finished(keys)
    *unused, used = secrets.users.items()
    await moved_by_use(keys, Planted({}, dict([used]), secrets.credentials))
    done = await finished(keys, revoke_unused=True)

    assert (done.revoked, done.is_done) == (EACH - 1, True)
    assert old not in await keys.place.text()
    async with service(keys) as db:
        assert (await db.access.authenticate(used[1])).id == used[0]
        for _, api_key in unused:
            with pytest.raises(AuthenticationError):
                await db.access.authenticate(api_key)


async def test_a_handle_that_only_reads_moves_nothing(keys: Keys) -> None:
    """Who attaches issues nothing but SELECT until it writes."""
    secrets = await owned(keys)
    keys = keys.exchanged(1)
    await finished(keys)
    before = await keys.place.contents()
    async with service(keys) as db:
        await secrets.check(db)

    assert await keys.place.contents() == before


async def test_a_seeded_secret_stays_the_seeds_own(ready_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next seed still updates it: a value that was only sealed again was edited by nobody."""
    keys = Keys(ready_place)
    monkeypatch.setenv("GEMINI_API_KEY", "the first key")
    async with agentdb.connect(ready_place.url, settings=keys.settings()) as db:
        (google,) = [one.id for one in await db.catalog.providers() if await db.catalog.provider_secret(one.id)]
    keys = keys.exchanged(1)
    done = await finished(keys)
    monkeypatch.setenv("GEMINI_API_KEY", "the second key")
    async with agentdb.connect(ready_place.url, settings=keys.settings()) as db:
        seeded = await db.catalog.provider_secret(google)

    assert done.moved["Provider.apiKey"] == 1
    assert seeded == Secret("the second key")


async def test_a_value_that_was_changed_meanwhile_stays(keys: Keys) -> None:
    """A service that knows only the old key changes one while the rotation waits for its row: what it wrote wins."""
    secrets = await owned(keys)
    provider = next(iter(secrets.providers))
    secrets.providers[provider] = Secret("a newer one")
    async with agentdb.connect(keys.place.url, settings=keys.settings(), skip_sync=True) as db:
        keys = keys.exchanged(1)
        async with db.transaction():
            await db.catalog.set_provider_secret(provider, secrets.providers[provider])
            rotation = asyncio.create_task(finished(keys))
            await until_it_waits(keys.place)
        done = await rotation

    assert done.moved == {"Provider.apiKey": EACH, "UserTool.credential": EACH}
    assert done.use.remaining.keys() == {"User.apiKey"}
    async with service(keys) as db:
        await secrets.check(db)


async def until_it_waits(place: Place) -> None:
    """For a row on the server; on a file a moment, in which it comes to wait for the only writer."""
    for _ in range(100):
        await asyncio.sleep(0.05)
        if not place.is_on_server or await place.rows("SELECT 1 FROM pg_locks WHERE NOT granted"):
            return


async def test_damaged_values_are_named_and_left(keys: Keys) -> None:
    """One row that does not open keeps nobody from exchanging the key of the others."""
    secrets = await owned(keys)
    provider, user = next(iter(secrets.providers)), next(iter(secrets.users))
    async with await look(keys.place.url, settings=keys.settings()) as db:
        await db.session.client.execute_script(
            f'UPDATE "Provider" SET "apiKey" = substr("apiKey", 1, 40) WHERE "id" = {provider}'
        )
    old, keys = key_id(keys), keys.exchanged(1)
    done = await finished(keys)

    assert done.damaged == {"Provider.apiKey": (provider,)}
    assert done.moved == {"Provider.apiKey": EACH - 1, "UserTool.credential": EACH}
    assert done.use.remaining["Provider.apiKey"] == {old: 1}
    async with service(keys) as db:
        assert await db.agents.tool_credential(SEARCH_TOOL, user_id=user) == secrets.credentials[user]


async def test_without_a_key_there_is_nothing_to_exchange(agent_db_engine: str, ready_place: Place) -> None:
    """It says which settings would give one."""
    async with await look(ready_place.url, settings=configured()) as db:
        with pytest.raises(ConfigurationError, match="AGENTDB_SECRET_KEY_PREVIOUS"):
            await db.rotate_key()
        with pytest.raises(ConfigurationError, match="AGENTDB_SECRET_KEY_PREVIOUS"):
            await db.key_use()


async def test_files_are_for_their_owner_only(tmp_path: Any, clean_environment: None) -> None:
    """The old key lies beside the new one as long as it is needed, and no longer."""
    path = tmp_path / "agent.db"
    path.touch()
    keys = Keys(Place(f"sqlite:///{path}", path))
    secrets = await owned(keys)
    before = (tmp_path / "agent.db.key").read_text()
    waiting = await finished(keys)
    previous = tmp_path / "agent.db.key.previous"

    assert waiting.use.previous_key_file == previous
    assert previous.read_text() == before
    assert {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.glob("agent.db.key*")} == {0o600}
    await moved_by_use(keys, secrets)
    early = await finished(keys)
    keys.grow_old()
    done = await finished(keys)

    assert early.use.remaining == {}
    assert early.use.previous_key_file == previous
    assert done.is_done
    assert done.use.previous_key_file is None
    assert [one.name for one in tmp_path.glob("agent.db.key*")] == ["agent.db.key"]


async def test_nothing_is_revoked_before_anybody_could_use_it(tmp_path: Any, clean_environment: None) -> None:
    """The run that begins an exchange would end every API key."""
    path = tmp_path / "agent.db"
    path.touch()
    keys = Keys(Place(f"sqlite:///{path}", path))
    await owned(keys)
    before = (tmp_path / "agent.db.key").read_text()
    async with await look(f"sqlite:///{path}", settings=configured()) as db:
        with pytest.raises(ConfigurationError, match="all of them would stop working"):
            await db.rotate_key(revoke_unused=True)

    assert (tmp_path / "agent.db.key").read_text() == before
    assert [one.name for one in tmp_path.glob("agent.db.key*")] == ["agent.db.key"]


async def test_a_database_without_tables_is_refused(tmp_path: Any, clean_environment: None) -> None:
    """Before its key is touched."""
    path = tmp_path / "agent.db"
    path.touch()
    (tmp_path / "agent.db.key").write_text("a key that is long enough")
    async with await look(f"sqlite:///{path}", settings=configured()) as db:
        with pytest.raises(SchemaError):
            await db.rotate_key()

    assert (tmp_path / "agent.db.key").read_text() == "a key that is long enough"
    assert not (tmp_path / "agent.db.key.previous").exists()
