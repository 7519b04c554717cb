"""PostgreSQL databases for tests: the server copies a template."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from urllib.parse import urlsplit

from agentdb.config import Settings
from agentdb.engine import resolve
from agentdb.engine.postgres import PostgresTarget, dialect
from agentdb.errors import ConfigurationError
from agentdb.testing.clones import Clones, Seed, fill
from agentdb.testing.loop_thread import LoopThread
from agentdb.testing.once import Once


class PostgresClones(Clones):
    """Makes clones on the server of `url`, over one connection to the database that it names.

    Names are random, so any number of runs may share a server.

    Raises:
        AgentDBError: The server cannot be used.
    """

    def __init__(self, url: str, settings: Settings, thread: LoopThread) -> None:
        self._server = urlsplit(url)
        self._settings = settings
        self._thread = thread
        self._templates = Once(self._make_template)
        self._opened = ExitStack()
        self._connection = self._connect(url)

    def empty(self) -> AbstractContextManager[str]:
        return self._new_database(template="template1")

    def clone(self, seed: Seed) -> AbstractContextManager[str]:
        return self._new_database(template=self._templates.get(seed))

    def close(self) -> None:
        """Drop the templates and disconnect."""
        self._opened.close()

    @contextmanager
    def _new_database(self, *, template: str) -> Iterator[str]:
        name = f"agentdb_test_{secrets.token_hex(8)}"
        # From 15 on, PostgreSQL copies through its log unless told otherwise: the fast way for small databases.
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield self._url(name)
        finally:
            # By force: whatever a test left connected must not keep its database alive.
            self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _make_template(self, seed: Seed) -> str:
        with ExitStack() as made:
            url = made.enter_context(self._new_database(template="template1"))
            fill(url, seed, self._settings, self._thread)
            self._opened.push(made.pop_all())
            return urlsplit(url).path.removeprefix("/")

    def _url(self, name: str) -> str:
        return self._server._replace(path=f"/{name}").geturl()

    def _execute(self, sql: str) -> None:
        with dialect.translating():
            self._thread.run(self._connection.execute(sql))

    def _connect(self, url: str) -> Any:
        target = resolve(url, self._settings)
        if not isinstance(target, PostgresTarget) or target.directory is not None:
            raise ConfigurationError(
                "AGENTDB_TEST_POSTGRES_URL names a server, as in postgresql://user@host/database. "
                f"The one given names {target.shown}."
            )
        client = dialect.client(target, create=False)
        from agentdb.engine.postgres_client import PostgresClient  # needs the driver, whose absence was told above

        assert isinstance(client, PostgresClient)
        return self._opened.enter_context(self._thread.inside(client.single_connection()))
