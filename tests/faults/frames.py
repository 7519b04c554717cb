"""As much of PostgreSQL's protocol as it takes to find a commit."""

from __future__ import annotations

import re
import struct
from asyncio import StreamReader
from typing import Final, Literal, NamedTuple, TypeAlias

Commit: TypeAlias = Literal["COMMIT", "statement"]
"""What makes a write last: the end of a transaction, or a statement outside of any."""

SSL_REQUEST: Final = 80877103
GSS_REQUEST: Final = 80877104
CANCEL_REQUEST: Final = 80877102

ENDS: Final = frozenset(b"SQXHpFfdc")
"""Messages of a client after which it may wait for an answer: Sync, Query, Terminate and the like."""

READY: Final = ord("Z")

_WRITES: Final = re.compile(rb'\b(INSERT\s+INTO|DELETE\s+FROM|UPDATE\s+")', re.IGNORECASE)


class Frame(NamedTuple):
    """One message."""

    type: int
    body: bytes

    @property
    def data(self) -> bytes:
        """As it was sent."""
        return struct.pack("!BI", self.type, len(self.body) + 4) + self.body


async def read_frame(reader: StreamReader) -> Frame:
    """The next message."""
    type_, length = struct.unpack("!BI", await reader.readexactly(5))
    return Frame(type_, await reader.readexactly(length - 4))


async def read_startup(reader: StreamReader) -> tuple[int, bytes]:
    """The first message, which has no type: its code, and all of it."""
    head = await reader.readexactly(4)
    (length,) = struct.unpack("!I", head)
    body = await reader.readexactly(length - 4)
    (code,) = struct.unpack("!I", body[:4])
    return code, head + body


class Conversation:
    """What is known of one connection."""

    def __init__(self) -> None:
        self._writing: dict[bytes, bool] = {}
        self._is_outside = True

    def heard(self, frame: Frame) -> None:
        """The server said this."""
        if frame.type == READY:
            self._is_outside = frame.body == b"I"

    def commit_in(self, batch: list[Frame]) -> Commit | None:
        """What these messages of the client make last."""
        found: Commit | None = None
        for frame in batch:
            if frame.type == ord("P"):
                name, sql = frame.body.split(b"\0", 2)[:2]
                self._writing[name] = bool(_WRITES.search(sql))
            elif frame.type == ord("B"):
                statement = frame.body.split(b"\0", 2)[1]
                if self._is_outside and self._writing.get(statement):
                    found = "statement"
            elif frame.type == ord("Q") and frame.body.upper().startswith(b"COMMIT"):
                found = "COMMIT"
        return found
