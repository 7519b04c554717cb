"""Carries connections to a server: byte by byte, from a place of our own."""

from __future__ import annotations

import asyncio
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


async def dialled(host: str, port: int) -> tuple[StreamReader, StreamWriter]:
    """A connection to a PostgreSQL server; `host` may be the directory of its socket."""
    if host.startswith("/"):
        return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
    return await asyncio.open_connection(host, port)


async def carry(reader: StreamReader, writer: StreamWriter, host: str, port: int, *, begun: bytes = b"") -> None:
    """Bring what comes to the server and back, until one of them ends; `begun` was read already."""
    try:
        server_reader, server_writer = await dialled(host, port)
    except OSError:
        writer.close()
        return
    server_writer.write(begun)
    ways = [asyncio.ensure_future(_pour(*way)) for way in ((reader, server_writer), (server_reader, writer))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for end in (writer, server_writer):
            end.close()
            with suppress(OSError):
                await end.wait_closed()


@contextmanager
def relayed(socket: Path, host: str, port: int) -> Iterator[None]:
    """Whoever connects to `socket` talks to the server, and is for it the OS user who runs this process."""
    loop, is_over = asyncio.new_event_loop(), asyncio.Event()
    is_open = threading.Event()

    async def serve() -> None:
        # Those that are under way end with the loop.
        server = await asyncio.start_unix_server(lambda reader, writer: carry(reader, writer, host, port), socket)
        is_open.set()
        await is_over.wait()
        server.close()
        await asyncio.sleep(0.01)  # for connections that are just being taken

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="relay", daemon=True)
    thread.start()
    assert is_open.wait(30)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(is_over.set)
        thread.join()


async def _pour(reader: StreamReader, writer: StreamWriter) -> None:
    with suppress(OSError):
        while part := await reader.read(65536):
            writer.write(part)
            await writer.drain()
