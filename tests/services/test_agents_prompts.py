"""Versions of the prompts of agents."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentdb import AccessDeniedError, Database, InvalidInputError, NotFoundError, Prompt
from agentdb.records import Agent, User

pytestmark = pytest.mark.agentdb(engine="both")


def prompt_of(agent: Agent) -> tuple[int | None, str | None]:
    """Version and text."""
    assert agent.prompt is not None
    return agent.prompt.version, agent.prompt.content


async def test_publishing_makes_a_version_and_switches_to_it(agent_db: Database, ada: User) -> None:
    """The version before stays as it is."""
    agent = await agent_db.agents.create(user_id=ada.id, name="A", prompt="one")
    after = await agent_db.agents.publish_prompt(agent.id, "two", user_id=ada.id)
    page = await agent_db.agents.prompts(agent.id, user_id=ada.id)

    assert prompt_of(after) == (2, "two")
    assert after == await agent_db.agents.resolve("A", user_id=ada.id)
    assert [(prompt.version, prompt.content) for prompt in page.items] == [(2, "two"), (1, "one")]


async def test_an_agent_without_a_prompt_gets_one(agent_db: Database, ada: User) -> None:
    """Its version 1."""
    agent = await agent_db.agents.create(user_id=ada.id, name="A")

    assert prompt_of(await agent_db.agents.publish_prompt(agent.id, "one", user_id=ada.id)) == (1, "one")


async def test_publishing_never_changes_another_agents_prompt(agent_db: Database, ada: User, bob: User) -> None:
    """Neither its text nor its versions; the agent that publishes keeps a copy of what it had."""
    agent = await agent_db.agents.create(user_id=ada.id, name="A", prompt_id=1)
    common = await agent_db.agents.get(1, user_id=bob.id)
    after = await agent_db.agents.publish_prompt(agent.id, "Mine", user_id=ada.id)
    page = await agent_db.agents.prompts(agent.id, user_id=ada.id)
    with agent_db.use():
        versions = [prompt.version for prompt in await Prompt.filter(name="ada-system-prompt")]

    assert common.prompt is not None
    assert prompt_of(after) == (2, "Mine")
    assert [(prompt.version, prompt.content) for prompt in page.items] == [(2, "Mine"), (1, common.prompt.content)]
    assert await agent_db.agents.get(1, user_id=bob.id) == common
    assert versions == [1]


async def test_two_agents_with_one_prompt_part_when_one_publishes(agent_db: Database, ada: User, bob: User) -> None:
    """Neither sees what the other publishes."""
    first = await agent_db.agents.create(user_id=ada.id, name="A", prompt="ours")
    assert first.prompt is not None
    await agent_db.agents.share(first.id, user_id=ada.id, with_user_id=bob.id)
    second = await agent_db.agents.create(user_id=bob.id, name="B", prompt_id=first.prompt.id)
    await agent_db.agents.publish_prompt(second.id, "Bob's", user_id=bob.id)
    await agent_db.agents.publish_prompt(first.id, "Ada's", user_id=ada.id)
    for_ada = await agent_db.agents.prompts(first.id, user_id=ada.id)
    for_bob = await agent_db.agents.prompts(second.id, user_id=bob.id)

    assert [prompt.content for prompt in for_ada.items] == ["Ada's", "ours"]
    assert [prompt.content for prompt in for_bob.items] == ["Bob's", "ours"]


async def test_versions_at_once_are_unique_and_grow(agent_db: Database, ada: User) -> None:
    """Each publication gets its number, and the agent has the last one."""
    agent = await agent_db.agents.create(user_id=ada.id, name="A", prompt="0")
    published = await asyncio.gather(
        *(agent_db.agents.publish_prompt(agent.id, str(number), user_id=ada.id) for number in range(10))
    )
    after = await agent_db.agents.get(agent.id, user_id=ada.id)
    page = await agent_db.agents.prompts(agent.id, user_id=ada.id)

    assert sorted(prompt_of(one)[0] or 0 for one in published) == list(range(2, 12))
    assert [prompt.version for prompt in page.items] == list(range(11, 0, -1))
    assert after.prompt == page.items[0]


async def test_an_earlier_version_can_be_used_again(agent_db: Database, ada: User) -> None:
    """A version published after that gets a number of its own."""
    agent = await agent_db.agents.create(user_id=ada.id, name="A", prompt="one")
    await agent_db.agents.publish_prompt(agent.id, "two", user_id=ada.id)
    back = await agent_db.agents.use_prompt(agent.id, 1, user_id=ada.id)
    after = await agent_db.agents.publish_prompt(agent.id, "three", user_id=ada.id)

    assert prompt_of(back) == (1, "one")
    assert prompt_of(after) == (3, "three")
    with pytest.raises(NotFoundError, match="No version of the prompt of agent"):
        await agent_db.agents.use_prompt(agent.id, 4, user_id=ada.id)


async def test_versions_are_paged(agent_db: Database, ada: User) -> None:
    """The newest first, also where the agent uses an old one."""
    agent = await agent_db.agents.create(user_id=ada.id, name="A", prompt="1")
    for number in range(2, 6):
        await agent_db.agents.publish_prompt(agent.id, str(number), user_id=ada.id)
    await agent_db.agents.use_prompt(agent.id, 1, user_id=ada.id)
    found: list[Any] = []
    cursor = None
    while not found or cursor is not None:
        page = await agent_db.agents.prompts(agent.id, user_id=ada.id, limit=2, cursor=cursor)
        found += page.items
        cursor = page.next_cursor

    assert [prompt.content for prompt in found] == ["5", "4", "3", "2", "1"]


async def test_a_viewer_sees_the_prompt_in_use_and_no_other(agent_db: Database, ada: User, bob: User) -> None:
    """What was published before may not have been meant for them."""
    agent = await agent_db.agents.create(user_id=ada.id, name="A", prompt="one")
    await agent_db.agents.share(agent.id, user_id=ada.id, with_user_id=bob.id)

    assert prompt_of(await agent_db.agents.get(agent.id, user_id=bob.id)) == (1, "one")
    with pytest.raises(AccessDeniedError):
        await agent_db.agents.prompts(agent.id, user_id=bob.id)


@pytest.mark.parametrize("content", ["", None, 1, "\x00", "\ud800"])
async def test_bad_text_is_refused(agent_db: Database, ada: User, content: Any) -> None:
    """And nothing is published."""
    agent = await agent_db.agents.create(user_id=ada.id, name="A", prompt="one")
    with pytest.raises(InvalidInputError):
        await agent_db.agents.publish_prompt(agent.id, content, user_id=ada.id)

    assert len((await agent_db.agents.prompts(agent.id, user_id=ada.id)).items) == 1
