"""Which agent a user means, all that it needs to take a turn, and how agents are made and changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from types import EllipsisType
from typing import Any, Final

from agentdb.engine import Steps
from agentdb.engine.values import now
from agentdb.errors import InvalidInputError, NotFoundError
from agentdb.events import AgentChanged
from agentdb.records import Agent
from agentdb.services._agent import prompt_name, updated
from agentdb.services._agent_list import AgentList
from agentdb.services._credentials import CredentialVerbs
from agentdb.services._input import identifier, json_object, names, optional_identifier, optional_text, text
from agentdb.services._prompts import PromptVerbs
from agentdb.services._sharing import SharingVerbs
from agentdb.sql import Statements

_STATEMENTS: Final = Statements("agents")


class AgentService(AgentList, PromptVerbs, CredentialVerbs, SharingVerbs):
    """Agents with their prompts, models and tools, and with whom they are shared.

    A user sees own agents, those shared with them, and global ones, which belong to nobody and which no user changes.
    With a shared agent a `viewer` may take turns, an `editor` may also change it, an `owner` may also share and delete
    it. What a user does not see is not found; what a user sees and may not do is denied.
    """

    async def resolve(self, agent: int | str, *, user_id: int | None, timeout: float | None = None) -> Agent:
        """The agent that a user means, with its prompt, model, provider and tools, in one statement.

        By name, own go before shared and shared before global. The prompt is the version that the agent points to; the
        model is the agent's, else the one that AGENTDB_DEFAULT_MODEL names. Of the agent's tools those that are builtin
        are given, and others only to users who have them.

        Args:
            agent: Its id, or its name.
            user_id: Who asks; None sees global agents only.
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such agent is visible to the user, or its model does not exist.
            ConflictError: Two agents of the same standing have that name; their ids are in the message.
            DeadlineError: `timeout` has passed.
        """
        user = optional_identifier(user_id, "user_id")
        if isinstance(agent, str):
            steps = partial(self._resolved_name, user, text(agent, "agent"))
        else:
            steps = partial(self._resolved, user, identifier(agent, "agent"))
        return await self._query(steps, timeout, is_short=True)

    async def get(self, agent_id: int, *, user_id: int | None, timeout: float | None = None) -> Agent:
        """What `resolve` gives for an id.

        Raises:
            NotFoundError: No such agent is visible to the user, or its model does not exist.
            DeadlineError: `timeout` has passed.
        """
        return await self.resolve(identifier(agent_id, "agent_id"), user_id=user_id, timeout=timeout)

    async def create(
        self,
        *,
        user_id: int,
        name: str,
        description: str | None = None,
        prompt: str | None = None,
        prompt_id: int | None = None,
        model: str | int | None = None,
        model_parameters: Mapping[str, Any] | None = None,
        tools: Sequence[str] = (),
        timeout: float | None = None,
    ) -> Agent:
        """Make an agent of a user's own, with its tools, or nothing at all.

        Args:
            prompt: Text of a prompt that the agent gets for itself, as its version 1.
            prompt_id: In place of `prompt`, one that an agent which the user sees has, or that is nobody's.
            model: Internal name or id; None for the default one.
            model_parameters: Go before the model's default parameters.
            tools: Names of builtin tools and of the user's own; of two with one name the user's own.
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such user, prompt, model or tool.
            ConflictError: Two of the user's own tools have one of the names.
            InvalidInputError: Both prompts are given, or something that not every engine can keep.
            DeadlineError: `timeout` has passed; nothing was made.
        """
        if prompt is not None and prompt_id is not None:
            raise InvalidInputError("An agent has one prompt: pass prompt or prompt_id.")
        values: dict[str, Any] = {
            "name": text(name, "name"),
            "description": optional_text(description, "description"),
            "prompt_id": optional_identifier(prompt_id, "prompt_id"),
            "model_parameters": json_object(model_parameters, "model_parameters"),
        }
        steps = partial(
            self._create,
            identifier(user_id, "user_id"),
            values,
            model=_model(model),
            prompt=None if prompt is None else text(prompt, "prompt"),
            tools=names(tools, "tools"),
        )
        return await self._write(
            steps,
            timeout,
            told=lambda agent: [AgentChanged(user_id=agent.user_id, agent_id=agent.id, change="created")],
        )

    async def update(
        self,
        agent_id: int,
        *,
        user_id: int,
        name: str | EllipsisType = ...,
        description: str | EllipsisType | None = ...,
        prompt_id: int | EllipsisType | None = ...,
        model: str | int | EllipsisType | None = ...,
        model_parameters: Mapping[str, Any] | EllipsisType | None = ...,
        tools: Sequence[str] | EllipsisType = ...,
        timeout: float | None = None,
    ) -> Agent:
        """Change what is named, and nothing else; all of it, or nothing. See `create` for the arguments.

        A new text for its prompt is published with `publish_prompt`.

        Args:
            tools: All that the agent shall have. Tools of it that this user does not see stay.

        Raises:
            NotFoundError: No such agent is visible to the user; or no such prompt, model or tool.
            AccessDeniedError: The user is not an editor of it, or it is global.
            ConflictError: Two of the user's own tools have one of the names.
            InvalidInputError: Nothing is named, or something that not every engine can keep.
            DeadlineError: `timeout` has passed; nothing was changed.
        """
        given: dict[str, Any] = {
            "name": name if name is ... else text(name, "name"),
            "description": description if description is ... else optional_text(description, "description"),
            "prompt_id": prompt_id if prompt_id is ... else optional_identifier(prompt_id, "prompt_id"),
            "model": model if model is ... else _model(model),
            "model_parameters": model_parameters
            if model_parameters is ...
            else json_object(model_parameters, "model_parameters"),
            "tools": tools if tools is ... else names(tools, "tools"),
        }
        changes = {what: value for what, value in given.items() if value is not ...}
        if not changes:
            raise InvalidInputError(f"An update names what is to change: {', '.join(given)}.")
        steps = partial(self._update, identifier(agent_id, "agent_id"), identifier(user_id, "user_id"), changes)
        return await self._write(steps, timeout, told=updated)

    async def delete(self, agent_id: int, *, user_id: int, timeout: float | None = None) -> None:
        """Delete an agent with its own resources, prompts and shares.

        Its owner's conversations with it are deleted softly; one that was already keeps its `deleted_at`. Other users'
        conversations stay, without an agent, and so does what was charged.

        Raises:
            NotFoundError: No such agent is visible to the user.
            AccessDeniedError: The user is not an owner of it, or it is global.
            DeadlineError: `timeout` has passed; nothing was deleted.
        """

        def told(owner_id: int) -> Iterable[AgentChanged]:
            return [AgentChanged(user_id=owner_id, agent_id=agent_id, change="deleted")]

        steps = partial(self._delete, identifier(agent_id, "agent_id"), identifier(user_id, "user_id"))
        await self._write(steps, timeout, told=told)

    def _create(
        self,
        user_id: int,
        values: dict[str, Any],
        *,
        model: str | int | None,
        prompt: str | None,
        tools: Sequence[str],
    ) -> Steps[Agent]:
        if (yield from _STATEMENTS.row(self._session, "user", user_id=user_id)) is None:
            raise NotFoundError("user", user_id)
        tool_ids = yield from self._tool_ids(user_id, tools)
        model_id = yield from self._model_id(model)
        yield from self._check_prompt(values["prompt_id"], user_id)
        created = yield from _STATEMENTS.row(
            self._session, "create_agent", user_id=user_id, model_id=model_id, now=now(), **values
        )
        assert created is not None
        agent_id: int = created["id"]
        yield from self._link_tools(agent_id, tool_ids)
        if prompt is not None:
            yield from self._use_new_prompt(agent_id, prompt, version=1)
        return (yield from self._resolved(user_id, agent_id))

    def _update(self, agent_id: int, user_id: int, changes: dict[str, Any]) -> Steps[Agent]:
        before = yield from self._changed(agent_id, user_id, needs="editor")
        tools = (yield from self._tool_changes(agent_id, user_id, changes["tools"])) if "tools" in changes else None
        model_id = (yield from self._model_id(changes["model"])) if "model" in changes else before["modelID"]
        prompt_id = changes.get("prompt_id", before["promptID"])
        if prompt_id != before["promptID"]:
            yield from self._check_prompt(prompt_id, user_id, prompt_name(agent_id))
        yield from _STATEMENTS.rows(
            self._session,
            "update_agent",
            agent_id=agent_id,
            name=changes.get("name", before["name"]),
            description=changes.get("description", before["description"]),
            model_id=model_id,
            prompt_id=prompt_id,
            model_parameters=changes.get("model_parameters", before["modelParameters"]),
            now=now(),
        )
        if tools is not None:
            yield from self._unlink_tools(agent_id, tools.removed)
            yield from self._link_tools(agent_id, tools.added)
        return (yield from self._resolved(user_id, agent_id))

    def _delete(self, agent_id: int, user_id: int) -> Steps[int]:
        """Its owner."""
        before = yield from self._standing(agent_id, user_id, needs="owner")
        place = {"agent_id": agent_id}
        owned = {**place, "owner_id": before["userID"]}
        # Conversations are locked before the agent. One that was started meanwhile is found the second time.
        yield from _STATEMENTS.rows(self._session, "leave_conversations", now=now(), **owned)
        yield from _STATEMENTS.rows(self._session, "lock_agent_alone", **place)
        yield from self._standing(agent_id, user_id, needs="owner")
        yield from _STATEMENTS.rows(self._session, "leave_conversations", now=now(), **owned)
        yield from _STATEMENTS.rows(self._session, "delete_agent_vectors", **owned)
        yield from _STATEMENTS.rows(self._session, "delete_agent_resources", **owned)
        yield from _STATEMENTS.rows(self._session, "delete_agent_tools", **place)
        yield from _STATEMENTS.rows(self._session, "delete_shares", **place)
        yield from _STATEMENTS.rows(self._session, "delete_agent", **place)
        yield from _STATEMENTS.rows(self._session, "delete_prompts", prompt_name=prompt_name(agent_id))
        return int(before["userID"])

    def _model_id(self, model: str | int | None) -> Steps[int | None]:
        if model is None:
            return None
        is_name = isinstance(model, str)
        row = yield from _STATEMENTS.row(
            self._session, "model", model_id=None if is_name else model, model=model if is_name else None
        )
        if row is None:
            raise NotFoundError("model", model)
        return int(row["id"])


def _model(model: Any) -> str | int | None:
    return model if model is None else text(model, "model") if isinstance(model, str) else identifier(model, "model")
