"""Agents on a database that the original package made: no constraints, no owners of resources, plain credentials."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from agentdb import AccessDeniedError, Database
from tests.services.test_original import ROWS, attached, stored

pytestmark = pytest.mark.agentdb(engine="postgresql", seed=False)

ADA, BOB = 1, 2
SEQUENCES = """SELECT setval('"Agent_id_seq"', 1), setval('"Tool_id_seq"', 1), setval('"Prompt_id_seq"', 1)"""


@pytest.fixture
async def original(agent_db_url: str) -> AsyncIterator[Database]:
    """The original's tables with a few rows, and ids that go on after them."""
    async with attached(agent_db_url, ROWS + SEQUENCES) as database:
        yield database


async def test_an_agent_lives_and_leaves_nothing_behind(original: Database) -> None:
    """Made, changed, published, shared, used and deleted, without a foreign key that would help."""
    agents = original.agents
    agent = await agents.create(
        user_id=ADA, name="A", prompt_id=1, model_parameters={"a": 1}, tools=["search"], description="d"
    )
    renamed = await agents.update(agent.id, user_id=ADA, name="B")
    published = await agents.publish_prompt(agent.id, "Be brief.", user_id=ADA)
    await agents.share(agent.id, user_id=ADA, with_user_id=BOB, role="editor")
    await agents.share(agent.id, user_id=ADA, with_user_id=BOB, role="viewer")
    talks = [await original.conversations.start(user_id=user, agent_id=agent.id) for user in (ADA, BOB)]
    listed = (await agents.list(user_id=BOB)).items
    with pytest.raises(AccessDeniedError):
        await agents.delete(agent.id, user_id=BOB)
    await agents.delete(agent.id, user_id=ADA)

    assert (renamed.name, renamed.model_parameters, [tool.name for tool in renamed.tools]) == (
        "B",
        {"a": 1},
        ["search"],
    )
    assert published.prompt is not None
    assert (published.prompt.version, published.prompt.content) == (2, "Be brief.")
    assert [(one.id, one.visibility, one.role) for one in listed] == [
        (agent.id, "shared", "viewer"),
        (1, "global", "viewer"),
    ]
    assert [row["id"] for row in await stored(original, "Agent")] == [1]
    assert [row["agentID"] for row in await stored(original, "AgentTool")] == [1]
    assert [row["content"] for row in await stored(original, "Prompt")] == ["Be kind."]
    assert await stored(original, "UserAgent") == []
    assert [(row["id"], row["agentID"], row["deleted"]) for row in await stored(original, "Conversation")] == [
        (talks[0].id, None, True),
        (talks[1].id, None, False),
    ]


async def test_a_tool_lives_and_leaves_nothing_behind(original: Database) -> None:
    """Its credential is plain, as the setting of that database says."""
    agents = original.agents
    tool = await agents.create_tool(user_id=ADA, name="crm", custom_config={"region": "eu"})
    moved = await agents.update_tool(tool.id, user_id=ADA, endpoint="https://crm")
    await agents.set_tool_credential(tool.id, user_id=ADA, credential="token")
    credential = await agents.tool_credential(tool.id, user_id=ADA)
    await agents.create(user_id=ADA, name="A", tools=["crm"])
    await agents.delete_tool(tool.id, user_id=ADA)

    assert (moved.endpoint, moved.custom_config) == ("https://crm", {"region": "eu"})
    assert credential is not None
    assert credential.reveal() == "token"
    assert [row["id"] for row in await stored(original, "Tool")] == [1]
    assert [row["toolID"] for row in await stored(original, "AgentTool")] == [1]
    assert await stored(original, "UserTool") == []
