"""The suite uses agentdb's own pytest plugin as a user would, on both engines unless the command line names one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agentdb.testing.factory import DatabaseFactory
from tests.counts import report_header


def pytest_configure(config: pytest.Config) -> None:
    if config.option.agentdb_engine is None:
        config.option.agentdb_engine = "both"


def pytest_report_header() -> str:
    return report_header()


@pytest.fixture
def empty_db_url(agent_db_engine: str, agent_db_factory: DatabaseFactory) -> Iterator[str]:
    """A database that nobody has migrated, of each engine in turn; on SQLite a file yet to be made."""
    with agent_db_factory.empty(engine=agent_db_engine) as url:
        yield url
