"""A PostgreSQL server is killed, its sessions are ended, connections are cut, and commits are lost, under writers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.counts import COUNTS, SIZE
from tests.faults.proxy import Proxy
from tests.faults.seeds import fault_seed
from tests.faults.server import DATABASE, Server
from tests.faults.summary import Tell
from tests.faults.trial import tried


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """One that may be killed."""
    async with Server.running() as running:
        yield running


async def test_nothing_acknowledged_is_lost_or_doubled_by_faults_of_the_server_or_the_way_to_it(
    server: Server, tmp_path: Path, tell: Tell
) -> None:
    """Every acknowledged write is stored once, every other one at most once, all of it or nothing, balances are exact,
    a repeated call gives the first answer, and after each fault all writers go on."""
    seed = fault_seed()
    async with Proxy.listening(server.connected) as proxy:
        url = f"postgresql://postgres@127.0.0.1:{proxy.port}/{DATABASE}?sslmode=disable"
        trial = await tried(
            server,
            proxy,
            url,
            tmp_path,
            faults=COUNTS.postgres_faults,
            acknowledged=COUNTS.postgres_acknowledged,
            seed=seed,
        )
    tell(f"{trial}; seed {seed}")

    assert trial.findings.problems == {}
    assert trial.repeated == 100
    assert trial.storm.faults.total() == COUNTS.postgres_faults
    if SIZE == "full":
        assert trial.recovery_p95_s < 5
