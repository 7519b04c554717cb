"""Writing processes on one SQLite file are killed in the middle of work, three at a time."""

from __future__ import annotations

from pathlib import Path
from random import Random

import agentdb
from agentdb.config import Settings
from tests.counts import COUNTS
from tests.faults.accounts import make_accounts
from tests.faults.checker import check
from tests.faults.kills import Kills
from tests.faults.ledger import read
from tests.faults.seeds import fault_seed
from tests.faults.stored import read_sqlite
from tests.faults.summary import Tell
from tests.faults.writers import repeated


async def test_nothing_acknowledged_is_lost_or_doubled_when_writing_processes_are_killed(
    tmp_path: Path, tell: Tell
) -> None:
    """Every acknowledged write is stored once, every other one at most once, all of it or nothing, balances are exact,
    and a repeated call gives the first answer."""
    file, seed = tmp_path / "agent.db", fault_seed()
    url, settings = f"sqlite:///{file}", Settings.load(env_file=None, secrets="plain")
    async with agentdb.connect(url, settings=settings) as db:
        accounts = await make_accounts(db)
    kills = Kills(url, tmp_path, accounts, seed=seed)
    await kills.go_on(kills=COUNTS.sigkills, acknowledged=COUNTS.sigkill_acknowledged)
    entries = read(kills.ledgers)
    async with agentdb.connect(url, skip_sync=True, settings=settings) as db:
        answers = await repeated(db, entries, Random(seed))
        audit = await db.check()
    findings = check(entries, read_sqlite(file))
    tell(f"{kills.count} kills ({dict(kills.moments)}), {kills.acknowledged:,} acknowledged, {findings}; seed {seed}")

    assert findings.problems == {}
    assert answers == 100
    assert audit.is_clean
