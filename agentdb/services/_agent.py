"""What the calls on agents share: an agent as one user sees it, and what that user may do with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from agentdb.config import Settings
from agentdb.engine import Row, Session, Steps
from agentdb.errors import AccessDeniedError, ConflictError, NotFoundError
from agentdb.events import AgentChanged, Events
from agentdb.records import Agent
from agentdb.records.agents import AgentRole, Visibility, stored_model, stored_tools
from agentdb.secrets import Vault
from agentdb.services._service import Service
from agentdb.sql import Statements

VISIBILITY: Final[Mapping[int, Visibility]] = {1: "own", 2: "shared", 3: "global"}
ROLES: Final[Sequence[AgentRole]] = ("viewer", "editor", "owner")
"""Each may do what those before it may."""

_STATEMENTS: Final = Statements("agents")


class AgentVerbs(Service):
    """A part of the calls on agents."""

    def __init__(self, session: Session, *, events: Events, settings: Settings, vault: Vault) -> None:
        super().__init__(session, events=events)
        self._default_model = settings.default_model
        self._vault = vault

    def _resolved(self, user_id: int | None, agent_id: int) -> Steps[Agent]:
        """A visible agent, whole."""
        row = yield from _STATEMENTS.row(
            self._session, "resolve", agent_id=agent_id, user_id=user_id, default_model=self._default_model
        )
        if row is None:
            raise NotFoundError("agent", agent_id)
        return self._agent_of(row)

    def _resolved_name(self, user_id: int | None, name: str) -> Steps[Agent]:
        """The visible agent that a name means, whole."""
        rows = yield from _STATEMENTS.rows(
            self._session, "resolve_name", name=name, user_id=user_id, default_model=self._default_model
        )
        return self._agent_of(_nearest(rows, name))

    def _agent_of(self, row: Row) -> Agent:
        if row["model"] is None:
            raise NotFoundError("model", row["modelID"] or self._default_model)
        visibility, model, tools = VISIBILITY[row["class"]], stored_model(row["model"]), stored_tools(row["tools"])
        return Agent.from_row(row, visibility=visibility, model=model, tools=tools)

    def _changed(self, agent_id: int, user_id: int, *, needs: AgentRole) -> Steps[Row]:
        """An agent that is going to be changed: locked, as it is stored.

        Raises:
            NotFoundError: The user does not see it.
            AccessDeniedError: The user sees it and may not do that.
        """
        yield from _STATEMENTS.row(self._session, "lock_agent", agent_id=agent_id)
        return (yield from self._standing(agent_id, user_id, needs=needs))

    def _standing(self, agent_id: int, user_id: int, *, needs: AgentRole) -> Steps[Row]:
        row = yield from _STATEMENTS.row(self._session, "standing", agent_id=agent_id, user_id=user_id)
        if row is None:
            raise NotFoundError("agent", agent_id)
        if row["userID"] is None:
            raise AccessDeniedError(f"Agent {agent_id} is global: users see and use it. Create one of your own.")
        role = role_of(row["role"])
        if ROLES.index(role) < ROLES.index(needs):
            raise AccessDeniedError(
                f"User {user_id} is {role} of agent {agent_id}, and this takes an {needs}. "
                f"Ask user {row['userID']}, whose agent it is."
            )
        return row


def role_of(stored: str | None) -> AgentRole:
    """A role as it is stored; one that is not known gives no more than the least."""
    return next((role for role in ROLES if role == stored), ROLES[0])


def updated(agent: Agent) -> Iterable[AgentChanged]:
    """What subscribers hear of a changed agent."""
    return [AgentChanged(user_id=agent.user_id, agent_id=agent.id, change="updated")]


def prompt_name(agent_id: int) -> str:
    """The name under which an agent's own prompts are kept: two agents never write versions of one name."""
    return f"agent:{agent_id}"


def _nearest(rows: Sequence[Row], name: str) -> Row:
    """The one agent that is meant; the nearest come first."""
    if not rows:
        raise NotFoundError("agent", name)
    best = rows[0]
    ids = [row["id"] for row in rows if row["class"] == best["class"]]
    if len(ids) > 1:
        raise ConflictError(
            f"{len(ids)} {VISIBILITY[best['class']]} agents are called {name!r}: ids {', '.join(map(str, ids))}. "
            "Resolve one by its id, or rename them."
        )
    return best
