"""`agentdb shell`: what is typed runs in the database that was opened, and nothing is made by opening it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from agentdb.testing.factory import DatabaseFactory
from tests.cli.command_line import Command, Outcome, on_server
from tests.cli.typist import Typist, terminal_of

PROMPT = ">>> "


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, agent_db_factory: DatabaseFactory) -> Iterator[str]:
    """A database that is ready, on each engine in turn."""
    with agent_db_factory(engine=request.param) as database:
        yield database.url


@pytest.fixture(scope="module")
def file(agent_db_factory: DatabaseFactory) -> Iterator[str]:
    """The URL of a file that is ready."""
    with agent_db_factory(engine="sqlite") as database:
        yield database.url


@pytest.fixture
def screen(file: str) -> Iterator[Typist]:
    """A shell that has come to its first prompt."""
    with terminal_of("shell", "--url", file) as typist:
        typist.reads(PROMPT)
        yield typist


def piped(text: str, *arguments: str) -> Outcome:
    """Run the shell with `text` as its input, which is no terminal."""
    done = subprocess.run(
        [sys.executable, "-c", "from agentdb.cli import main; main()", "shell", *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


class TestTerminal:
    def test_awaits_and_queries_at_the_prompt(self, place: str) -> None:
        """`db`, the models, names that stay, a block over several lines, and an end with Ctrl-D."""
        with terminal_of("shell", "--url", place) as screen:
            greeting = screen.reads(PROMPT)
            screen.types("agent = await db.agents.resolve('Standard Chat', user_id=None)\n")
            screen.reads(PROMPT)
            screen.types("(agent.name, await Role.all().count(), db.usage)\n")
            shown = screen.reads(PROMPT)
            screen.types("async with db.transaction():\n    await Role.filter(id=1).count()\n\n")
            counted = screen.reads(PROMPT)
            screen.types("\x04")

            assert greeting.startswith("SQLite sqlite:///" if "sqlite" in place else "PostgreSQL postgresql://")
            assert "('Standard Chat', 3, <agentdb.services" in shown
            assert counted.splitlines()[-1] == "1"
            assert screen.ends_with() == 0

    def test_ctrl_c_interrupts_what_is_awaited(self, screen: Typist) -> None:
        """It is cancelled, the prompt comes back, and the database goes on."""
        screen.types(
            "async def wait():\n    try:\n        print('waiting', 'now'); await asyncio.sleep(600)\n"
            "    finally:\n        print('left', 'it')\n\n"
        )
        screen.reads(PROMPT)
        screen.types("await wait()\n")
        screen.reads("waiting now")
        screen.types("\x03")
        said = screen.reads(PROMPT)
        screen.types("await User.all().count() + 41000\n")
        counted = screen.reads(PROMPT)
        screen.types("exit(7)\n")

        assert "left it" in said
        assert "KeyboardInterrupt" in said
        assert "41000" in counted
        assert screen.ends_with() == 7

    def test_ctrl_c_at_the_prompt_drops_the_line(self, screen: Typist) -> None:
        """And does not end the shell."""
        screen.types("print('not run'\x03")
        said = screen.reads(PROMPT)
        screen.types("6 * 7\n")
        shown = screen.reads(PROMPT)
        screen.types("\x04")

        assert "KeyboardInterrupt" in said
        assert shown.splitlines()[-1] == "42"
        assert screen.ends_with() == 0

    def test_an_error_is_told_and_the_prompt_comes_back(self, screen: Typist) -> None:
        """Ours in one line; any other with the lines of the code that was typed, and none of the shell's."""
        screen.types("await db.access.user(99999)\n")
        ours = screen.reads(PROMPT)
        screen.types("def divide():\n    return 1 / 0\n\n")
        screen.reads(PROMPT)
        screen.types("divide()\n")
        any_other = screen.reads(PROMPT)

        assert ours.splitlines()[-1].startswith("NotFoundError: No user 99999 is visible here.")
        assert "Traceback" not in ours
        assert 'File "<console>", line 1, in <module>' in any_other
        assert "shell.py" not in any_other


class TestCode:
    def test_a_command(self, cli: Command, place: str) -> None:
        """Values are shown, as at the prompt."""
        done = cli("shell", "--url", place, "--command", "x = await Role.all().count(); x + 39")

        assert (done.code, done.out, done.err) == (0, "42\n", "")

    def test_what_comes_through_a_pipe(self, file: str) -> None:
        """A program of several statements is read to its end first."""
        done = piped("for name in ['a', 'b']:\n    print(name)\nawait Role.filter(id=1).count()\n", "--url", file)

        assert (done.code, done.out, done.err) == (0, "a\nb\n1\n", "")

    @pytest.mark.parametrize(
        ("source", "code", "said"),
        [
            ("await db.access.user(99999)", 1, "NotFoundError: No user 99999"),
            ("print('kept'); 1 / 0", 1, "ZeroDivisionError"),
            ("await await", 1, "SyntaxError"),
            ("exit(3)", 3, ""),
            ("exit('enough')", 1, "enough"),
            ("", 0, ""),
        ],
    )
    def test_how_it_ends(self, cli: Command, file: str, source: str, code: int, said: str) -> None:
        """The exit status tells, for scripts."""
        done = cli("shell", "--url", file, "--command", source)

        assert done.code == code
        assert said in done.err
        assert (done.err == "") == (said == "")

    def test_a_missing_database_is_not_made(self, cli: Command, tmp_path: object) -> None:
        """Looking for one is not a wish to have one."""
        before = sorted(os.listdir(str(tmp_path)))
        done = cli("shell", "--url", f"sqlite:///{tmp_path}/missing.db", "--command", "1")

        assert (done.code, done.out) == (1, "")
        assert "missing.db" in done.err
        assert sorted(os.listdir(str(tmp_path))) == before

    def test_an_empty_database_stays_empty(self, cli: Command, url: str) -> None:
        """It may be looked into, and gets no table by that."""
        done = cli("shell", "--url", url, "--command", "(await db.status()).is_ready")

        assert (done.code, done.out) == (0, "False\n")
        if url.startswith("sqlite"):
            with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as raw:
                assert raw.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)
        else:
            assert on_server("SELECT 1 FROM pg_tables WHERE schemaname = 'public'", url) == []

    def test_the_database_is_closed_at_the_end(self, cli: Command, file: str) -> None:
        """Nothing is left beside the file by a program that wrote to it, and no warning is given."""
        done = cli("shell", "--url", file, "--command", "await db.access.create_user(email='z@example.org'); None")
        folder, _, name = file.removeprefix("sqlite:///").rpartition("/")

        assert done.code == 0
        assert [found for found in os.listdir(folder) if found.startswith(f"{name}-")] == []
