"""A release of agentdb after this one: the same package, with one more migration."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agentdb.lifecycle import migrate, packaged
from agentdb.lifecycle.packaged import load_migration, migrations_directory, packaged_versions

OURS = packaged_versions()[-1]
NEXT = f"{int(OURS[:4]) + 1:04}_note"

_MIGRATION = """
COMPATIBLE_SINCE = {compatible_since!r}
UPGRADE = dict.fromkeys(("sqlite", "postgres"), 'ALTER TABLE "Message" ADD COLUMN "note" TEXT;')
DOWNGRADE = dict.fromkeys(("sqlite", "postgres"), 'ALTER TABLE "Message" DROP COLUMN "note";')
MODELS_STATE = {models_state!r}


async def upgrade(db):
    return UPGRADE[db.capabilities.dialect]


async def downgrade(db):
    return DOWNGRADE[db.capabilities.dialect]
"""


def next_release(patch: pytest.MonkeyPatch, directory: Path, *, compatible_since: str = OURS) -> None:
    """Let this process be the next release, whose migration adds a column that may be null, until `patch` is undone."""
    location = directory / "next release"
    shutil.copytree(migrations_directory(), location, dirs_exist_ok=True)
    text = _MIGRATION.format(compatible_since=compatible_since, models_state=load_migration(OURS).models_state)
    (location / "agentdb" / f"{NEXT}.py").write_text(text, encoding="utf-8")
    for module in (migrate, packaged):
        patch.setattr(module, "migrations_directory", lambda: location)
