"""The suite uses agentdb's own pytest plugin as a user would, on both engines unless the command line names one."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from agentdb.models import INTERNAL_TABLES, TABLES
from agentdb.models.fields import TimestampField
from agentdb.testing.factory import DatabaseFactory
from tests.counts import report_header
from tests.faults.leaks import known_in, watching
from tests.faults.pgbouncer import find_pgbouncer, version_of
from tests.faults.spaces import report_spaces
from tests.faults.summary import pytest_terminal_summary

__all__ = ["pytest_terminal_summary"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "pgbouncer: the test needs PgBouncer, and is left out where that is missing")
    if config.option.agentdb_engine is None:
        config.option.agentdb_engine = "both"


def pytest_report_header() -> list[str]:
    program = find_pgbouncer()
    shown = f"{version_of(program)} at {program}" if program else "not found, its tests are left out"
    return [report_header(), report_spaces(), f"pgbouncer: {shown}"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if find_pgbouncer() is None:
        for item in _with_pgbouncer(items):
            item.add_marker(pytest.mark.skip(reason="PgBouncer is not installed (Debian package pgbouncer)"))


def pytest_report_collectionfinish(items: list[pytest.Item]) -> str:
    """The head cannot tell how many yet."""
    return f"pgbouncer: tests {'to run' if find_pgbouncer() else 'left out'}: {len(_with_pgbouncer(items))}"


def _with_pgbouncer(items: list[pytest.Item]) -> list[pytest.Item]:
    return [item for item in items if item.get_closest_marker("pgbouncer")]


@pytest.fixture
def empty_db_url(agent_db_engine: str, agent_db_factory: DatabaseFactory) -> Iterator[str]:
    """A database that nobody has migrated, of each engine in turn; on SQLite a file yet to be made."""
    with agent_db_factory.empty(engine=agent_db_engine) as url:
        yield url


@pytest.fixture(autouse=True)
def no_log_line_holds_a_secret(request: pytest.FixtureRequest) -> Iterator[None]:
    """With AGENTDB_WATCH_LOGS=1 every logger is at DEBUG during every test, and none says a secret of the suite."""
    if not os.environ.get("AGENTDB_WATCH_LOGS") or request.node.name.startswith("test_the_watch"):
        yield
        return
    with watching(known_in) as watch:
        yield
    assert watch.leaks == []


@pytest.fixture(autouse=True)
def every_time_has_32_characters(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test did to its SQLite database, no time in it has another width: mixed ones do not sort by time."""
    # Asked for here, so that it is still there when the test is over.
    database = request.getfixturevalue("agent_db") if "agent_db" in request.fixturenames else None
    yield
    if database is not None and database.url.startswith("sqlite:///"):
        with closing(sqlite3.connect(database.url.removeprefix("sqlite:///"))) as raw:
            assert dict(_odd_times(raw)) == {}


def _odd_times(raw: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    for table, model in {**TABLES, **INTERNAL_TABLES}.items():
        for field in model._meta.fields_map.values():
            if isinstance(field, TimestampField):
                column = field.source_field
                for (found,) in raw.execute(f'SELECT "{column}" FROM "{table}" WHERE length("{column}") <> 32'):
                    yield f"{table}.{column}", found
