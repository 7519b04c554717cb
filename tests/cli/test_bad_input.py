"""What a user may get wrong: one clear error on stderr, exit code 1, no traceback, and nothing created or changed."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.cli.command_line import Command, on_server

LOOKERS = ("status", "migrate", "history", "seed", "check")
MAKERS = ("init", "demo")
MISSING_DRIVER = (
    'agentdb: provider "postgresql" requires the "asyncpg" package.\nInstall it with: pip install "agentdb[postgres]"\n'
)

of_every_command = pytest.mark.parametrize("command", [*LOOKERS, *MAKERS])


class Refused(Protocol):
    """A command that has to fail properly, called with its arguments; gives what it said on stderr."""

    def __call__(self, *arguments: str) -> str: ...


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a test puts what the command is given."""
    path = tmp_path / "given"
    path.mkdir()
    return path


@pytest.fixture
def refused(cli: Command, tmp_path: Path) -> Refused:
    """Run a command that ends with one error and leaves every directory of the test as it was."""

    def call(*arguments: str) -> str:
        before = tree(tmp_path)
        done = cli(*arguments)
        assert (done.code, done.out) == (1, "")
        assert "Traceback" not in done.err
        assert tree(tmp_path) == before
        return done.err

    return call


def tree(folder: Path) -> dict[str, bytes]:
    """Every path below a folder, with what a file holds."""
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in sorted(folder.rglob("*"))}


@of_every_command
class TestUrl:
    def test_an_unknown_scheme(self, refused: Refused, command: str) -> None:
        """It is named, with the known ones."""
        said = refused(command, "--url", "oracle://scott:hunter2@host/db")

        assert said == "No engine is called 'oracle'. Known are: postgres, postgresql, postgresql+embedded, sqlite.\n"

    def test_no_scheme(self, refused: Refused, command: str) -> None:
        """A path is no URL. What was typed is not repeated, for it may hold a password."""
        said = refused(command, "--url", "agent.db")

        assert "sqlite:///agent.db" in said
        assert "has no '://'" in said

    def test_an_unknown_option(self, refused: Refused, command: str, folder: Path) -> None:
        """It is named, with the known ones."""
        said = refused(command, "--url", f"sqlite:///{folder}/a.db?jornal=wal")

        assert "jornal" in said
        assert "durability" in said

    def test_an_option_of_another_engine(self, refused: Refused, command: str) -> None:
        """It is unknown here; the password in front of it is not shown."""
        said = refused(command, "--url", "postgresql://u:hunter2@127.0.0.1/db?durability=fast")

        assert "durability" in said
        assert "sslmode" in said
        assert "hunter2" not in said


@of_every_command
class TestFile:
    def test_a_directory(self, refused: Refused, command: str, folder: Path) -> None:
        """It is no file."""
        said = refused(command, "--url", f"sqlite:///{folder}")

        assert said == f"{folder} is a directory. Name the database file.\n"

    def test_a_file_that_is_no_database(self, refused: Refused, command: str, folder: Path) -> None:
        """It keeps every byte."""
        (folder / "letter.txt").write_text("Dear database,\n" * 200)
        said = refused(command, "--url", f"sqlite:///{folder}/letter.txt")

        assert "not a SQLite database" in said

    def test_a_directory_that_is_not_there(self, refused: Refused, command: str, folder: Path) -> None:
        """It is not made: the path may be mistyped."""
        said = refused(command, "--url", f"sqlite:///{folder}/missing/agent.db")

        assert f"{folder}/missing" in said

    def test_a_path_below_a_file(self, refused: Refused, command: str, folder: Path) -> None:
        """There is no such place."""
        (folder / "file").write_text("")
        said = refused(command, "--url", f"sqlite:///{folder}/file/agent.db")

        assert f"{folder}/file" in said


@pytest.mark.parametrize("command", MAKERS)
class TestReadOnly:
    @pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a file system that refuses files, also of root")
    def test_a_location(self, refused: Refused, command: str) -> None:
        """The system's own /proc takes no files from anybody."""
        said = refused(command, "--url", "sqlite:////proc/agent.db")

        assert "cannot be made" in said

    def test_a_file(self, refused: Refused, command: str, folder: Path) -> None:
        """SQLite does not write to a file of a newer format, not for root either."""
        with sqlite3.connect(folder / "newer.db") as connection:
            connection.execute("CREATE TABLE kept (id INTEGER)")
        connection.close()
        with (folder / "newer.db").open("r+b") as file:
            file.seek(18)
            file.write(b"\x03")  # the format that a writer has to know; there are 1 and 2
        said = refused(command, "--url", f"sqlite:///{folder}/newer.db")

        assert "read-only" in said


def test_a_data_directory_that_cannot_be_made(refused: Refused, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default file lies in it; the message names the setting that moves it."""
    (folder / "file").write_text("")
    monkeypatch.setenv("AGENTDB_HOME", str(folder / "file" / "home"))
    said = refused("init")

    assert f"{folder}/file/home" in said
    assert "AGENTDB_HOME" in said


@of_every_command
class TestServer:
    def test_unreachable(self, refused: Refused, command: str) -> None:
        """Nobody listens on that port any more."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        said = refused(command, "--url", f"postgresql://u:hunter2@127.0.0.1:{port}/db")

        assert "cannot be reached" in said
        assert "hunter2" not in said

    def test_wrong_password(
        self, refused: Refused, command: str, listener: Callable[[Callable[[socket.socket], None]], int]
    ) -> None:
        """A server that asks for the password and does not take it; neither do we show it."""
        port = listener(refuse_password)
        said = refused(command, "--url", f"postgresql://u:hunter2@127.0.0.1:{port}/db")

        assert said == "PostgreSQL refused the login: check user, password and pg_hba.conf.\n"

    def test_missing_driver(self, refused: Refused, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two lines, the second to be pasted."""
        monkeypatch.setitem(sys.modules, "asyncpg", None)
        said = refused(command, "--url", "postgresql://127.0.0.1/db")

        assert said == MISSING_DRIVER


def test_missing_driver_in_a_process_that_never_had_it() -> None:
    """The same two lines; SQLite works without it."""
    script = "import sys; sys.modules['asyncpg'] = None; from agentdb.cli import main; main()"
    commands = (["status", "--url", "postgresql://127.0.0.1/db"], ["init", "--url", ":memory:"])
    refused, works = (
        subprocess.run([sys.executable, "-c", script, *command], capture_output=True, text=True, check=False)
        for command in commands
    )

    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", MISSING_DRIVER)
    assert works.returncode == 0


@of_every_command
@pytest.mark.parametrize("name", ["AGENTDB_SKIP_SYNC", "DB_SKIP_AUDIT"])
def test_a_bad_boolean(
    refused: Refused, command: str, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is named with what it holds and what it may hold."""
    monkeypatch.setenv(name, "perhaps")
    said = refused(command, "--url", f"sqlite:///{folder}/agent.db")

    assert said.startswith(f"{name} is 'perhaps'; accepted: true, false")


@pytest.mark.parametrize("command", LOOKERS)
def test_a_missing_database_of_a_server(refused: Refused, command: str, postgres_url: str) -> None:
    """Only `init` and `demo` make one, and the message says so."""
    said = refused(command, "--url", postgres_url.rpartition("/")[0] + "/agentdb_missing")

    assert '"agentdb_missing" does not exist' in said
    assert "agentdb init" in said
    assert on_server("SELECT 1 FROM pg_database WHERE datname = 'agentdb_missing'", postgres_url) == []


class TestEmbedded:
    @pytest.fixture
    def public(self) -> Iterator[Path]:
        """A directory that every OS user may enter; pytest's own temporary ones are private."""
        path = Path(tempfile.mkdtemp(prefix="agentdb-cli-"))
        path.chmod(0o755)
        yield path
        shutil.rmtree(path)

    @of_every_command
    def test_a_pglite_directory(self, refused: Refused, command: str, public: Path) -> None:
        """It is another kind of PostgreSQL, which a server would ruin."""
        directory = public / "pglite"
        files = {"PG_VERSION": "17\n", "base/1/112": "", "global/pg_control": "", "postmaster.pid": "-42\n"}
        for name, text in files.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(text)
        before = tree(public)
        said = refused(command, "--url", f"postgresql+embedded:///{directory}")

        assert "PGlite" in said
        assert tree(public) == before

    @pytest.mark.parametrize("command", LOOKERS)
    def test_a_directory_that_is_not_there(self, refused: Refused, command: str, public: Path) -> None:
        """Who only looks makes no cluster."""
        said = refused(command, "--url", f"postgresql+embedded:///{public}/missing")

        assert f"{public}/missing" in said
        assert os.listdir(public) == []


def refuse_password(connection: socket.socket) -> None:
    """As much of a server as a failing login needs."""
    while _packet(connection)[:4] == struct.pack("!I", 80877103):  # the wish to encrypt
        connection.sendall(b"N")
    connection.sendall(struct.pack("!cII", b"R", 8, 3))  # send the password, as it is
    connection.recv(1)
    _packet(connection)
    fields = b'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "u"\0\0'
    connection.sendall(struct.pack("!cI", b"E", len(fields) + 4) + fields)


def _packet(connection: socket.socket) -> bytes:
    (length,) = struct.unpack("!I", connection.recv(4, socket.MSG_WAITALL))
    return connection.recv(int(length) - 4, socket.MSG_WAITALL)
