"""A process that forgets to close its database ends all the same, and is warned."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAD = """
import asyncio, sys
import agentdb
from agentdb.config import Settings

kept = []

async def opened():
    settings = Settings.load(env_file=None, secret_key="only for this test")
    db = await agentdb.connect(sys.argv[1], settings=settings)
    with db.use():
        assert await agentdb.Role.all().count() > 0
    return db
"""
WAYS = {
    "forgotten": """
async def main():
    db = await opened()
""",
    "kept until the interpreter ends": """
async def main():
    kept.append(await opened())
""",
    "ended inside a transaction": """
async def main():
    kept.append(await opened())
    async with kept[0].transaction():
        sys.exit(0)
""",
    "ended while a task waits": """
async def main():
    kept.append(await opened())
    async def worker():
        async with kept[0].transaction():
            await asyncio.sleep(3600)
    kept.append(asyncio.create_task(worker()))
    await asyncio.sleep(0.05)
""",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_process_that_forgets_to_close_still_ends(url: str, way: str) -> None:
    """With success, and with a warning that names the database."""
    ended = run(f"{HEAD}{WAYS[way]}\nasyncio.run(main())\n", url)

    assert ended.returncode == 0, ended.stderr
    assert "ResourceWarning: <Database" in ended.stderr
    assert "was not closed" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_process_that_closes_is_not_warned(url: str) -> None:
    """Neither by us nor by a driver."""
    ended = run(f"{HEAD}\nasync def main():\n    await (await opened()).close()\n\nasyncio.run(main())\n", url)

    assert (ended.returncode, ended.stderr) == (0, "")


def run(script: str, url: str) -> subprocess.CompletedProcess[str]:
    """Run `script` in a new interpreter that shows all warnings."""
    return subprocess.run(
        [sys.executable, "-W", "always::ResourceWarning", "-c", script, url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
