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


async def carry(reader: StreamReader, writer: StreamWriter, host: str, port: int) -> None:
    """Bring what comes to the server and back, until one of them ends."""
    try:
        server_reader, server_writer = await dialled(host, port)
    except OSError:
        writer.close()
        return
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
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="relay", daemon=True)
    thread.start()
    busy: set[asyncio.Task[None]] = set()

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        try:
            await carry(reader, writer, host, port)
        except asyncio.CancelledError:
            pass  # the relay ends; its loop would report the task
        finally:
            busy.discard(task)

    async def end() -> None:
        server.close()
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(asyncio.start_unix_server(serve, socket), loop).result()
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _pour(reader: StreamReader, writer: StreamWriter) -> None:
    with suppress(OSError):
        while part := await reader.read(65536):
            writer.write(part)
            await writer.drain()
