"""A language model and a tool that need no network: they answer one conversation, always in the same words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from agentdb.types import Tokens

Block: TypeAlias = Mapping[str, Any]
"""A part of a message: a text, the wish to use a tool, or what the tool gave."""

QUESTIONS: Final = (
    "Yesterday 1,284 of our 96,310 API requests failed. We promise that 99% succeed. Did we keep the promise?",
    "How many may fail today, at the same traffic, so that we reach 99% over both days?",
    "Write that in one line for the team channel.",
)

_CALCULATION: Final = "failed, total = 1284, 96310\nprint(f'{1 - failed / total:.2%}', failed - total // 100)"

_ANSWERS: Final[Sequence[Sequence[Block]]] = (
    (
        {"text": "I will work that out exactly."},
        {"toolUse": {"toolUseId": "calculation-1", "name": "code", "input": {"source": _CALCULATION}}},
    ),
    ({"text": "No. 98.67% succeeded. The promise allows 963 failures a day, and there were 321 more."},),
    ({"text": "642. Both days together allow 1,926 failures, and 1,284 of them happened yesterday."},),
    ({"text": "API success yesterday: 98.67% (promised: 99%). With at most 642 failures today we still keep it."},),
)


class Reply(NamedTuple):
    """What a model gives back."""

    content: Sequence[Block]
    tokens: Tokens


async def mock_model(system: str, messages: Sequence[Sequence[Block]]) -> Reply:
    """The next answer of the script.

    Args:
        system: The agent's prompt.
        messages: The content of all messages so far. Every other one was ours; what was sent before comes from a cache.
    """
    answered = len(messages) // 2
    content = _ANSWERS[answered]
    *known, newest = messages
    tokens = Tokens(input=_tokens(newest), output=_tokens(content))
    if answered:
        return Reply(content, tokens._replace(cache_read=_tokens(system, *known)))
    return Reply(content, tokens._replace(cache_write=_tokens(system)))


async def mock_tool(use: Block) -> Block:
    """What a sandbox prints for the one program that the model writes."""
    failed, total = 1284, 96310
    printed = f"{1 - failed / total:.2%} {failed - total // 100}"
    return {"toolResult": {"toolUseId": use["toolUseId"], "status": "success", "content": [{"text": printed}]}}


def _tokens(*parts: object) -> int:
    # Four characters are about one token of English.
    return sum(len(str(part)) for part in parts) // 4
