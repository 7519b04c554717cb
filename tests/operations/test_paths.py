"""Where files lie: those of a user, those of a machine, and none where nothing is to be made."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import agentdb
from agentdb import StorageError
from agentdb.config import Settings
from agentdb.engine import resolve
from agentdb.operations.paths import Paths, find_paths
from agentdb.testing.factory import DatabaseFactory
from tests.faults.without_rights import without_rights

pytestmark = pytest.mark.usefixtures("clean_environment")

# Runs commands one after the other, and tells after each how it ended and what there is by then.
RUN = """
import contextlib, io, json, sys
from pathlib import Path
from agentdb.cli.app import run

top, told = Path(sys.argv[1]), []
for arguments in json.loads(sys.argv[2]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = run(arguments)
    told.append([code, sorted(str(path.relative_to(top)) for path in top.rglob("*"))])
print(json.dumps(told))
"""
FRESH = ["cache", "config", "data", "here", "home", "state", "temporary"]


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty directory that everybody may enter, under one that everybody may enter."""
    path = Path(tempfile.mkdtemp(prefix="agentdb-paths-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """All places that a program may write to unasked, each an empty directory."""
    for name in FRESH:
        (tmp_path / "top" / name).mkdir(parents=True)
    return tmp_path / "top"


def run(top: Path, *commands: list[str], **variables: str) -> list[tuple[int, list[str]]]:
    """Exit status and the paths below `top` after each command, run in a process whose places are all there."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        "HOME": f"{top}/home",
        "TMPDIR": f"{top}/temporary",
        **{f"XDG_{name.upper()}_HOME": f"{top}/{name}" for name in ("cache", "config", "data", "state")},
        **variables,
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(top), json.dumps(commands)],
        env={name: value for name, value in environment.items() if value},
        cwd=top / "here",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [(code, made) for code, made in json.loads(done.stdout)]


def modes(path: Path) -> dict[str, int]:
    """The permissions of a directory and of all in it."""
    return {one.name: stat.S_IMODE(one.stat().st_mode) for one in (path, *path.iterdir())}


def owners(path: Path) -> dict[str, tuple[int, int]]:
    """Whose the files of a directory are, with their permissions."""
    return {one.name: (one.stat().st_uid, stat.S_IMODE(one.stat().st_mode)) for one in path.iterdir()}


def found(place: str | None = None, /, **given: Any) -> Paths:
    """Where everything lies by these settings alone."""
    settings = Settings.load(env_file=None, **given)
    return find_paths(resolve(place, settings), settings)


PRIVATE = {"agentdb": 0o700, "agent.db": 0o600, "agent.db.key": 0o600, "agent.db.migrate-lock": 0o600}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other data directories")
def test_the_database_of_a_user_is_private(top: Path) -> None:
    """In the user's data directory, and nothing anywhere else."""
    ((code, made),) = run(top, ["init"])

    assert code == 0
    assert modes(top / "data" / "agentdb") == PRIVATE
    assert made == sorted([*FRESH, "data/agentdb", *(f"data/agentdb/{name}" for name in PRIVATE if "." in name)])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other data directories")
def test_without_xdg_it_is_the_usual_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the home directory."""
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)

    assert found().location == "sqlite:////home/ada/.local/share/agentdb/agent.db"


def test_home_goes_before_mode(top: Path) -> None:
    """`AGENTDB_HOME` names the directory, whatever the mode; its missing parents are made, private too."""
    ((code, made),) = run(top, ["init"], AGENTDB_HOME=f"{top}/state/a/b", AGENTDB_MODE="system")

    assert code == 0
    assert modes(top / "state" / "a" / "b") == {**{name: PRIVATE[name] for name in PRIVATE if "." in name}, "b": 0o700}
    assert modes(top / "state" / "a")["a"] == 0o700
    assert not [path for path in made if path.startswith(("data/", "home/"))]


def test_who_only_looks_makes_nothing(top: Path) -> None:
    """No file and no directory, whether the command succeeds or finds no database."""
    looks = [["--help"], ["schema"], ["paths"]]
    misses = [["status"], ["usage"], ["check"], ["shell", "--command", "1"], ["doctor"]]
    told = run(top, *looks, *misses)

    assert [code for code, _ in told] == [0] * len(looks) + [1] * len(misses)
    assert all(made == FRESH for _, made in told)


def test_a_server_needs_no_file(top: Path, agent_db_factory: DatabaseFactory) -> None:
    """Neither a SQLite file nor a directory for one, whatever is done."""
    commands = [["paths"], ["init"], ["status"], ["usage"], ["check"], ["shell", "--command", "await Role.all()"]]
    with agent_db_factory.empty(engine="postgresql") as url:
        told = run(top, *commands, AGENTDB_URL=url, AGENTDB_SECRET_KEY="a secret key of the tests")

    assert [code for code, _ in told] == [0] * len(commands)
    assert all(made == FRESH for _, made in told)


def test_the_places_of_a_user_and_of_a_machine() -> None:
    """With the setting that chose them."""
    user, machine, named = found(), found(mode="system"), found(home=Path("/srv/agents"), mode="system")

    assert (user.source, user.data_directory.source) == ("default", "default")
    assert user.location == f"sqlite:///{user.data_directory.path}/agent.db"
    assert (machine.location, machine.data_directory.source) == ("sqlite:////var/lib/agentdb/agent.db", "AGENTDB_MODE")
    assert (named.location, named.data_directory.source) == ("sqlite:////srv/agents/agent.db", "AGENTDB_HOME")
    assert named.key is not None
    assert named.key.path == "/srv/agents/agent.db.key"


def test_which_place_won() -> None:
    """In the order of the argument, the URL, the embedded server and the server; what lost is named."""
    names: dict[str, Any] = {"url": "sqlite:////srv/a.db", "storage": Path("/srv/pg"), "pghost": "db.internal"}
    told = [
        found("sqlite:///:memory:", **names),
        found(**names),
        found(storage=names["storage"], pghost=names["pghost"]),
        found(pghost=names["pghost"]),
    ]

    assert [(one.source, one.unused) for one in told] == [
        ("argument", ("AGENTDB_URL", "DB_STORAGE", "PGHOST")),
        ("AGENTDB_URL", ("DB_STORAGE", "PGHOST")),
        ("DB_STORAGE", ("PGHOST",)),
        ("PGHOST", ()),
    ]
    assert [one.database and one.database.path for one in told] == [None, "/srv/a.db", "/srv/pg", None]
    assert [one.key_source for one in told] == ["none", "beside the database", "beside the database", "none"]


def test_the_key_that_counts() -> None:
    """A setting goes before the file beside the database; the key itself is not told."""
    named, read = found(secret_key="a secret key of the tests"), found(secret_key_file=Path("/etc/agentdb.key"))

    assert (named.key_source, named.key) == ("AGENTDB_SECRET_KEY", None)
    assert (read.key_source, read.key and read.key.path) == ("AGENTDB_SECRET_KEY_FILE", "/etc/agentdb.key")
    assert "of the tests" not in repr(named)


def test_who_owns_what_is_there(place: Path) -> None:
    """With its permissions; what this account may not look at is said to be hidden."""
    (place / "closed").mkdir(mode=0o700)
    (place / "closed" / "agent.db").touch(mode=0o640)
    there, missing = found(home=place / "closed"), found(home=place / "missing")
    if os.geteuid() != 0:
        (place / "closed").chmod(0)
    with without_rights():
        hidden = found(home=place / "closed")
    (place / "closed").chmod(0o700)

    assert there.database is not None
    assert (there.database.mode, there.database.owner) == ("0640", (place / "closed").owner())
    assert missing.database is not None
    assert (missing.database.mode, missing.database.owner) == (None, None)
    assert hidden.database is not None
    assert hidden.database.mode == "hidden"


async def test_files_of_a_machine_belong_to_the_account_of_the_service(place: Path) -> None:
    """In the directory that was made for it, closed to all others."""
    home = place / "agentdb"
    home.mkdir(mode=0o700)
    settings = Settings.load(env_file=None, home=home, mode="system")
    async with agentdb.connect("sqlite:///:memory:", settings=settings):
        pass  # what it takes is imported
    with without_rights(home):
        account = os.geteuid()
        async with agentdb.connect(settings=settings):
            seen = owners(home)

    assert set(seen) == {name for name in PRIVATE if "." in name} | {"agent.db-wal", "agent.db-shm"}
    assert set(seen.values()) == {(account, 0o600)}


async def test_a_place_that_this_account_may_not_use(place: Path) -> None:
    """A directory that it cannot make, and one that is another's: the message says what to do."""
    (place / "closed").mkdir(mode=0o700)
    if os.geteuid() != 0:
        os.chmod(place / "closed", 0)
        os.chmod(place, 0o555)
    settings = [Settings.load(env_file=None, home=place / name, mode="system") for name in ("missing", "closed")]
    async with agentdb.connect("sqlite:///:memory:", settings=settings[0]):
        pass  # what it takes is imported
    said = []
    with without_rights():
        for one in settings:
            with pytest.raises(StorageError) as refused:
                await agentdb.connect(settings=one)
            said.append(str(refused.value))
    os.chmod(place, 0o755)
    os.chmod(place / "closed", 0o700)

    assert said[0].startswith(f"The directory {place}/missing cannot be made: Permission denied.")
    assert "AGENTDB_HOME" in said[0]
    assert said[1].startswith(f"{place}/closed/agent.db cannot be made: Permission denied.")
    assert os.listdir(place) == ["closed"]
    assert os.listdir(place / "closed") == []
