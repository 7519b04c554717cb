"""Messages as the model API takes them: lists of blocks, each of one kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from agentdb.engine.values import json_text
from agentdb.errors import InvalidInputError

MessageRole: TypeAlias = Literal["user", "assistant"]
Content: TypeAlias = Sequence[Mapping[str, Any]]

KINDS: Final = ("text", "toolUse", "toolResult", "reasoningContent", "document", "image")

# Only a model asks for a tool, and only its caller answers, so no message can hold both.
_FOREIGN: Final = {"user": "toolUse", "assistant": "toolResult"}


def message_role(value: Any) -> str:
    """`user` or `assistant`.

    Raises:
        InvalidInputError: Anything else.
    """
    if not isinstance(value, str) or value not in _FOREIGN:
        raise InvalidInputError(f"role is one of {', '.join(_FOREIGN)}, found {value!r:.80}.")
    return value


def content_json(content: Any, role: str) -> str:
    """A message's content as JSON text.

    Raises:
        InvalidInputError: Not a list of blocks, an empty one, a block that is not of exactly one kind or not for this
            role, or something that JSON, or not every engine, can keep.
    """
    if not isinstance(content, (list, tuple)) or not content:
        raise InvalidInputError(f"content is a list of blocks that is not empty, found {content!r:.80}.")
    for position, block in enumerate(content):
        _check_block(block, position, role)
    return json_text(content)


def _check_block(block: Any, position: int, role: str) -> None:
    if not isinstance(block, Mapping):
        raise InvalidInputError(f"content[{position}] is an object, found {type(block).__name__} {block!r:.80}.")
    kinds = [kind for kind in KINDS if kind in block]
    if len(kinds) != 1:
        raise InvalidInputError(
            f"content[{position}] has exactly one of {', '.join(KINDS)}, found {list(block)!r:.80}."
        )
    (kind,) = kinds
    if kind == _FOREIGN[role]:
        raise InvalidInputError(f"content[{position}] is a {kind}, which a message of role {role!r} cannot have.")
    expected: type = str if kind == "text" else Mapping
    if not isinstance(block[kind], expected):
        wanted = "a text" if kind == "text" else "an object"
        raise InvalidInputError(
            f"content[{position}].{kind} is {wanted}, found {type(block[kind]).__name__} {block[kind]!r:.80}."
        )
