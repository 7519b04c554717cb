"""Bad input: each engine gives the same clear error, and nothing is stored.

The table of calls names every parameter of every public call, so that a new one without an entry fails here.
"""

from __future__ import annotations

import base64
import inspect
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from agentdb import AuthenticationError, Database, InvalidInputError
from agentdb.config import Secret
from agentdb.testing.factory import DatabaseFactory
from tests.services.bad_calls import CALLS
from tests.services.bad_values import Bad
from tests.services.both_engines import Answer, Engines, both_opened, named

DOMAINS = ("access", "agents", "catalog", "conversations", "knowledge", "usage")
NOT_GIVEN = {"Unset", "EllipsisType"}
LONGEST = 500
"""Characters of a message."""

in_one_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engines(agent_db_factory: DatabaseFactory) -> AsyncIterator[Engines]:
    """Both engines for the whole module: nothing in it changes them."""
    async with both_opened(agent_db_factory) as opened:
        yield opened


@in_one_loop
@pytest.mark.parametrize("call", CALLS)
async def test_bad_values_are_refused(engines: Engines, call: str) -> None:
    """One at a time, in every parameter: the class and the text are the expected ones, and the same everywhere."""
    before, odd = await engines.digests(), []
    for parameter, kind in CALLS[call].refused.items():
        for bad in kind.refused:
            arguments = {**CALLS[call].fine(engines.world), parameter: bad.value(engines.world)}
            found = await engines.answers(named(call, arguments))
            if found[0] != found[1] or not is_right(found[0], bad, parameter):
                odd.append((parameter, bad.label, found))

    assert odd == []
    assert await engines.digests() == before


def is_right(found: Answer, bad: Bad, parameter: str) -> bool:
    """Whether a refusal is the expected one, names the parameter and is short."""
    called = parameter if bad.called is None else bad.called
    is_named = bad.error is not InvalidInputError or re.search(rf"\b{called}\b", found.text) is not None
    return found.error is bad.error and bad.says in found.text and is_named and len(found.text) <= LONGEST


@in_one_loop
async def test_nothing_else_is_refused(engines: Engines) -> None:
    """The other arguments of the table are fine, so what was refused is the bad one."""
    before = await engines.digests()
    for name, call in CALLS.items():
        found = await engines.answers_undone(named(name, call.fine(engines.world)))

        assert [one.error for one in found] == [call.refuses] * 2, (name, found)
    assert await engines.digests() == before


@in_one_loop
async def test_a_cursor_serves_the_list_that_gave_it(engines: Engines) -> None:
    """Another list's, a part of one and one that was made up are refused."""
    paged = {name: call.fine(engines.world) for name, call in CALLS.items() if "cursor" in call.refused}
    pages = {name: await named(name, {**fine, "limit": 1})(engines.sqlite) for name, fine in paged.items()}
    given, before = {name: page.next_cursor for name, page in pages.items()}, await engines.digests()

    assert None not in given.values()
    for name, fine in paged.items():
        others = [cursor for cursor in given.values() if cursor != given[name]]
        for cursor in (*others, *mangled(given[name])):
            found = await engines.answers(named(name, {**fine, "cursor": cursor}))

            assert found[0] == found[1], (name, cursor)
            assert found[0].error is InvalidInputError, (name, cursor, found)
            assert "cursor is not one that this list gave" in found[0].text, (name, cursor)
    assert await engines.digests() == before


def mangled(cursor: str) -> list[str]:
    """What may become of a cursor, and what a caller may make up who has looked into it."""
    version, listing, first, *others = json.loads(base64.urlsafe_b64decode(cursor + "==="))
    wrong = ["x", None, 1.5, True, [1], 2**63, -(2**63) - 1, 2**64, "2026-01-01", "9999-12-31T23:59:59.999999+00:00"]
    made_up = [
        [version + 1, listing, first, *others],
        [version, listing, first, *others, 1],
        [version, listing],
        [version],
        {"version": version},
        *([version, listing, *others, one] for one in wrong[:-2]),
        *([version, listing, one, *others] for one in wrong if one is not None),
    ]
    encoded = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in made_up]
    return [cursor[:-1], cursor[1:], cursor + "A", cursor.swapcase(), *encoded]


@in_one_loop
async def test_no_message_shows_a_secret(engines: Engines) -> None:
    """Not even of one that cannot be kept."""
    world, secret = engines.world, "agk_swordfish"
    odd = (f"{secret}\x00", f"{secret}\ud800", secret.encode(), [secret], Secret(f"{secret}\x00"), secret + world.huge)
    for one in odd:
        calls: dict[str, dict[str, Any]] = {
            "access.authenticate": {"api_key": one},
            "agents.set_tool_credential": {"tool_id": world.tool_id, "user_id": world.user_id, "credential": one},
            "catalog.set_provider_secret": {"provider": 1, "secret": one},
        }
        for name, arguments in calls.items():
            found = await engines.answers(named(name, arguments))

            assert found[0].error in (InvalidInputError, AuthenticationError), name
            assert found[0] == found[1], name
            assert "swordfish" not in found[0].text, name


@in_one_loop
async def test_the_longest_names_are_kept_by_both_engines(engines: Engines) -> None:
    """PostgreSQL's indexes take no entry of more than 2,704 bytes that cannot be compressed, SQLite's take any."""
    longest = "".join(chr(0x10000 + n * 7919 % 0xFFFF) for n in range(500))
    calls: dict[str, dict[str, Any]] = {
        "access.create_role": {"name": longest},
        "access.create_policy": {"name": longest, "resource": "r", "action": "a"},
        "catalog.create_provider": {"name": longest},
        "catalog.create_model": {"internal_name": longest, "provider": None},
    }
    for name, arguments in calls.items():
        found = await engines.answers_undone(named(name, arguments))

        assert [one.error for one in found] == [None, None], (name, found)


def test_every_call_and_parameter_has_an_entry(agent_db: Database) -> None:
    """Of every public method of the six services, with the type that the parameter has."""
    found = {
        f"{domain}.{name}": annotations_of(member)
        for domain in DOMAINS
        for name, member in inspect.getmembers(getattr(agent_db, domain), inspect.isroutine)
        if not name.startswith("_")
    }

    assert found == {
        name: {parameter: kind.annotation for parameter, kind in call.refused.items()} for name, call in CALLS.items()
    }
    assert all(kind.refused for call in CALLS.values() for kind in call.refused.values())


def annotations_of(member: Callable[..., Any]) -> dict[str, str]:
    """What a method's parameters may be, apart from the mark of those that are not given."""
    return {
        name: " | ".join(kind for kind in parameter.annotation.split(" | ") if kind not in NOT_GIVEN)
        for name, parameter in inspect.signature(member).parameters.items()
    }
