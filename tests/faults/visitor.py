"""A process that opens damaged databases one after the other, and tells of each what came of every call.

It reads a JSON list of arguments per line, and answers each with one line.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

import agentdb
from agentdb import AgentDBError, Database
from agentdb.config import Settings

KEY: Final = "the secret key of these tests"
ANSWERED: Final = "answered"

# A reader of a hostile file may well wait for its deadline; many of them are visited.
_LIMITS: Final = {
    "statement_timeout_s": 2.0,
    "transaction_timeout_s": 2.0,
    "acquire_timeout_s": 2.0,
    "connect_timeout_s": 20.0,
}

Call = Callable[[Database], Awaitable[Any]]

READS: Final[Mapping[str, Call]] = {
    "models": lambda db: db.catalog.models(),
    "provider": lambda db: db.catalog.provider("mock"),
    "roles": lambda db: db.access.roles(),
    "users": lambda db: db.access.users(),
    "user": lambda db: db.access.find_user(email="ada@example.org"),
    "agents": lambda db: db.agents.list(user_id=1),
    "agent": lambda db: db.agents.resolve("Standard Chat", user_id=1),
    "conversations": lambda db: db.conversations.list(user_id=1),
    "history": lambda db: db.conversations.history(1, user_id=1, limit=1000),
    "context": lambda db: db.conversations.context(2, user_id=1),
    "turn": lambda db: db.conversations.begin_turn(2, user_id=1),
    "resources": lambda db: db.knowledge.list(user_id=1),
    "remaining": lambda db: db.usage.remaining(1),
    "usage": lambda db: db.usage.list(user_id=1),
    "status": lambda db: db.status(),
}
WRITES: Final[Mapping[str, Call]] = {
    "append": lambda db: db.conversations.append(1, user_id=1, role="user", content=[{"text": "new"}]),
    "record": lambda db: db.usage.record(user_id=1, model="mock-model", input_tokens=10, request_id="new"),
    "check": lambda db: db.check(),
    "search": lambda db: db.conversations.search("word", user_id=1),
}


def is_typed(answer: Any) -> bool:
    """Whether every record in an answer is one that validation would let pass."""
    if isinstance(answer, BaseModel):
        try:
            type(answer).model_validate(dict(answer))
        except ValidationError:
            return False
        return all(is_typed(value) for value in dict(answer).values())
    if isinstance(answer, tuple):
        return all(is_typed(value) for value in answer)
    return True


async def visit(path: str) -> dict[str, str]:
    """What came of attaching, of every read twice, of the writes, and of an owner's start; each by its name."""
    url, settings = f"sqlite:///{path}", Settings.load(env_file=None, secret_key=KEY, **_LIMITS)
    found: dict[str, str] = {}
    for verb, skips in (("attach", True), ("start", False)):
        try:
            db = await agentdb.connect(url, skip_sync=skips, settings=settings)
        except BaseException as error:
            found[verb] = told(error)
            continue
        found[verb] = ANSWERED
        try:
            for name, call in {**READS, **WRITES}.items():
                found[f"{verb} {name}"] = await asked(db, call, twice=name in READS)
        finally:
            try:
                await db.close()
            except BaseException as error:
                found[f"{verb} close"] = told(error)
    return found


async def asked(db: Database, call: Call, *, twice: bool) -> str:
    """What came of a call: an answer, or which error. A read that gives another answer at once is neither."""
    try:
        answer = await call(db)
        if twice and repr(await call(db)) != repr(answer):
            return "two answers"
        return ANSWERED if is_typed(answer) else "odd types"
    except BaseException as error:
        return told(error)


def told(error: BaseException) -> str:
    """The class of an error and what it says; whether it is one of ours comes first."""
    kind = "refused" if isinstance(error, AgentDBError) else "foreign"
    return f"{kind} {type(error).__name__}: {error}"


def main() -> None:
    """Visit one file after the other, until there are no more."""
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    for line in sys.stdin:
        found = asyncio.run(visit(*json.loads(line)))
        found["memory"] = str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        print(json.dumps(found), flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
