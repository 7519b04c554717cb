"""Messages on their way to the database: one, or the columns of many.

An object for each of twenty thousand messages makes Python look through all objects of the process again and again,
which stops every task for a tenth of a second. Texts and numbers in a few lists do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Final, NamedTuple, overload

import orjson

# What is done at once on the event loop's thread takes a millisecond or two.
_PAGE_BYTES: Final = 1024 * 1024
_PAGE_ROWS: Final = 1000

_ROLES: Final = {role[0]: role for role in ("user", "assistant")}


class Sent(NamedTuple):
    """A message as it goes to the database.

    Attributes:
        content: JSON text.
    """

    role: str
    content: str
    parent_id: int | None


@dataclass(slots=True)
class SentMany(Sequence[Sent]):
    """Messages that go to the database together.

    Attributes:
        roles: Their first letters.
    """

    roles: list[str] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)
    parent_ids: list[int | None] = field(default_factory=list)

    @classmethod
    def of(cls, messages: Iterable[Sent]) -> SentMany:
        """These messages."""
        many = cls()
        for sent in messages:
            many.add(*sent)
        return many

    def add(self, role: str, content: str, parent_id: int | None) -> None:
        """Put one more at the end."""
        self.roles.append(role[0])
        self.contents.append(content)
        self.parent_ids.append(parent_id)

    def __len__(self) -> int:
        return len(self.contents)

    @overload
    def __getitem__(self, index: int) -> Sent: ...
    @overload
    def __getitem__(self, index: slice) -> SentMany: ...
    def __getitem__(self, index: int | slice) -> Sent | SentMany:
        if isinstance(index, slice):
            return SentMany(self.roles[index], self.contents[index], self.parent_ids[index])
        return Sent(_ROLES[self.roles[index]], self.contents[index], self.parent_ids[index])

    def at(self, positions: range) -> tuple[Iterator[str], Iterator[str], Iterator[int | None]]:
        """Roles, contents and what they follow of the messages at these positions."""
        roles = map(_ROLES.__getitem__, map(self.roles.__getitem__, positions))
        return roles, map(self.contents.__getitem__, positions), map(self.parent_ids.__getitem__, positions)

    @property
    def size(self) -> int:
        """Characters of content."""
        return sum(map(len, self.contents))

    @property
    def parents(self) -> Set[int]:
        """All that they follow."""
        return {parent_id for parent_id in self.parent_ids if parent_id is not None}

    def pages(self) -> Iterator[SentMany]:
        """Those that a statement takes at once, one page after the other."""
        start, size = 0, 0
        for position, content in enumerate(self.contents):
            size += len(content)
            if position > start and (size > _PAGE_BYTES or position - start == _PAGE_ROWS):
                yield self[start:position]
                start, size = position, len(content)
        yield self[start:]


class Batch(NamedTuple):
    """Messages that one call sends, and all that they follow."""

    messages: SentMany
    parents: Set[int]


def columns_of(messages: SentMany) -> dict[str, str | bytes | None]:
    """The messages of one statement: contents are JSON already, and a role is told by its first letter, a byte."""
    return {
        "contents": f"[{','.join(messages.contents)}]",
        "roles": "".join(messages.roles).encode(),
        "parents": orjson.dumps(messages.parent_ids).decode() if messages.parents else None,
    }
