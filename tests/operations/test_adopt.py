"""Adopting a database of the original package: it becomes what the migrations make, in one go or not at all."""

from __future__ import annotations

import pytest

from agentdb.config import Settings
from agentdb.database import look
from tests.lifecycle.places import Place, Places, configured
from tests.operations.originals import SOUND, catalogue, make_original


@pytest.fixture
async def original(server_places: Places) -> Place:
    """The original's tables with sound rows."""
    place = server_places.empty()
    await make_original(place, SOUND)
    return place


async def test_the_result_is_what_the_migrations_make(original: Place, server_places: Places) -> None:
    """Every column, constraint, index and sequence."""
    async with await look(original.url, settings=configured()) as db:
        plan = await db.adopt(apply=True)
        found = await db.check()
        again = await db.adopt(apply=True)

    print(plan)
    assert found.is_clean
    assert not again.is_needed
    assert await catalogue(original) == await catalogue(server_places.ready())
