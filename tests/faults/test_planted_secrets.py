"""Secrets and messages show nowhere: not in logs at DEBUG, errors, their causes, reprs, dumps or the command line."""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import orjson
import pytest

import agentdb
from agentdb import Database, Message, Provider, Secret, User, UserTool
from agentdb.cli.app import run
from agentdb.secrets import Keyring
from tests.faults.leaks import (
    API_KEY,
    CREDENTIAL,
    MESSAGE,
    PASSWORD,
    PLANTED,
    PROVIDER_KEY,
    SECRET_KEY,
    Watch,
    found_in,
    watching,
)
from tests.lifecycle.conftest import clean_environment, places, ready_place
from tests.lifecycle.places import Place, configured
from tests.services.bad_calls import CALLS
from tests.services.bad_values import World
from tests.services.both_engines import Undo, furnished

__all__ = ["clean_environment", "places", "ready_place"]

SEEN_AT_LEAST = 1_000
"""Things that were said, so that silence is not taken for secrecy."""

HELD = [{"text": MESSAGE}]
HOSTILE: tuple[Callable[[str], Any], ...] = (
    lambda text: text + "\x00",
    lambda text: text + "\ud800",
    lambda text: text.encode(),
    lambda text: [text],
    lambda text: {"text": text},
    lambda text: {text: text},
    lambda text: [{"text": [text]}],
    lambda text: [{"text": text.encode()}],
    lambda text: [{text: text}],
    lambda text: [{"image": {"a": {text}}}],
    lambda text: [{"text": text + "\x00"}],
    lambda text: [{"role": "user", "content": text}],
    lambda text: [{"role": "user", "content": [{"text": text + "\x00"}]}],
    lambda text: [{"content": [text]}],
    lambda text: [{"content": text, "other": text}],
    lambda text: Secret(text + "\x00"),
)
"""Wrong values with a secret in them, for parameters that take secrets or messages."""

PRIVATE = {"api_key", "credential", "secret", "content", "messages", "summary", "query", "chunks"}


def address(place: Place) -> str:
    """The URL; with a password for a server, which does not ask for one here."""
    return place.url.replace("@", f":{PASSWORD}@", 1) if "@" in place.url else with_password(place.url)


def with_password(url: str) -> str:
    """A URL of a server that names no user."""
    if not url.startswith("postgresql://"):
        return url
    return f"{url}{'&' if '?' in url else '?'}password={PASSWORD}"


async def plant(db: Database, world: World) -> None:
    """Put a secret into every column that may hold one."""
    await db.catalog.set_provider_secret(1, PROVIDER_KEY)
    await db.agents.set_tool_credential(world.tool_id, user_id=world.user_id, credential=CREDENTIAL)
    sent = await db.conversations.append(world.talk_id, user_id=world.user_id, role="user", content=HELD)
    await db.conversations.append_many(
        world.talk_id, user_id=world.user_id, messages=[{"role": "assistant", "content": HELD}]
    )
    await db.conversations.summarise(world.talk_id, user_id=world.user_id, summary=MESSAGE, expected_parent=sent.id + 1)
    await db.knowledge.store(
        user_id=world.user_id,
        name="notes",
        content=MESSAGE,
        conversation_id=world.talk_id,
        chunks=[{"content": MESSAGE, "embedding": [1.0, 0.0]}],
    )


async def said(watch: Watch, name: str, db: Database, arguments: dict[str, Any]) -> None:
    """Call a service, look at what it gives or raises, and undo it."""
    domain, verb = name.split(".")
    with suppress(Undo):
        async with db.transaction():
            try:
                result = getattr(getattr(db, domain), verb)(**arguments)
                watch.see_object(name, await result if asyncio.iscoroutine(result) else result)
            except Exception as error:
                watch.see_error(name, error)
            raise Undo


async def test_no_call_says_a_secret(ready_place: Place) -> None:
    """Every public call of every service, fine and wrong, with every logger at DEBUG."""
    settings = configured(secret_key=SECRET_KEY, test_api_key=API_KEY)
    with watching() as watch:
        async with agentdb.connect(address(ready_place), settings=settings) as db:
            world = await furnished(db, "x" * 100)
            await plant(db, world)
            assert (await db.access.authenticate(API_KEY)).email
            for name, call in CALLS.items():
                fine = call.fine(world)
                await said(watch, name, db, fine)
                for parameter, kind in call.refused.items():
                    for bad in kind.refused[:3]:
                        await said(watch, name, db, {**fine, parameter: bad.value(world)})
                for parameter in PRIVATE & call.refused.keys():
                    for secret in (MESSAGE, API_KEY, CREDENTIAL):
                        for hostile in HOSTILE:
                            await said(watch, name, db, {**fine, parameter: hostile(secret)})
                    with suppress(TypeError):
                        await said(watch, name, db, {**fine, parameter: HELD, "timeout": 1e-9})
            await refused_rows(watch, db, world)
            await objects(watch, db, world)

    assert watch.leaks == []
    assert watch.seen > SEEN_AT_LEAST


async def refused_rows(watch: Watch, db: Database, world: World) -> None:
    """Rows and values with secrets that the engine itself refuses, through Tortoise and past everything."""
    digest = Keyring.from_secret(SECRET_KEY).digest_api_key(API_KEY)
    rows: list[Callable[[], Any]] = [
        lambda: User.create(email="ada@example.org", api_key=PROVIDER_KEY),
        lambda: User.create(email="new@example.org", api_key=digest),
        lambda: Provider.create(id=1, api_key=PROVIDER_KEY),
        lambda: Message.create(conversation_id=10**9, role="user", content=HELD),
        lambda: Message.create(conversation_id=world.talk_id, role="user", content=HELD, parent_id=10**9),
        lambda: UserTool.create(user_id=10**9, tool_id=1, credential={"a": CREDENTIAL}),
        lambda: Message.create(conversation_id=world.talk_id, role="user", content=[{"text": MESSAGE + "\x00"}]),
        lambda: Message.filter(conversation_id=world.talk_id).values_list("content", flat=True),
        lambda: Provider.filter(api_key=PROVIDER_KEY).first(),
    ]
    casts = [f"SELECT CAST({db.session.dialect.placeholder(1)} AS {kind})" for kind in ("INTEGER", "JSON", "DATE")]
    rows += [lambda sql=sql: db.session.fetch(sql, [PROVIDER_KEY]) for sql in casts]  # type: ignore[misc]
    for row in rows:
        with suppress(Undo), db.use():
            async with db.transaction():
                try:
                    await row()
                except Exception as error:
                    watch.see_error("a refused row", error)
                raise Undo


async def objects(watch: Watch, db: Database, world: World) -> None:
    """What objects that people hold in their hands say of themselves, and what travels with them."""
    created = await db.access.create_user(email="created@example.org", with_api_key=True)
    assert created.api_key is not None
    context = await db.conversations.context(world.talk_id, user_id=world.user_id)
    secrets = [
        await db.catalog.provider_secret(1),
        await db.agents.tool_credential(world.tool_id, user_id=world.user_id),
    ]
    assert [secret and secret.reveal() for secret in secrets] == [PROVIDER_KEY, CREDENTIAL]
    assert any(block == HELD[0] for message in context.messages for block in message.content)
    session = db.session
    one: Any
    for one in (db, db.settings, session, session.target, session.client, session.dialect, db._vault, *secrets):
        watch.see_object("an object", one)
    for one in (db, session, session.client, db.access, db.catalog, db._vault):
        watch.see("the attributes of an object", repr(vars(one)))
    for one in (context, *context.messages, *context.resources, db.started, created, await db.key_use()):
        watch.see_object("a record", one)
    with db.use():
        for row in [*await Message.all(), *await User.all(), *await Provider.all(), *await UserTool.all()]:
            watch.see_object("a row of Tortoise", row)
    dumped = (created.model_dump(), created.model_dump_json(), db.settings.model_dump(), db.settings.model_dump_json())
    watch.see("a dump", repr(dumped))
    assert created.api_key.reveal() not in repr(dumped)
    for one in (created, db.settings, *secrets):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(one)
    with pytest.raises(TypeError):
        orjson.dumps(created.api_key)


def test_no_command_says_a_secret(
    ready_place: Place, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    """Every command, for people and for programs, fine and failing."""
    for name, value in (
        ("AGENTDB_SECRET_KEY", SECRET_KEY),
        ("TEST_API_KEY", API_KEY),
        ("GEMINI_API_KEY", PROVIDER_KEY),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AGENTDB_DEBUG", "1")
    monkeypatch.chdir(tmp_path)
    url = address(ready_place)
    dead = f"postgresql://ann:{PASSWORD}@127.0.0.1:1/agents"
    with watching() as watch:
        for arguments in commands(url, dead):
            capfd.readouterr()
            run(arguments)
            out = capfd.readouterr()
            watch.see(" ".join(arguments[:1]), out.out)
            watch.see(" ".join(arguments[:1]), out.err)

    assert watch.leaks == []
    assert watch.seen > 50


def commands(url: str, dead: str) -> Iterator[list[str]]:
    """Each with and without `--json`, then those that fail."""
    for command in (
        ["init"], ["seed"], ["status"], ["migrate"], ["history"], ["check"], ["rotate-key", "--status"], ["rotate-key"],
        ["demo"],
    ):  # fmt: skip
        yield [*command, "--url", url]
        yield [*command, "--url", url, "--json"]
    for command in (["status"], ["init"], ["demo"], ["rotate-key"], ["migrate"]):
        yield [*command, "--url", dead]
        yield [*command, "--url", dead + "?nonsense=1"]
        yield [*command, "--url", dead.replace("://", ":/")]
        yield [*command, "--url", dead.replace("127", "[127")]
        yield [*command, "--nonsense", "--url", dead]
    yield ["downgrade", "--url", url]
    yield ["seed", "missing directory", "--url", url]
    yield ["seed", "--reset", "Nothing", "--url", url]


@pytest.mark.parametrize("name", PLANTED)
def test_the_watch_finds_what_is_said(name: str) -> None:
    """In a log line, its arguments, an error's cause, a note, and encoded."""
    secret = PLANTED[name]
    with watching() as watch:
        logging.getLogger("tortoise.db_client").debug("%s: %s", "SELECT", [secret])
        error = ValueError("fine")
        error.__cause__ = KeyError(secret)
        error.add_note(secret)
        watch.see_error("an error", error)

    assert {leak[0] for leak in watch.leaks} == {
        "log of tortoise.db_client",
        "an error",
        "an error: ValueError",
        "an error: KeyError",
    }
    assert found_in(secret.encode().hex()) == {name}
    assert found_in(Secret(secret).__repr__()) == set()
