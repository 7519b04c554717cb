"""`agentdb transfer`: what it says, what it asks, and what it ends with."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.command_line import Command
from tests.cli.test_cli import change

PATIENCE_S = 60

# A password is asked for on the terminal that the process belongs to.
_PROGRAM = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from agentdb.cli import main
main()
"""


@pytest.fixture
def source(cli: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A seeded file."""
    monkeypatch.setenv("AGENTDB_SECRET_KEY", "a secret key of the tests")
    url = f"sqlite:///{tmp_path}/source.db"
    assert cli("init", "--url", url).code == 0
    return url


class Terminal:
    """The command on a terminal, with somebody who answers."""

    def __init__(self, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        self.seen = ""
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *arguments],
            stdin=slave,
            stdout=subprocess.PIPE,
            stderr=slave,
            text=True,
            start_new_session=True,
            env={**os.environ, "TERM": "dumb"},
        )
        os.close(slave)

    def answer(self, question: str, text: str, *, is_hidden: bool = False) -> None:
        """Wait for a question, and answer it."""
        self._read_until(question)
        while is_hidden and termios.tcgetattr(self._master)[3] & termios.ECHO:
            time.sleep(0.01)  # what comes before it listens is thrown away
        os.write(self._master, f"{text}\n".encode())

    def ended(self) -> tuple[int, str]:
        """How it ended, and what it said to programs."""
        self._read_until(None)
        assert self._process.stdout is not None
        out = self._process.stdout.read()
        self._process.stdout.close()
        os.close(self._master)
        return self._process.wait(PATIENCE_S), out

    def close(self) -> None:
        """End it, whatever it is doing."""
        if self._process.poll() is None:
            self._process.kill()
            self.ended()

    def _read_until(self, text: str | None) -> None:
        start = len(self.seen)
        while text is None or text not in self.seen[start:]:
            ready, _, _ = select.select([self._master], [], [], PATIENCE_S)
            assert ready, f"Nothing came after {self.seen!r}."
            try:
                found = os.read(self._master, 4096)
            except OSError:  # the other side has closed it
                found = b""
            if not found:
                assert text is None, f"It ended before it asked {text!r}: {self.seen!r}"
                return
            self.seen += found.decode(errors="replace")


@pytest.fixture
def on_terminal() -> Iterator[Callable[..., Terminal]]:
    """Start the command on a terminal; it has ended after the test."""
    with ExitStack() as stack:

        def start(*arguments: str) -> Terminal:
            terminal = Terminal(*arguments)
            stack.callback(terminal.close)
            return terminal

        yield start


def test_says_what_it_did(cli: Command, source: str, url: str) -> None:
    """Counts and contents, on both engines; plain lines of progress go to stderr. The target is ready."""
    done = cli("transfer", source, url)

    assert done.code == 0
    assert ["Role", "3"] in [line.split() for line in done.out.splitlines()]
    assert "Done: copied; all tables hold the same as the source. The target is ready." in done.out
    assert "copying AgentTool: 17\n" in done.err
    assert "verifying AgentTool: 17\n" in done.err
    assert cli("status", "--url", url, "--json").data["is_ready"]
    assert "Nothing to do" in cli("transfer", source, url).out


def test_says_it_to_programs(cli: Command, source: str, url: str) -> None:
    done = cli("transfer", source, url, "--no-verify", "--json").data

    assert (done["rows"]["Role"], done["digests"], done["is_resumed"]) == (3, None, False)
    again = cli("transfer", source, url, "--json").data
    assert again["was_done"]
    assert len(again["digests"]["Role"]) == 64


def test_a_full_target_needs_replace_and_a_yes(cli: Command, source: str, url: str) -> None:
    """Nobody can be asked here, so it has to be said."""
    cli("init", "--url", url)
    change(url, 'DELETE FROM "AgentTool"')
    refused = cli("transfer", source, url)
    unasked = cli("transfer", source, url, "--replace")
    kept = cli("status", "--url", url, "--json").data["row_counts"]
    done = cli("transfer", source, url, "--replace", "--yes")

    assert (refused.code, unasked.code, done.code) == (1, 2, 0)
    assert "is not empty, and nothing was changed there" in refused.err
    assert "Pass --yes." in unasked.err
    assert kept["AgentTool"] == 0
    assert cli("status", "--url", url, "--json").data["row_counts"]["AgentTool"] == 17


def test_the_configured_database_moves(cli: Command, source: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it says what to change."""
    monkeypatch.setenv("AGENTDB_URL", source)
    done = cli("transfer", "--from-env", url)

    assert done.code == 0
    assert done.out.splitlines()[-1].startswith("AGENTDB_URL=")
    monkeypatch.setenv("AGENTDB_URL", done.out.splitlines()[-1].removeprefix("AGENTDB_URL="))
    assert cli("status", "--json").data["is_ready"]


def test_a_missing_database_of_a_server_is_made(cli: Command, source: str, missing_postgres_url: str) -> None:
    assert cli("transfer", source, missing_postgres_url).code == 0
    assert cli("status", "--url", missing_postgres_url, "--json").data["is_ready"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Nobody can be asked"),
        (("sqlite:///one.db",), "The target is missing"),
        (("--from-env",), "Nobody can be asked"),
        (("--from-env", "sqlite:///one.db", "sqlite:///two.db"), "only the target is named"),
    ],
)
def test_misuse(cli: Command, arguments: tuple[str, ...], says: str) -> None:
    done = cli("transfer", *arguments)

    assert done.code == 2
    assert says in done.err
    assert "agentdb transfer" in done.err


def test_failures_end_with_1(cli: Command, source: str, tmp_path: Path) -> None:
    """The same database, no database, no server, no directory."""
    for one, other, says in (
        (source, source, "are the same database"),
        (f"sqlite:///{tmp_path}/missing.db", f"sqlite:///{tmp_path}/new.db", "There is no database"),
        (source, "postgresql://postgres@127.0.0.1:1/none?connect_timeout_s=2", ""),
        (source, f"sqlite:///{tmp_path}/no/directory.db", "There is no directory"),
    ):
        done = cli("transfer", one, other)
        assert done.code == 1
        assert says in done.err
        assert "Traceback" not in done.err
    assert not (tmp_path / "new.db").exists()


def test_a_password_is_not_shown(cli: Command, source: str) -> None:
    done = cli("transfer", source, "postgresql://ada:p%40ss%2Fword@127.0.0.1:1/none?connect_timeout_s=2")

    assert done.code == 1
    assert "p@ss" not in done.out + done.err
    assert "p%40ss" not in done.out + done.err


def test_on_a_terminal_it_asks(on_terminal: Callable[..., Terminal], source: str, tmp_path: Path) -> None:
    """Where from, where to, and whether; then it says what to change, and programs see none of the questions."""
    terminal = on_terminal("transfer")
    terminal.answer("from another URL", source)
    terminal.answer("Move to", "sqlite")
    terminal.answer("File", f"{tmp_path}/100%41 sure?.db")
    terminal.answer("sure?.db?", "y")
    code, out = terminal.ended()

    assert code == 0, terminal.seen
    assert (tmp_path / "100%41 sure?.db").exists()
    assert "The target is ready." in out
    assert "Move to" not in out


def test_who_ends_the_questions_changes_nothing(on_terminal: Callable[..., Terminal], source: str) -> None:
    """By Ctrl-D."""
    terminal = on_terminal("transfer")
    terminal.answer("from another URL", source)
    terminal.answer("Move to", "\x04", is_hidden=False)
    code, _ = terminal.ended()

    assert code == 2, terminal.seen
    assert "not answered" in terminal.seen


def test_the_wizard_names_a_server(
    on_terminal: Callable[..., Terminal], source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever characters a part has; the password is not shown. No means no."""
    monkeypatch.setenv("AGENTDB_URL", source)
    terminal = on_terminal("transfer", "--from-env")
    terminal.answer("Move to", "server")
    terminal.answer("Host", "db.example.org")
    terminal.answer("Port", "")
    terminal.answer("User", "a/b@c")
    terminal.answer("Password", "p:w/@", is_hidden=True)
    terminal.answer("Database", "my db")
    terminal.answer("postgresql://a%2Fb%40c@db.example.org:5432/my db?", "n")
    code, out = terminal.ended()

    assert code == 1, terminal.seen
    assert out == ""
    assert "Nothing was changed." in terminal.seen
    assert "p:w" not in terminal.seen
