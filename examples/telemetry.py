"""A program that has set up OpenTelemetry is told of every call: one span each, without what people wrote."""

import asyncio
from contextlib import suppress
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import agentdb

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)  # before connecting


async def main() -> None:
    async with agentdb.connect(":memory:") as db:
        user = await db.access.create_user(email="ada@example.org")
        async with db.transaction():
            talk = await db.conversations.start(user_id=user.id)
            await db.conversations.append(talk.id, user_id=user.id, role="user", content=[{"text": "Private"}])
            await db.conversations.history(talk.id, user_id=user.id)
        with suppress(agentdb.NotFoundError):
            await db.conversations.get(404, user_id=user.id)
    for span in exporter.get_finished_spans():
        said: dict[str, Any] = {**(span.attributes or {})}
        shown = [span.name, f"with {said['agentdb.retries']} retries"]
        shown += [f"gave {said['agentdb.rows']}"] if "agentdb.rows" in said else []
        shown += [f"failed with {said['error.type']}"] if "error.type" in said else []
        print("  " * bool(span.parent) + " ".join(shown))


asyncio.run(main())

# agentdb.connect with 0 retries
# agentdb.access.create_user with 0 retries gave 1
#   agentdb.conversations.start with 0 retries gave 1
#   agentdb.conversations.append with 0 retries gave 1
#   agentdb.conversations.history with 0 retries gave 1
# agentdb.transaction with 0 retries
# agentdb.conversations.get with 0 retries failed with NotFoundError
# agentdb.close with 0 retries
