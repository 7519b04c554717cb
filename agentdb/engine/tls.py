"""Whether a connection is encrypted, and what the server has to prove first.

A server on this machine is talked to in plain text unless it demands TLS; any other one has to show a certificate of
its name by an authority that is trusted, unless a weaker `sslmode` is named. Only what is named here counts: none of
the files in `~/.postgresql` that libpq looks for.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Final, cast

from agentdb.config import SslMode
from agentdb.errors import ConfigurationError

SYSTEM: Final = Path("system")
"""As the root certificate: the authorities that the system trusts. libpq calls it so too."""

_EXPIRED: Final = 10
_OTHER_NAME: Final = frozenset({62, 64})  # of a host, of an address


def is_here(host: str) -> bool:
    """Whether what is sent to `host` stays on this machine: it is a loopback address, `localhost` or a socket."""
    if host.startswith("/") or host.lower().removesuffix(".") == "localhost":
        return True
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    inner = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (inner or address).is_loopback


def usual_sslmode(hosts: Sequence[tuple[str, int | None]]) -> SslMode:
    """`verify-full` unless all hosts are this machine."""
    return "allow" if all(is_here(host) for host, _ in hosts) else "verify-full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What is demanded and shown.

    Attributes:
        sslmode: As libpq names it.
        sslrootcert: File of the authorities that are trusted, or SYSTEM.
        sslcert: File of our own certificate, if there is one.
        sslkey: File of its key, unless it stands in the same one. It is not encrypted.
    """

    sslmode: SslMode
    sslrootcert: Path | None
    sslcert: Path | None
    sslkey: Path | None

    def check(self) -> None:
        """
        Raises:
            ConfigurationError: They do not go together.
        """
        if self.sslmode == "verify-ca" and self.sslrootcert in (None, SYSTEM):
            raise ConfigurationError(
                "sslmode=verify-ca takes any name that the authority has signed, so it needs an authority of your own: "
                "name its file with sslrootcert, or choose sslmode=verify-full."
            )
        if self.sslrootcert == SYSTEM and self.sslmode != "verify-full":
            raise ConfigurationError(
                f"sslrootcert={SYSTEM} goes with sslmode=verify-full alone, found sslmode={self.sslmode}: anybody can "
                "get a certificate of these authorities for a name of their own."
            )
        if self.sslkey is not None and self.sslcert is None:
            raise ConfigurationError("sslkey is the key of a certificate: name its file with sslcert.")

    def ways(self, host: str) -> tuple[bool, ...]:
        """Whether to try it encrypted, and whether then the other way. A socket is never encrypted."""
        if host.startswith("/"):
            return (False,)
        ways = {"disable": (False,), "allow": (False, True), "prefer": (True, False)}
        return ways.get(self.sslmode, (True,))

    def context(self) -> ssl.SSLContext:
        """What Python takes for all that. Reads the files.

        Raises:
            ConfigurationError: One of them cannot be read.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # As in libpq, an authority that is named is asked under `require` too.
        verifies = self.sslmode.startswith("verify") or (self.sslmode == "require" and self.sslrootcert is not None)
        context.check_hostname = self.sslmode == "verify-full"
        context.verify_mode = ssl.CERT_REQUIRED if verifies else ssl.CERT_NONE
        if verifies:
            self._load_authorities(context)
        if self.sslcert is not None:
            _load(context, self.sslcert, self.sslkey)
        return context

    def _load_authorities(self, context: ssl.SSLContext) -> None:
        if self.sslrootcert in (None, SYSTEM):
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
            return
        try:
            context.load_verify_locations(cafile=self.sslrootcert)
        except OSError as error:
            raise ConfigurationError(
                f"sslrootcert={self.sslrootcert} cannot be read as certificates: {_reason(error)}. "
                f"Name a readable PEM file, or {SYSTEM} for the authorities that the system trusts."
            ) from error

    def problem(self, error: BaseException, place: str) -> ConfigurationError | None:
        """What it means that the server at `place` could not be talked to; None if that has to do with TLS nothing."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return ConfigurationError(f"{self._untrusted(error, place)} Nothing was sent to it.")
        if isinstance(error, ssl.SSLError) and not isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
            return ConfigurationError(
                f"No TLS came about with {place} (sslmode={self.sslmode}): {_reason(error)}. See that PostgreSQL "
                "listens there, that it has TLS 1.2 or newer, and that it takes the certificate in sslcert, if any."
            )
        if type(error) is ConnectionError and "rejected SSL" in str(error):
            return ConfigurationError(
                f"{place} does not encrypt, and sslmode={self.sslmode} demands it. Turn on `ssl` in the server. Only "
                "where nobody else can listen, name sslmode=disable in the URL or PGSSLMODE. Nothing was sent to it."
            )
        return None

    def _untrusted(self, error: ssl.SSLCertVerificationError, place: str) -> str:
        head = f"sslmode={self.sslmode}: the certificate of {place}"
        if error.verify_code == _EXPIRED:
            return f"{head} has expired. Renew it, and see that the clock of this machine is right."
        if error.verify_code in _OTHER_NAME:
            return (
                f"{head} is for another name. Connect by a name that stands in it, or choose sslmode=verify-ca with "
                "an authority of your own in sslrootcert."
            )
        trusted = "the system trusts" if self.sslrootcert in (None, SYSTEM) else f"{self.sslrootcert} names"
        return (
            f"{head} is by no authority that {trusted} ({error.verify_message}). Name the file of its authority with "
            "sslrootcert=PATH in the URL or PGSSLROOTCERT."
        )


def _load(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    def refuse() -> str:
        return ""  # Python would ask on the terminal for the password of a key

    try:
        context.load_cert_chain(certificate, key, password=refuse)
    except OSError as error:
        raise ConfigurationError(
            f"sslcert={certificate} with sslkey={key or certificate} cannot be used: {_reason(error)}. They are PEM "
            "files of a certificate and of its key without a password."
        ) from error


def _reason(error: OSError) -> str:
    return cast(str | None, getattr(error, "reason", None)) or error.strerror or type(error).__name__
