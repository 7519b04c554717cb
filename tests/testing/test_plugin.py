"""The pytest plugin as a project sees it that has installed agentdb: each test runs a suite in a process of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

import asyncpg
import pytest

from agentdb.testing.plugin import new_server_directory
from agentdb.testing.postgres_server import VARIABLE, postgres_server

pytest_plugins = ["pytester"]

Suite: TypeAlias = Callable[..., pytest.RunResult]

SCOPES = """
import pytest
from agentdb import User

async def add_user(db, email):
    await db.access.create_user(email=email)
    with db.use():
        return await User.all().count()

def wide(scope):
    @pytest.fixture(scope=scope, params=["sqlite", "postgresql"])
    def database(request, agent_db_factory):
        with agent_db_factory(engine=request.param) as db:
            yield db
    return database

class_db, module_db, session_db = wide("class"), wide("module"), wide("session")

@pytest.mark.asyncio
async def test_function(agent_db):
    assert await add_user(agent_db, "ada@example.org") == 1

@pytest.mark.asyncio(loop_scope="class")
class TestClass:
    async def test_one(self, agent_db):
        assert await add_user(agent_db, "ada@example.org") == 1

    async def test_another(self, agent_db):
        assert await add_user(agent_db, "ada@example.org") == 1

    async def test_first(self, class_db):
        assert await add_user(class_db, "ada@example.org") == 1

    async def test_second(self, class_db):
        assert await add_user(class_db, "bob@example.org") == 2

@pytest.mark.asyncio(loop_scope="module")
async def test_module(agent_db):
    assert await add_user(agent_db, "ada@example.org") == 1

@pytest.mark.asyncio(loop_scope="module")
async def test_module_again(agent_db):
    assert await add_user(agent_db, "ada@example.org") == 1

@pytest.mark.asyncio(loop_scope="session")
async def test_session(agent_db):
    assert await add_user(agent_db, "ada@example.org") == 1

@pytest.mark.asyncio(loop_scope="session")
async def test_session_first(session_db):
    assert await add_user(session_db, "ada@example.org") == 1

@pytest.mark.asyncio(loop_scope="session")
async def test_session_second(session_db):
    assert await add_user(session_db, "bob@example.org") == 2

@pytest.mark.asyncio
async def test_loop_of_its_own_first(module_db):
    assert await add_user(module_db, "ada@example.org") == 1

@pytest.mark.asyncio
async def test_loop_of_its_own_second(module_db):
    assert await add_user(module_db, "bob@example.org") == 2
"""

ANYIO = """
import pytest
from agentdb import User

pytestmark = pytest.mark.anyio

@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"

@pytest.fixture
async def user(agent_db):
    return await agent_db.access.create_user(email="ada@example.org")

async def test_a_fixture_and_a_test_share_it(agent_db, user):
    with agent_db.use():
        assert await User.get(email=user.email)

async def test_each_test_has_its_own(agent_db):
    with agent_db.use():
        assert await User.all().count() == 0
"""

PLACES = """
import os
import pytest
from pathlib import Path

@pytest.mark.parametrize("number", range(6))
async def test_place(agent_db, agent_db_engine, worker_id, number):
    await agent_db.access.create_user(email="ada@example.org")
    Path(os.environ["PLACES"], f"{agent_db_engine} {worker_id} {number}").write_text(agent_db.url)
"""

MARKERS = """
import pytest
from agentdb import Role

async def roles(db):
    with db.use():
        return [role.name async for role in Role.all()]

async def test_option(agent_db, agent_db_engine):
    assert (await agent_db.status()).engine == {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[agent_db_engine]
    assert "user" in await roles(agent_db)

@pytest.mark.agentdb(engine="postgresql")
async def test_marker(agent_db):
    assert (await agent_db.status()).engine == "PostgreSQL"

@pytest.mark.agentdb(seed=False)
class TestClass:
    @pytest.mark.agentdb(engine="both")
    async def test_function(self, agent_db):
        assert (await agent_db.status()).is_ready
        assert await roles(agent_db) == []

@pytest.mark.agentdb(engine="both", seed="seeds")
async def test_directory(agent_db):
    assert await roles(agent_db) == ["librarian"]
"""


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    """A server that no other suite uses, so that whatever is left on it was left by one of these."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv(VARIABLE, raising=False)
        with postgres_server(new_server_directory(), is_shared=False) as url:
            yield url


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, server_url: str) -> Suite:
    """Runs a suite without a conftest, whose warnings are errors. It has to leave no database."""
    for name in ("AGENTDB_SECRET_KEY", "AGENTDB_SECRET_KEY_FILE", "AGENTDB_SEED_DIR", "TEST_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(VARIABLE, server_url)

    def run(source: str, *arguments: str, mode: str = "auto") -> pytest.RunResult:
        pytester.makeini(f"""
            [pytest]
            asyncio_mode = {mode}
            asyncio_default_fixture_loop_scope = function
            filterwarnings = error
            addopts = --strict-markers -p no:cacheprovider --basetemp=files
        """)
        pytester.makepyfile(source)
        result = pytester.runpytest_subprocess("-v", *arguments)
        assert databases(server_url) == {"postgres"}
        assert not [path for path in (pytester.path / "files").rglob("*") if path.is_file()]
        return result

    return run


def databases(server_url: str) -> set[str]:
    """All of a server but its own templates."""

    async def ask() -> set[str]:
        server = urlsplit(server_url)
        connection = await asyncpg.connect(host=unquote(server.hostname or ""), user=server.username)
        try:
            return {row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")}
        finally:
            await connection.close()

    return asyncio.run(ask()) - {"template0", "template1"}


def test_importing_the_plugin_loads_nothing_else() -> None:
    """pytest imports it in every run of every project on the machine."""
    program = (
        "import sys, agentdb.testing.plugin\n"
        "heavy = {'tortoise', 'aiosqlite', 'asyncpg', 'aerich', 'pydantic', 'cryptography', 'stamina', 'orjson'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "print(sorted(name for name in sys.modules if name.startswith('agentdb')))"
    )

    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert shown.splitlines() == ["[]", "['agentdb', 'agentdb.testing', 'agentdb.testing.plugin']"]


def test_a_project_needs_nothing_but_the_fixture(project: Suite) -> None:
    """No conftest and no option: SQLite."""
    result = project("""
        async def test_x(agent_db):
            await agent_db.access.create_user(email="ada@example.org")
    """)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*::test_x[[]sqlite] PASSED*"])


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_every_scope(project: Suite, mode: str) -> None:
    """Loops and databases of a function, a class, a module and the session go together."""
    result = project(SCOPES, "--agentdb-engine=both", mode=mode)

    result.assert_outcomes(passed=24)


def test_anyio(project: Suite) -> None:
    """Its plugin runs fixtures and tests in a task of its own."""
    result = project(ANYIO, "--agentdb-engine=both", mode="strict")

    result.assert_outcomes(passed=4)


def test_workers_share_one_server(
    project: Suite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pytester: pytest.Pytester
) -> None:
    """With pytest-xdist one embedded server is started for all, and gone at the end with its directory."""
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("PLACES", str(tmp_path))
    result = project(PLACES, "--agentdb-engine=both", "-n", "4")
    urls = {path.name: path.read_text() for path in tmp_path.iterdir()}
    hosts = {urlsplit(url).hostname for name, url in urls.items() if name.startswith("postgresql")}

    result.assert_outcomes(passed=12)
    assert len({name.split()[1] for name in urls}) > 1
    assert len(hosts) == 1
    assert not Path(unquote(hosts.pop() or "")).parent.exists()


def test_the_marker_goes_before_the_option(project: Suite, pytester: pytest.Pytester) -> None:
    """The nearest marker that says something is heard; seeds are a directory below the root, or none."""
    seeds = pytester.mkdir("seeds")
    (seeds / "roles.csv").write_text("name\nlibrarian\n")
    result = project(MARKERS, "--agentdb-engine=sqlite")

    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines_random(
        [
            "*::test_option[[]sqlite] PASSED*",
            "*::test_marker[[]postgresql] PASSED*",
            "*::test_function[[]sqlite] PASSED*",
            "*::test_function[[]postgresql] PASSED*",
        ]
    )


@pytest.mark.parametrize("marker", ["engine='oracle'", "'sqlite'", "engin='sqlite'"])
def test_a_marker_that_cannot_be_read_is_an_error(project: Suite, marker: str) -> None:
    """It says what the marker takes."""
    result = project(f"""
        import pytest

        @pytest.mark.agentdb({marker})
        async def test_x(agent_db):
            pass
    """)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*agentdb({marker.replace('[', '[[]')}) cannot be read. It takes engine='sqlite', *"])


def test_a_test_that_fails_leaves_nothing(project: Suite) -> None:
    """Its transaction is rolled back, its database removed: the fixture looks for what is left."""
    result = project(
        """
        async def test_x(agent_db):
            async with agent_db.transaction():
                await agent_db.access.create_user(email="ada@example.org")
                assert not "good"
        """,
        "--agentdb-engine=both",
    )

    result.assert_outcomes(failed=2)


def test_postgresql_is_never_skipped(project: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a server each test fails with the reason, and the header names the server without its password."""
    monkeypatch.setenv(VARIABLE, "postgresql://ada:hunter2@127.0.0.1:1/shop")
    result = project(
        """
        async def test_x(agent_db):
            pass

        async def test_y(agent_db):
            pass
        """,
        "--agentdb-engine=postgresql",
    )
    header = next(line for line in result.outlines if line.startswith("agentdb:"))

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*PostgreSQL cannot be reached*"])
    assert "PostgreSQL 127.0.0.1:1/shop of AGENTDB_TEST_POSTGRES_URL" in header
    assert "hunter2" not in header
