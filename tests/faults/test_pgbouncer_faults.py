"""The same faults with a real PgBouncer in transaction mode between the writers and the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.counts import COUNTS, SIZE
from tests.faults.pgbouncer import pgbouncer
from tests.faults.proxy import Proxy
from tests.faults.seeds import fault_seed
from tests.faults.server import DATABASE, Server
from tests.faults.summary import Tell
from tests.faults.trial import tried

pytestmark = pytest.mark.pgbouncer

_ACKNOWLEDGED_PER_FAULT: Final = 50


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """One that may be killed."""
    async with Server.running() as running:
        yield running


async def test_nothing_acknowledged_is_lost_or_doubled_by_the_same_faults_behind_pgbouncer(
    server: Server, tmp_path: Path, tell: Tell
) -> None:
    """As without PgBouncer; the proxy that loses commits lies between it and the writers."""
    seed, place = fault_seed(), server.place
    with pgbouncer(place.host, place.port, DATABASE, place.user) as bouncer:
        reached = partial(asyncio.open_connection, bouncer.host, bouncer.port)
        async with Proxy.listening(reached) as proxy:
            # Under a stricter isolation nothing is merged behind a pooler, and a third of the faults hits what is.
            url = f"{bouncer.url.replace(f':{bouncer.port}/', f':{proxy.port}/')}&isolation=read+committed"
            trial = await tried(
                server,
                proxy,
                url,
                tmp_path,
                faults=COUNTS.pgbouncer_faults,
                acknowledged=COUNTS.pgbouncer_faults * _ACKNOWLEDGED_PER_FAULT,
                seed=seed,
            )
    tell(f"{trial}; seed {seed}")

    assert trial.findings.problems == {}
    assert trial.repeated == 100
    assert trial.storm.faults.total() == COUNTS.pgbouncer_faults
    if SIZE == "full":
        assert trial.recovery_p95_s < 5
