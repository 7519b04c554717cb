"""Messages as the model API takes them: lists of blocks, each of one kind."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import orjson

from agentdb.engine.values import INTEGER_MAX, INTEGER_MIN, MAX_JSON_BYTES, MAX_JSON_DEPTH, json_text
from agentdb.errors import InvalidInputError, shape
from agentdb.services._input import about, one_of

MessageRole: TypeAlias = Literal["user", "assistant"]
Content: TypeAlias = Sequence[Mapping[str, Any]]

KINDS: Final = ("text", "toolUse", "toolResult", "reasoningContent", "document", "image")

MIN_SUMMARY: Final = 50

# Only a model asks for a tool, and only its caller answers, so no message can hold both.
_FOREIGN: Final = {"user": "toolUse", "assistant": "toolResult"}


def message_role(value: Any) -> str:
    """`user` or `assistant`.

    Raises:
        InvalidInputError: Anything else.
    """
    return one_of(_FOREIGN, value, "role")


def content_json(content: Any, role: str) -> str:
    """A message's content as JSON text.

    Raises:
        InvalidInputError: Not a list of blocks, an empty one, a block that is not of exactly one kind or not for this
            role, or something that JSON, or not every engine, can keep.
    """
    if not isinstance(content, (list, tuple)) or not content:
        raise InvalidInputError(f"content is a list of blocks that is not empty, found {shape(content)}.")
    is_plain = type(content) is list
    for position, block in enumerate(content):
        if type(block) is dict and len(block) == 1 and type(text := block.get("text")) is str:
            is_plain = is_plain and "\x00" not in text
        else:
            _check_block(block, position, role)
            is_plain = is_plain and _is_plain(block, depth=2)
    return (_quick_json(content) if is_plain else None) or about("content", json_text, content)


def summary_content(summary: Any) -> Any:
    """The content of a summary, which may be given as its text.

    Raises:
        InvalidInputError: Its first block has no text of at least 50 characters.
    """
    content = [{"text": summary}] if isinstance(summary, str) else summary
    if not is_summary(content):
        raise InvalidInputError(
            f"A summary begins with a text of at least {MIN_SUMMARY} characters, found {shape(summary)}. "
            "A shorter one would hide what was said and not replace it."
        )
    return content


def is_summary(content: Any) -> bool:
    """Whether a message with this content can stand for all that was said before it."""
    first = content[0] if isinstance(content, (list, tuple)) and content else None
    text = first.get("text") if isinstance(first, Mapping) else None
    return isinstance(text, str) and len(text) >= MIN_SUMMARY


def _quick_json(value: Any) -> str | None:
    """What `json_text` gives for what is plain, in a third of the time; None where only that can say what is wrong."""
    try:
        encoded = orjson.dumps(value)
    except TypeError:  # a lone surrogate
        return None
    return encoded.decode() if len(encoded) <= MAX_JSON_BYTES else None


def _is_plain(value: Any, depth: int) -> bool:
    """Whether it is made of Python's own types, and of nothing that one engine would take and another refuse."""
    kind = type(value)
    if depth > MAX_JSON_DEPTH:
        return False
    if kind is str:
        return "\x00" not in value
    if kind is int:
        return bool(INTEGER_MIN <= value <= INTEGER_MAX)
    if kind is float:
        return math.isfinite(value)
    if kind is list:
        return False not in [_is_plain(item, depth + 1) for item in value]
    if kind is dict:
        return False not in [
            type(key) is str and "\x00" not in key and _is_plain(item, depth + 1) for key, item in value.items()
        ]
    return value is None or kind is bool


def _check_block(block: Any, position: int, role: str) -> None:
    if not isinstance(block, Mapping):
        raise InvalidInputError(f"content[{position}] is an object, found {shape(block)}.")
    kinds = [kind for kind in KINDS if kind in block]
    if len(kinds) != 1:
        raise InvalidInputError(
            f"content[{position}] has exactly one of {', '.join(KINDS)}, found {len(kinds)} of them."
        )
    (kind,) = kinds
    if kind == _FOREIGN[role]:
        raise InvalidInputError(f"content[{position}] is a {kind}, which a message of role {role!r} cannot have.")
    expected: type = str if kind == "text" else Mapping
    if not isinstance(block[kind], expected):
        wanted = "a text" if kind == "text" else "an object"
        raise InvalidInputError(f"content[{position}].{kind} is {wanted}, found {shape(block[kind])}.")
