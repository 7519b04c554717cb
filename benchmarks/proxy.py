"""A proxy on the loopback that holds everything back for a while, as a network between machines does."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.places import PostgresPlace

DELAY_S = 0.001
"""Each way, so that a round trip takes twice as much more."""

_CHUNK = 1 << 16


@contextmanager
def delayed(place: PostgresPlace) -> Iterator[PostgresPlace]:
    """The same database behind a proxy in a process of its own, inside the block."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(place, theirs), daemon=True)
    process.start()
    try:
        yield replace(place, host="127.0.0.1", port=ours.recv())
    finally:
        process.terminate()
        process.join()


def _serve(place: PostgresPlace, pipe: Connection) -> None:
    async def main() -> None:
        server = await asyncio.start_server(lambda *client: _join(place, *client), "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


async def _join(place: PostgresPlace, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if place.host.startswith("/"):
        socket = str(Path(place.host) / f".s.PGSQL.{place.port}")
        their_reader, their_writer = await asyncio.open_unix_connection(socket)
    else:
        their_reader, their_writer = await asyncio.open_connection(place.host, place.port)
    await asyncio.gather(_forward(reader, their_writer), _forward(their_reader, writer))


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what is read, each piece `DELAY_S` after it came; pieces may follow each other sooner than that."""
    loop = asyncio.get_running_loop()
    with suppress(ConnectionError):
        while piece := await reader.read(_CHUNK):
            loop.call_later(DELAY_S, writer.write, piece)
    loop.call_later(2 * DELAY_S, writer.close)
