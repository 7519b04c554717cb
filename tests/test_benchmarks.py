"""The benchmark works: every contestant answers as the floor does, on a few rows. What is timed is not asserted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agentdb.secrets import Keyring
from agentdb.testing.factory import DatabaseFactory
from benchmarks.data import FULL, MESSAGE_BYTES, SECRET_KEY, TINY, World
from benchmarks.digest import digester
from benchmarks.harness import CONTESTANTS, Plan, run
from benchmarks.places import PostgresPlace
from benchmarks.report import rows_of, table
from benchmarks.stores import Store, postgres_store, sqlite_store
from benchmarks.targets import ENGINES, POSTGRES, SQLITE, target
from benchmarks.workloads import WORKLOADS


@pytest.fixture
def store(agent_db_engine: str, agent_db_factory: DatabaseFactory, tmp_path: Path) -> Iterator[Store]:
    """A small filled database, of each engine in turn."""
    if agent_db_engine == "sqlite":
        with sqlite_store(tmp_path, TINY, is_fast=True) as made:
            yield made
    else:
        server = agent_db_factory.empty(engine=agent_db_engine)
        with server as url, postgres_store(PostgresPlace.of_url(url), TINY) as made:
            yield made


def test_every_contestant_answers_as_the_floor(store: Store, agent_db_engine: str) -> None:
    """In every workload, and none of their calls fails."""
    engine = SQLITE if agent_db_engine == "sqlite" else POSTGRES
    warm = [workload for workload in WORKLOADS if workload.kind != "cold"]

    section = run(engine, store, Plan(warm, TINY, rounds=1, seconds=0, fewest=2), lambda _: None)

    rows = rows_of(section)
    assert section.fallbacks == {"agentdb": 0}
    assert [row.key for row in rows] == [workload.key for workload in warm]
    for row in rows:
        assert set(row.contestants) == ({"floor"} if row.key.endswith("i") else set(CONTESTANTS))
        assert [one.errors for one in row.contestants.values()] == [{}] * len(row.contestants)
        assert row.title in table(rows)


def test_the_data_is_what_the_readme_says() -> None:
    """100 users, 12,000 conversations of which one user has 10,000, 100,000 messages of 600 bytes, 1,000 in one."""
    world = World(FULL)
    counts: dict[str, int] = {}
    places: dict[int, int] = {}
    owners: dict[int, int] = {}
    for name, columns, rows in world.rows(str):
        for row in rows:
            counts[name] = counts.get(name, 0) + 1
            if name == "Message":
                places[row[1]] = places.get(row[1], 0) + 1
                assert len(row[columns.index("content")]) == MESSAGE_BYTES
            if name == "Conversation":
                owners[row[1]] = owners.get(row[1], 0) + 1

    assert (counts["User"], counts["Message"], counts["Usage"]) == (100, 100_000, 100_000)
    assert len(places) == 12_000
    assert places[world.long_talk.conversation_id] == 1_000
    assert owners[world.busy_user_id] == 10_000


def test_the_digest_by_hand_is_that_of_the_services() -> None:
    """Else the floor would look for users that are not there."""
    made = Keyring.from_secret(SECRET_KEY).digest_api_key("agk_any")

    assert digester(SECRET_KEY)("agk_any") == made


def test_every_workload_has_a_target_on_every_engine() -> None:
    """But for those that are only for information."""
    judged = [workload.key for workload in WORKLOADS if not workload.is_floor_only]

    assert all(target(key, engine) for key in judged for engine in ENGINES)
