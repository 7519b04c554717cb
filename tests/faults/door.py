"""Stands before a server on loopback and says how it is about TLS: the embedded server itself has none."""

from __future__ import annotations

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from tests.faults.relay import carry

SSL_REQUEST: Final = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"

# An ErrorResponse of pg_hba.conf's kind.
_FIELDS: Final = b"SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry, no encryption\0\0"
_ENCRYPT: Final = b"E" + (len(_FIELDS) + 4).to_bytes(4, "big") + _FIELDS


@dataclass(slots=True)
class Door:
    """An open one.

    Attributes:
        asked: How often somebody asked for TLS.
        encrypted: How many connections were made with TLS, as far as the server is concerned.
        plain: What came in plain text, of connections that were not encrypted.
    """

    port: int = 0
    asked: int = 0
    encrypted: int = 0
    plain: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def door(
    server: tuple[str, int], context: ssl.SSLContext | None, *, admits_plain: bool = True
) -> AsyncIterator[Door]:
    """A way to `server` for the length of the block.

    Args:
        context: How it encrypts; None for one that answers that it does not.
        admits_plain: Whether it carries what is not encrypted; if not, it refuses as pg_hba.conf would.
    """
    opened = Door()
    busy: set[asyncio.Task[None]] = set()

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await _admit(opened, reader, writer, server, context, admits_plain)
        except asyncio.CancelledError:
            pass  # the block ends; the loop would report the task
        finally:
            writer.close()
            busy.discard(task)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    opened.port = listening.sockets[0].getsockname()[1]
    try:
        yield opened
    finally:
        listening.close()
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)


async def _admit(
    opened: Door,
    reader: StreamReader,
    writer: StreamWriter,
    server: tuple[str, int],
    context: ssl.SSLContext | None,
    admits_plain: bool,
) -> None:
    first = await reader.readexactly(8)
    if first == SSL_REQUEST:
        opened.asked += 1
        writer.write(b"S" if context else b"N")
        await writer.drain()
        if context is not None:
            await writer.start_tls(context)
            opened.encrypted += 1
            await carry(reader, writer, *server)
            return
        first = await reader.readexactly(8)
    rest = await reader.readexactly(int.from_bytes(first[:4], "big") - 8)
    opened.plain.append(first + rest)
    if not admits_plain:
        writer.write(_ENCRYPT)
        await writer.drain()
        return
    await carry(reader, writer, *server, begun=first + rest)
