"""What a backup says of itself."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from agentdb.errors import StorageError, UnsupportedError

VERSION: Final = 1
"""Of the format. A reader refuses any other."""

PORTABLE: Final = "portable"

BackupFormat: TypeAlias = Literal["auto", "native", "portable"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TableFacts(_Part):
    """What one table holds.

    Attributes:
        sha256: Of its rows as lines; see `agentdb.operations.rows`.
        last_id: The greatest id that the database had made, also of a row that is gone.
    """

    rows: int
    sha256: str
    last_id: int


class CopyFacts(_Part):
    """A copy by the engine's own means.

    Attributes:
        sha256: Of the file, which has `bytes` bytes.
        facts: What the engine has to know of it.
    """

    bytes: int
    sha256: str
    facts: dict[str, str]


class Manifest(_Part):
    """Of one backup.

    Attributes:
        kind: "portable", or what kind of copy the engine made.
        agentdb: The version of the package that made it.
        engine: As people call it.
        schema_version: The newest migration of the database.
        key_ids: Of the secret keys that protect what is in it; the keys are not.
        state: The ready row as a line; None for a database that was not ready.
        tables: By name; empty for a database that was older than the package, whose rows it cannot read.
        copy_facts: None for a portable backup.
    """

    format: Literal["agentdb backup"] = "agentdb backup"
    format_version: int = VERSION
    kind: str
    created_at: AwareDatetime
    agentdb: str
    engine: str
    schema_version: str
    key_ids: tuple[str, ...]
    state: dict[str, Any] | None
    tables: dict[str, TableFacts]
    copy_facts: CopyFacts | None = None

    @property
    def is_portable(self) -> bool:
        """Whether it is made of lines."""
        return self.kind == PORTABLE


def manifest_text(manifest: Manifest) -> bytes:
    """As it stands in a backup."""
    return orjson.dumps(manifest.model_dump(mode="json"), option=orjson.OPT_INDENT_2)


def read_manifest(text: bytes) -> Manifest:
    """
    Raises:
        UnsupportedError: It is of a format that came later.
        StorageError: It cannot be read.
    """
    try:
        found = orjson.loads(text)
        version = found.get("format_version") if isinstance(found, dict) else None
        if isinstance(version, int) and version > VERSION:
            raise UnsupportedError(
                f"The backup has the format {version}, this agentdb reads {VERSION}. Use the agentdb that made it "
                f"({found.get('agentdb')}), or a newer one."
            )
        return Manifest.model_validate(found)
    except (ValueError, ValidationError) as error:
        raise StorageError(
            "The manifest of the backup cannot be read. Take another backup.", reason="corrupt"
        ) from error
