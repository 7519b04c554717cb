"""The tables that agentdb keeps for itself, as its migrations make them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from agentdb.engine import Dialect
from agentdb.lifecycle.packaged import load_migration, packaged_versions
from agentdb.models.names import TABLE_NAMES

_COMMENT: Final = re.compile(r"^\s*--.*$", re.MULTILINE)
_END: Final = re.compile(r";\s*$", re.MULTILINE)
_SUBJECT: Final = re.compile(
    r'(?:CREATE TABLE(?: IF NOT EXISTS)?|ALTER TABLE|CREATE(?: UNIQUE)? INDEX "\w+"\s+ON) "(?P<table>\w+)"'
)
_AERICH: Final = "aerich"


def support_tables(found: Collection[str]) -> tuple[str, ...]:
    """Those of agentdb's own tables that are not `found`."""
    own = (name for name in TABLE_NAMES if name.startswith("agentdb_") or name == _AERICH)
    return tuple(name for name in own if name not in found)


def making(tables: Collection[str], dialect: Dialect) -> Iterator[str]:
    """The statements of the packaged migrations that are about `tables`, in their order.

    What models cannot declare, such as an index on an expression, is only told there.
    """
    for version in packaged_versions():
        for statement in _END.split(_COMMENT.sub("", load_migration(version).upgrade[dialect.name])):
            subject = _SUBJECT.match(statement.strip())
            if subject and subject["table"] in tables:
                yield statement.strip()
