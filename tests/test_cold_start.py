"""What a service does not wait for when it attaches: each of these modules costs milliseconds of every start."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from agentdb import Database

pytestmark = pytest.mark.agentdb(engine="both")

NEEDLESS = {
    "aerich",
    "cryptography",
    "cyclopts",
    "opentelemetry",
    "platformdirs",
    "pypika_tortoise",
    "rich",
    "stamina",
    "tenacity",
    "tortoise",
    "agentdb.engine.orm",
    "agentdb.lifecycle.audit",
    "agentdb.lifecycle.csv_file",
    "agentdb.lifecycle.migrate",
    "agentdb.lifecycle.owner",
    "agentdb.lifecycle.seed",
    "agentdb.models.tables",
    "agentdb.services.access",
    "agentdb.telemetry.metrics",
    "agentdb.telemetry.spans",
}

HEAD = """
import asyncio, json, sys
import agentdb

url, user_id = sys.argv[1], int(sys.argv[2])

async def answer():
    async with agentdb.connect(url, skip_sync=True) as db:
"""
FIRST_ANSWER = """
        await db.conversations.list(user_id=user_id)
        return sorted(sys.modules)
"""
SEVERAL_TASKS = """
        async def count():
            with db.use():
                return await agentdb.Role.all().count()

        return await asyncio.gather(count(), len_of(db.access.roles()), *(count() for _ in range(6)))

async def len_of(roles):
    return len(await roles)
"""
MODELS_FIRST = """
        user = agentdb.User(email="bob@example.org", role_id=1)
        with db.use():
            await user.save()
        return user.role_id

agentdb.User
"""
TAIL = """
print(json.dumps(asyncio.run(answer())))
"""


async def test_attaching_and_a_first_answer_import_nothing_needless(agent_db: Database, agent_db_url: str) -> None:
    """Neither the tools of the owner nor Tortoise nor the services of other domains; nor the other engine's driver."""
    modules = set(await in_a_new_process(FIRST_ANSWER, agent_db, agent_db_url))

    assert "agentdb.services.conversations" in modules
    assert modules & NEEDLESS == set()
    assert modules & {"aiosqlite", "asyncpg"} == {"aiosqlite" if "sqlite" in agent_db_url else "asyncpg"}


async def test_tasks_that_come_to_tortoise_first_together_all_query(agent_db: Database, agent_db_url: str) -> None:
    """One of them brings it, by itself or in a service."""
    assert await in_a_new_process(SEVERAL_TASKS, agent_db, agent_db_url) == [3] * 8


async def test_models_imported_before_the_start_need_no_use_to_be_made(agent_db: Database, agent_db_url: str) -> None:
    """Their relations are known once a handle is open, as in a program that imports them at the head of a file."""
    assert await in_a_new_process(MODELS_FIRST, agent_db, agent_db_url) == 1


def test_a_command_line_imports_only_what_its_command_needs() -> None:
    """Scripts and probes start it often, and misuse or a question for help needs neither Tortoise nor a key."""
    program = (
        "import json, sys; from agentdb.cli.app import run; run(['--help']); print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = set(json.loads(done.stdout.splitlines()[-1]))

    assert "agentdb.cli.commands" in modules
    assert modules & NEEDLESS == {"cyclopts", "rich"}


async def in_a_new_process(program: str, db: Database, url: str) -> Any:
    """What it answers about the database and a user in it."""
    user = await db.access.create_user(email="ada@example.org")
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", HEAD + program + TAIL, url, str(user.id)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
