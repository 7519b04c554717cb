"""The checker itself: what a broken data layer or a naive client would do is found."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import pytest

import agentdb
from agentdb import Database, Usage, User
from agentdb.config import Settings
from agentdb.engine.url import parse_url
from tests.faults.accounts import make_accounts
from tests.faults.checker import check
from tests.faults.intents import Account, Intent, Tokens
from tests.faults.kills import Kills
from tests.faults.ledger import Answer, Entry, Ledger, read
from tests.faults.planted import PLANTS, Plant
from tests.faults.proxy import Proxy
from tests.faults.relay import dialled
from tests.faults.stored import Stored, read_postgres, read_sqlite
from tests.faults.trial import SETTINGS
from tests.faults.writers import NaiveWriter, Writer, work_all

ANSWERS: Final = 80
_LOSSES: Final = 3


@pytest.fixture
async def worked(agent_db: Database, tmp_path: Path) -> dict[str, Entry]:
    """What a writer was told that nothing has disturbed."""
    accounts = await make_accounts(agent_db, users=2, talks=1)
    with Ledger(tmp_path / "writer.jsonl") as ledger:
        working = asyncio.create_task(work_all([Writer("a", agent_db, ledger, Random(1))], accounts))
        while ledger.count < ANSWERS:
            await asyncio.sleep(0.01)
        working.cancel()
        await asyncio.wait([working])
    return read([ledger.path])


async def stored_in(url: str) -> Stored:
    """What is in the database of a test."""
    if url.startswith("sqlite:///"):
        return read_sqlite(Path(url.removeprefix("sqlite:///")))
    return await read_postgres(dsn=url)


async def test_a_database_in_which_all_is_well_has_no_findings(agent_db_url: str, worked: dict[str, Entry]) -> None:
    """And every kind of intent was among them."""
    problems = check(worked, await stored_in(agent_db_url)).problems
    kinds = {entry.intent.kind for entry in worked.values() if entry.answers}

    assert problems == {}
    assert len(kinds) == 9


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
async def test_what_is_planted_is_found(
    agent_db: Database, agent_db_url: str, worked: dict[str, Entry], plant: Plant
) -> None:
    """A loss, a double, a gap of 1e-10 dollars and the like."""
    with agent_db.use():
        await plant(agent_db, worked)
    problems = check(worked, await stored_in(agent_db_url)).problems

    assert PLANTS[plant] in problems


@pytest.mark.agentdb(engine="sqlite")
async def test_a_row_that_points_to_nothing_is_found(agent_db_url: str, worked: dict[str, Entry]) -> None:
    """Which SQLite takes from whoever does not ask it to look."""
    with closing(sqlite3.connect(agent_db_url.removeprefix("sqlite:///"))) as raw, raw:
        raw.execute('UPDATE "Usage" SET "messageID" = 1000000 WHERE "id" = (SELECT MAX("id") FROM "Usage")')
    problems = check(worked, await stored_in(agent_db_url)).problems

    assert list(problems) == ["damage"]


async def test_a_client_that_reads_computes_and_saves_a_balance_is_found(
    agent_db: Database, agent_db_url: str, tmp_path: Path
) -> None:
    """Four of them on one account leave a balance that their usage does not explain."""
    (account,) = await make_accounts(agent_db, users=1)
    # A stricter isolation would refuse what it does.
    settings = Settings.load(env_file=None, isolation="read committed")
    async with agentdb.connect(agent_db_url, skip_sync=True, settings=settings) as db:
        with Ledger(tmp_path / "naive.jsonl") as ledger:
            spenders = [_read_compute_save(db, ledger, account, f"naive-{n}") for n in range(4)]
            await asyncio.gather(*spenders)
    problems = check(read([ledger.path]), await stored_in(agent_db_url)).problems

    assert list(problems) == ["gaps"]


@pytest.mark.agentdb(engine="postgresql")
@pytest.mark.parametrize(("kind", "found"), [(NaiveWriter, True), (Writer, False)])
async def test_a_client_that_repeats_without_a_key_is_found_when_replies_are_lost(
    agent_db: Database, agent_db_url: str, tmp_path: Path, kind: type[Writer], found: bool
) -> None:
    """The same faults double what a naive client does, and nothing of one that names its calls."""
    accounts, server = await make_accounts(agent_db), parse_url(agent_db_url)
    host, port = server.hosts[0]
    with Ledger(tmp_path / "writers.jsonl") as ledger:
        async with Proxy.listening(partial(dialled, host, port or 5432)) as proxy:
            password = f":{server.password.reveal()}" if server.password else ""
            url = f"postgresql://{server.user}{password}@127.0.0.1:{proxy.port}/{server.path}?sslmode=disable"
            async with agentdb.connect(url, skip_sync=True) as db:
                writers = [kind(f"w{n}", db, ledger, Random(n)) for n in range(4)]
                working = asyncio.create_task(work_all(writers, accounts))
                for _ in range(_LOSSES):
                    await proxy.lose("COMMIT", "reply")
                    await proxy.lose("statement", "reply")
                await _acknowledged(ledger, ledger.count + 2 * ANSWERS)
                working.cancel()
                await asyncio.wait([working])
    findings = check(read([ledger.path]), await stored_in(agent_db_url))

    assert bool(findings.doubled) is found
    assert bool(findings.problems) is found


@pytest.mark.parametrize("is_naive", [True, False])
async def test_a_client_that_repeats_without_a_key_is_found_when_it_was_killed(tmp_path: Path, is_naive: bool) -> None:
    """A process dies between its first commit and the line in its ledger; the next one does again what it has left."""
    file = tmp_path / "agent.db"
    async with agentdb.connect(f"sqlite:///{file}", settings=SETTINGS) as db:
        accounts = await make_accounts(db)
    kills = Kills(f"sqlite:///{file}", tmp_path, accounts, seed=1)
    await kills.strike("struck", is_naive=is_naive)
    await kills.live("next", answers=ANSWERS, is_naive=is_naive, continues="struck")
    findings = check(read(kills.ledgers), read_sqlite(file))

    assert bool(findings.doubled) is is_naive
    assert bool(findings.problems) is is_naive


async def _acknowledged(ledger: Ledger, count: int) -> None:
    async with asyncio.timeout(60):
        while ledger.count < count:
            await asyncio.sleep(0.01)


async def _read_compute_save(db: Database, ledger: Ledger, account: Account, name: str) -> None:
    for number in range(10):
        intent = Intent(key=f"{name}-{number}", kind="record", user_id=account.user_id, usage=(Tokens(1000, 1000),))
        ledger.begin(intent)
        cost = intent.usage[0].cost
        with db.use():
            user = await User.get(id=account.user_id)
            assert user.remaining is not None or user.budget is not None
            remaining = user.remaining if user.remaining is not None else user.budget
            row = await Usage.create(
                user_id=user.id, type=intent.key, input_tokens=1000, output_tokens=1000, cost=cost, request_index=0
            )
            await User.filter(id=user.id).update(remaining=remaining - cost)
        ledger.acknowledge(intent, Answer(usage=(row.id,), cost=cost), writer=name)
