"""What is measured, and the whole job that each call has to do: the floors do it by hand, the others as they are used.

The number of a call chooses whom it is about, so that all contestants do the same in the same order.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from benchmarks.contestant import Contestant
from benchmarks.data import World

Call: TypeAlias = Callable[[Any, World, int], Awaitable[Any]]


async def append(one: Contestant, world: World, number: int) -> Any:
    """Check that the conversation is this user's and not deleted, move its `updatedAt`, insert one message of 600
    bytes of JSON; a commit of its own. The row of the conversation is locked before the message gets its id."""
    return await one.append(world.talk(number), world.content(number))


async def insert_message(one: Any, world: World, number: int) -> Any:
    """For information: only the insert of W1, without owner and `updatedAt`."""
    return await one.insert_message(world.talk(number), world.content(number))


async def history(one: Contestant, world: World, number: int) -> Any:
    """The last 50 of 1,000 messages of a conversation of this user, oldest first, JSON and times decoded."""
    return await one.history(world.long_talk)


async def record(one: Contestant, world: World, number: int) -> Any:
    """Look up the model's prices, insert the usage row with its cost, take the cost from the user's balance unless
    that leaves the range of money, all in one commit; give cost and balance back as decimals."""
    return await one.record(world.user_id(number), 100 + number % 50, 80)


async def record_for_one(one: Contestant, world: World, number: int) -> Any:
    """The same, always for one user."""
    return await one.record(world.user_id(1), 100 + number % 50, 80)


async def record_for_16(one: Contestant, world: World, number: int) -> Any:
    """The same for 16 users in turns."""
    return await one.record(world.user_id(number % 16), 100 + number % 50, 80)


async def insert_usage(one: Any, world: World, number: int) -> Any:
    """For information: only the insert of W3, without prices and balance."""
    return await one.insert_usage(world.user_id(number), 100 + number % 50, 80)


async def append_or_record(one: Contestant, world: World, number: int) -> Any:
    """W1 and W3 in turns."""
    return await (append if number % 2 else record)(one, world, number)


async def resolve(one: Contestant, world: World, number: int) -> Any:
    """An agent that this user sees, with its prompt, model, provider and 5 tools that the user may use, decoded."""
    return await one.resolve(world.agent_id(number), world.user_id(number))


async def authenticate(one: Contestant, world: World, number: int) -> Any:
    """The active user of an API key, found by its digest (made here), with role, policies, and what they allow on each
    resource with wildcards written out."""
    return await one.authenticate(world.api_key(number))


async def bulk(one: Contestant, world: World, number: int) -> Any:
    """Encode and insert 20,000 messages of 600 bytes into one conversation of this user, whose `updatedAt` moves, in
    one transaction, by `executemany` or COPY. The floors give no ids back; every record that agentdb gives is read."""
    return await one.bulk(world.spare_talk(number), world.bulk)


async def recent(one: Contestant, world: World, number: int) -> Any:
    """The 20 newest of a user's 10,000 conversations, by `updatedAt` and id, each with its last message, decoded."""
    return await one.recent(world.busy_user_id)


@dataclass(frozen=True, slots=True)
class Workload:
    """A row of the table.

    Attributes:
        kind: What counts. `latency`: the median of calls one after another. `throughput`: calls in a second by `tasks`
            at once. `bulk`: one call. `beside`: the slowest reads while bulk inserts run. `cold`: a new process.
        is_floor_only: For information, the floors alone.
    """

    key: str
    title: str
    kind: Literal["latency", "throughput", "bulk", "beside", "cold"]
    call: Call
    tasks: int = 1
    is_floor_only: bool = False


WORKLOADS: Final = (
    Workload("W1", "append a message", "latency", append),
    Workload("W1i", "insert a message, no more", "latency", insert_message, is_floor_only=True),
    Workload("W1x16", "append, 16 tasks", "throughput", append, tasks=16),
    Workload("W2", "last 50 messages", "latency", history),
    Workload("W3", "record and charge", "latency", record),
    Workload("W3i", "insert usage, no more", "latency", insert_usage, is_floor_only=True),
    Workload("W3x16", "record, 16 tasks, one user", "throughput", record_for_one, tasks=16),
    Workload("W3x16u", "record, 16 tasks, 16 users", "throughput", record_for_16, tasks=16),
    Workload("W4", "resolve an agent", "latency", resolve),
    Workload("W5", "authenticate", "latency", authenticate),
    Workload("W6", "20,000 messages", "bulk", bulk),
    Workload("W7", "list with preview", "latency", recent),
    Workload("W8", "cold start", "cold", history),
    Workload("W9", "read during bulk, p99.9", "beside", history),
)

MIXED: Final = Workload("mixed", "append and record, 4 tasks", "throughput", append_or_record, tasks=4)

BY_KEY: Final = {workload.key: workload for workload in (*WORKLOADS, MIXED)}
