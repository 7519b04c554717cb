"""The migrations that this package brings: one file per version, with one SQL body per engine."""

from __future__ import annotations

import re
import runpy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from agentdb.engine.dialect import APP
from agentdb.errors import SchemaError

TODO: Final = "-- TODO"
"""Begins a body that nobody has written yet: not every change can be generated for every engine."""

Direction: TypeAlias = Literal["upgrade", "downgrade"]

_VERSION: Final = re.compile(r"\d{4}_\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One packaged version.

    Attributes:
        compatible_since: The oldest version whose package may go on using a database at this one.
        requires: The version of agentdb's own schema that another app's migration builds on.
        upgrade: SQL by engine.
        downgrade: SQL by engine.
        models_state: The models as aerich keeps them.
    """

    version: str
    compatible_since: str
    requires: str | None
    upgrade: Mapping[str, str]
    downgrade: Mapping[str, str]
    models_state: str

    def check_body(self, direction: Direction, dialect: str) -> None:
        """
        Raises:
            SchemaError: There is no SQL for this engine.
        """
        bodies = self.upgrade if direction == "upgrade" else self.downgrade
        if not bodies.get(dialect, "").strip() or TODO in bodies[dialect]:
            raise SchemaError(
                f"Migration {self.version} has no {direction} for {dialect}. Nothing was changed. Write its SQL.",
                found=None,
                expected=self.version,
            )


def migrations_directory() -> Path:
    """Where the migrations lie: inside an installed package, else beside it in the checkout."""
    package = Path(__file__).parents[1]
    packaged = package / "_migrations"
    return packaged if packaged.is_dir() else package.parent / "migrations"


def packaged_versions(app: str = APP, *, location: Path | None = None) -> tuple[str, ...]:
    """The versions that this package brings, oldest first."""
    files = ((location or migrations_directory()) / app).glob("*.py")
    return tuple(sorted(file.stem for file in files if _VERSION.fullmatch(file.stem)))


def compatible_since(version: str) -> str:
    """The oldest version whose package may go on using a database that is at `version`."""
    return load_migration(version).compatible_since


def load_migration(version: str, *, app: str = APP, location: Path | None = None) -> Migration:
    """Read a packaged version.

    Raises:
        SchemaError: This package has none of that name.
    """
    file = (location or migrations_directory()) / app / f"{version}.py"
    if not file.is_file():
        raise SchemaError(
            f"Migration {version} of {app} is not part of this agentdb. Use the package that brought it.",
            found=version,
            expected=(packaged_versions(app, location=location) or ("none",))[-1],
        )
    names = runpy.run_path(str(file))
    return Migration(
        version=version,
        compatible_since=names["COMPATIBLE_SINCE"],
        requires=names.get("REQUIRES"),
        upgrade=names["UPGRADE"],
        downgrade=names["DOWNGRADE"],
        models_state=names["MODELS_STATE"],
    )
