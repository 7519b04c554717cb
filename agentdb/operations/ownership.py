"""Who writes and reads what: the ownership matrix, a TOML or JSON file, and the rights that it gives a service."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import orjson

from agentdb.engine.rights import Columns, Rights
from agentdb.errors import ConfigurationError
from agentdb.models.names import TABLE_NAMES

STATE_TABLES: Final = ("agentdb_state", "aerich")
"""What tells the state of the schema; every service reads it when it attaches."""

_NAMES: Final = {name.lower(): name for name in TABLE_NAMES}
_KINDS: Final = ("writes", "updates", "reads")


@dataclass(frozen=True, slots=True)
class Owned:
    """What one service does, as a file says it: tables, or columns as `Table.column`."""

    writes: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()

    @property
    def readable(self) -> Mapping[str, tuple[str, ...] | None]:
        """Tables that it reads, with their columns; None for all. Without those that it writes."""
        return _by_table((*self.reads, *STATE_TABLES), unless=self.writes)

    @property
    def updatable(self) -> Mapping[str, tuple[str, ...] | None]:
        """The same of what it updates."""
        return _by_table(self.updates, unless=self.writes)


@dataclass(frozen=True, slots=True)
class Ownership:
    """The matrix.

    Attributes:
        source: The file that it was read from; None for the packaged one.
    """

    services: Mapping[str, Owned]
    source: Path | None

    def rights(self, service: str) -> Rights | None:
        """What a service may do; None for one that the packaged matrix does not name, which may do everything.

        Raises:
            ConfigurationError: A matrix of your own does not name it.
        """
        owned = next((owned for name, owned in self.services.items() if name.lower() == service.lower()), None)
        if owned is None:
            if self.source is None:
                return None
            raise unknown_service(service, self)
        return Rights(
            service=service,
            tables=_NAMES,
            owners=self._owners(),
            reads=_lowered(owned.readable),
            updates=_lowered(owned.updatable),
            writes=frozenset(table.lower() for table in owned.writes),
            columns_of=_columns_of,
        )

    def _owners(self) -> Mapping[str, tuple[str, ...]]:
        owners: dict[str, tuple[str, ...]] = defaultdict(tuple)
        for service, owned in self.services.items():
            for table in owned.writes:
                owners[table.lower()] += (service,)
        return owners


def read_ownership(file: Path | None = None) -> Ownership:
    """The matrix of `file`, or the packaged one.

    Raises:
        ConfigurationError: It cannot be read, or names what is not there.
    """
    services = {name: _owned(name, entry, file) for name, entry in _parsed(file).items()}
    return Ownership(services, file)


def unknown_service(service: str, ownership: Ownership) -> ConfigurationError:
    """A service that a matrix does not name."""
    named = ", ".join(ownership.services) or "none"
    return ConfigurationError(f"{_called(ownership.source)} names no service {service!r}. It names: {named}.")


def _parsed(file: Path | None) -> Mapping[str, Any]:
    try:
        if file is None:
            text = files("agentdb.operations").joinpath("ownership.toml").read_text("utf-8")
        else:
            text = file.read_text("utf-8")
        parsed = orjson.loads(text) if file is not None and file.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise _refused(file, f"it cannot be read: {error}") from error
    if not isinstance(parsed, dict):
        raise _refused(file, f"it is an object with an entry for each service, found {type(parsed).__name__}")
    return parsed


def _owned(service: str, entry: Any, file: Path | None) -> Owned:
    if not isinstance(entry, dict) or not entry.keys() <= set(_KINDS):
        raise _refused(file, f"{service} has lists called {', '.join(_KINDS)} and nothing else")
    owned = Owned(**{kind: _places(service, kind, entry.get(kind, []), file) for kind in _KINDS})
    if any("." in place for place in owned.writes):
        raise _refused(file, f"{service}.writes names whole tables; columns stand in updates")
    return owned


def _places(service: str, kind: str, places: Any, file: Path | None) -> tuple[str, ...]:
    if not isinstance(places, list) or not all(isinstance(place, str) for place in places):
        raise _refused(file, f'{service}.{kind} is a list of texts such as "User" or "User.remaining"')
    for place in places:
        table, dot, column = place.partition(".")
        if table not in TABLE_NAMES or (dot and not column.isidentifier()):
            known = ", ".join(TABLE_NAMES)
            raise _refused(file, f"{service}.{kind} names {place!r}, which is no table. They are: {known}")
    return tuple(dict.fromkeys(places))


def _by_table(places: Iterable[str], *, unless: Iterable[str]) -> Mapping[str, tuple[str, ...] | None]:
    found: dict[str, tuple[str, ...] | None] = {}
    for place in places:
        table, _, column = place.partition(".")
        before = found.get(table, ())
        found[table] = None if before is None or not column else (*before, column)
    return {table: columns for table, columns in found.items() if table not in unless}


def _lowered(rights: Mapping[str, tuple[str, ...] | None]) -> Mapping[str, Columns]:
    return {
        table.lower(): None if columns is None else frozenset(column.lower() for column in columns)
        for table, columns in rights.items()
    }


def _columns_of(table: str) -> frozenset[str]:
    """The columns of one of our tables; both in lower case."""
    from agentdb.models import INTERNAL_TABLES, TABLES  # 100 ms, for the few that need it

    model = {**TABLES, **INTERNAL_TABLES}.get(_NAMES[table])
    return frozenset(column.lower() for column in model._meta.db_fields) if model else frozenset()


def _refused(file: Path | None, why: str) -> ConfigurationError:
    return ConfigurationError(f"{_called(file)} cannot be used: {why}.")


def _called(file: Path | None) -> str:
    return "The packaged ownership matrix" if file is None else f"The ownership matrix {file}"
