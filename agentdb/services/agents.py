"""Which agent a user means, and all that it needs to take a turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from agentdb.config import Settings
from agentdb.engine import Row, Session
from agentdb.errors import ConflictError, NotFoundError
from agentdb.events import Events
from agentdb.records import Agent
from agentdb.records.agents import Visibility
from agentdb.records.base import nested
from agentdb.services._input import identifier, optional_identifier, text
from agentdb.services._service import Service
from agentdb.sql import Statements

_STATEMENTS: Final = Statements("agents")
_VISIBILITY: Final[Mapping[int, Visibility]] = {1: "own", 2: "shared", 3: "global"}


class AgentService(Service):
    """Agents with their prompts, models and tools."""

    def __init__(self, session: Session, *, events: Events, settings: Settings) -> None:
        super().__init__(session, events=events)
        self._default_model = settings.default_model

    async def resolve(self, agent: int | str, *, user_id: int | None, timeout: float | None = None) -> Agent:
        """The agent that a user means, with its prompt, model, provider and tools, in one statement.

        A user sees own agents, those shared with them, and global ones, which belong to nobody. By name, own go before
        shared and shared before global. The prompt is the version that the agent points to; the model is the agent's,
        else the one that AGENTDB_DEFAULT_MODEL names. Of the agent's tools those that are builtin are given, and
        others only to users who have them.

        Args:
            agent: Its id, or its name.
            user_id: Who asks; None sees global agents only.
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such agent is visible to the user, or its model does not exist.
            ConflictError: Two agents of the same standing have that name; their ids are in the message.
            DeadlineError: `timeout` has passed.
        """
        is_name = isinstance(agent, str)
        statement = partial(
            _STATEMENTS.fetch,
            self._session,
            "resolve",
            agent_id=None if is_name else identifier(agent, "agent"),
            name=text(agent, "agent") if is_name else None,
            user_id=optional_identifier(user_id, "user_id"),
            default_model=self._default_model,
        )
        rows = _best(await self._read(statement, timeout), agent)
        if rows[0]["model.id"] is None:
            raise NotFoundError("model", rows[0]["modelID"] or self._default_model)
        return _agent_of(rows)


def _best(rows: Sequence[Row], wanted: int | str) -> Sequence[Row]:
    """The rows of the one agent that is meant; the nearest come first."""
    if not rows:
        raise NotFoundError("agent", wanted)
    best = [row for row in rows if row["class"] == rows[0]["class"]]
    ids = sorted({row["id"] for row in best})
    if len(ids) > 1:
        raise ConflictError(
            f"{len(ids)} {_VISIBILITY[best[0]['class']]} agents are called {wanted!r}: ids {', '.join(map(str, ids))}. "
            "Resolve one by its id, or rename them."
        )
    return best


def _agent_of(rows: Sequence[Row]) -> Agent:
    parts = [nested(row) for row in rows]
    tools: list[dict[str, Any]] = [part["tool"] for part in parts if part["tool"] is not None]
    return Agent.model_validate({**parts[0], "visibility": _VISIBILITY[parts[0]["class"]], "tools": tools})
