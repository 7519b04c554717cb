"""A deadline that passes while a commit is under way, whose reply is then lost, promises nothing that may not be so."""

from __future__ import annotations

from functools import partial

import pytest

import agentdb
from agentdb import Database, OutcomeUnknownError
from agentdb.engine.url import parse_url
from tests.faults.accounts import make_accounts
from tests.faults.frames import Commit
from tests.faults.intents import Intent, Kind, Tokens
from tests.faults.proxy import HELD_S, Proxy
from tests.faults.relay import dialled
from tests.faults.writers import carried_out

_CALLS: list[tuple[Kind, Commit]] = [
    ("append", "statement"),
    ("append_many", "COMMIT"),
    ("turn", "statement"),
    ("record", "statement"),
    ("record_many", "COMMIT"),
    ("reserve", "COMMIT"),
    ("talk", "COMMIT"),
]
_USAGE: dict[Kind, int] = {"turn": 1, "record": 1, "record_many": 2}


@pytest.mark.agentdb(engine="postgresql")
@pytest.mark.parametrize(("kind", "commit"), _CALLS)
async def test_a_deadline_within_a_commit_that_is_then_lost_is_an_unknown_outcome(
    agent_db: Database, agent_db_url: str, kind: Kind, commit: Commit
) -> None:
    """The write is stored, so the call must not say that nothing was done; repeated under its key it is not done
    again."""
    (account,) = await make_accounts(agent_db, users=1, talks=1)
    intent = Intent(
        key="a",
        kind=kind,
        user_id=account.user_id,
        conversation_id=account.conversation_ids[0] if kind in ("append", "append_many", "turn") else 0,
        messages=1 if kind in ("append", "append_many", "turn") else 0,
        usage=(Tokens(1000, 1000), Tokens(1, 1))[: _USAGE.get(kind, 0)],
        amount="0.5" if kind == "reserve" else "0",
    )
    server = parse_url(agent_db_url)
    host, port = server.hosts[0]
    async with Proxy.listening(partial(dialled, host, port or 5432)) as proxy:
        password = f":{server.password.reveal()}" if server.password else ""
        url = f"postgresql://{server.user}{password}@127.0.0.1:{proxy.port}/{server.path}?sslmode=disable"
        async with agentdb.connect(url, skip_sync=True) as db:
            proxy.arm(commit, "late")
            with pytest.raises(OutcomeUnknownError):
                await carried_out(db, intent, request_id="a", timeout=HELD_S / 2)
            first = await carried_out(db, intent, request_id="a")
            second = await carried_out(agent_db, intent, request_id="a")

    assert first == second
