"""Where a contestant finds its database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote, unquote, urlsplit


@dataclass(frozen=True, slots=True)
class SqlitePlace:
    """A file.

    Attributes:
        is_fast: A commit need not survive a power failure.
    """

    path: str
    is_fast: bool = False

    @property
    def synchronous(self) -> str:
        """The value of SQLite's pragma."""
        return "NORMAL" if self.is_fast else "FULL"

    @property
    def url(self) -> str:
        """As agentdb takes it."""
        return f"sqlite:///{self.path}?durability={'fast' if self.is_fast else 'full'}"


@dataclass(frozen=True, slots=True)
class PostgresPlace:
    """A database of a server; `host` may be the directory of its socket."""

    host: str
    port: int
    user: str
    database: str
    password: str | None = None

    @classmethod
    def of_url(cls, url: str) -> PostgresPlace:
        """The place that a URL names."""
        parts = urlsplit(url)
        host, _, port = parts.netloc.rpartition("@")[2].partition(":")
        return cls(
            unquote(host) or "localhost",
            int(port or 5432),
            unquote(parts.username or "postgres"),
            unquote(parts.path.removeprefix("/")) or "postgres",
            unquote(parts.password) if parts.password else None,
        )

    @property
    def arguments(self) -> dict[str, Any]:
        """As `asyncpg.connect` takes them."""
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "database": self.database,
        }

    @property
    def url(self) -> str:
        """As agentdb takes it."""
        password = f":{quote(self.password, safe='')}" if self.password else ""
        return f"postgresql://{quote(self.user)}{password}@{quote(self.host, safe='')}:{self.port}/{self.database}"


Place: TypeAlias = SqlitePlace | PostgresPlace
