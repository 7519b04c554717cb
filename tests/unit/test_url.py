"""Where a database is: the URLs of every engine, and which setting wins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentdb.config import Secret, Settings
from agentdb.engine import resolve
from agentdb.engine.postgres import PostgresTarget
from agentdb.engine.sqlite import SqliteTarget
from agentdb.engine.url import parse_url, server_url, without_password
from agentdb.errors import ConfigurationError

Locate = Callable[..., Any]


@pytest.fixture
def locate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Locate:
    """Resolves a URL in an environment of nothing but the variables given, with `tmp_path` as current directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("AGENTDB_URL", "AGENTDB_HOME", "AGENTDB_MODE", "DB_STORAGE", "PGHOST", "PGPORT", "PGUSER"):
        monkeypatch.delenv(name, raising=False)
    for name in ("PGPASSWORD", "PGDATABASE"):
        monkeypatch.delenv(name, raising=False)

    def found(url: str | None = None, **variables: str) -> Any:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return resolve(url, Settings.load(env_file=None))

    return found


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///agent.db", "agent.db"),
        ("sqlite:///data/agent.db", "data/agent.db"),
        ("SQLite:///agent.db", "agent.db"),
        ("sqlite:///my%20agent%2Bb.db", "my agent+b.db"),
        ("sqlite:///a%3Fb%23c%25.db", "a?b#c%.db"),
        ("sqlite:///a+b.db", "a+b.db"),
        ("sqlite:///agent.db?readers=2", "agent.db"),
    ],
)
def test_three_slashes_are_a_relative_file(locate: Locate, tmp_path: Path, url: str, path: str) -> None:
    """Relative to the current directory, percent-decoded."""
    target = locate(url)

    assert isinstance(target, SqliteTarget)
    assert target.path == tmp_path / path
    assert not target.is_ephemeral


def test_four_slashes_are_an_absolute_file(locate: Locate) -> None:
    """The fourth belongs to the path."""
    target = locate("sqlite:////srv/agent.db")

    assert target.path == Path("/srv/agent.db")
    assert target.shown == "sqlite:////srv/agent.db"
    assert target.key_file == Path("/srv/agent.db.key")


@pytest.mark.parametrize("url", [":memory:", "sqlite://", "sqlite://:memory:", "sqlite:///:memory:", "sqlite:///"])
def test_memory_has_four_spellings(locate: Locate, url: str) -> None:
    """And a URL without a file is one as well."""
    target = locate(url)

    assert target.path is None
    assert target.is_ephemeral
    assert target.key_file is None


@pytest.mark.parametrize("url", ["sqlite://agent.db", "sqlite://user@/agent.db", "sqlite://:secret@/agent.db"])
def test_two_slashes_before_a_file_are_told(locate: Locate, url: str) -> None:
    """The file would be taken for a host."""
    with pytest.raises(ConfigurationError, match="three slashes for a relative file"):
        locate(url)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "PostgreSQL"])
def test_a_server_has_user_password_host_port_and_database(locate: Locate, scheme: str) -> None:
    """Both spellings of the scheme, in any case."""
    target = locate(f"{scheme}://ada:secret@db.example.org:6432/agents")

    assert isinstance(target, PostgresTarget)
    assert (target.user, target.password, target.database) == ("ada", Secret("secret"), "agents")
    assert target.hosts == (("db.example.org", 6432),)
    assert target.directory is None


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://", (("localhost", None),)),
        ("postgresql://one", (("one", None),)),
        ("postgresql://one,two:5433,three/db", (("one", None), ("two", 5433), ("three", None))),
        ("postgresql://[::1]/db", (("::1", None),)),
        ("postgresql://u@[fe80::1]:5433,two/db", (("fe80::1", 5433), ("two", None))),
        ("postgresql://%2Fvar%2Frun/db", (("/var/run", None),)),
    ],
)
def test_hosts(locate: Locate, url: str, hosts: tuple[tuple[str, int | None], ...]) -> None:
    """None, one, several, IPv6 and the directory of a socket."""
    assert locate(url).hosts == hosts


def test_parts_are_percent_decoded(locate: Locate) -> None:
    """So that any character can be written."""
    target = locate("postgresql://a%40b:p%3A%2F%3F%40%25@host/my%20db?application_name=a%26b+c")

    assert (target.user, target.database) == ("a@b", "my db")
    assert target.password == Secret("p:/?@%")
    assert target.options.application_name == "a&b c"


@given(
    user=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    password=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
)
def test_any_user_and_password_can_be_quoted(user: str, password: str) -> None:
    """What `urllib.parse.quote` writes is what we read."""
    from urllib.parse import quote

    parts = parse_url(f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@host/db")

    assert (parts.user, parts.password, parts.hosts) == (user, Secret(password), (("host", None),))


def test_an_unquoted_at_sign_belongs_to_the_password(locate: Locate) -> None:
    """The host begins after the last one."""
    target = locate("postgresql://ada:p@ss@host/db")

    assert (target.password, target.hosts) == (Secret("p@ss"), (("host", None),))


def test_a_server_is_shown_without_its_password(locate: Locate) -> None:
    """In status, errors and repr."""
    target = locate("postgresql://a%40b:hunter2@[::1]:5433,two/db")

    assert target.shown == "postgresql://a%40b@[::1]:5433,two/db"
    assert "hunter2" not in repr(target)


@pytest.mark.parametrize(
    ("url", "directory"),
    [("postgresql+embedded:///pg", "pg"), ("postgresql+embedded:////srv/pg", "/srv/pg")],
)
def test_an_embedded_server_is_named_by_its_directory(locate: Locate, tmp_path: Path, url: str, directory: str) -> None:
    """Relative with three slashes, absolute with four."""
    target = locate(url)

    assert target.directory == tmp_path / directory
    assert target.shown == f"postgresql+embedded:///{tmp_path / directory}"
    assert target.key_file == (tmp_path / directory).with_name("pg.key")


@pytest.mark.parametrize("url", ["postgresql+embedded://", "postgresql+embedded://host/pg"])
def test_an_embedded_server_needs_a_directory_and_no_host(locate: Locate, url: str) -> None:
    """Two slashes would make the directory a host."""
    with pytest.raises(ConfigurationError, match="named by its directory"):
        locate(url)


@pytest.mark.parametrize("url", ["mysql://host/db", "oracle://x", "postgresql+asyncpg://host/db", "file:///agent.db"])
def test_an_unknown_engine_is_told_with_the_known_ones(locate: Locate, url: str) -> None:
    """All of them, so that a typing error is seen at once."""
    with pytest.raises(ConfigurationError, match=r"Known are: postgres, postgresql, postgresql\+embedded, sqlite"):
        locate(url)


@pytest.mark.parametrize("url", ["", "agent.db", "/srv/agent.db", "://host", "postgresql:host"])
def test_a_url_begins_with_its_engine(locate: Locate, url: str) -> None:
    """A bare path is not guessed at."""
    with pytest.raises(ConfigurationError, match="starts with its engine"):
        locate(url)


@pytest.mark.parametrize(
    ("url", "told", "known"),
    [
        (
            "sqlite:///a.db?journal_mode=off",
            "journal_mode",
            "acquire_timeout_s, call_timeout_s, connect_timeout_s, durability, inline_reads, inline_writes, readers",
        ),
        ("sqlite:///a.db?durability=none", "durability", "durability"),
        ("sqlite:///a.db?readers=-1", "readers", "readers"),
        ("sqlite:///a.db?acquire_timeout_s=0", "acquire_timeout_s", "acquire_timeout_s"),
        ("postgresql://h/d?ssl=disable", "ssl", "pool_size, pooler, sslcert, sslkey, sslmode, sslrootcert"),
        ("postgresql://h/d?sslmode=off", "sslmode", "sslmode"),
        ("postgresql://h/d?pool_size=0", "pool_size", "pool_size"),
        ("postgresql://h/d?pool_size=many", "pool_size", "pool_size"),
        ("postgresql://h/d?statement_timeout_s=nan", "statement_timeout_s", "statement_timeout_s"),
    ],
)
def test_an_unknown_option_or_value_is_told_with_the_known_ones(
    locate: Locate, url: str, told: str, known: str
) -> None:
    """Nothing is passed on to a driver unread."""
    with pytest.raises(ConfigurationError, match=rf"{told}: .*Known are: .*{known}"):
        locate(url)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite:///a.db?readers=1&readers=2", "'readers' stands twice"),
        ("sqlite:///a.db?readers=", "'readers' in the database URL has no value"),
        ("postgresql://h:0/d", "found 0"),
        ("postgresql://h:65536/d", "found 65536"),
        ("postgresql://h:port/d", "host in the database URL cannot be read"),
        ("postgresql://[::1]:x/d", "cannot be read"),
        ("postgresql://[::1/d", "in brackets"),
        ("postgresql://[::1]5432/d", "in brackets"),
        ("postgresql://::1/d", "in brackets"),
        ("postgresql://one,,two/d", "cannot be read"),
        ("postgresql://:5432/d", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_told(locate: Locate, url: str, told: str) -> None:
    """With the part that was found."""
    with pytest.raises(ConfigurationError, match=told):
        locate(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:hunter2@h:port/d",
        "postgresql://ada:hunter2@h/d?unknown=1",
        "postgresql://ada:hunter2@h/d?pool_size=hunter2",
        "mysql://ada:hunter2@h/d",
        "ada:hunter2@h/d",
        "sqlite://ada:hunter2@h/d",
        "postgresql+embedded://ada:hunter2@h/d",
        "postgresql://ada:hunter2/d",
    ],
)
def test_no_message_repeats_a_password(locate: Locate, url: str) -> None:
    """Neither the error nor what it was raised from."""
    with pytest.raises(ConfigurationError) as caught:
        locate(url)

    told: BaseException | None = caught.value
    while told is not None:
        assert "hunter2" not in str(told)
        told = told.__cause__


def test_options_are_typed(locate: Locate) -> None:
    """What was text in the URL is a number or a word afterwards."""
    sqlite = locate("sqlite:///a.db?durability=fast&readers=0&statement_timeout_s=2.5").options
    postgres = locate("postgresql://h/d?pool_size=3&pooler=transaction&sslmode=verify-full").options

    assert (sqlite.durability, sqlite.readers, sqlite.statement_timeout_s) == ("fast", 0, 2.5)
    assert (postgres.pool_size, postgres.pooler, postgres.sslmode) == (3, "transaction", "verify-full")


def test_an_option_goes_before_its_setting(locate: Locate) -> None:
    """The URL is nearer."""
    target = locate("postgresql://h/d?pool_size=3", AGENTDB_POOL_SIZE="7", AGENTDB_ACQUIRE_TIMEOUT_S="1.5")

    assert (target.options.pool_size, target.options.acquire_timeout_s) == (3, 1.5)


SERVER = {"PGHOST": "db", "PGPORT": "5433", "PGUSER": "ada", "PGPASSWORD": "p@ss", "PGDATABASE": "agents"}


@pytest.mark.parametrize(
    ("url", "variables", "source", "shown"),
    [
        ("sqlite:////a.db", {"AGENTDB_URL": "sqlite:////b.db", "DB_STORAGE": "/pg"}, "argument", "sqlite:////a.db"),
        (None, {"AGENTDB_URL": "sqlite:////b.db", "DB_STORAGE": "/pg"}, "AGENTDB_URL", "sqlite:////b.db"),
        (None, {"DB_STORAGE": "/pg", **SERVER}, "DB_STORAGE", "postgresql+embedded:////pg"),
        (None, SERVER, "PGHOST", "postgresql://ada@db:5433/agents"),
        (None, {"PGHOST": "db"}, "PGHOST", "postgresql://db:5432/postgres"),
        (None, {"AGENTDB_HOME": "/home/a"}, "default", "sqlite:////home/a/agent.db"),
        (None, {"AGENTDB_MODE": "system"}, "default", "sqlite:////var/lib/agentdb/agent.db"),
    ],
)
def test_the_order_in_which_settings_win(
    locate: Locate, url: str | None, variables: dict[str, str], source: str, shown: str
) -> None:
    """Argument, AGENTDB_URL, DB_STORAGE, PGHOST, and a file of the user."""
    target = locate(url, **variables)

    assert (target.source, target.shown) == (source, shown)


def test_the_default_is_a_file_of_the_user(locate: Locate) -> None:
    """In the place that the operating system has for it."""
    target = locate()

    assert target.path.name == "agent.db"
    assert "agentdb" in target.path.parts
    assert target.source == "default"


def test_a_password_of_the_environment_is_taken_as_it_is(locate: Locate) -> None:
    """A variable is no URL: nothing in it is decoded."""
    target = locate(**{**SERVER, "PGPASSWORD": "p%40ss", "PGUSER": "a%b"})

    assert (target.user, target.password) == ("a%b", Secret("p%40ss"))


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////srv/a%20b%3F.db?durability=fast",
        "postgresql+embedded:////srv/pgdata",
        "postgresql://a%2Fb%40c@db:5433,[::1]/my%20db?sslmode=verify-full&application_name=a+b",
        "postgresql://%2Frun%2Fpostgresql:5432/agents",
    ],
)
def test_a_url_without_its_password_says_the_rest(text: str) -> None:
    assert without_password(parse_url(text)) == text
    assert parse_url(without_password(parse_url(text))) == parse_url(text)


def test_no_password_is_in_it() -> None:
    assert without_password(parse_url("postgresql://ada:s3cret@db/agents")) == "postgresql://ada@db/agents"


@pytest.mark.parametrize("host", ["db.example.org", "::1", "/run/postgresql"])
def test_the_parts_of_a_server_url_are_read_as_they_were(host: str) -> None:
    """Whatever characters they have."""
    parts = parse_url(server_url(host=host, port=5433, user="a/b@c:d", password="p/w@?#:%", database="my/d?b"))

    assert (parts.hosts, parts.user, parts.password, parts.path) == (
        ((host, 5433),),
        "a/b@c:d",
        Secret("p/w@?#:%"),
        "my/d?b",
    )
