"""Databases for tests, on either engine, from templates that are made when they are first needed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from agentdb.config import Secret, Settings
from agentdb.errors import InvalidInputError
from agentdb.testing.clones import Clones, Seed
from agentdb.testing.handle import TemporaryDatabase
from agentdb.testing.loop_thread import LoopThread
from agentdb.testing.once import Once
from agentdb.testing.postgres_clones import PostgresClones
from agentdb.testing.postgres_server import postgres_server
from agentdb.testing.sqlite_clones import SqliteClones


class DatabaseFactory:
    """Makes any number of databases, for fixtures of any scope.

    The settings are read once, when it is made, and apply to all of them. Where they name no secret key there is a
    random one, `secret_key`.

    Args:
        engine: Of the databases that are made without naming one.
        root: Directory that seed directories are relative to.
        directory: For the files of SQLite.
        server_directory: Where PostgreSQL is started if no server is named.
        shares_server: Whether other processes use that directory too.
    """

    def __init__(
        self, *, engine: str, root: Path, directory: Path, server_directory: Path, shares_server: bool
    ) -> None:
        self._engine = engine
        self._root = root
        self._directory = directory
        self._server_directory = server_directory
        self._shares_server = shares_server
        self._stack = ExitStack()
        self._thread = self._stack.enter_context(LoopThread())
        self._clones = Once(self._open)
        self.secret_key: Secret | None = None
        self._settings = self._load_settings()

    @contextmanager
    def __call__(
        self, *, engine: str | None = None, seed: str | Path | Literal[False] | None = None
    ) -> Iterator[TemporaryDatabase]:
        """A database of your own that exists inside the block.

        Args:
            engine: "sqlite" or "postgresql".
            seed: A directory of seed files, or False for a schema without rows.

        Raises:
            AgentDBError: The engine cannot be used, or the seeds.
        """
        with self._clones.get(engine or self._engine).clone(self._located(seed)) as url:
            database = TemporaryDatabase(url, self._settings, self._thread)
            try:
                yield database
            finally:
                database.dispose()

    def empty(self, *, engine: str | None = None) -> AbstractContextManager[str]:
        """The URL of a database that nobody has migrated, inside the block; on SQLite of a file yet to be made."""
        return self._clones.get(engine or self._engine).empty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _load_settings(self) -> Settings:
        settings = Settings.load(durability="fast")
        if settings.secret_key is None and settings.secret_key_file is None:
            self.secret_key = Secret(secrets.token_urlsafe(32))
            settings = settings.model_copy(update={"secret_key": self.secret_key})
        return settings

    def _located(self, seed: str | Path | Literal[False] | None) -> Seed:
        return seed if seed is None or seed is False else self._root / seed

    def _open(self, engine: str) -> Clones:
        if engine == "sqlite":
            return SqliteClones(self._directory, self._settings, self._thread)
        if engine == "postgresql":
            return self._open_postgres()
        raise InvalidInputError(f"No engine for tests is called {engine!r}. They are 'sqlite' and 'postgresql'.")

    def _open_postgres(self) -> Clones:
        with ExitStack() as opened:
            url = opened.enter_context(postgres_server(self._server_directory, is_shared=self._shares_server))
            clones = PostgresClones(url, self._settings, self._thread)
            opened.callback(clones.close)
            self._stack.push(opened.pop_all())
            return clones
