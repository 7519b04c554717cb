"""TLS with real certificates: what is demanded of which server, and that nothing weaker comes by itself."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from agentdb import AgentDBError, ConfigurationError, DeadlineError
from agentdb.testing.factory import DatabaseFactory
from tests.engine.engines import opened
from tests.faults.certificates import Authority, Certificate
from tests.faults.door import Door, door

NAME = "db.agentdb.example"
ASLEEP = "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'"
PASSWORD = "a password that must not travel"


@dataclass(frozen=True, slots=True)
class Papers:
    """Who signs, and what it has signed."""

    ours: Authority
    theirs: Authority
    good: Certificate
    other_name: Certificate
    expired: Certificate
    untrusted: Certificate


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    """One authority that is trusted and one that is not."""
    ours, theirs = [Authority(tmp_path_factory.mktemp(name), name) for name in ("ours", "theirs")]
    return Papers(
        ours=ours,
        theirs=theirs,
        good=ours.sign([NAME, "localhost", "127.0.0.1"]),
        other_name=ours.sign(["another.agentdb.example"]),
        expired=ours.sign([NAME], days=-1),
        untrusted=theirs.sign([NAME]),
    )


@pytest.fixture(scope="module")
def server(agent_db_factory: DatabaseFactory) -> Iterator[tuple[str, int, str]]:
    """Host, port and name of a database."""
    with agent_db_factory.empty(engine="postgresql") as url:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        yield unquote(parts.hostname), parts.port, parts.path.removeprefix("/")


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """NAME is a server that is not called loopback, as far as agentdb can tell. Nobody's own files are read."""
    real = socket.getaddrinfo

    def resolve(host: Any, *others: Any, **named: Any) -> Any:
        return real("127.0.0.1" if host == NAME else host, *others, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY"):
        monkeypatch.delenv(variable, raising=False)


@asynccontextmanager
async def pid(place: Door, server: tuple[str, int, str], host: str = NAME, **options: Any) -> AsyncIterator[int]:
    """The server process that answers through `place`."""
    url = f"postgresql://postgres:{PASSWORD.replace(' ', '%20')}@{host}:{place.port}/{server[2]}"
    async with opened(url, **options) as session:
        yield int((await session.fetch("SELECT pg_backend_pid() AS pid"))[0]["pid"])


async def refusal(connected: AbstractAsyncContextManager[int]) -> AgentDBError:
    """What is said in place of an answer."""
    with pytest.raises(AgentDBError) as caught:
        async with connected:
            pass
    assert PASSWORD not in str(caught.value)
    return caught.value


async def test_a_server_elsewhere_is_verified_unless_something_else_is_said(
    papers: Papers, server: tuple[str, int, str]
) -> None:
    """With an authority of one's own, for every connection, without a word about sslmode."""
    async with door(server[:2], papers.good.server_context()) as place:
        async with pid(place, server, sslrootcert=papers.ours.path) as answer:
            assert answer

        assert (place.encrypted, place.plain) == (1, [])


async def test_the_authorities_of_the_system_are_asked_by_default(
    papers: Papers, server: tuple[str, int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL takes the place of their file from SSL_CERT_FILE."""
    async with door(server[:2], papers.good.server_context()) as place:
        error = await refusal(pid(place, server))
        monkeypatch.setenv("SSL_CERT_FILE", str(papers.ours.path))
        async with pid(place, server), pid(place, server, sslrootcert="system"):
            pass

        assert isinstance(error, ConfigurationError)
        assert "by no authority that the system trusts" in str(error)
        assert "PGSSLROOTCERT" in str(error)
        assert (place.encrypted, place.plain) == (2, [])


@pytest.mark.parametrize(
    ("certificate", "told"),
    [
        ("other_name", "is for another name"),
        ("expired", "has expired"),
        ("untrusted", "is by no authority that"),
    ],
)
async def test_a_certificate_that_does_not_do(
    papers: Papers, server: tuple[str, int, str], certificate: str, told: str
) -> None:
    """It is told what is wrong with it, and the server learns neither user nor password, in no way."""
    async with door(server[:2], getattr(papers, certificate).server_context()) as place:
        error = await refusal(pid(place, server, sslrootcert=papers.ours.path))

    assert isinstance(error, ConfigurationError)
    assert told in str(error)
    assert "sslmode=verify-full" in str(error)
    assert f"{NAME}:{place.port}" in str(error)
    assert (place.asked, place.encrypted, place.plain) == (1, 0, [])


async def test_a_server_without_tls_and_one_that_somebody_makes_look_so(
    papers: Papers, server: tuple[str, int, str]
) -> None:
    """It says that it does not encrypt, and would gladly carry what is sent in plain text. Nothing is."""
    async with door(server[:2], None) as place:
        errors = [
            await refusal(pid(place, server)),
            await refusal(pid(place, server, sslmode="require")),
            await refusal(pid(place, server, sslmode="verify-ca", sslrootcert=papers.ours.path)),
        ]

        for error, mode in zip(errors, ("verify-full", "require", "verify-ca"), strict=True):
            assert isinstance(error, ConfigurationError)
            assert f"does not encrypt, and sslmode={mode} demands it" in str(error)
        assert (place.asked, place.plain) == (3, [])


async def test_something_that_is_no_tls(server: tuple[str, int, str]) -> None:
    """It says yes, and then talks of other things."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"S")
        await reader.read(5)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as listening:
        error = await refusal(pid(Door(listening.sockets[0].getsockname()[1]), server))

    assert isinstance(error, ConfigurationError)
    assert "No TLS came about" in str(error)


async def test_plain_text_is_there_for_who_names_it(
    papers: Papers, server: tuple[str, int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the URL or as PGSSLMODE; the URL wins."""
    async with door(server[:2], papers.good.server_context()) as place:
        async with pid(place, server, sslmode="disable"):
            assert (place.asked, place.encrypted, len(place.plain)) == (0, 0, 1)
        monkeypatch.setenv("PGSSLMODE", "disable")
        async with pid(place, server):
            assert (place.asked, place.encrypted, len(place.plain)) == (0, 0, 2)
        async with pid(place, server, sslmode="verify-full", sslrootcert=papers.ours.path):
            assert (place.asked, place.encrypted, len(place.plain)) == (1, 1, 2)


@pytest.mark.parametrize(
    ("mode", "encrypts", "admits_plain", "asked", "plain"),
    [
        ("prefer", True, True, 1, 0),
        ("prefer", False, True, 1, 1),
        ("allow", True, True, 0, 1),
        ("allow", False, True, 0, 1),
        ("allow", True, False, 1, 1),
        ("require", True, True, 1, 0),
    ],
)
async def test_weaker_modes_are_as_in_libpq(
    papers: Papers,
    server: tuple[str, int, str],
    mode: str,
    encrypts: bool,
    admits_plain: bool,
    asked: int,
    plain: int,
) -> None:
    """Each takes what it takes from a server whose certificate nobody knows."""
    context = papers.untrusted.server_context() if encrypts else None
    async with (
        door(server[:2], context, admits_plain=admits_plain) as place,
        pid(place, server, sslmode=mode) as answer,
    ):
        assert answer
        assert (place.asked, len(place.plain)) == (asked, plain)
        assert place.encrypted == (asked if encrypts else 0)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_on_this_machine_plain_text_does_unless_the_server_demands_more(
    papers: Papers, server: tuple[str, int, str], host: str
) -> None:
    """No round trip is spent on asking; who names an authority in the URL wants it asked."""
    async with (
        door(server[:2], papers.good.server_context()) as lenient,
        door(server[:2], papers.untrusted.server_context(), admits_plain=False) as strict,
    ):
        async with pid(lenient, server, host), pid(strict, server, host):
            assert (lenient.asked, len(lenient.plain)) == (0, 1)
            assert (strict.asked, strict.encrypted) == (1, 1)
        async with pid(lenient, server, host, sslrootcert=papers.ours.path):
            assert (lenient.asked, lenient.encrypted, len(lenient.plain)) == (1, 1, 1)
        error = await refusal(pid(strict, server, host, sslrootcert=papers.ours.path))

        assert "by no authority" in str(error)


async def test_an_authority_alone_leaves_the_name_open(papers: Papers, server: tuple[str, int, str]) -> None:
    """`verify-ca`, and `require` with an authority."""
    for mode in ("verify-ca", "require"):
        async with door(server[:2], papers.other_name.server_context()) as place:
            async with pid(place, server, sslmode=mode, sslrootcert=papers.ours.path):
                assert place.encrypted == 1
            error = await refusal(pid(place, server, sslmode=mode, sslrootcert=papers.theirs.path))

            assert isinstance(error, ConfigurationError)
            assert place.plain == []


async def test_a_client_shows_its_own_certificate(papers: Papers, server: tuple[str, int, str], tmp_path: Path) -> None:
    """To a server that wants one; without it there is no connection."""
    own = papers.ours.sign(["client"], label="client")
    both = tmp_path / "both.pem"
    both.write_bytes(own.path.read_bytes() + own.key_path.read_bytes())
    roots: dict[str, Any] = {"sslrootcert": papers.ours.path}
    async with door(server[:2], papers.good.server_context(clients_of=papers.ours.path)) as place:
        async with (
            pid(place, server, **roots, sslcert=own.path, sslkey=own.key_path),
            pid(place, server, **roots, sslcert=both),
        ):
            assert place.encrypted == 2
        await refusal(pid(place, server, **roots))

        assert (place.encrypted, place.plain) == (2, [])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"sslrootcert": "/nowhere/root.crt"}, "sslrootcert=/nowhere/root.crt cannot be read"),
        ({"sslrootcert": "{key}"}, "cannot be read as certificates"),
        ({"sslcert": "/nowhere/own.crt"}, "sslcert=/nowhere/own.crt"),
        ({"sslcert": "{crt}"}, "cannot be used"),
        ({"sslcert": "{crt}", "sslkey": "{other}"}, "cannot be used"),
    ],
)
async def test_files_that_cannot_be_used(
    papers: Papers, server: tuple[str, int, str], options: dict[str, str], told: str
) -> None:
    """They are named, and no connection is made without them."""
    known = {"key": papers.good.key_path, "crt": papers.good.path, "other": papers.expired.key_path}
    async with door(server[:2], papers.good.server_context()) as place:
        error = await refusal(pid(place, server, **{name: value.format(**known) for name, value in options.items()}))

    assert isinstance(error, ConfigurationError)
    assert told in str(error)
    assert (place.asked, place.plain) == (0, [])


async def test_nothing_but_our_own_words_counts(
    papers: Papers, server: tuple[str, int, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither libpq's files nor the variables that asyncpg would read change what is demanded."""
    dot = tmp_path / ".postgresql"
    dot.mkdir()
    (dot / "root.crt").write_bytes(papers.theirs.path.read_bytes())
    (dot / "postgresql.crt").write_text("no certificate")
    for variable, value in {
        "PGSSLNEGOTIATION": "direct",
        "PGSSLMINPROTOCOLVERSION": "TLSv1",
        "PGSSLMAXPROTOCOLVERSION": "TLSv1",
        "PGSSLCRL": str(dot / "postgresql.crt"),
        "PGTARGETSESSIONATTRS": "standby",
    }.items():
        monkeypatch.setenv(variable, value)
    async with (
        door(server[:2], papers.untrusted.server_context()) as untrusted,
        door(server[:2], papers.good.server_context()) as good,
    ):
        error = await refusal(pid(untrusted, server))
        async with pid(good, server, sslrootcert=papers.ours.path), pid(good, server, sslmode="prefer"):
            pass

        assert "by no authority that the system trusts" in str(error)
        assert (good.encrypted, good.plain, untrusted.encrypted) == (2, [], 0)


async def test_a_statement_is_stopped_through_tls(papers: Papers, server: tuple[str, int, str]) -> None:
    """The request to stop it travels encrypted too."""
    async with door(server[:2], papers.good.server_context()) as place:
        url = f"postgresql://postgres@{NAME}:{place.port}/{server[2]}"
        async with opened(url, sslrootcert=papers.ours.path, statement_timeout_s=2) as session:
            with pytest.raises(DeadlineError):
                await session.fetch("SELECT pg_sleep(600)")
            for _ in range(1000):
                if not await session.fetch(ASLEEP):
                    break
                await asyncio.sleep(0.02)

            assert not await session.fetch(ASLEEP)
            assert place.encrypted >= 2
            assert place.plain == []


async def test_of_several_hosts_none_is_let_off(papers: Papers, server: tuple[str, int, str]) -> None:
    """One that cannot be trusted is passed over; if there is no other, each is told."""
    async with (
        door(server[:2], papers.untrusted.server_context()) as untrusted,
        door(server[:2], None) as bare,
        door(server[:2], papers.good.server_context()) as good,
    ):
        hosts = f"{NAME}:{untrusted.port},127.0.0.1"
        async with pid(bare, server, f"{hosts}:{bare.port},{NAME}:{good.port},127.0.0.1", sslrootcert=papers.ours.path):
            assert good.encrypted == 1
        error = await refusal(pid(bare, server, hosts, sslrootcert=papers.ours.path))

        assert isinstance(error, ConfigurationError)
        assert f"{NAME}:{untrusted.port}: sslmode=verify-full: the certificate" in str(error)
        assert f"127.0.0.1:{bare.port} does not encrypt" in str(error)
        assert (untrusted.plain, bare.plain, good.plain) == ([], [], [])
