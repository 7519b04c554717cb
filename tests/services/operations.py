"""What may be done with a database, as data: a sequence of operations, drawn before anything is known of the answers.

So an operation names what it is about by its place among the things that were seen by then, counted round and round:
taking any other operation out of the sequence leaves it meaningful, which is what makes a failing sequence short.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Seen:
    """Something that an earlier answer showed, such as the id of a conversation.

    Attributes:
        number: Its place among those of its kind: 0 the first, -1 the last.
        is_own: Only among what belongs to the user who calls, or to nobody.
    """

    kind: str
    number: int
    is_own: bool = True


@dataclass(frozen=True, slots=True)
class Kept:
    """A cursor or an API key, which differ between two databases: the one that the answer of this place showed."""

    kind: str
    place: int


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a service, such as `conversations.start`."""

    method: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Again:
    """An earlier call, once more.

    Attributes:
        is_keyed: Only among those with a request_id.
        twist: Unchanged, with one argument changed, or with the same arguments in other words, such as 1.0 for 1.
    """

    number: int
    is_keyed: bool
    twist: Literal["unchanged", "changed", "reworded"]


@dataclass(frozen=True, slots=True)
class NextPage:
    """An earlier call whose answer had a cursor, with that cursor."""

    number: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Time goes by."""

    duration: timedelta


@dataclass(frozen=True, slots=True)
class Block:
    """Operations in one transaction, which may hold further ones.

    Attributes:
        end: Kept, taken back, or left by the first error.
    """

    operations: tuple[Operation, ...]
    end: Literal["commit", "roll back", "first error"]


Operation: TypeAlias = Call | Again | NextPage | Wait | Block
