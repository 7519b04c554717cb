"""Making, changing, listing and deleting agents."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentdb import (
    AccessDeniedError,
    Agent,
    AgentTool,
    ConflictError,
    Conversation,
    Database,
    DeadlineError,
    InvalidInputError,
    NotFoundError,
    Prompt,
    Resource,
    Tool,
    UserAgent,
    UserTool,
    Vector,
)
from agentdb.records import User

pytestmark = pytest.mark.agentdb(engine="both")


def tools_of(agent: Any) -> list[str]:
    """The names of an agent's tools."""
    return [tool.name for tool in agent.tools]


async def counts(db: Database) -> tuple[int, int, int]:
    """How many agents, prompts and links to tools there are."""
    with db.use():
        return await Agent.all().count(), await Prompt.all().count(), await AgentTool.all().count()


async def test_an_agent_is_made_whole(agent_db: Database, ada: User) -> None:
    """With a prompt of its own, a model, parameters and tools, and it can be resolved."""
    agent = await agent_db.agents.create(
        user_id=ada.id,
        name="Librarian",
        description="Finds books",
        prompt="Be brief.",
        model="mock-model",
        model_parameters={"temperature": 0.5},
        tools=["search", "browse", "search"],
    )

    assert (agent.name, agent.description, agent.user_id, agent.visibility) == (
        "Librarian",
        "Finds books",
        ada.id,
        "own",
    )
    assert agent.prompt is not None
    assert (agent.prompt.content, agent.prompt.version) == ("Be brief.", 1)
    assert (agent.model.internal_name, agent.model_parameters) == ("mock-model", {"temperature": 0.5})
    assert tools_of(agent) == ["search", "browse"]
    assert agent == await agent_db.agents.resolve("Librarian", user_id=ada.id)
    assert agent == await agent_db.agents.get(agent.id, user_id=ada.id)


async def test_an_agent_needs_only_a_name(agent_db: Database, ada: User) -> None:
    """It runs on the default model."""
    agent = await agent_db.agents.create(user_id=ada.id, name="Bare")

    assert (agent.prompt, agent.tools, agent.description, agent.model_parameters) == (None, (), None, None)
    assert agent.model.internal_name == "us.anthropic.claude-sonnet-4-6"


async def test_a_model_can_be_named_by_its_id(agent_db: Database, ada: User) -> None:
    """As by its internal name."""
    agent = await agent_db.agents.create(user_id=ada.id, name="Mock", model=99)

    assert agent.model.internal_name == "mock-model"


@pytest.mark.parametrize(
    "wrong",
    [
        {"tools": ["search", "nothing"]},
        {"tools": ["Search"]},
        {"model": "no-model"},
        {"model": 12345},
        {"prompt_id": 12345},
        {"user_id": 12345},
    ],
    ids=str,
)
async def test_an_agent_with_something_unknown_is_not_made(
    agent_db: Database, ada: User, wrong: dict[str, Any]
) -> None:
    """An error rather than an agent without it; nothing is left behind."""
    before = await counts(agent_db)
    values: dict[str, Any] = {"user_id": ada.id, "name": "Odd", **wrong}
    if "prompt_id" not in wrong:
        values["prompt"] = "Be odd."
    with pytest.raises(NotFoundError):
        await agent_db.agents.create(**values)

    assert await counts(agent_db) == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": None},
        {"name": "\x00"},
        {"name": "\ud800"},
        {"description": 1},
        {"prompt": ""},
        {"prompt": "x", "prompt_id": 1},
        {"prompt_id": "1"},
        {"prompt_id": 2**63},
        {"model": ""},
        {"model": True},
        {"model_parameters": [1]},
        {"model_parameters": {"a": float("nan")}},
        {"tools": "search"},
        {"tools": [""]},
        {"tools": [1]},
        {"user_id": "1"},
    ],
    ids=str,
)
async def test_bad_input_is_refused(agent_db: Database, ada: User, wrong: dict[str, Any]) -> None:
    """The same error on every engine, and nothing stored."""
    before = await counts(agent_db)
    with pytest.raises(InvalidInputError):
        await agent_db.agents.create(**{"user_id": ada.id, "name": "x", **wrong})
    if "prompt" not in wrong:
        agent = await agent_db.agents.create(user_id=ada.id, name="x")
        with pytest.raises(InvalidInputError):
            await agent_db.agents.update(agent.id, **{"user_id": ada.id, **wrong})
        await agent_db.agents.delete(agent.id, user_id=ada.id)

    assert await counts(agent_db) == before


async def test_only_what_is_named_changes(agent_db: Database, ada: User) -> None:
    """None clears a value; what is not named stays."""
    agent = await agent_db.agents.create(
        user_id=ada.id, name="A", description="d", prompt="p", model=99, model_parameters={"a": 1}, tools=["search"]
    )
    renamed = await agent_db.agents.update(agent.id, user_id=ada.id, name="B")
    cleared = await agent_db.agents.update(
        agent.id, user_id=ada.id, description=None, prompt_id=None, model=None, model_parameters=None
    )

    assert renamed == agent.model_copy(update={"name": "B", "updated_at": renamed.updated_at})
    assert (cleared.name, cleared.description, cleared.prompt, cleared.model_parameters) == ("B", None, None, None)
    assert cleared.model.internal_name == "us.anthropic.claude-sonnet-4-6"
    assert tools_of(cleared) == ["search"]


async def test_tools_alone_can_be_replaced(agent_db: Database, ada: User) -> None:
    """Also by none."""
    agent = await agent_db.agents.create(user_id=ada.id, name="A", tools=["search", "code"])

    assert tools_of(await agent_db.agents.update(agent.id, user_id=ada.id, tools=["browse", "code"])) == [
        "browse",
        "code",
    ]
    assert tools_of(await agent_db.agents.update(agent.id, user_id=ada.id, tools=[])) == []


@pytest.mark.parametrize("wrong", [{"tools": ["nothing"]}, {"model": "no-model"}, {"prompt_id": 12345}], ids=str)
async def test_an_update_with_something_unknown_changes_nothing(
    agent_db: Database, ada: User, wrong: dict[str, Any]
) -> None:
    """Neither the name nor the tools."""
    agent = await agent_db.agents.create(user_id=ada.id, name="A", tools=["search"])
    with pytest.raises(NotFoundError):
        await agent_db.agents.update(agent.id, **{"user_id": ada.id, "name": "B", "tools": ["code"], **wrong})

    assert await agent_db.agents.get(agent.id, user_id=ada.id) == agent


async def test_an_update_names_something(agent_db: Database, ada: User) -> None:
    """And no column beside those that belong to it."""
    agent = await agent_db.agents.create(user_id=ada.id, name="A")
    with pytest.raises(InvalidInputError, match="names what is to change"):
        await agent_db.agents.update(agent.id, user_id=ada.id)
    update: Any = agent_db.agents.update
    for column in ("owner_id", "userID", "created_at", "id"):
        with pytest.raises(TypeError):
            await update(agent.id, user_id=ada.id, **{column: 1})

    assert await agent_db.agents.get(agent.id, user_id=ada.id) == agent


async def test_updates_at_once_do_not_undo_each_other(agent_db: Database, ada: User) -> None:
    """Each changes only its own part, however they interleave."""
    agent = await agent_db.agents.create(user_id=ada.id, name="A")
    await asyncio.gather(
        agent_db.agents.update(agent.id, user_id=ada.id, name="B"),
        agent_db.agents.update(agent.id, user_id=ada.id, description="d"),
        agent_db.agents.update(agent.id, user_id=ada.id, tools=["search"]),
        agent_db.agents.update(agent.id, user_id=ada.id, model_parameters={"a": 1}),
    )
    after = await agent_db.agents.get(agent.id, user_id=ada.id)

    assert (after.name, after.description, after.model_parameters, tools_of(after)) == (
        "B",
        "d",
        {"a": 1},
        ["search"],
    )


async def test_a_tool_of_ones_own_goes_before_a_builtin_one(agent_db: Database, ada: User, bob: User) -> None:
    """Somebody else's tool is not there."""
    own = await agent_db.agents.create_tool(user_id=ada.id, name="search")
    await agent_db.agents.create_tool(user_id=bob.id, name="crm")
    agent = await agent_db.agents.create(user_id=ada.id, name="A", tools=["search", "browse"])

    assert [tool.id for tool in agent.tools if tool.name == "search"] == [own.id]
    with pytest.raises(NotFoundError, match="No tool 'crm'"):
        await agent_db.agents.update(agent.id, user_id=ada.id, tools=["crm"])


async def test_two_own_tools_of_one_name_are_a_conflict(agent_db: Database, ada: User) -> None:
    """Rows that were written without the services may be so."""
    with agent_db.use():
        for _ in range(2):
            tool = await Tool.create(name="twin", type="mcp")
            await UserTool.create(user_id=ada.id, tool=tool)

    with pytest.raises(ConflictError, match="2 tools are called 'twin'"):
        await agent_db.agents.create(user_id=ada.id, name="A", tools=["twin"])


async def test_an_editor_leaves_the_tools_that_only_the_owner_has(agent_db: Database, ada: User, bob: User) -> None:
    """Replacing tools is about those one sees."""
    await agent_db.agents.create_tool(user_id=ada.id, name="crm")
    agent = await agent_db.agents.create(user_id=ada.id, name="A", tools=["crm", "search"])
    await agent_db.agents.share(agent.id, user_id=ada.id, with_user_id=bob.id, role="editor")
    for_bob = await agent_db.agents.update(agent.id, user_id=bob.id, tools=["browse"])

    assert tools_of(for_bob) == ["browse"]
    assert tools_of(await agent_db.agents.get(agent.id, user_id=ada.id)) == ["browse", "crm"]


async def test_a_prompt_that_one_sees_can_be_used(agent_db: Database, ada: User, bob: User) -> None:
    """That of a global agent, of a shared one, or of nobody; not one of a private agent."""
    private = await agent_db.agents.create(user_id=bob.id, name="Private", prompt="mine")
    shared = await agent_db.agents.create(user_id=bob.id, name="Shared", prompt="ours")
    await agent_db.agents.share(shared.id, user_id=bob.id, with_user_id=ada.id)
    with agent_db.use():
        free = await Prompt.create(name="free", version=1, content="free")
    assert shared.prompt is not None
    assert private.prompt is not None

    for prompt_id in (1, shared.prompt.id, free.id):
        agent = await agent_db.agents.create(user_id=ada.id, name="A", prompt_id=prompt_id)
        assert agent.prompt is not None
        assert agent.prompt.id == prompt_id
    with pytest.raises(NotFoundError, match="No prompt"):
        await agent_db.agents.create(user_id=ada.id, name="A", prompt_id=private.prompt.id)
    with pytest.raises(NotFoundError, match="No prompt"):
        await agent_db.agents.update(agent.id, user_id=ada.id, prompt_id=private.prompt.id)


async def test_the_list_has_what_one_sees_the_newest_first(agent_db: Database, ada: User, bob: User) -> None:
    """Own, shared and global ones, each once, with their tools and without the texts of their prompts."""
    shared = await agent_db.agents.create(user_id=bob.id, name="Shared", model=99)
    await agent_db.agents.create(user_id=bob.id, name="Private")
    own = await agent_db.agents.create(
        user_id=ada.id, name="Own", prompt="A long text", tools=["search", "code"], description="d"
    )
    await agent_db.agents.share(shared.id, user_id=bob.id, with_user_id=ada.id, role="editor")
    with agent_db.use():
        for agent_id in (own.id, 1):  # shares that say nothing new
            await UserAgent.create(user_id=ada.id, agent_id=agent_id, role="owner")
        everything = await Agent.filter(user_id=None).order_by("-id").values_list("id", flat=True)
    page = await agent_db.agents.list(user_id=ada.id)

    assert [agent.id for agent in page.items] == [own.id, shared.id, *everything]
    assert page.next_cursor is None
    assert [(agent.visibility, agent.role) for agent in page.items[:2]] == [("own", "owner"), ("shared", "editor")]
    assert (page.items[-1].visibility, page.items[-1].role) == ("shared", "viewer")
    assert {agent.visibility for agent in page.items[2:-1]} == {"global"}
    assert (page.items[0].tools, page.items[0].description) == (("search", "code"), "d")
    assert (page.items[0].model, page.items[1].model) == (None, "mock-model")
    assert "A long text" not in page.items[0].model_dump_json()


async def test_the_list_is_paged(agent_db: Database, ada: User, bob: User) -> None:
    """Pages of any size together are the whole, also of agents in three standings."""
    for number in range(5):
        made = await agent_db.agents.create(user_id=[ada, bob][number % 2].id, name=str(number), tools=["search"])
        if number == 3:
            await agent_db.agents.share(made.id, user_id=bob.id, with_user_id=ada.id)
    whole = (await agent_db.agents.list(user_id=ada.id)).items

    for size in (1, 2, 3, len(whole)):
        found: list[Any] = []
        cursor = None
        while True:
            page = await agent_db.agents.list(user_id=ada.id, limit=size, cursor=cursor)
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
        assert tuple(found) == whole


async def test_nobody_sees_the_global_agents(agent_db: Database, ada: User) -> None:
    """In the list too."""
    await agent_db.agents.create(user_id=ada.id, name="Own")

    assert {agent.visibility for agent in (await agent_db.agents.list(user_id=None)).items} == {"global"}


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 10**9}, {"cursor": "x"}, {"user_id": "1"}], ids=str)
async def test_a_bad_page_is_refused(agent_db: Database, ada: User, wrong: dict[str, Any]) -> None:
    """The same error on every engine."""
    agent = await agent_db.agents.create(user_id=ada.id, name="A")

    with pytest.raises(InvalidInputError):
        await agent_db.agents.list(**{"user_id": ada.id, **wrong})
    with pytest.raises(InvalidInputError):
        await agent_db.agents.prompts(agent.id, **{"user_id": ada.id, **wrong})
    with pytest.raises(InvalidInputError):
        await agent_db.agents.shares(agent.id, **{"user_id": ada.id, **wrong})


async def test_deleting_an_agent_takes_all_that_is_its_own(agent_db: Database, ada: User, bob: User) -> None:
    """Conversations of its owner softly, those of others stay; resources with their vectors, links, shares, prompts."""
    agent = await agent_db.agents.create(user_id=ada.id, name="A", prompt="one", tools=["search"])
    await agent_db.agents.publish_prompt(agent.id, "two", user_id=ada.id)
    await agent_db.agents.share(agent.id, user_id=ada.id, with_user_id=bob.id)
    other = await agent_db.agents.create(user_id=ada.id, name="B", prompt="other", tools=["search"])
    talks = {
        (user.id, of.id): await agent_db.conversations.start(user_id=user.id, agent_id=of.id)
        for user, of in ((ada, agent), (bob, agent), (ada, other))
    }
    with agent_db.use():
        resources: dict[str, dict[str, Any]] = {
            "its own": {"agent_id": agent.id},
            "its memory of Ada": {"agent_id": agent.id, "user_id": ada.id},
            "Bob's": {"agent_id": agent.id, "user_id": bob.id},
            "a file in a talk": {
                "agent_id": agent.id,
                "user_id": ada.id,
                "conversation_id": talks[ada.id, agent.id].id,
            },
            "another's": {"agent_id": other.id},
        }
        for name, values in resources.items():
            resource = await Resource.create(name=name, **values)
            await Vector.create(resource=resource, content=name)
    await agent_db.agents.delete(agent.id, user_id=ada.id)

    with agent_db.use():
        assert await Agent.filter(id=agent.id).count() == 0
        assert await AgentTool.filter(agent_id=agent.id).count() == 0
        assert await UserAgent.filter(agent_id=agent.id).count() == 0
        assert await Prompt.filter(name=f"agent:{agent.id}").count() == 0
        kept = {"Bob's", "a file in a talk", "another's"}
        assert {resource.name for resource in await Resource.all()} == kept
        assert {vector.content for vector in await Vector.all()} == kept
        of_ada, of_bob, of_other = [await Conversation.get(id=talk.id) for talk in talks.values()]
    assert (bool(of_ada.deleted), of_ada.deleted_at is not None, of_ada.agent_id) == (True, True, None)
    assert not of_bob.deleted
    assert of_bob.agent_id is None
    assert of_bob.updated_at == talks[bob.id, agent.id].updated_at
    assert (bool(of_other.deleted), of_other.agent_id) == (False, other.id)
    assert tools_of(await agent_db.agents.get(other.id, user_id=ada.id)) == ["search"]


async def test_a_conversation_deleted_before_keeps_its_time(agent_db: Database, ada: User) -> None:
    """Deleting its agent deletes it no second time."""
    agent = await agent_db.agents.create(user_id=ada.id, name="A")
    talk = await agent_db.conversations.start(user_id=ada.id, agent_id=agent.id)
    with agent_db.use():
        await Conversation.filter(id=talk.id).update(deleted=True, deleted_at=talk.created_at)
    await agent_db.agents.delete(agent.id, user_id=ada.id)

    with agent_db.use():
        after = await Conversation.get(id=talk.id)
    assert (after.deleted_at, after.updated_at, after.agent_id) == (talk.created_at, talk.updated_at, None)


async def test_a_prompt_that_another_agent_uses_outlives_its_agent(agent_db: Database, ada: User, bob: User) -> None:
    """Only versions that nobody uses go with the agent that published them."""
    agent = await agent_db.agents.create(user_id=ada.id, name="A", prompt="ours")
    assert agent.prompt is not None
    await agent_db.agents.share(agent.id, user_id=ada.id, with_user_id=bob.id)
    other = await agent_db.agents.create(user_id=bob.id, name="B", prompt_id=agent.prompt.id)
    await agent_db.agents.publish_prompt(agent.id, "newer", user_id=ada.id)
    await agent_db.agents.delete(agent.id, user_id=ada.id)

    assert (await agent_db.agents.get(other.id, user_id=bob.id)).prompt == agent.prompt
    with agent_db.use():
        assert await Prompt.filter(name=f"agent:{agent.id}").count() == 1


async def test_conversations_started_while_an_agent_is_deleted(agent_db: Database, ada: User) -> None:
    """Each is deleted with it, or is told that there is no such agent."""
    agent = await agent_db.agents.create(user_id=ada.id, name="A")

    async def start() -> int | None:
        try:
            return (await agent_db.conversations.start(user_id=ada.id, agent_id=agent.id)).id
        except (NotFoundError, ConflictError):
            return None

    *started, _ = await asyncio.gather(*(start() for _ in range(8)), agent_db.agents.delete(agent.id, user_id=ada.id))

    with agent_db.use():
        alive = await Conversation.filter(id__in=[one for one in started if one], deleted=False).count()
    assert alive == 0


async def test_an_agent_is_deleted_once(agent_db: Database, ada: User) -> None:
    """Then it is not there."""
    agent = await agent_db.agents.create(user_id=ada.id, name="A")
    await agent_db.agents.delete(agent.id, user_id=ada.id)

    with pytest.raises(NotFoundError):
        await agent_db.agents.delete(agent.id, user_id=ada.id)
    with pytest.raises(NotFoundError):
        await agent_db.agents.get(agent.id, user_id=ada.id)


async def test_global_agents_are_changed_by_no_user(agent_db: Database, ada: User) -> None:
    """Not even by one with whom somebody shared one as its owner."""
    with agent_db.use():
        await UserAgent.create(user_id=ada.id, agent_id=1, role="owner")
    before = await agent_db.agents.get(1, user_id=ada.id)
    calls: list[Any] = [
        agent_db.agents.update(1, user_id=ada.id, name="Mine"),
        agent_db.agents.update(1, user_id=ada.id, tools=[]),
        agent_db.agents.delete(1, user_id=ada.id),
        agent_db.agents.publish_prompt(1, "Mine", user_id=ada.id),
        agent_db.agents.use_prompt(1, 1, user_id=ada.id),
        agent_db.agents.share(1, user_id=ada.id, with_user_id=ada.id),
        agent_db.agents.unshare(1, user_id=ada.id, with_user_id=ada.id),
    ]
    for call in calls:
        with pytest.raises(AccessDeniedError, match="Agent 1 is global"):
            await call

    assert await agent_db.agents.get(1, user_id=ada.id) == before


async def test_somebody_elses_agent_is_not_there(agent_db: Database, ada: User, bob: User) -> None:
    """For every call, and nothing changes."""
    agent = await agent_db.agents.create(user_id=ada.id, name="A", prompt="p", tools=["search"])
    before = await counts(agent_db)
    agents = agent_db.agents
    calls: list[Any] = [
        agents.get(agent.id, user_id=bob.id),
        agents.update(agent.id, user_id=bob.id, name="Mine"),
        agents.update(agent.id, user_id=bob.id, tools=[]),
        agents.delete(agent.id, user_id=bob.id),
        agents.publish_prompt(agent.id, "Mine", user_id=bob.id),
        agents.use_prompt(agent.id, 1, user_id=bob.id),
        agents.prompts(agent.id, user_id=bob.id),
        agents.share(agent.id, user_id=bob.id, with_user_id=bob.id, role="owner"),
        agents.unshare(agent.id, user_id=bob.id, with_user_id=ada.id),
        agents.shares(agent.id, user_id=bob.id),
    ]
    for call in calls:
        with pytest.raises(NotFoundError, match=f"No agent {agent.id}"):
            await call

    assert await counts(agent_db) == before
    assert await agents.get(agent.id, user_id=ada.id) == agent
    assert agent.id not in {one.id for one in (await agents.list(user_id=bob.id)).items}


async def test_a_deadline_ends_the_call(agent_db: Database, ada: User) -> None:
    """And nothing is done."""
    agent = await agent_db.agents.create(user_id=ada.id, name="A")
    with pytest.raises(DeadlineError):
        await agent_db.agents.update(agent.id, user_id=ada.id, name="B", timeout=0)

    assert await agent_db.agents.get(agent.id, user_id=ada.id) == agent
