"""Stored secrets, changed in one bit, cut off, or put where they do not belong."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Column: TypeAlias = Literal["Provider.apiKey", "UserTool.credential", "User.apiKey"]

COLUMNS: Final[Sequence[Column]] = ("Provider.apiKey", "UserTool.credential", "User.apiKey")


@dataclass(frozen=True, slots=True)
class Stored:
    """A secret where it belongs.

    Attributes:
        text: What is stored there, without the JSON around it.
    """

    column: Column
    row_id: int
    text: str


@dataclass(frozen=True, slots=True)
class Changed:
    """What stands in the place of a secret now.

    Attributes:
        how: In a word, for the message of a failure.
        text: As text; on SQLite `raw` bytes may stand there instead.
        is_json: It is the whole JSON of the column rather than the text inside.
    """

    how: str
    where: Stored
    text: str
    raw: bytes | None = None
    is_json: bool = False


def changes(
    draw: random.Random, stored: Sequence[Stored], foreign: Sequence[Stored], *, is_file: bool
) -> Iterator[Changed]:
    """Changes of one kind after the other, without end. Each is another value than the one that belongs there.

    Args:
        foreign: Secrets of the same places in another database, under its own keys.
        is_file: SQLite takes bytes that are no text, and text that is no JSON.
    """
    kinds: list[Callable[[Stored], Changed]] = [
        lambda one: Changed("flip", one, _flipped(draw, one.text)),
        lambda one: Changed("cut", one, one.text[: draw.randrange(1, len(one.text))]),
        lambda one: Changed("longer", one, one.text + draw.choice("AQgw_-=$ ")),
        lambda one: Changed("other row", one, draw.choice(_others(stored, one)).text),
        lambda one: Changed("other database", one, _same_place(foreign, one).text),
        lambda one: Changed("other key", one, _relabelled(draw, one.text, stored)),
        lambda one: Changed("unknown key", one, f"agd1${draw.randrange(16**8):08x}${one.text.split('$')[2]}"),
        lambda one: Changed("halves of two", one, _spliced(one, draw.choice(_others(stored, one)))),
    ]
    if is_file:
        kinds += [
            lambda one: Changed("byte", one, "", raw=_flipped_byte(draw, one)),
            lambda one: Changed("JSON", one, _flipped(draw, json.dumps({"sealed": one.text})), is_json=True),
        ]
    while True:
        for kind in kinds:
            for column in COLUMNS:
                one = draw.choice([each for each in stored if each.column == column])
                changed = kind(one)
                # A digest that stands with another user is that user's now: the digest itself is unharmed.
                if one.column == "User.apiKey" and changed.how in ("other row", "other database", "JSON"):
                    continue
                assert changed.raw is not None or changed.text != one.text
                yield changed


def sealed_json(text: str) -> str:
    """What `UserTool.credential` holds."""
    return json.dumps({"sealed": text})


def _flipped(draw: random.Random, text: str) -> str:
    at = draw.randrange(len(text))
    return text[:at] + chr(ord(text[at]) ^ 1 << draw.randrange(8)) + text[at + 1 :]


def _flipped_byte(draw: random.Random, one: Stored) -> bytes:
    text = sealed_json(one.text) if one.column == "UserTool.credential" else one.text
    data = bytearray(text.encode())
    data[draw.randrange(len(data))] ^= 0x80
    return bytes(data)


def _others(stored: Sequence[Stored], one: Stored) -> list[Stored]:
    return [each for each in stored if each is not one and each.column != "User.apiKey"]


def _same_place(foreign: Sequence[Stored], one: Stored) -> Stored:
    return next(each for each in foreign if (each.column, each.row_id) == (one.column, one.row_id))


def _relabelled(draw: random.Random, text: str, stored: Sequence[Stored]) -> str:
    prefix, key_id, payload = text.split("$")
    known = sorted({each.text.split("$")[1] for each in stored} - {key_id})
    return f"{prefix}${draw.choice(known)}${payload}"


def _spliced(one: Stored, other: Stored) -> str:
    half = len(one.text) // 2
    return one.text[:half] + other.text[half:]
