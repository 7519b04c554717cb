"""A clean environment, a database on each engine, and the command line called as a function."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentdb.cli.app import run
from agentdb.testing.factory import DatabaseFactory
from tests.cli.command_line import Command, Outcome, on_server


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine is seen, no `.env` lies here, and the default database is a temporary one."""
    for name in list(os.environ):
        if name.startswith(("AGENTDB_", "DB_", "PG")) or name in ("TEST_API_KEY", "GEMINI_API_KEY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AGENTDB_HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Command:
    """The command line in this process."""

    def call(*arguments: str) -> Outcome:
        capfd.readouterr()
        code = run(arguments)
        return Outcome(code, *capfd.readouterr())

    return call


@pytest.fixture
def process() -> Command:
    """The command line in a process of its own."""

    def call(*arguments: str) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-c", "from agentdb.cli import main; main()", *arguments],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """A database with nothing in it; on SQLite an empty file."""
    fixture = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    return str(request.getfixturevalue(fixture))


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An empty file in a directory of its own."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "agent.db").touch()
    return f"sqlite:///{tmp_path}/data/agent.db"


@pytest.fixture
def postgres_url(monkeypatch: pytest.MonkeyPatch, agent_db_factory: DatabaseFactory) -> Iterator[str]:
    """An empty database of a server. The key is a setting: a server keeps none beside it."""
    monkeypatch.setenv("AGENTDB_SECRET_KEY", "a secret key of the tests")
    with agent_db_factory.empty(engine="postgresql") as url:
        yield url


@pytest.fixture
def missing_postgres_url(postgres_url: str) -> Iterator[str]:
    """A database that the server does not have, dropped if the test makes it."""
    server, _, _ = postgres_url.rpartition("/")
    name = f"agentdb_cli_{uuid.uuid4().hex[:12]}"
    yield f"{server}/{name}"
    on_server(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', postgres_url)


@pytest.fixture
def listener() -> Iterator[Callable[[Callable[[socket.socket], None]], int]]:
    """Start a server that gives its first connections to a function; its port."""
    with contextlib.ExitStack() as stack:

        def start(serve: Callable[[socket.socket], None]) -> int:
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            threading.Thread(target=_accept, args=(server, serve), daemon=True).start()
            return int(server.getsockname()[1])

        yield start


def _accept(server: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    with contextlib.suppress(OSError):  # the test is over
        while True:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                serve(connection)
