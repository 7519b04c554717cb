"""Builtin tools, tools of single users, and their credentials."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentdb import (
    AccessDeniedError,
    AgentTool,
    ConfigurationError,
    ConflictError,
    Database,
    InvalidInputError,
    NotFoundError,
    Secret,
    StorageError,
    Tool,
    UserTool,
    Vector,
)
from agentdb.records import User
from agentdb.secrets import Vault
from agentdb.services.agents import AgentService

pytestmark = pytest.mark.agentdb(engine="both")

SECRET = "s3cret-token"


async def shared_tool(db: Database, *users: User) -> int:
    """A tool that several users have."""
    with db.use():
        tool = await Tool.create(name="crm", type="mcp")
        for user in users:
            await UserTool.create(user_id=user.id, tool=tool)
    return int(tool.id)


async def test_builtin_tools_are_everybodys(agent_db: Database, ada: User) -> None:
    """In the order of their ids."""
    tools = await agent_db.agents.tools(ada.id)

    assert [tool.name for tool in tools][:3] == ["search", "browse", "code"]
    assert {tool.type for tool in tools} == {"builtin"}
    assert await agent_db.agents.tools(None) == tools


async def test_a_tool_belongs_to_who_made_it(agent_db: Database, ada: User, bob: User) -> None:
    """Nobody else sees it."""
    tool = await agent_db.agents.create_tool(
        user_id=ada.id,
        name="crm",
        type="mcp",
        description="Customers",
        authentication_type="bearer",
        endpoint="https://crm.example.org",
        transport_type="http",
        custom_config={"region": "eu"},
    )

    assert (tool.name, tool.type, tool.description, tool.authentication_type) == ("crm", "mcp", "Customers", "bearer")
    assert (tool.endpoint, tool.transport_type) == ("https://crm.example.org", "http")
    assert tool.custom_config == {"region": "eu"}
    assert (await agent_db.agents.tools(ada.id))[-1] == tool
    assert tool not in await agent_db.agents.tools(bob.id)
    assert tool not in await agent_db.agents.tools(None)


async def test_only_what_is_named_changes(agent_db: Database, ada: User) -> None:
    """None clears a value; what is not named stays."""
    tool = await agent_db.agents.create_tool(
        user_id=ada.id, name="crm", endpoint="https://a", custom_config={"region": "eu"}
    )
    moved = await agent_db.agents.update_tool(tool.id, user_id=ada.id, endpoint="https://b")
    cleared = await agent_db.agents.update_tool(tool.id, user_id=ada.id, custom_config=None, name="CRM")

    assert moved == tool.model_copy(update={"endpoint": "https://b"})
    assert cleared == moved.model_copy(update={"custom_config": None, "name": "CRM"})


async def test_builtin_tools_are_read_only(agent_db: Database, ada: User) -> None:
    """For every user."""
    before = await agent_db.agents.tools(ada.id)
    await agent_db.agents.set_tool_credential(1, user_id=ada.id, credential=SECRET)
    for call in (
        agent_db.agents.update_tool(1, user_id=ada.id, endpoint="https://evil"),
        agent_db.agents.delete_tool(1, user_id=ada.id),
    ):
        with pytest.raises(AccessDeniedError, match="Tool 1 is builtin"):
            await call
    with pytest.raises(InvalidInputError, match="for seeded tools"):
        await agent_db.agents.create_tool(user_id=ada.id, name="x", type="builtin")
    tool = await agent_db.agents.create_tool(user_id=ada.id, name="x")
    with pytest.raises(InvalidInputError, match="for seeded tools"):
        await agent_db.agents.update_tool(tool.id, user_id=ada.id, type="builtin")

    assert (*before, tool) == await agent_db.agents.tools(ada.id)


async def test_a_user_has_one_tool_of_a_name(agent_db: Database, ada: User, bob: User) -> None:
    """Also when two are made at once; another user may have one too."""
    made = await asyncio.gather(
        *(agent_db.agents.create_tool(user_id=ada.id, name="crm") for _ in range(4)), return_exceptions=True
    )
    other = await agent_db.agents.create_tool(user_id=ada.id, name="other")
    await agent_db.agents.create_tool(user_id=bob.id, name="crm")

    assert sum(not isinstance(one, BaseException) for one in made) == 1
    assert {type(one) for one in made if isinstance(one, BaseException)} == {ConflictError}
    with pytest.raises(ConflictError, match="of the name 'crm'"):
        await agent_db.agents.update_tool(other.id, user_id=ada.id, name="crm")


async def test_deleting_a_tool_takes_its_links(agent_db: Database, ada: User) -> None:
    """With chunks that are nobody else's; those of a conversation stay without it."""
    tool = await agent_db.agents.create_tool(user_id=ada.id, name="crm")
    agent = await agent_db.agents.create(user_id=ada.id, name="A", tools=["crm", "search"])
    talk = await agent_db.conversations.start(user_id=ada.id)
    with agent_db.use():
        await Vector.create(tool_id=tool.id, content="alone")
        kept = await Vector.create(tool_id=tool.id, content="said", conversation_id=talk.id)
    await agent_db.agents.delete_tool(tool.id, user_id=ada.id)

    with agent_db.use():
        assert await Tool.filter(id=tool.id).count() == 0
        assert await AgentTool.filter(tool_id=tool.id).count() == 0
        assert await UserTool.filter(tool_id=tool.id).count() == 0
        assert [(one.id, one.tool_id) for one in await Vector.all()] == [(kept.id, None)]
    after = await agent_db.agents.get(agent.id, user_id=ada.id)
    assert [one.name for one in after.tools] == ["search"]
    with pytest.raises(NotFoundError):
        await agent_db.agents.delete_tool(tool.id, user_id=ada.id)


async def test_a_tool_of_several_users(agent_db: Database, ada: User, bob: User) -> None:
    """No one of them changes where the credentials of the others go; it goes with the last of them."""
    tool_id = await shared_tool(agent_db, ada, bob)
    await agent_db.agents.set_tool_credential(tool_id, user_id=ada.id, credential=SECRET)
    with pytest.raises(AccessDeniedError, match="has other users too"):
        await agent_db.agents.update_tool(tool_id, user_id=bob.id, endpoint="https://evil")
    await agent_db.agents.delete_tool(tool_id, user_id=bob.id)

    with pytest.raises(NotFoundError):
        await agent_db.agents.tool_credential(tool_id, user_id=bob.id)
    credential = await agent_db.agents.tool_credential(tool_id, user_id=ada.id)
    assert credential is not None
    assert credential.reveal() == SECRET
    await agent_db.agents.delete_tool(tool_id, user_id=ada.id)
    with agent_db.use():
        assert await Tool.filter(id=tool_id).count() == 0


async def test_a_credential_is_its_users_alone(agent_db: Database, ada: User, bob: User) -> None:
    """Of one tool each user has an own one; lists and agents show none."""
    tool_id = await shared_tool(agent_db, ada, bob)
    await agent_db.agents.set_tool_credential(tool_id, user_id=ada.id, credential=SECRET)
    await agent_db.agents.set_tool_credential(tool_id, user_id=bob.id, credential=Secret("bob's"))
    for_ada = await agent_db.agents.tool_credential(tool_id, user_id=ada.id)
    for_bob = await agent_db.agents.tool_credential(tool_id, user_id=bob.id)
    shown = repr([tool.model_dump() for user in (ada, bob) for tool in await agent_db.agents.tools(user.id)])

    assert for_ada is not None
    assert for_bob is not None
    assert (for_ada.reveal(), for_bob.reveal()) == (SECRET, "bob's")
    assert SECRET not in repr(for_ada)
    assert SECRET not in shown
    assert "credential" not in shown


async def test_a_credential_is_sealed(agent_db: Database, ada: User, bob: User) -> None:
    """Bound to its row: copied to another it does not open."""
    tool_id = await shared_tool(agent_db, ada, bob)
    await agent_db.agents.set_tool_credential(tool_id, user_id=ada.id, credential=SECRET)
    with agent_db.use():
        stored = await UserTool.get(user_id=ada.id, tool_id=tool_id)
        await UserTool.filter(user_id=bob.id, tool_id=tool_id).update(credential=stored.credential)

    assert stored.credential.keys() == {"sealed"}
    assert stored.credential["sealed"].startswith("agd1$")
    assert SECRET not in str(stored.credential)
    with pytest.raises(StorageError, match="does not open"):
        await agent_db.agents.tool_credential(tool_id, user_id=bob.id)


async def test_a_credential_can_be_replaced_and_forgotten(agent_db: Database, ada: User) -> None:
    """Of a builtin tool too, which everybody has anyway."""
    assert await agent_db.agents.tool_credential(1, user_id=ada.id) is None

    for text in ("first", "second"):
        await agent_db.agents.set_tool_credential(1, user_id=ada.id, credential=text)
        found = await agent_db.agents.tool_credential(1, user_id=ada.id)
        assert found is not None
        assert found.reveal() == text
    await agent_db.agents.set_tool_credential(1, user_id=ada.id, credential=None)
    assert await agent_db.agents.tool_credential(1, user_id=ada.id) is None


@pytest.mark.parametrize("stored", [{"token": "x"}, "x", {"sealed": "x"}])
async def test_plain_credentials_are_read_where_that_is_accepted(agent_db: Database, ada: User, stored: Any) -> None:
    """As the original package wrote them, any JSON; nowhere else."""
    plain = AgentService(
        agent_db.session, events=agent_db.events, settings=agent_db.settings, vault=Vault(None, mode="plain")
    )
    tool_id = await shared_tool(agent_db, ada)
    with agent_db.use():
        await UserTool.filter(tool_id=tool_id).update(credential=stored)
    found = await plain.tool_credential(tool_id, user_id=ada.id)

    assert found is not None
    assert found.reveal() == ('{"token":"x"}' if "token" in stored else "x")
    with pytest.raises(ConfigurationError, match="plain text where a sealed value is expected"):
        await agent_db.agents.tool_credential(tool_id, user_id=ada.id)
    await plain.set_tool_credential(tool_id, user_id=ada.id, credential=SECRET)
    found = await plain.tool_credential(tool_id, user_id=ada.id)
    assert found is not None
    assert found.reveal() == SECRET


async def test_without_a_key_no_credential_is_kept(agent_db: Database, ada: User) -> None:
    """An error that names the setting, and nothing is written."""
    keyless = AgentService(agent_db.session, events=agent_db.events, settings=agent_db.settings, vault=Vault(None))
    with pytest.raises(ConfigurationError, match="AGENTDB_SECRET_KEY"):
        await keyless.set_tool_credential(1, user_id=ada.id, credential=SECRET)

    with agent_db.use():
        assert await UserTool.all().count() == 0


async def test_somebody_elses_tool_is_not_there(agent_db: Database, ada: User, bob: User) -> None:
    """For every call, and nothing changes."""
    tool = await agent_db.agents.create_tool(user_id=ada.id, name="crm")
    await agent_db.agents.set_tool_credential(tool.id, user_id=ada.id, credential=SECRET)
    for call in (
        agent_db.agents.update_tool(tool.id, user_id=bob.id, endpoint="https://evil"),
        agent_db.agents.delete_tool(tool.id, user_id=bob.id),
        agent_db.agents.set_tool_credential(tool.id, user_id=bob.id, credential="x"),
        agent_db.agents.tool_credential(tool.id, user_id=bob.id),
    ):
        with pytest.raises(NotFoundError, match=f"No tool {tool.id}"):
            await call

    assert (await agent_db.agents.tools(ada.id))[-1] == tool
    assert await agent_db.agents.tool_credential(tool.id, user_id=ada.id) == Secret(SECRET)


@pytest.mark.parametrize("credential", ["", 1, b"x", {"token": SECRET}, "\ud800", "\x00"])
async def test_a_bad_credential_is_refused_and_not_shown(agent_db: Database, ada: User, credential: Any) -> None:
    """Not in the error either."""
    with pytest.raises(InvalidInputError) as caught:
        await agent_db.agents.set_tool_credential(1, user_id=ada.id, credential=credential)

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"name": 1}, {"type": ""}, {"endpoint": "\x00"}, {"custom_config": []}, {}], ids=str
)
async def test_bad_input_is_refused(agent_db: Database, ada: User, wrong: dict[str, Any]) -> None:
    """The same error on every engine, and nothing stored."""
    tool = await agent_db.agents.create_tool(user_id=ada.id, name="crm")
    if wrong:
        with pytest.raises(InvalidInputError):
            await agent_db.agents.create_tool(**{"user_id": ada.id, "name": "x", **wrong})
    with pytest.raises(InvalidInputError):
        await agent_db.agents.update_tool(tool.id, user_id=ada.id, **wrong)

    assert (await agent_db.agents.tools(ada.id))[-1] == tool


async def test_a_tool_needs_a_user(agent_db: Database) -> None:
    """Who exists."""
    with pytest.raises(NotFoundError, match="No user"):
        await agent_db.agents.create_tool(user_id=12345, name="x")
    with pytest.raises(NotFoundError, match="No user"):
        await agent_db.agents.set_tool_credential(1, user_id=12345, credential="x")
