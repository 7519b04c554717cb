"""Whether the secrets that a database holds are protected, and with which keys. No secret is read for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from agentdb.config import SecretsMode
from agentdb.engine import Session
from agentdb.engine.diagnosis import Finding
from agentdb.secrets import Vault

# Each as an expression that begins with the mark of a protected value; behind it stands the id of its key.
_PLACES: Final = (
    ("User", "apiKey", '"apiKey"'),
    ("Provider", "apiKey", '"apiKey"'),
    # {"sealed":"..."}, with blanks or without, as the engine keeps JSON.
    ("UserTool", "credential", """substr(replace(CAST("credential" AS TEXT), ' ', ''), 12)"""),
)


async def secret_findings(session: Session, vault: Vault | None, mode: SecretsMode) -> AsyncIterator[Finding]:
    """What stands unprotected where it should not, and what no key at hand opens.

    Args:
        vault: None if its key cannot be used.
    """
    key_id = vault.keyring.key_id if vault is not None and vault.keyring is not None else None
    earlier = {one.key_id for one in vault.previous} if vault is not None else set()
    for table, column, value in _PLACES:
        rows = await session.fetch(
            f"""
            SELECT CASE WHEN substr({value}, 1, 5) = 'agd1$' THEN substr({value}, 6, 8) END AS "key_id",
                count(*) AS "rows"
            FROM "{table}" WHERE "{column}" IS NOT NULL GROUP BY 1 ORDER BY 1
            """  # noqa: S608 - names and expressions of ours
        )
        for row in rows:
            if row["key_id"] is None:
                if mode == "sealed":
                    yield _unprotected(table, column, row["rows"])
            elif row["key_id"] in earlier:
                yield _being_exchanged(table, column, row["rows"], row["key_id"])
            elif row["key_id"] != key_id:
                yield _of_another_key(table, column, row["rows"], row["key_id"], key_id)


def _unprotected(table: str, column: str, rows: int) -> Finding:
    return Finding(
        "secrets-unprotected",
        "error",
        f"{rows} rows hold their secret as it is in {table}.{column}.",
        "Store them again to have them protected; until then they are not accepted either.",
    )


def _being_exchanged(table: str, column: str, rows: int, found: str) -> Finding:
    return Finding(
        "secrets-of-earlier-key",
        "info",
        f"{rows} values in {table}.{column} are protected with the earlier key {found}.",
        "Run `agentdb rotate-key`. API keys move when they are used.",
    )


def _of_another_key(table: str, column: str, rows: int, found: str, key_id: str | None) -> Finding:
    at_hand = f"the key at hand is {key_id}" if key_id else "there is no key at hand"
    return Finding(
        "secrets-of-another-key",
        "error",
        f"{rows} values in {table}.{column} are protected with the key {found}, and {at_hand}.",
        "Set AGENTDB_SECRET_KEY or AGENTDB_SECRET_KEY_FILE to that key, or store the secrets again.",
    )
