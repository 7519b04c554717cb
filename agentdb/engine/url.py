"""A URL, or the environment, as known options.

No URL ever reaches a driver or Tortoise: they read `ssl=disable` as True, take every unknown option as a setting and
do not decode user names. We split and decode it here; each dialect says which options it knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode

from agentdb.config import Secret
from agentdb.errors import ConfigurationError

_NOWHERE: Final = re.compile(r"[\0\ud800-\udfff]")
_HOST: Final = re.compile(r"(?:\[([\w:.%]+)\]|([^:\[\]]+))(?::([0-9]{1,9}))?")


@dataclass(frozen=True, slots=True)
class Url:
    """The parts of a URL, percent-decoded.

    Attributes:
        path: What follows the host, without its leading slash: a relative file, an absolute one (with its own slash),
            or the name of a database.
        hosts: Names with ports, None where none was given.
    """

    scheme: str
    user: str | None = None
    password: Secret | None = None
    hosts: tuple[tuple[str, int | None], ...] = ()
    path: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


def parse_url(text: object) -> Url:
    """Split `text`.

    Raises:
        ConfigurationError: No text, or one with a character that no place has, no scheme, a host that cannot be read,
            or an option given twice or without a value. The message never repeats the URL, which may hold a password.
    """
    if not isinstance(text, str):
        raise ConfigurationError(f"A database URL is a text, found {type(text).__name__}.")
    if _NOWHERE.search(text) or _NOWHERE.search(unquote(text.partition("?")[0].rpartition("@")[2])):
        raise ConfigurationError("The database URL has a NUL character or a lone surrogate. Remove it.")
    if text == ":memory:":
        return Url("sqlite", path=text)
    scheme, separator, rest = text.partition("://")
    if not separator or not scheme:
        raise ConfigurationError(
            "A database URL starts with its engine, as in sqlite:///agent.db or postgresql://user@host/database. "
            "The one given has no '://'."
        )
    rest, _, query = rest.partition("?")
    if rest.startswith(":memory:"):
        return Url(scheme.lower(), path=rest, options=_options(query))
    authority, slash, path = rest.partition("/")
    credentials, at, hosts = authority.rpartition("@")
    user, colon, password = credentials.partition(":")
    return Url(
        scheme.lower(),
        user=unquote(user) if at and user else None,
        password=Secret(unquote(password)) if colon else None,
        hosts=tuple(_host(part) for part in hosts.split(",")) if hosts else (),
        path=unquote(path) if slash else "",
        options=_options(query),
    )


def without_password(url: Url) -> str:
    """The text that `parse_url` makes this of, but for the password."""
    user = f"{quote(url.user, safe='')}@" if url.user else ""
    hosts = ",".join(_quoted_host(host) + (f":{port}" if port else "") for host, port in url.hosts)
    options = f"?{urlencode(url.options)}" if url.options else ""
    return f"{url.scheme}://{user}{hosts}/{quote(url.path)}{options}"


def server_url(*, host: str, port: int, user: str, password: str | None, database: str) -> str:
    """The URL of a PostgreSQL server's database, whatever characters its parts have. It may hold a password."""
    secret = f":{quote(password, safe='')}" if password else ""
    return f"postgresql://{quote(user, safe='')}{secret}@{_quoted_host(host)}:{port}/{quote(database, safe='')}"


def shown_authority(user: str | None, hosts: tuple[tuple[str, int | None], ...]) -> str:
    """User and hosts as a URL shows them, without the password."""
    places = ",".join((f"[{host}]" if ":" in host else host) + (f":{port}" if port else "") for host, port in hosts)
    return (f"{quote(user, safe='')}@" if user else "") + places


def _quoted_host(host: str) -> str:
    return f"[{host}]" if ":" in host else quote(host, safe="")


def _host(text: str) -> tuple[str, int | None]:
    found = _HOST.fullmatch(text)
    if found is None:
        # What was found is not told: where the '@' is missing it is a password.
        raise ConfigurationError(
            "A host in the database URL cannot be read. It is a name, or an IPv6 address in brackets, and perhaps a "
            "port from 1 to 65535, as in db.example.org:5432 or [::1]:5432; several stand with commas."
        )
    address, name, port = found.groups()
    if port and not 0 < int(port) < 65536:
        raise ConfigurationError(f"A port is a number from 1 to 65535, found {port} in the database URL.")
    return unquote(address or name), int(port) if port else None


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in options:
            raise ConfigurationError(f"The option {name!r} stands twice in the database URL. Keep one.")
        if not value:
            raise ConfigurationError(f"The option {name!r} in the database URL has no value.")
        options[name] = value
    return options
