"""Resolving an agent."""

from __future__ import annotations

from typing import Any

import pytest

from agentdb import (
    Agent,
    AgentTool,
    ConflictError,
    Database,
    DeadlineError,
    InvalidInputError,
    Model,
    NotFoundError,
    Prompt,
    Tool,
    UserAgent,
    UserTool,
)
from agentdb.records import User

pytestmark = pytest.mark.agentdb(engine="both")


async def make_agent(db: Database, name: str, *, owner: User | None = None, **values: Any) -> int:
    with db.use():
        agent = await Agent.create(name=name, user_id=owner.id if owner else None, **values)
    return int(agent.id)


async def share(db: Database, agent_id: int, user: User) -> None:
    with db.use():
        await UserAgent.create(agent_id=agent_id, user_id=user.id, role="viewer")


async def test_an_agent_comes_with_all_that_a_turn_needs(agent_db: Database, ada: User) -> None:
    """Prompt, model with provider and prices, and tools by id."""
    agent = await agent_db.agents.resolve("Standard Chat", user_id=ada.id)
    with agent_db.use():
        prompt = await Prompt.get(id=1)

    assert (agent.id, agent.name, agent.user_id, agent.visibility) == (1, "Standard Chat", None, "global")
    assert agent.prompt is not None
    assert (agent.prompt.id, agent.prompt.name, agent.prompt.version) == (1, "ada-system-prompt", 1)
    assert agent.prompt.content == prompt.content
    assert agent.model == await agent_db.catalog.model("us.anthropic.claude-sonnet-4-6")
    assert [tool.name for tool in agent.tools] == ["search", "browse", "code", "editor", "think"]
    assert agent.tools[0].description == "Web search"


async def test_an_agent_is_found_by_name_or_id(agent_db: Database, ada: User) -> None:
    """Both give the same."""
    by_name = await agent_db.agents.resolve("EAGLE", user_id=ada.id)

    assert by_name == await agent_db.agents.resolve(3, user_id=ada.id)
    assert len(by_name.tools) == 7


async def test_resolving_is_one_statement(agent_db: Database, ada: User, statements: list[str]) -> None:
    """It runs with every turn."""
    statements.clear()
    await agent_db.agents.resolve("Standard Chat", user_id=ada.id)

    assert len(statements) == 1


async def test_own_goes_before_shared_before_global(agent_db: Database, ada: User, bob: User) -> None:
    """A user who has an agent of the same name means that one."""
    assert (await agent_db.agents.resolve("Standard Chat", user_id=ada.id)).visibility == "global"

    shared = await make_agent(agent_db, "Standard Chat", owner=bob)
    await share(agent_db, shared, ada)
    agent = await agent_db.agents.resolve("Standard Chat", user_id=ada.id)
    assert (agent.id, agent.visibility, agent.user_id) == (shared, "shared", bob.id)

    own = await make_agent(agent_db, "Standard Chat", owner=ada)
    agent = await agent_db.agents.resolve("Standard Chat", user_id=ada.id)
    assert (agent.id, agent.visibility) == (own, "own")


@pytest.mark.parametrize("standing", ["own", "shared", "global"])
async def test_two_equal_candidates_are_a_conflict(agent_db: Database, ada: User, bob: User, standing: str) -> None:
    """The ids are told, and by id each is found."""
    owner = {"own": ada, "shared": bob, "global": None}[standing]
    ids = [await make_agent(agent_db, "Twin", owner=owner) for _ in range(2)]
    if standing == "shared":
        for one in ids:
            await share(agent_db, one, ada)

    with pytest.raises(ConflictError, match=f"2 {standing} agents are called 'Twin': ids {ids[0]}, {ids[1]}"):
        await agent_db.agents.resolve("Twin", user_id=ada.id)
    assert (await agent_db.agents.resolve(ids[1], user_id=ada.id)).id == ids[1]


async def test_a_nearer_agent_settles_a_conflict(agent_db: Database, ada: User) -> None:
    """Two global agents of one name are no matter to a user with an own one."""
    for _ in range(2):
        await make_agent(agent_db, "Twin")
    own = await make_agent(agent_db, "Twin", owner=ada)

    assert (await agent_db.agents.resolve("Twin", user_id=ada.id)).id == own


async def test_an_agent_visible_in_two_ways_is_one(agent_db: Database, ada: User) -> None:
    """Own and shared, or shared and global: the nearest standing counts, and each tool is there once."""
    own = await make_agent(agent_db, "Mine", owner=ada)
    await share(agent_db, own, ada)
    await share(agent_db, 1, ada)
    standard = await agent_db.agents.resolve("Standard Chat", user_id=ada.id)

    assert (await agent_db.agents.resolve(own, user_id=ada.id)).visibility == "own"
    assert (standard.visibility, len(standard.tools)) == ("shared", 5)
    assert standard.prompt is not None
    assert standard.prompt.content


async def test_somebody_elses_agent_is_not_there(agent_db: Database, ada: User, bob: User) -> None:
    """Neither by name nor by id, as if it did not exist."""
    foreign = await make_agent(agent_db, "Secret", owner=bob)

    for wanted in (foreign, "Secret"):
        with pytest.raises(NotFoundError, match="No agent"):
            await agent_db.agents.resolve(wanted, user_id=ada.id)
        with pytest.raises(NotFoundError, match="No agent"):
            await agent_db.agents.resolve(wanted, user_id=None)


async def test_nobody_sees_global_agents(agent_db: Database, ada: User) -> None:
    """Without a user, and for one who does not exist."""
    await make_agent(agent_db, "Standard Chat", owner=ada)

    assert (await agent_db.agents.resolve("Standard Chat", user_id=None)).id == 1
    assert (await agent_db.agents.resolve(1, user_id=12345)).id == 1


@pytest.mark.parametrize("wanted", ["standard chat", "nobody", 99, 0, -1, 2**63 - 1])
async def test_an_unknown_agent_is_an_error(agent_db: Database, ada: User, wanted: Any) -> None:
    """Names are compared exactly."""
    with pytest.raises(NotFoundError, match="No agent"):
        await agent_db.agents.resolve(wanted, user_id=ada.id)


@pytest.mark.parametrize(
    ("wanted", "user_id"),
    [("", 1), (None, 1), (True, 1), (1.0, 1), (2**63, 1), ("\x00", 1), ("\ud800", 1), (1, "1"), (1, 2**63), (1, True)],
)
async def test_bad_input_is_refused(agent_db: Database, wanted: Any, user_id: Any) -> None:
    """The same error on every engine."""
    with pytest.raises(InvalidInputError):
        await agent_db.agents.resolve(wanted, user_id=user_id)


async def test_the_prompt_is_the_version_that_the_agent_points_to(agent_db: Database, ada: User) -> None:
    """A newer version of the same name changes nothing by itself."""
    with agent_db.use():
        await Prompt.create(name="ada-system-prompt", version=2, content="newer")
    agent = await agent_db.agents.resolve("Standard Chat", user_id=ada.id)

    assert agent.prompt is not None
    assert agent.prompt.version == 1


async def test_the_agents_own_model_goes_before_the_default(agent_db: Database, ada: User) -> None:
    """With the parameters that the agent sets."""
    own = await make_agent(agent_db, "Mock", owner=ada, model_id=99, model_parameters={"temperature": 0, "stop": None})
    agent = await agent_db.agents.resolve(own, user_id=ada.id)

    assert agent.model.internal_name == "mock-model"
    assert agent.model.provider is not None
    assert agent.model.provider.name == "mock"
    assert agent.model_parameters == {"temperature": 0, "stop": None}


async def test_a_bare_agent_is_whole(agent_db: Database, ada: User) -> None:
    """Without prompt, model and tools of its own."""
    own = await make_agent(agent_db, "Bare", owner=ada)
    agent = await agent_db.agents.resolve(own, user_id=ada.id)

    assert (agent.prompt, agent.tools, agent.description, agent.model_parameters) == (None, (), None, None)
    assert agent.model.internal_name == "us.anthropic.claude-sonnet-4-6"


async def test_a_missing_default_model_is_an_error(agent_db: Database, ada: User) -> None:
    """Rather than an agent that cannot answer."""
    with agent_db.use():
        await Model.filter(internal_name="us.anthropic.claude-sonnet-4-6").delete()

    with pytest.raises(NotFoundError, match=r"No model 'us.anthropic.claude-sonnet-4-6'"):
        await agent_db.agents.resolve("Standard Chat", user_id=ada.id)


async def test_a_users_tool_is_there_for_its_users(agent_db: Database, ada: User, bob: User) -> None:
    """Builtin tools are everybody's; another one is given to those who have it, and never with its credential."""
    shared = await make_agent(agent_db, "Toolbox", owner=ada)
    await share(agent_db, shared, bob)
    with agent_db.use():
        private = await Tool.create(name="crm", type="mcp", endpoint="https://crm", custom_config={"region": "eu"})
        await UserTool.create(user_id=ada.id, tool=private, credential={"sealed": "hush"})
        for tool_id in (private.id, 2):
            await AgentTool.create(agent_id=shared, tool_id=tool_id)
    for_ada = await agent_db.agents.resolve(shared, user_id=ada.id)
    for_bob = await agent_db.agents.resolve(shared, user_id=bob.id)

    assert [tool.name for tool in for_ada.tools] == ["browse", "crm"]
    assert for_ada.tools[1].custom_config == {"region": "eu"}
    assert "hush" not in for_ada.model_dump_json()
    assert [tool.name for tool in for_bob.tools] == ["browse"]


async def test_a_prompt_is_there_whichever_tools_are_hidden(agent_db: Database, ada: User, bob: User) -> None:
    """Also when no tool of the agent is the caller's."""
    own = await make_agent(agent_db, "Hidden", owner=bob, prompt_id=2)
    await share(agent_db, own, ada)
    with agent_db.use():
        for name in ("one", "two"):
            tool = await Tool.create(name=name, type="mcp")
            await AgentTool.create(agent_id=own, tool=tool)
    agent = await agent_db.agents.resolve(own, user_id=ada.id)

    assert agent.tools == ()
    assert agent.prompt is not None
    assert agent.prompt.content


async def test_a_deadline_ends_the_call(agent_db: Database, ada: User) -> None:
    """Reads have one too."""
    with pytest.raises(DeadlineError):
        await agent_db.agents.resolve(1, user_id=ada.id, timeout=0)


async def test_equal_tools_are_told_anew_when_they_change(agent_db: Database, ada: User) -> None:
    """What a caller does to a result is not in the next one, what the database did is."""
    tool = await agent_db.agents.create_tool(user_id=ada.id, name="crm", custom_config={"region": "eu"})
    agent = await agent_db.agents.create(user_id=ada.id, name="A", tools=["crm"])
    agent.tools[0].custom_config["region"] = "us"

    assert (await agent_db.agents.resolve("A", user_id=ada.id)).tools == (tool,)
    moved = await agent_db.agents.update_tool(tool.id, user_id=ada.id, custom_config={"region": "us"})
    assert (await agent_db.agents.resolve("A", user_id=ada.id)).tools == (moved,)
