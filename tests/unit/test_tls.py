"""Which host has to prove what, before anybody connects."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentdb.config import Settings
from agentdb.engine import resolve
from agentdb.engine.postgres import PostgresOptions, PostgresTarget
from agentdb.engine.tls import Tls, is_here
from agentdb.errors import ConfigurationError

VARIABLES = ("PGHOST", "PGPORT", "PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "DB_STORAGE", "AGENTDB_URL")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the variables is set."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def target(url: str | None) -> PostgresTarget:
    """What `url` comes down to."""
    found = resolve(url, Settings.load(env_file=None))
    assert isinstance(found, PostgresTarget)
    return found


def options(url: str | None) -> PostgresOptions:
    """The options in force."""
    return target(url).options


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "127.8.9.10", "::1", "::1%lo", "::ffff:127.0.0.1", "/run/pg"],
)
def test_this_machine(host: str) -> None:
    """Loopback by address or by its one name, and sockets."""
    assert is_here(host)


@pytest.mark.parametrize(
    "host",
    [
        "db",
        "db.example.org",
        "10.0.0.1",
        "0.0.0.0",
        "::",
        "fe80::1",
        "::ffff:10.0.0.1",
        "127.1",
        "127.0.0.1.example.org",
        "localhost.example.org",
        "my.localhost",
        "host.docker.internal",
        "",
    ],
)
def test_elsewhere(host: str) -> None:
    """What only looks like loopback, or what a resolver may send anywhere."""
    assert not is_here(host)


@pytest.mark.parametrize(
    ("url", "sslmode"),
    [
        ("postgresql:///d", "allow"),
        ("postgresql://localhost/d", "allow"),
        ("postgresql://127.0.0.1:5433/d", "allow"),
        ("postgresql://[::1]/d", "allow"),
        ("postgresql://%2Frun%2Fpostgresql/d", "allow"),
        ("postgresql://localhost,127.0.0.1/d", "allow"),
        ("postgresql://db/d", "verify-full"),
        ("postgresql://192.0.2.7/d", "verify-full"),
        ("postgresql://localhost,db/d", "verify-full"),
        ("postgresql://db,localhost/d", "verify-full"),
        ("postgresql://db/d?sslmode=disable", "disable"),
        ("postgresql://db/d?sslmode=require", "require"),
        ("postgresql://localhost/d?sslmode=verify-full", "verify-full"),
        ("postgresql://localhost/d?sslrootcert=/root.crt", "verify-full"),
        ("postgresql://localhost/d?sslrootcert=/root.crt&sslmode=prefer", "prefer"),
        ("postgresql+embedded:///d", "allow"),
    ],
)
def test_what_is_demanded_of_a_host(url: str, sslmode: str) -> None:
    """One that is elsewhere is enough for all."""
    assert options(url).sslmode == sslmode


def test_a_setting_goes_before_the_rule_and_the_url_before_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """As PGSSLMODE is known to others."""
    monkeypatch.setenv("PGSSLMODE", "require")
    monkeypatch.setenv("PGSSLROOTCERT", "/settings.crt")
    monkeypatch.setenv("PGSSLCERT", "/own.crt")
    monkeypatch.setenv("PGSSLKEY", "/own.key")
    found, named = options("postgresql://db/d"), options("postgresql://db/d?sslmode=disable&sslrootcert=~/url.crt")

    assert (found.sslmode, found.sslrootcert) == ("require", Path("/settings.crt"))
    assert (found.sslcert, found.sslkey) == (Path("/own.crt"), Path("/own.key"))
    assert (named.sslmode, named.sslrootcert) == ("disable", Path.home() / "url.crt")


def test_an_authority_in_the_environment_changes_nothing_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is meant for whatever server, and the one here may have no TLS."""
    monkeypatch.setenv("PGSSLROOTCERT", "/settings.crt")

    assert options("postgresql://localhost/d").sslmode == "allow"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://db/d?sslmode=verify-ca", "needs an authority of your own"),
        ("postgresql://db/d?sslmode=verify-ca&sslrootcert=system", "needs an authority of your own"),
        ("postgresql://db/d?sslkey=/own.key", "name its file with sslcert"),
        ("postgresql://db/d?sslmode=plain", "sslmode: Input should be 'disable', 'allow'"),
        ("postgresql://db/d?target_session_attrs=standby", "target_session_attrs"),
    ],
)
def test_what_does_not_go_together_is_refused(url: str, told: str) -> None:
    """Before anything is sent."""
    with pytest.raises(ConfigurationError, match=told):
        options(url)


def test_a_misspelt_setting_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not count as none."""
    monkeypatch.setenv("PGSSLMODE", "verify_full")

    with pytest.raises(ConfigurationError, match=r"PGSSLMODE is 'verify_full'; accepted: disable, .*verify-full"):
        options("postgresql://db/d")


@pytest.mark.parametrize(
    ("url", "attributes"),
    [
        ("postgresql://a/d", "any"),
        ("postgresql://a,b/d", "read-write"),
        ("postgresql://a,b/d?target_session_attrs=any", "any"),
        ("postgresql://a/d?target_session_attrs=primary", "primary"),
    ],
)
def test_of_several_hosts_the_one_that_takes_writes_is_meant(url: str, attributes: str) -> None:
    """Unless the URL says otherwise; one host alone is taken as it is."""
    assert options(url).target_session_attrs == attributes


def test_the_environment_may_name_several_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """With commas, all at PGPORT."""
    monkeypatch.setenv("PGHOST", "one, two,")
    monkeypatch.setenv("PGPORT", "6000")

    assert target(None).hosts == (("one", 6000), ("two", 6000))
    assert options(None).target_session_attrs == "read-write"


@pytest.mark.parametrize(
    ("sslmode", "ways"),
    [
        ("disable", (False,)),
        ("allow", (False, True)),
        ("prefer", (True, False)),
        ("require", (True,)),
        ("verify-ca", (True,)),
        ("verify-full", (True,)),
    ],
)
def test_only_the_two_modes_that_say_so_try_both_ways(sslmode: str, ways: tuple[bool, ...]) -> None:
    """And a socket has no TLS in any."""
    tls = Tls(sslmode=sslmode, sslrootcert=None, sslcert=None, sslkey=None)  # type: ignore[arg-type]  # one of them

    assert tls.ways("db") == ways
    assert tls.ways("/run/postgresql") == (False,)
