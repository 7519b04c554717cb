"""The prompt of an agent and its versions.

An agent's own prompts are named after it, so that what it publishes shows up with no other agent, and nobody else's
prompt is ever changed.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from agentdb.engine import Row, Steps
from agentdb.engine.values import INTEGER_MAX, now
from agentdb.errors import NotFoundError
from agentdb.records import Agent, Prompt
from agentdb.services._agent import AgentVerbs, prompt_name, updated
from agentdb.services._cursor import decode_cursor, encode_cursor
from agentdb.services._input import identifier, page_size, text
from agentdb.sql import Statements
from agentdb.types import Page

_STATEMENTS: Final = Statements("agents")


class PromptVerbs(AgentVerbs):
    """Calls on the prompts of agents."""

    async def publish_prompt(self, agent_id: int, content: str, *, user_id: int, timeout: float | None = None) -> Agent:
        """Make a new version of an agent's prompt and let the agent use it, both or neither.

        The versions that an agent published belong to it alone and their numbers grow, whoever publishes at the same
        time. A prompt that the agent has from elsewhere stays as it is: a copy of it becomes the version before.

        Returns:
            The agent with its new prompt.

        Raises:
            NotFoundError: No such agent is visible to the user.
            AccessDeniedError: The user is not an editor of it, or it is global.
            InvalidInputError: An empty text, or one that not every engine can keep.
            DeadlineError: `timeout` has passed; nothing was published.
        """
        steps = partial(
            self._publish,
            identifier(agent_id, "agent_id"),
            identifier(user_id, "user_id"),
            text(content, "content", is_private=True),
        )
        return await self._write(steps, timeout, told=updated)

    async def use_prompt(self, agent_id: int, version: int, *, user_id: int, timeout: float | None = None) -> Agent:
        """Let an agent use an earlier version of its prompt, which stays as it is.

        Raises:
            NotFoundError: No such agent is visible to the user, or it has no such version.
            AccessDeniedError: The user is not an editor of it, or it is global.
            DeadlineError: `timeout` has passed; nothing was changed.
        """
        steps = partial(
            self._switch,
            identifier(agent_id, "agent_id"),
            identifier(user_id, "user_id"),
            identifier(version, "version"),
        )
        return await self._write(steps, timeout, told=updated)

    async def prompts(
        self,
        agent_id: int,
        *,
        user_id: int,
        limit: int = 50,
        cursor: str | None = None,
        timeout: float | None = None,
    ) -> Page[Prompt]:
        """The versions that an agent published and the prompt that it uses, the newest first.

        Args:
            limit: At most so many, 1 to 1000.
            cursor: `next_cursor` of a page, for those after it.
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such agent is visible to the user.
            AccessDeniedError: The user is not an editor of it, or it is global.
            InvalidInputError: A limit out of range, or a cursor that this list did not give.
            DeadlineError: `timeout` has passed.
        """
        size, listing = page_size(limit), f"prompts:{identifier(agent_id, 'agent_id')}"
        below_id = INTEGER_MAX if cursor is None else decode_cursor(cursor, listing, int)[0]
        steps = partial(self._prompts, agent_id, identifier(user_id, "user_id"), below_id, size + 1)
        found = await self._query(steps, timeout, is_short=True)
        shown = found[:size]
        return Page(shown, encode_cursor(listing, shown[-1].id) if len(found) > size else None)

    def _prompts(self, agent_id: int, user_id: int, below_id: int, limit: int) -> Steps[tuple[Prompt, ...]]:
        agent = yield from self._standing(agent_id, user_id, needs="editor")
        rows = yield from _STATEMENTS.rows(
            self._session,
            "prompts",
            prompt_name=prompt_name(agent_id),
            prompt_id=agent["promptID"],
            below_id=below_id,
            limit=limit,
        )
        return tuple(Prompt.from_rows(rows))

    def _publish(self, agent_id: int, user_id: int, content: str) -> Steps[Agent]:
        agent = yield from self._changed(agent_id, user_id, needs="editor")
        name = prompt_name(agent_id)
        newest = yield from _STATEMENTS.row(self._session, "newest_version", prompt_name=name)
        version = (newest["version"] if newest else None) or 0
        used = yield from _STATEMENTS.row(self._session, "prompt", prompt_id=agent["promptID"])
        if used is not None and used["name"] != name:
            version = max(version + 1, used["version"] or 1)
            yield from self._keep_prompt(name, used["content"], version)
        yield from self._use_new_prompt(agent_id, content, version=version + 1)
        return (yield from self._resolved(user_id, agent_id))

    def _switch(self, agent_id: int, user_id: int, version: int) -> Steps[Agent]:
        yield from self._changed(agent_id, user_id, needs="editor")
        prompt = yield from _STATEMENTS.row(
            self._session, "prompt_version", prompt_name=prompt_name(agent_id), version=version
        )
        if prompt is None:
            raise NotFoundError(f"version of the prompt of agent {agent_id}", version)
        yield from self._use_prompt(agent_id, prompt["id"])
        return (yield from self._resolved(user_id, agent_id))

    def _use_new_prompt(self, agent_id: int, content: str, *, version: int) -> Steps[None]:
        prompt = yield from self._keep_prompt(prompt_name(agent_id), content, version)
        yield from self._use_prompt(agent_id, prompt["id"])

    def _keep_prompt(self, name: str, content: str | None, version: int) -> Steps[Row]:
        (prompt,) = yield from _STATEMENTS.rows(
            self._session, "create_prompt", prompt_name=name, version=version, content=content, now=now()
        )
        return prompt

    def _use_prompt(self, agent_id: int, prompt_id: int) -> Steps[None]:
        yield from _STATEMENTS.rows(self._session, "set_prompt", agent_id=agent_id, prompt_id=prompt_id, now=now())

    def _check_prompt(self, prompt_id: int | None, user_id: int, own_name: str | None = None) -> Steps[None]:
        """Whether a user may give a prompt to an agent, whose own ones have the name."""
        if prompt_id is None:
            return
        usable = yield from _STATEMENTS.row(
            self._session, "usable_prompt", prompt_id=prompt_id, user_id=user_id, prompt_name=own_name
        )
        if usable is None:
            raise NotFoundError("prompt", prompt_id)
