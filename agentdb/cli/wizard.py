"""The questions of `agentdb transfer` on a terminal: where the data is, and where it is to go."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import quote

from rich.console import Console
from rich.prompt import IntPrompt, Prompt

from agentdb.config import Settings
from agentdb.engine import resolve
from agentdb.engine.url import server_url

_KINDS: Final = {
    "sqlite": "a SQLite file",
    "server": "a PostgreSQL server",
    "embedded": "a PostgreSQL of its own in a directory",
}


class Wizard:
    """Asks on stderr, so that what a program reads stays clean."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    def source(self) -> str | None:
        """Where the data is."""
        configured = resolve(None, self._settings)
        self._console.print(f"The configured database is {configured.shown} ({configured.source}).", markup=False)
        return self._text("Move from there (Enter), or from another URL", default="") or None

    def target(self) -> str:
        """Where it is to go."""
        for name, kind in _KINDS.items():
            self._console.print(f"  {name:8}  {kind}", markup=False)
        kind = Prompt.ask("Move to", console=self._console, choices=list(_KINDS))
        if kind == "sqlite":
            return f"sqlite:///{self._place('File', default='agentdb.db')}"
        if kind == "embedded":
            return f"postgresql+embedded:///{self._place('Directory')}"
        return self._server()

    def _server(self) -> str:
        known = self._settings
        return server_url(
            host=self._text("Host", default=known.pghost or "localhost"),
            port=IntPrompt.ask("Port", console=self._console, default=known.pgport or 5432),
            user=self._text("User", default=known.pguser or "postgres"),
            password=self._password(),
            database=self._text("Database", default=known.pgdatabase or "agentdb"),
        )

    def _place(self, question: str, *, default: str | None = None) -> str:
        """A path as a URL has it, whatever characters it has."""
        return quote(str(Path(self._text(question, default=default)).expanduser().absolute()))

    def _password(self) -> str | None:
        question = "Password (not shown; Enter for none)"
        return Prompt.ask(question, console=self._console, password=True, default="", show_default=False) or None

    def _text(self, question: str, *, default: str | None = None) -> str:
        while True:
            answer = Prompt.ask(question, console=self._console, default=default, show_default=bool(default))
            if answer or default is not None:
                return (answer or "").strip()
