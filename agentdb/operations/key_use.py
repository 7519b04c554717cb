"""Which secret keys the stored secrets of a database need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from agentdb.engine import Session
from agentdb.errors import ConfigurationError
from agentdb.lifecycle.start import check_at_head
from agentdb.secrets import Keyring, Vault, is_sealed, key_id_of
from agentdb.sql import Statements

PLACES: Final = ("User.apiKey", "Provider.apiKey", "UserTool.credential")
PLAIN: Final = "plain"
DAMAGED: Final = "damaged"

_STATEMENTS: Final = Statements("secrets")


@dataclass(frozen=True, slots=True)
class KeyUse:
    """Which keys the stored secrets of a database need.

    Attributes:
        key_id: Of the current key.
        counts: How many secrets are stored, by place (`User.apiKey`) and key id, `plain` or `damaged`.
        key_file: Where the key lies, if it lies beside the database.
        previous_key_file: Where the earlier key lies while it is exchanged.
    """

    key_id: str
    counts: Mapping[str, Mapping[str, int]]
    key_file: Path | None
    previous_key_file: Path | None

    @property
    def remaining(self) -> dict[str, dict[str, int]]:
        """The same of every key but the current one. Where it is empty, no other key is needed."""
        others = {
            place: {key_id: rows for key_id, rows in found.items() if key_id not in (self.key_id, PLAIN, DAMAGED)}
            for place, found in self.counts.items()
        }
        return {place: found for place, found in others.items() if found}


async def read_key_use(session: Session, vault: Vault) -> KeyUse:
    """Which keys are needed now.

    Raises:
        ConfigurationError: There is no secret key.
        SchemaError: The database is not at this package's newest migration.
    """
    await check_at_head(session)
    key_id, key_file = current_keyring(vault).key_id, vault.key_file
    counts: dict[str, Counter[str]] = {place: Counter() for place in PLACES}
    for row in await session.query(partial(_STATEMENTS.rows, session, "uses")):
        counts[row["place"]][_key_id_in(row["beginning"])] += row["rows"]
    return KeyUse(
        key_id=key_id,
        counts={place: dict(found) for place, found in counts.items()},
        key_file=key_file.path if key_file else None,
        previous_key_file=key_file.previous if key_file and key_file.previous.exists() else None,
    )


def current_keyring(vault: Vault) -> Keyring:
    """The keyring that protects what is new.

    Raises:
        ConfigurationError: There is none.
    """
    if vault.keyring is None:
        raise ConfigurationError(
            "There is no secret key, so there is none to exchange. "
            "Set AGENTDB_SECRET_KEY, and AGENTDB_SECRET_KEY_PREVIOUS to the one before."
        )
    return vault.keyring


def _key_id_in(beginning: str | None) -> str:
    """The key id of a value by its first 14 characters."""
    if beginning is None or not is_sealed(beginning):
        return PLAIN
    return key_id_of(f"{beginning}A") or DAMAGED
