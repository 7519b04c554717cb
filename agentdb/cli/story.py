"""The demo's conversation, printed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, astuple, fields
from decimal import Decimal

from agentdb.cli.demo import Spent, Story
from agentdb.cli.mock_model import Block
from agentdb.cli.output import Table


def story_data(story: Story) -> dict[str, object]:
    """For programs."""
    agent = story.agent
    return {
        "location": story.location,
        "user": {"id": story.user.id, "email": story.user.email, "budget_usd": story.user.budget},
        "agent": {
            "name": agent.name,
            "prompt": agent.prompt and {"name": agent.prompt.name, "version": agent.prompt.version},
            "model": agent.model.internal_name,
            "tools": [tool.name for tool in agent.tools],
        },
        "conversation": {
            "id": story.conversation_id,
            "messages": [
                {"id": message.id, "role": message.role, "content": message.content} for message in story.messages
            ],
        },
        "models": [asdict(one) for one in story.spent],
        "spent_usd": _total(story),
        "remaining_usd": story.remaining_usd,
    }


def story_shown(story: Story) -> Iterator[str | Table]:
    """For people: who, what was said, what it cost."""
    agent = story.agent
    yield Table(
        [
            ("database", story.location),
            ("user", story.user.email),
            ("agent", agent.name),
            ("prompt", f"{agent.prompt.name}, version {agent.prompt.version}" if agent.prompt else "none"),
            ("model", agent.model.internal_name),
            ("tools", ", ".join(str(tool.name) for tool in agent.tools)),
        ]
    )
    yield "\n".join(_line(str(message.role), block) for message in story.messages for block in message.content)
    yield Table(
        [astuple(one) for one in story.spent],
        [field.name.removesuffix("_tokens").replace("_", " ") for field in fields(Spent)],
    )
    yield Table(
        [
            ("budget", story.user.budget),
            ("spent", _total(story)),
            ("remaining", story.remaining_usd),
        ],
        ("", "US dollars"),
    )


def _line(role: str, block: Block) -> str:
    if "toolUse" in block:
        use = block["toolUse"]
        return f"{role} uses {use['name']}: {'; '.join(use['input']['source'].splitlines())}"
    if "toolResult" in block:
        return f"{role} gives the result: {' '.join(part['text'] for part in block['toolResult']['content'])}"
    return f"{role}: {block['text']}"


def _total(story: Story) -> Decimal:
    return sum((one.cost_usd for one in story.spent), Decimal(0))
