"""Every row of the table of error classes, by a real fault through the public API.

Each is met in a caller's own transaction, where nothing is repeated, and in `db.run`, which repeats what is safe.
"""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from agentdb.errors import UnavailableError
from tests.faults import postgres_rows, sqlite_rows
from tests.faults.places import OpenPlace, on_postgres, on_sqlite, server, sqlite_template
from tests.faults.units import TEXT, Row, in_transaction, in_unit, no_fault, opened

__all__ = ["server", "sqlite_template"]

ROWS = [pytest.param(on_postgres, row, id=row.name) for row in postgres_rows.ROWS] + [
    pytest.param(on_sqlite, row, id=row.name) for row in sqlite_rows.ROWS
]


@pytest.mark.parametrize(("on_engine", "row"), ROWS)
async def test_its_class(on_engine: OpenPlace, row: Row, request: pytest.FixtureRequest) -> None:
    """Class, code and whether it may be repeated; in a transaction of the caller nothing is repeated or half done."""
    async with on_engine(request) as place:
        await row.prepare(place)
        async with opened(place, row) as db:
            with pytest.raises(row.kind) as caught:
                await in_transaction(place, row, db)
            repetitions = db.session.repeats.count
        stored = await place.messages()
    error = caught.value

    assert error.engine_code in row.codes
    assert error.is_retryable is issubclass(row.kind, UnavailableError)
    assert getattr(error, "reason", None) == row.reason
    assert repetitions == 0
    assert TEXT not in f"{error} {vars(error)}"
    assert stored == row.stored


@pytest.mark.parametrize(("on_engine", "row"), ROWS)
async def test_its_action(on_engine: OpenPlace, row: Row, request: pytest.FixtureRequest) -> None:
    """What was surely not done is done again and is there once; anything else is told after one attempt."""
    async with on_engine(request) as place:
        await row.prepare(place)
        async with opened(place, row) as db:
            with nullcontext() if row.is_repeated else pytest.raises(row.kind):
                await in_unit(place, row, db)
            repetitions = db.session.repeats.count
        stored = await place.messages()

    assert stored == (1 if row.is_repeated else row.stored)
    assert (repetitions > 0) is row.is_repeated
    assert place.attempts == (2 if row.is_repeated and row.inside is not no_fault else place.attempts)
    assert row.is_repeated or place.attempts <= 1
