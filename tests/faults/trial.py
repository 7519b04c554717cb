"""A trial of PostgreSQL: writers on several handles, faults among them, and what is stored in the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import agentdb
from agentdb.config import Settings
from tests.faults.accounts import make_accounts
from tests.faults.checker import Findings, check
from tests.faults.ledger import Entry, Ledger, read
from tests.faults.proxy import Proxy
from tests.faults.server import Server
from tests.faults.stored import read_postgres
from tests.faults.storm import Storm, quantile
from tests.faults.writers import Writer, repeated, work_all

HANDLES: Final = 2
TASKS: Final = 6
"""Of each handle."""

SETTINGS: Final = Settings.load(env_file=None, secrets="plain")


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it.

    Attributes:
        errors: How often writers were told what; they repeated the call each time.
        repeated: How many acknowledged calls were made again afterwards, and answered as they were then.
    """

    storm: Storm
    entries: dict[str, Entry]
    findings: Findings
    errors: Counter[str]
    repeated: int

    @property
    def acknowledged(self) -> int:
        return sum(bool(entry.answers) for entry in self.entries.values())

    @property
    def recovery_p95_s(self) -> float:
        """From the end of a fault, when what it broke is up again, to the next acknowledged write."""
        return quantile(self.storm.next_s, 0.95)

    def __str__(self) -> str:
        storm = self.storm
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(storm.faults.items()))
        return (
            f"{storm.faults.total()} faults ({kinds}), {self.acknowledged:,} acknowledged, {self.findings}; "
            f"recovery p50/p95: next answer {quantile(storm.next_s, 0.5):.2f}/{self.recovery_p95_s:.2f} s, "
            f"all writers {quantile(storm.all_s, 0.5):.2f}/{quantile(storm.all_s, 0.95):.2f} s; "
            f"told {dict(self.errors)}"
        )


async def tried(
    server: Server,
    proxy: Proxy,
    url: str,
    directory: Path,
    *,
    faults: int,
    acknowledged: int,
    seed: int,
    kind: Callable[[str, agentdb.Database, Ledger, Random], Writer] = Writer,
) -> Trial:
    """Make the database, let writers work on it by way of `url` until there were so many faults and answers, and look.

    Args:
        kind: Of the writers.
    """
    async with agentdb.connect(server.url, create_database=True, settings=SETTINGS) as db:
        accounts = await make_accounts(db)
    with Ledger(directory / "writers.jsonl") as ledger:
        storm = Storm(server, proxy, ledger, writers=HANDLES * TASKS, seed=seed)
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            writers = []
            for handle in range(HANDLES):
                db = await stack.enter_async_context(agentdb.connect(url, skip_sync=True, settings=SETTINGS))
                names = [f"{handle}-{task}" for task in range(TASKS)]
                writers += [kind(name, db, ledger, Random(f"{seed}-{name}")) for name in names]
            working = group.create_task(work_all(writers, accounts))
            await storm.rage(faults=faults, acknowledged=acknowledged)
            working.cancel()
    entries = read([ledger.path])
    async with agentdb.connect(server.url, skip_sync=True, settings=SETTINGS) as db:
        again = await repeated(db, entries, Random(seed)) if kind is Writer else 0
        audit = await db.check()
    findings = check(entries, await read_postgres(**server.arguments))
    findings.damage += [*audit.drift, *audit.orphans]
    errors = sum((writer.errors for writer in writers), Counter[str]())
    return Trial(storm, entries, findings, errors, again)
